/** Trains one epoch of 500 iterations and prints the resident memory at iterations 100 and 500. Run with --expose-gc. */
import { buildTrainer, loadConfig, Monitor } from '../../lib/index.ts'
import { loadAddon } from '../../lib/native/load.ts'

const readings: Record<string, number> = {}

class Memory extends Monitor {
  override update(): void {
    const done = this.engineState.iteration + 1
    if (done !== 100 && done !== 500) return
    globalThis.gc?.()
    readings[`at${done}`] = process.memoryUsage.rss()
    readings[`live${done}`] = loadAddon().memory().liveHandles
  }
}

const [file, ...overrides] = process.argv.slice(2)
const config = await loadConfig(file!, overrides, { onWarning: () => {} })
const trainer = await buildTrainer(config, { threads: 1, workers: 1, progress: 'none', log: () => {}, monitors: [new Memory()] })
await trainer.train()
await trainer.close()
process.stdout.write(JSON.stringify(readings))
