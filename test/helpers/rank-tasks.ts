/** What the ranks of a test do. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../lib/config/index.ts'
import type { ProcessGroup } from '../../lib/distributed/group.ts'
import { buildTrainer } from '../../lib/engine/builders.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { Model } from '../../lib/engine/model.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { Ranks } from '../../lib/engine/ranks.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { toDevice } from '../../lib/engine/to-device.ts'
import { SiamError } from '../../lib/errors.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { tinyBatch, tinyModel, totalLoss } from './tiny-model.ts'

type Result = Promise<Record<string, unknown>>

/** A batch whose losses have as many positives as every other one: each loss is a mean over its positives, and means of equal numbers average. */
export function evenBatch(seed: number, n = 2): TensorDict {
  const batch = tinyBatch(seed, n)
  const cells = batch.cls_gt!.shape[1] as number
  const cls = new Float32Array(n * cells)
  const ctr = new Float32Array(n * cells)
  for (let i = 0; i < n * cells; i += 3) {
    cls[i] = 1
    ctr[i] = 0.3 + ((seed * 31 + i) % 60) / 100
  }
  const box = new Float32Array(n * cells * 4)
  for (let i = 0; i < n * cells; i++) box.set([60 + ((seed + i) % 17), 62 + (i % 13), 122 + (i % 19), 124 + ((seed * 3 + i) % 11)], i * 4)
  for (const name of ['cls_gt', 'ctr_gt', 'box_gt']) batch[name]!.dispose()
  return { ...batch, cls_gt: Tensor.from(cls, [n, cells, 1]), ctr_gt: Tensor.from(ctr, [n, cells, 1]), box_gt: Tensor.from(box, [n, cells, 4]) }
}

/** All pairs of the batches, which are disposed, in one. */
export async function joinedBatch(batches: TensorDict[]): Promise<TensorDict> {
  const all: TensorDict = {}
  for (const name of Object.keys(batches[0] as TensorDict)) {
    const parts = batches.map((batch) => batch[name] as Tensor)
    const arrays = await Promise.all(parts.map((part) => part.toTypedArray()))
    const { shape } = parts[0] as Tensor
    const count = parts.reduce((sum, part) => sum + (part.shape[0] as number), 0)
    const bytes = arrays[0] instanceof Uint8Array
    const flat = arrays.flatMap((array) => Array.from(array as ArrayLike<number>))
    all[name] = Tensor.from(bytes ? Uint8Array.from(flat) : Float32Array.from(flat), [count, ...shape.slice(1)])
    for (const part of parts) part.dispose()
  }
  return all
}

export interface GradientCase {
  /** Seeds of this case's batches: one list an accumulated batch, one seed a rank. */
  seeds: number[][]
  spec?: Partial<ModelSpec>
  /** Running statistics instead of the batch's. */
  eval?: boolean
  syncBn?: boolean
  /** Losses that count; the parameters behind others get no gradient. */
  losses?: string[]
  frozen?: string[]
}

/** Prepares a model as a case wants it. */
export async function modelOf({ spec, eval: evaluate, losses, frozen }: GradientCase): Promise<Model> {
  const model = await tinyModel(spec)
  if (losses !== undefined) model.losses = Object.fromEntries(Object.entries(model.losses).filter(([name]) => losses.includes(name)))
  if (evaluate === true) model.eval()
  if (frozen !== undefined) model.setRequiresGrad(frozen, false)
  return model
}

/** Mean gradients over `batches` of `seeds`, written as one file; `before` is called with the last loss. */
export async function backwardOver(model: Model, batches: TensorDict[], before: (loss: Tensor) => Promise<void> = async () => {}): Promise<void> {
  for (const [i, made] of batches.entries()) {
    const batch = model.device === 'cpu' ? made : await toDevice(made, model.device)
    const loss = await totalLoss(model, batch)
    if (i === batches.length - 1) await before(loss)
    using share = Tensor.from(new Float32Array([1 / batches.length]), loss.shape, { device: model.device })
    await loss.backward(share)
    loss.dispose()
  }
}

async function writeGradients(model: Model, file: string): Promise<string[]> {
  const gradients = [...(await model.gradients())].filter(([, gradient]) => gradient !== null)
  writeFileSync(file, Buffer.concat(gradients.map(([, gradient]) => gradient!.data)))
  return gradients.map(([name]) => name)
}

/** What becomes of a batch; undefined: it is left out. */
interface Accident {
  at: number
  happens: ((batch: TensorDict) => Promise<TensorDict>) | undefined
}

/** An endless iterable: batch i is made from `offset` + i. */
class Stream {
  readonly #offset: number
  readonly #bad: Accident | undefined

  constructor(offset: number, bad?: Accident) {
    this.#offset = offset
    this.#bad = bad
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    for (let i = 0; ; i++) {
      const batch = tinyBatch(this.#offset + i)
      if (this.#bad?.at !== i) yield batch
      else if (this.#bad.happens === undefined) for (const tensor of Object.values(batch)) tensor.dispose()
      else yield await this.#bad.happens(batch)
    }
  }
}

class Seen extends Monitor {
  readonly losses: number[] = []
  skipped = 0
  override async update({ training_losses, extras }: EngineData): Promise<void> {
    this.losses.push(...Object.values(training_losses))
    this.skipped = extras.optim?.skipped ?? 0
  }
}

/** Takes its time with one iteration and with the epoch's end. */
class Slow extends Monitor {
  readonly #seconds: number
  seen = ''

  constructor(seconds: number) {
    super()
    this.#seconds = seconds
  }

  override async update(): Promise<void> {
    const { iteration } = this.engineState
    if (iteration === 1) await sleep(this.#seconds * 1000)
    this.seen += `${iteration} `
  }

  override async epochEnd(): Promise<void> {
    await sleep(this.#seconds * 1000)
    this.seen += 'end'
  }
}

export const rankTasks: Record<string, (group: ProcessGroup, args: never) => Result> = {
  /** Numbers, patience, and rank 0's word. */
  async talk(group, { longSeconds }: { longSeconds: number }): Result {
    const average = await group.average([group.rank, 10 * group.rank, 7])
    const maximum = await group.maximum([group.rank, -group.rank])
    const { value, flags } = await group.together(async () => sleep(group.rank === 0 ? longSeconds * 1000 : 0, `of ${group.rank}`), { flags: [group.rank + 5] })
    const shared = Buffer.from(await group.share(() => Buffer.from('from rank 0'))).toString()
    await group.barrier()
    return { average, maximum, value, flags, shared }
  },

  /** Gradients of each case in a file of its own. @returns the names of the parameters that have one */
  async gradients(group, { cases, folder }: { cases: Record<string, GradientCase>; folder: string }): Result {
    const names: Record<string, string[]> = {}
    mkdirSync(folder, { recursive: true })
    for (const [name, one] of Object.entries(cases)) {
      using model = await modelOf({ ...one, spec: { ...one.spec, device: group.device } })
      group.native.syncStatistics(one.syncBn === true)
      const ranks = new Ranks(group, model)
      await ranks.begin()
      const batches: TensorDict[] = []
      // A single rank has the whole of each batch.
      for (const seeds of one.seeds) batches.push(group.worldSize === 1 ? await joinedBatch(seeds.map((seed) => evenBatch(seed))) : evenBatch(seeds[group.rank] as number))
      await backwardOver(model, batches, (loss) => ranks.expect(loss))
      names[name] = await writeGradients(model, `${folder}/${name}-${group.rank}`)
      ranks.dispose()
    }
    return names
  },

  /** Thaws layers between two steps: the exchange must follow. */
  async freezer(group, { seeds }: { seeds: number[] }): Result {
    using model = await tinyModel({ seed: group.rank, device: group.device })
    const optimizer = new Optimizer(model, { lr: 0.01, gradModifier: { modifyGrad: (epoch, iteration) => void (iteration === undefined && model.setRequiresGrad(['basemodel.conv1.conv.weight', 'basemodel.conv2a.conv.weight'], epoch > 0)) } })
    const trainer = new RegularTrainer(optimizer, new Stream(seeds[group.rank] as number), [], { group, progress: 'none', log: () => {} })
    trainer.setHyperParams({ max_epoch: 3, minibatch: 1, nr_image_per_epoch: 2 })
    const shas: string[] = []
    while (!trainer.isCompleted()) {
      await trainer.train()
      shas.push(await trainer.stateSha256())
    }
    await trainer.close()
    optimizer.dispose()
    return { shas }
  },

  /** A run through its configuration: whole, or `first` iterations, then stopped by `stopRank`'s signal, saved. */
  async train(group, { config, overrides, resume, first, stopRank }: { config: string; overrides: string[]; resume?: string; first?: number; stopRank?: number }): Result {
    const lines: string[] = []
    const seen = new Seen()
    const trainer = await buildTrainer(await loadConfig(config, overrides, { onWarning: () => {} }), { group, threads: 1, workers: 1, progress: 'none', log: (line) => void lines.push(line), monitors: [seen] })
    let stopped: string | undefined
    try {
      if (resume !== undefined) await trainer.resume(resume)
      if (first !== undefined) await trainer.train({ maxIterations: first })
      const controller = new AbortController()
      if (stopRank === group.rank) controller.abort(new SiamError('ERR_ABORTED', 'stopped by SIGTERM'))
      while (!trainer.isCompleted()) {
        await trainer.train({ signal: controller.signal })
        await trainer.saveSnapshot()
      }
    } catch (error) {
      if (!(error instanceof SiamError && error.code === 'ERR_ABORTED')) throw error
      stopped = error.message
      await trainer.saveSnapshot()
    }
    try {
      return { sha: await trainer.stateSha256(), position: trainer.getPosition(), snapshot: trainer.state.snapshot_file, lines, losses: seen.losses, stopped, pid: process.pid }
    } finally {
      await trainer.close()
    }
  },

  /** Rank 0's monitor is slower than an exchange is patient. */
  async slowMonitor(group, { seconds, folder }: { seconds: number; folder: string }): Result {
    using model = await tinyModel()
    const optimizer = new Optimizer(model, { lr: 0.001 })
    const slow = new Slow(seconds)
    const trainer = new RegularTrainer(optimizer, new Stream(100 * group.rank), group.rank === 0 ? [slow] : [], { group, progress: 'none', log: () => {} })
    trainer.setHyperParams({ max_epoch: 1, minibatch: 1, nr_image_per_epoch: 3, exp_save: folder, exp_name: 'slow' })
    try {
      await trainer.train()
      await trainer.saveSnapshot()
      return { sha: await trainer.stateSha256(), seen: slow.seen }
    } finally {
      await trainer.close()
      optimizer.dispose()
    }
  },

  /** Something happens to rank 1's batch 2: it cannot be read, holds NaN, or the process is killed; or it is left out, on all ranks. */
  async accident(group, { kind, iterations, folder = '' }: { kind: 'data' | 'kill' | 'nan' | 'leftOut'; iterations: number; folder?: string }): Result {
    using model = await tinyModel()
    const optimizer = new Optimizer(model, { lr: 0.001 })
    const happens = {
      data: async () => {
        throw new SiamError('ERR_DATA', 'frame 7 is damaged')
      },
      kill: async () => {
        process.kill(process.pid, 'SIGKILL')
        return sleep(60_000, {})
      },
      nan: async (batch: TensorDict) => {
        const { ctr_gt } = batch
        const cells = new Float32Array(ctr_gt!.shape.reduce((product, size) => product * size, 1)).fill(Number.NaN)
        batch.ctr_gt = Tensor.from(cells, ctr_gt!.shape)
        ctr_gt!.dispose()
        return batch
      },
      leftOut: undefined,
    }[kind]
    const accident = group.rank === 1 || kind === 'leftOut' ? { at: 2, happens } : undefined
    const seen = new Seen()
    const trainer = new RegularTrainer(optimizer, new Stream(100 * group.rank, accident), group.rank === 0 ? [seen] : [], { group, progress: 'none', log: () => {} })
    trainer.setHyperParams({ max_epoch: 1, minibatch: 1, nr_image_per_epoch: iterations, ...(folder === '' ? {} : { exp_save: folder, exp_name: kind }) })
    try {
      await trainer.train()
      return { sha: await trainer.stateSha256(), losses: seen.losses.map(String), skipped: seen.skipped }
    } finally {
      await trainer.close()
      optimizer.dispose()
    }
  },
}
