/** Makes and disposes 1,000 models with their loaders, each used once in a while, and prints the resident memory. Run with --expose-gc. */
import { buildDataloader, buildModel, buildOptimizer, loadConfig, type TensorDict } from '../../lib/index.ts'
import { loadAddon } from '../../lib/native/load.ts'

const [file, ...overrides] = process.argv.slice(2)
const config = await loadConfig(file!, overrides, { onWarning: () => {} })
await loadAddon().setThreads(1)
const readings: Record<string, number> = {}
for (let life = 1; life <= 1000; life++) {
  const model = await buildModel(config, { pretrained: false })
  const optimizer = buildOptimizer(config, model)
  const loader = await buildDataloader(config as Parameters<typeof buildDataloader>[0], { threads: 1, queueBatches: 1 })
  const batch: TensorDict = await loader.next()
  if (life % 20 === 0) for (const tensor of Object.values(await model.forward(batch))) tensor.dispose()
  for (const tensor of Object.values(batch)) tensor.dispose()
  await loader.close()
  optimizer.dispose()
  model.dispose()
  // The least of some readings: what a collector or an allocator holds for a moment is no leak, and a leak is in all of them.
  for (const at of [100, 1000]) {
    if (life > at || life <= at - 50 || life % 10 !== 0) continue
    globalThis.gc?.()
    await loadAddon().rngState() // what dispose() queued is done when this comes back
    readings[`at${at}`] = Math.min(readings[`at${at}`] ?? Infinity, process.memoryUsage.rss())
  }
}
readings.live = loadAddon().memory().liveHandles
process.stdout.write(JSON.stringify(readings))
