/** A process that used the product ends by itself: after each way to finish, after an error, from a worker_thread. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, runSiamtrain, trainArgs, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('exit', { epochs: 1, iterations: 3 })
})
afterAll(() => removeFolder(experiment.dir))

const library = fileURLToPath(new URL('../../lib/index.ts', import.meta.url))
const addon = fileURLToPath(new URL('../../lib/native/load.ts', import.meta.url))

/** Runs a script of `source` and gives it 60 seconds to end by itself. */
function run(name: string, source: string): Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }> {
  const file = path.join(experiment.dir, `${name}.mjs`)
  const prelude = `import * as siam from ${JSON.stringify(library)}
import { loadAddon } from ${JSON.stringify(addon)}
const config = await siam.loadConfig(${JSON.stringify(experiment.config)}, ${JSON.stringify(experiment.overrides)}, { onWarning: () => {} })
const quiet = { threads: 1, workers: 1, progress: 'none', log: () => {} }
`
  writeFileSync(file, prelude + source)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

describe('the process ends by itself', () => {
  it.each([
    ['after the addon was loaded', 'loadAddon()', 0],
    ['with a model that nobody disposed', 'globalThis.model = await siam.buildModel(config)', 0],
    ['with a loader in the middle of its work that nobody closed', 'globalThis.loader = await siam.buildDataloader(config, { threads: 2 }); await loader.next()', 0],
    ['with a trainer that was closed', 'const trainer = await siam.buildTrainer(config, quiet); await trainer.train(); await trainer.close()', 0],
    ['with a trainer that nobody closed', 'globalThis.trainer = await siam.buildTrainer(config, quiet); await trainer.train()', 0],
    ['by an error in the middle of an epoch', 'const trainer = await siam.buildTrainer(config, { ...quiet, monitors: [new (class extends siam.Monitor { update() { throw new Error("mine") } })()] }); await trainer.train()', 1],
    ['by process.exit() with work queued', 'const model = await siam.buildModel(config); for (let i = 0; i < 20; i++) void model.stateDict(); process.exit(0)', 0],
  ])('%s', async (name, source, expected) => {
    const { code, signal, stderr } = await run(name.replaceAll(/\W/g, '-'), source)
    expect([code, signal], stderr).toEqual([expected, null])
    if (expected === 1) expect(stderr).toContain('mine')
  })

  // Exits at many moments of a running iteration: one moment alone seldom meets the engine inside of libtorch.
  it.each([
    ['by process.exit() while the engine works', 'process.exit(7)', 7],
    ['by an uncaught error while the engine works', 'throw new Error("mine")', 1],
    ['by process.exit() of an exit listener that still uses the addon', 'process.on("exit", () => { model[Symbol.dispose](); void model.stateDict().catch(() => {}); process.exit(7) }); process.exit(3)', 7],
  ])('%s', async (name, source, expected) => {
    for (let delayMs = 0; delayMs <= 200; delayMs += 25) {
      const { code, signal, stderr } = await run(
        name.replaceAll(/\W/g, '-'),
        `const model = await siam.buildModel(config)
const trainer = await siam.buildTrainer(config, { ...quiet, threads: 2 })
trainer.setHyperParams({ max_epoch: 1000 })
void (async () => { while (true) await trainer.train() })()
setTimeout(() => { ${source} }, ${delayMs})`,
      )
      expect([code, signal], `after ${delayMs} ms: ${stderr}`).toEqual([expected, null])
    }
  })

  it('after train, after a failed train, and after a wrong call', async () => {
    expect((await runSiamtrain(trainArgs(experiment, 'done'))).code).toBe(0)
    expect((await runSiamtrain(trainArgs(experiment, 'failed', '--device', 'cuda'))).code).toBe(1)
    expect((await runSiamtrain(['train'])).code).toBe(2)
    expect((await runSiamtrain(trainArgs(experiment, 'wrong', '--seed', 'x'))).code).toBe(2)
    expect((await runSiamtrain(['train', '--help'])).stdout).toMatch(/Examples:/)
  })
})

describe('worker threads', () => {
  const train = `const trainer = await siam.buildTrainer(config, quiet); await trainer.train(); const sha = await trainer.stateSha256(); await trainer.close();`

  it('train each on their own, beside the main thread, with equal results', async () => {
    const { code, signal, stdout, stderr } = await run(
      'workers',
      `import { Worker, isMainThread, parentPort } from 'node:worker_threads'
${train}
if (isMainThread) {
  const others = await Promise.all([0, 1].map(() => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url))
    worker.once('message', resolve)
    worker.once('error', reject)
  })))
  console.log(JSON.stringify({ equal: others.every((other) => other === sha), sha }))
} else parentPort.postMessage(sha)`,
    )
    expect([code, signal], stderr).toEqual([0, null])
    expect(JSON.parse(stdout)).toMatchObject({ equal: true })
  })

  it('that build networks at once give one network for one seed', async () => {
    const { code, signal, stdout, stderr } = await run(
      'builders',
      `import { createHash } from 'node:crypto'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
const networks = new Set()
const build = async () => {
  for (let i = 0; i < 20; i++) {
    using model = await siam.buildModel(config)
    const hash = createHash('sha256')
    for (const { data } of await model.stateDict()) hash.update(data)
    networks.add(hash.digest('hex'))
  }
}
if (isMainThread) {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url)))
  const others = workers.map((worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) }))
  await build()
  for (const other of await Promise.all(others)) for (const network of other) networks.add(network)
  console.log(networks.size)
} else {
  await build()
  parentPort.postMessage([...networks])
}`,
    )
    expect([code, signal], stderr).toEqual([0, null])
    expect(stdout).toBe('1\n')
  })

  it('that are terminated in the middle of an iteration take nothing with them', async () => {
    const { code, signal, stdout, stderr } = await run(
      'terminated',
      `import { Worker, isMainThread, parentPort } from 'node:worker_threads'
if (isMainThread) {
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(new URL(import.meta.url))
    await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
    await new Promise((resolve) => setTimeout(resolve, 15 * i))
    await worker.terminate()
  }
  ${train}
  console.log(sha)
} else {
  const trainer = await siam.buildTrainer(config, quiet)
  trainer.setHyperParams({ max_epoch: 1000 })
  parentPort.postMessage('up')
  while (true) await trainer.train()
}`,
    )
    expect([code, signal], stderr).toEqual([0, null])
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/)
  })
})
