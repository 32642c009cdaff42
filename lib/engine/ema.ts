/**
 * Exponential moving average of a model's weights: what `optim.ema` of a configuration asks for. The tensors live in the addon
 * (native/core/ema.h); which decay each update has is decided here.
 */
import { matchStateDict, type CheckpointTensor } from '../checkpoint/index.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { NamedRawTensor, NativeEma } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { emaDecayAt } from './ema-decay.ts'
import type { Model } from './model.ts'

export interface EmaOptions {
  /** Share of the average that stays at an update, 0 to below 1. */
  decay: number
  /** The first updates stay shorter: see emaDecayAt(). 0 or 1: none. Default 10. */
  warmup?: number
  /** Whether a trainer puts the average into final_model.pkl. Default true. */
  finalModel?: boolean
}

/**
 * shadow ← shadow + (1 − d)·(value − shadow) after each step, for parameters and running statistics; num_batches_tracked is copied. It begins
 * with the weights from before the first step. {@link import('./optimizer.ts').Optimizer} drives it.
 */
export class Ema implements Disposable {
  readonly decay: number
  readonly warmup: number
  readonly finalModel: boolean
  readonly #model: Model
  readonly #native: NativeEma
  #updates = 0
  #begun = false
  #disposed = false

  /** @throws ERR_CONFIG for numbers out of range */
  constructor(model: Model, { decay, warmup = 10, finalModel = true }: EmaOptions) {
    if (typeof decay !== 'number' || !(decay >= 0 && decay < 1)) throw invalidArgument('a number from 0 to below 1', 'ema.decay', decay, 'ERR_CONFIG')
    if (!Number.isSafeInteger(warmup) || warmup < 0) throw invalidArgument('an integer ≥ 0', 'ema.warmup', warmup, 'ERR_CONFIG')
    this.decay = decay
    this.warmup = warmup
    this.finalModel = finalModel
    this.#model = model
    this.#native = loadAddon().createEma(model.native)
  }

  #live(): NativeEma {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this Ema was used after dispose()')
    return this.#native
  }

  /** Updates so far: steps since the average began, without skipped ones as far as their outcome is known. */
  get updates(): number {
    return this.#updates
  }

  /** @internal the addon's handle. @throws ERR_DISPOSED */
  get native(): NativeEma {
    return this.#live()
  }

  /** @internal The optimizer's step updated the average, or (−1) a device told that it had not. */
  count(updates: 1 | -1): void {
    this.#updates += updates
  }

  /** Takes the weights as they are for the average's beginning, unless it has begun. */
  begin(): void {
    const native = this.#live()
    if (this.#begun) return
    native.begin()
    this.#begun = true
  }

  /** Follows the weights after a step. */
  async update(): Promise<void> {
    const native = this.#live()
    this.begin()
    const decay = emaDecayAt(this.#updates, this.decay, this.warmup)
    this.#updates++
    await native.update(decay)
    native.setUpdates(this.#updates)
  }

  /** Forgets the average: it begins anew, with the weights from before the next step. For whoever loads weights after training began. */
  reset(): void {
    this.#live().reset()
    this.#begun = false
    this.#updates = 0
  }

  /** Copies of the averaged parameters and buffers in the original's order: a state dict that a model or tracker loads. */
  async stateDict(): Promise<NamedRawTensor[]> {
    return this.#live().stateDict()
  }

  /**
   * Goes on from a saved average.
   * @throws ERR_CHECKPOINT when names or shapes are not the model's; nothing is changed then
   */
  async loadStateDict(table: ReadonlyMap<string, CheckpointTensor>, updates: number, file?: string): Promise<void> {
    const native = this.#live()
    const { loaded } = matchStateDict(this.#model.describe(), table, { strict: true, file })
    await native.loadStateDict(loaded)
    native.setUpdates(updates)
    this.#begun = true
    this.#updates = updates
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/**
 * What a resumed run's average begins with.
 * @param saved   the average in the snapshot, if it has one
 * @param updates how many updates went into it
 */
export async function adoptAverage(
  ema: Pick<Ema, 'loadStateDict' | 'reset'> | null,
  saved: ReadonlyMap<string, CheckpointTensor> | null,
  updates: number,
  file: string,
  log: (line: string) => void,
): Promise<void> {
  if (ema === null) {
    if (saved !== null) log(`${file} has averaged weights, which this run does not go on with (optim.ema.decay is 0)`)
  } else if (saved === null) {
    ema.reset()
    log(`${file} has no averaged weights: the average begins with its weights`)
  } else await ema.loadStateDict(saved, updates, file)
}
