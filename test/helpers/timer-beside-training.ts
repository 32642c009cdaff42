/**
 * A 10 ms interval timer and how late it was, epoch by epoch, with training beside it; or, with `--idle MILLISECONDS`, with nothing beside it: what the
 * machine itself does to a timer.
 */
import { buildTrainer, loadConfig } from '../../lib/index.ts'

/** How late a tick was, and when (milliseconds of the wall clock). */
type Tick = [at: number, lateMs: number]

function startTimer(): { ticks: Tick[]; stop(): void } {
  const ticks: Tick[] = []
  let expected = performance.now() + 10
  const look = (): void => {
    const now = performance.now()
    ticks.push([performance.timeOrigin + now, now - expected])
    expected = now + 10
  }
  const timer = setInterval(look, 10)
  return {
    ticks,
    stop: () => {
      // A block that reaches to the end has not been seen by the timer yet.
      look()
      clearInterval(timer)
    },
  }
}

const args = process.argv.slice(2)
if (args[0] === '--idle') {
  const { ticks, stop } = startTimer()
  process.on('SIGTERM', () => {
    stop()
    process.stdout.write(JSON.stringify(ticks))
  })
} else {
  const config = await loadConfig(args[0]!, args.slice(1), { onWarning: () => {} })
  const trainer = await buildTrainer(config, { threads: 1, workers: 1, progress: 'none', log: () => {} })
  // The first iteration warms up: code is compiled, the data threads start.
  await trainer.train({ maxIterations: 1 })
  const epochs: Tick[][] = []
  while (!trainer.isCompleted()) {
    const { ticks, stop } = startTimer()
    await trainer.train()
    stop()
    epochs.push(ticks)
  }
  await trainer.close()
  process.stdout.write(JSON.stringify(epochs))
}
