/** Runs over data of which some batches are poisoned, for tests on the CPU and on a GPU. */
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import { Ema } from '../../lib/engine/ema.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { Model } from '../../lib/engine/model.ts'
import { Optimizer, type OptimizerOptions } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import type { DataPosition } from '../../lib/engine/trainer-types.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { tinyBatch, tinyModel } from './tiny-model.ts'

/** Batches of a run by their seeds; 'bad' is one with a NaN among its pixels. */
export type Plan = readonly (number | 'bad')[]

const side = 207

/** A batch whose search image has one pixel that is no number. */
export function badBatch(): TensorDict {
  const batch = tinyBatch(7)
  batch.im_x!.dispose()
  const pixels = new Float32Array(2 * 3 * side * side).fill(100)
  pixels[12345] = Number.NaN
  return { ...batch, im_x: Tensor.from(pixels, [2, 3, side, side]) }
}

/** A user's own data that can seek: sample 2i begins batch i of the plan. */
export class PlannedData implements AsyncIterable<TensorDict> {
  cursor: DataPosition = { epoch: 0, sample: 0 }
  readonly #plan: Plan

  constructor(plan: Plan) {
    this.#plan = plan
  }

  seek(position: DataPosition): void {
    this.cursor = { ...position }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    for (;;) {
      const { epoch, sample } = this.cursor
      const seed = this.#plan[sample / 2] ?? 1000 + sample
      this.cursor = { epoch, sample: sample + 2 }
      yield seed === 'bad' ? badBatch() : tinyBatch(seed)
    }
  }
}

export class Recorder extends Monitor {
  readonly seen: EngineData[] = []

  override update(data: EngineData): void {
    this.seen.push(data)
  }
}

export interface PlannedRun {
  folder: string
  name: string
  plan: Plan
  model?: Partial<ModelSpec>
  /** Instead of the tiny model. */
  network?: () => Promise<Model>
  scale?: number
  average?: boolean
  optimizer?: OptimizerOptions
  hyperParams?: object
  /** Without monitors nothing asks for numbers. */
  every?: number | null
}

export interface Planned {
  trainer: RegularTrainer
  optimizer: Optimizer
  model: Model
  monitor: Recorder
  said: string[]
}

export async function plannedRun({ folder, name, plan, model: changes = {}, network, scale, average = false, optimizer: options = {}, hyperParams = {}, every = 1 }: PlannedRun): Promise<Planned> {
  const model = await (network?.() ?? tinyModel(changes))
  const optimizer = new Optimizer(model, {
    lr: 0.01,
    gradScaler: scale === undefined ? null : new GradScaler({ initScale: scale }),
    ema: average ? new Ema(model, { decay: 0.9 }) : null,
    ...options,
  })
  const said: string[] = []
  const monitor = new Recorder()
  if (every !== null) monitor.setHyperParams({ every })
  const trainer = new RegularTrainer(optimizer, new PlannedData(plan), every === null ? [] : [monitor], { progress: 'none', log: (line) => said.push(line), seed: 3, threads: 1 })
  trainer.setHyperParams({ exp_save: folder, exp_name: name, max_epoch: 9, minibatch: 2, nr_image_per_epoch: 2000, ...hyperParams })
  trainer.own([model, optimizer])
  return { trainer, optimizer, model, monitor, said }
}
