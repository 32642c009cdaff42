/**
 * CUDA graphs of the training step: forward, losses, scaling and backward are captured once and then given to the device as a whole, where
 * they would be hundreds of launches. The trainer's own stages are what is captured, so a replayed step is the eager one, kernel by kernel.
 */
import { SiamError } from '../errors.ts'
import type { NativeStepGraph } from '../native/addon-graph.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import type { Forwarded } from './accumulation.ts'
import { GradScaler } from './grad-scaler.ts'
import { Loss, type TensorDict } from './losses.ts'
import { Model } from './model.ts'
import { Optimizer } from './optimizer.ts'
import { Handles, type TrainableOptimizer } from './trainer-types.ts'

/** `train.track.trainer.X.cuda_graph`. */
export type CudaGraphSetting = boolean | 'auto'

/** Steps that run eagerly before a capture: libraries choose and load their kernels in them, which a capture forbids. */
const warmUpSteps = 3

/** Captures that may fail before the trainer gives it up: the first can, when what is trained changed during the warm-up. */
const allowedFailures = 2

/** The trainer's stages. */
export interface StepStages {
  /** @param handles frees whatever the stage makes, its results too */
  forward(batch: TensorDict, handles: Handles): Promise<Forwarded>
  backward(forwarded: Forwarded, handles: Handles): Promise<void>
}

/** What a capture knows about its results. */
interface Captured {
  layout: string
  rebuild: (values: Tensor[]) => Forwarded
}

/** Decides step by step whether to capture, to replay, or to leave the step to the trainer. */
export class StepGraph implements Disposable {
  readonly #native: NativeStepGraph
  readonly #log: (line: string) => void
  #captured: Captured | null = null
  /** Of the last step's batch, and how many steps in a row had it and ran eagerly. */
  #layout = ''
  #eager = 0
  #failures = 0
  #told = false

  constructor(native: NativeStepGraph, log: (line: string) => void) {
    this.#native = native
    this.#log = log
  }

  /** Whether the next step of batches as the last one would be replayed. */
  get captured(): boolean {
    return this.#captured !== null
  }

  /**
   * @param batch  on the device     @param kept  frees the losses and extras that are returned
   * @returns the losses of the replayed step, whose gradients are complete; null: nothing was done, the step is to run eagerly
   */
  async run(batch: TensorDict, stages: StepStages, kept: Handles): Promise<Forwarded | null> {
    if (this.#failures >= allowedFailures) return null
    const names = Object.keys(batch).sort()
    const layout = names.map((name) => `${name} ${batch[name]!.dtype} ${batch[name]!.shape.join('x')}`).join(', ')
    if (this.#captured?.layout === layout) {
      const replayed = await this.#replay(this.#captured, batch, names, kept)
      if (replayed !== null) return replayed
      this.#captured = null
      this.#eager = 0
    }
    if (layout !== this.#layout) this.#eager = 0
    this.#layout = layout
    // A batch of another size now and then runs eagerly, and the graph stays for the others.
    if (this.#eager < warmUpSteps) {
      this.#eager++
      return null
    }
    this.#captured = await this.#capture(batch, names, layout, stages)
    return this.#captured === null ? null : this.#replay(this.#captured, batch, names, kept)
  }

  async #replay({ rebuild }: Captured, batch: TensorDict, names: readonly string[], kept: Handles): Promise<Forwarded | null> {
    const values = await this.#native.replay(names.map((name) => batch[name]!.native))
    if (values === null) return null
    this.#eager = 0
    return rebuild(values.map((value) => kept.add(new Tensor(value))))
  }

  async #capture(batch: TensorDict, names: readonly string[], layout: string, stages: StepStages): Promise<Captured | null> {
    this.#eager = 0
    const handles = new Handles()
    try {
      const copies = await this.#native.begin(names.map((name) => batch[name]!.native))
      const inputs = handles.add(Object.fromEntries(names.map((name, i) => [name, new Tensor(copies[i]!)])))
      const forwarded = await stages.forward(inputs, handles)
      await stages.backward(forwarded, handles)
      const results = new Results()
      const rebuild = results.plan(forwarded)
      await this.#native.end(results.tensors.map(({ native }) => native))
      if (!this.#told) this.#log('CUDA graph: the training step was captured and is replayed from here on')
      this.#told = true
      return { layout, rebuild }
    } catch (error) {
      await this.#native.abandon()
      this.#failures++
      const why = error instanceof SiamError ? `${error.code} ${error.message}` : String(error)
      if (this.#failures >= allowedFailures) this.#log(`CUDA graph: the training step cannot be captured and stays eager: ${why.split('\n')[0]}`)
      return null
    } finally {
      handles.dispose()
    }
  }

  dispose(): void {
    this.#captured = null
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Tensors of a Forwarded in a row, and the way back. */
class Results {
  readonly tensors: Tensor[] = []

  plan({ training_losses, extras, total_loss }: Forwarded): (values: Tensor[]) => Forwarded {
    const total = this.#place(total_loss)
    const losses = this.#dict(training_losses)
    const named = Object.entries(extras).map(([name, extra]) => [name, this.#dict(extra)] as const)
    return (values) => ({
      total_loss: total(values),
      training_losses: losses(values),
      extras: Object.fromEntries(named.map(([name, extra]) => [name, extra(values)])),
    })
  }

  #place(tensor: Tensor): (values: Tensor[]) => Tensor {
    const at = this.tensors.push(tensor) - 1
    return (values) => values[at]!
  }

  #dict(dict: TensorDict): (values: Tensor[]) => TensorDict {
    const places = Object.entries(dict).map(([key, tensor]) => [key, this.#place(tensor)] as const)
    return (values) => Object.fromEntries(places.map(([key, place]) => [key, place(values)]))
  }
}

/** Why a step with these parts cannot be captured; null: it can. */
export function whyNotCaptured(optimizer: TrainableOptimizer, inGroup: boolean): string | null {
  const { model, gradScaler } = optimizer
  if (inGroup) return 'a process group exchanges gradients during backward, which cannot be captured'
  if ((optimizer.accumulateBatches ?? 1) > 1) return `accumulate_batches is ${optimizer.accumulateBatches}`
  if (!(model instanceof Model) || !(optimizer instanceof Optimizer) || (gradScaler !== null && !(gradScaler instanceof GradScaler))) return "the model, the optimizer or the scaler is a user's own"
  const own = Object.entries(model.losses).filter(([, loss]) => !(loss instanceof Loss))
  if (own.length > 0) return `the loss ${own.map(([name]) => name).join(', ')} is a user's own`
  if (model.spec.backbone.name === 'TorchScript') return 'the backbone is a TorchScript file, which may read values back'
  return null
}

/** What the trainer's options say: where lines go, and the group of the processes that train together. */
export interface StepGraphOptions {
  log: (line: string) => void
  group?: object
}

/**
 * @returns null: the trainer runs eagerly
 * @throws with `true` ERR_CONFIG on the CPU, ERR_SETUP without siamfcpp_cuda.so; with 'auto' the step is eager there
 */
export async function buildStepGraph(optimizer: TrainableOptimizer, setting: CudaGraphSetting, { log, group }: StepGraphOptions): Promise<StepGraph | null> {
  if (setting === false) return null
  const { device } = optimizer.model
  if (device === 'cpu') {
    if (setting === 'auto') return null
    throw new SiamError('ERR_CONFIG', 'cuda_graph is true, and the model is on the CPU', { hint: '--device cuda, or cuda_graph: auto, which captures where it can' })
  }
  const why = whyNotCaptured(optimizer, group !== undefined)
  if (why !== null) {
    log(`CUDA graph: the training step stays eager: ${why}`)
    return null
  }
  const addon = loadAddon()
  const { available, reason } = await addon.cudaExtension()
  if (!available && setting === 'auto') {
    log(`CUDA graph: the training step stays eager: ${reason}`)
    return null
  }
  const { model, native, gradScaler } = optimizer as Optimizer
  return new StepGraph(await addon.createStepGraph(model.native, native, gradScaler?.native ?? null), log)
}
