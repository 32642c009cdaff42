/**
 * What a second process costs: two ranks of one thread each, which share the minibatch and average gradients over Gloo, against one process of two
 * threads with the whole minibatch. Batches are made here, so that no data is read.
 *
 *   node bench/scaling.ts [--json] [--backbone TinyConv|AlexNet] [--minibatch 16] [--iterations 8] [--rounds 5]
 *
 * Both sides run in turns. On a machine that has other work both lose, and two processes that wait for each other lose more: ratios are only
 * good on one that is idle.
 */
import { spawn } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ProcessGroup } from '../lib/distributed/group.ts'
import { Loss, type TensorDict } from '../lib/engine/losses.ts'
import { Model } from '../lib/engine/model.ts'
import { Optimizer } from '../lib/engine/optimizer.ts'
import { RegularTrainer } from '../lib/engine/regular-trainer.ts'
import type { ModelSpec } from '../lib/native/addon.ts'
import { loadAddon } from '../lib/native/load.ts'
import { Tensor } from '../lib/native/tensor.ts'
import { median } from '../lib/pipeline/median.ts'

interface Side {
  ranks: number
  threads: number
}
interface Order extends Side {
  rank: number
  port: number
  backbone: 'TinyConv' | 'AlexNet'
  minibatch: number
  iterations: number
}

const sides = { ours: { ranks: 2, threads: 1 }, baseline: { ranks: 1, threads: 2 } } as const satisfies Record<string, Side>

function specOf(backbone: Order['backbone']): ModelSpec {
  const width = backbone === 'TinyConv' ? 64 : 256
  return {
    backbone: { name: backbone },
    head: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth: width, convWeightStd: 0.01, inputSizeAdapt: false },
    headWidth: width,
    convWeightStd: 0.01,
    corrFeaOutput: false,
    precision: 'fp32',
    memoryFormat: 'channels_last',
    device: 'cpu',
    seed: 1,
  }
}

function makeBatch(pairs: number, seed: number): TensorDict {
  let state = seed + 1
  const byte = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24
  const image = (side: number): Tensor => Tensor.from(Uint8Array.from({ length: pairs * 3 * side * side }, byte), [pairs, 3, side, side])
  const cells = 17 * 17
  const cls = Float32Array.from({ length: pairs * cells }, (_, i) => (i % 9 === 0 ? 1 : 0))
  const box = Float32Array.from({ length: pairs * cells * 4 }, (_, i) => (i % 4 < 2 ? 100 : 200))
  return { im_z: image(127), im_x: image(303), cls_gt: Tensor.from(cls, [pairs, cells, 1]), ctr_gt: Tensor.from(cls.map((c) => c * 0.7), [pairs, cells, 1]), box_gt: Tensor.from(box, [pairs, cells, 4]) }
}

/** One process of a side: trains, and prints milliseconds of each iteration but the first two, in which memory and buckets are made. */
async function work({ rank, ranks, threads, port, backbone, minibatch, iterations }: Order): Promise<void> {
  await loadAddon().setThreads(threads)
  const group = ranks === 1 ? undefined : await ProcessGroup.create({ rank, worldSize: ranks, masterAddr: '127.0.0.1', masterPort: port, timeoutSeconds: 300 })
  const model = await Model.create(specOf(backbone), { cls: new Loss({ type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 }), ctr: new Loss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }), reg: new Loss({ type: 'IOULoss', weight: 3 }) })
  const optimizer = new Optimizer(model, { lr: 0.001 })
  const share = minibatch / ranks
  const times: number[] = []
  async function* batches(): AsyncGenerator<TensorDict> {
    for (let i = 0; ; i++) {
      const batch = makeBatch(share, i * ranks + rank)
      times.push(performance.now())
      yield batch
    }
  }
  const trainer = new RegularTrainer(optimizer, batches(), [], { group, progress: 'none', log: () => {} })
  trainer.setHyperParams({ max_epoch: 1, minibatch, nr_image_per_epoch: minibatch * (iterations + 2) })
  let before = 0
  const each: number[] = []
  for (let i = 0; i < iterations + 2; i++) {
    await trainer.train({ maxIterations: 1 })
    // From the batch that was just made to the end of the step.
    before = times.at(-1) as number
    if (i >= 2) each.push(performance.now() - before)
  }
  if (rank === 0) process.stdout.write(`${JSON.stringify(each)}\n`)
  await trainer.close()
  await group?.close()
  optimizer.dispose()
  model.dispose()
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Milliseconds of an iteration of one side. */
async function run(side: Side, settings: Pick<Order, 'backbone' | 'minibatch' | 'iterations'>): Promise<number[]> {
  const port = await freePort()
  const outputs = await Promise.all(
    Array.from({ length: side.ranks }, async (_, rank) => {
      const order: Order = { ...side, ...settings, rank, port }
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--work', JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk))
      const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
      if (code !== 0) throw new Error(`rank ${rank} of ${side.ranks} ended with ${code}`)
      return text
    }),
  )
  return JSON.parse(outputs[0] as string) as number[]
}

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, backbone: { type: 'string', default: 'TinyConv' }, minibatch: { type: 'string', default: '16' }, iterations: { type: 'string', default: '8' }, rounds: { type: 'string', default: '5' }, work: { type: 'string' } },
})
if (values.work !== undefined) await work(JSON.parse(values.work) as Order)
else {
  const settings = { backbone: values.backbone as Order['backbone'], minibatch: Number(values.minibatch), iterations: Number(values.iterations) }
  const all: Record<keyof typeof sides, number[]> = { ours: [], baseline: [] }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of ['ours', 'baseline'] as const) all[name].push(...(await run(sides[name], settings)))
  }
  const rate = (milliseconds: number): number => (settings.minibatch / milliseconds) * 1000
  const side = (name: keyof typeof sides): object => ({ ...sides[name], pairs_per_second: rate(median(all[name])), best_pairs_per_second: rate(Math.min(...all[name])), iterations: all[name].length })
  const result = {
    ...settings,
    ours: side('ours'),
    baseline: side('baseline'),
    ratio: median(all.baseline) / median(all.ours),
    best_ratio: Math.min(...all.baseline) / Math.min(...all.ours),
    unit: 'pairs/s',
  }
  if (values.json === true) console.log(JSON.stringify(result))
  else console.log(`${settings.backbone}, minibatch ${settings.minibatch}: 2 processes × 1 thread make ${result.ratio.toFixed(3)} × the pairs of 1 process × 2 threads (best iterations ${result.best_ratio.toFixed(3)} ×)`)
}
