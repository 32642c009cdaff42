/**
 * What a trainer does together with the other ranks of a distributed run, at the places of its loop. The trainer keeps its loop; the rules are here.
 */
import type { ProcessGroup } from '../distributed/group.ts'
import { SiamError } from '../errors.ts'
import type { NativeGradientReducer } from '../native/addon-distributed.ts'
import { loadAddon } from '../native/load.ts'
import type { Tensor } from '../native/tensor.ts'
import type { Scalars } from './accumulation.ts'
import { Model } from './model.ts'
import type { TrainableModel } from './trainer-types.ts'

export class Ranks {
  readonly group: ProcessGroup
  readonly #model: Model
  #reducer: NativeGradientReducer | null = null
  /** What it was made for: the model's count of changes, and the parameters that trained then. */
  #reducedAt = -1
  #reduced = ''
  #begun = false

  /** @throws ERR_ARGUMENT for a model of a user's own: the addon must know the parameters whose gradients it exchanges */
  constructor(group: ProcessGroup, model: TrainableModel) {
    if (!(model instanceof Model)) throw new SiamError('ERR_ARGUMENT', 'a process group needs a model of buildModel() or Model.create()')
    this.group = group
    this.#model = model
  }

  /** Replicas begin with rank 0's weights. */
  async begin(): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    // Absorbs what ranks are apart in time, for which an exchange has no patience.
    await this.group.together(() => undefined)
    await this.group.broadcastModel(this.#model)
  }

  /**
   * Waits for this rank's batch, and for the others'.
   * @param due  whether a monitor wants this iteration's numbers; rank 0's word counts
   * @throws ERR_ABORTED on all ranks alike when the signal fires on any
   */
  async next<T>(batch: Promise<T>, options: { signal?: AbortSignal; due: boolean }): Promise<{ value: T; due: boolean }> {
    const { value, flags } = await this.group.together(() => batch, { signal: options.signal, flags: [options.due ? 1 : 0] })
    return { value, due: flags[0] === 1 }
  }

  /** The next backward, from this loss, ends with the mean gradients over ranks. To be called before an iteration's last one. */
  async expect(loss: Tensor): Promise<void> {
    const { reducer } = await this.#current()
    await reducer.expect(loss.native)
  }

  async #current(): Promise<{ reducer: NativeGradientReducer }> {
    const model = this.#model
    if (this.#reducer !== null && this.#reducedAt === model.trainableChanges) return { reducer: this.#reducer }
    const trained = model.describe().filter(({ kind, requiresGrad }) => kind === 'parameter' && requiresGrad).map(({ name }) => name).join()
    this.#reducedAt = model.trainableChanges
    if (this.#reducer !== null && trained === this.#reduced) return { reducer: this.#reducer }
    // The old one's hooks must be off the parameters before the new one's are on.
    this.#reducer?.dispose()
    this.#reduced = trained
    // The graph of a user's module may differ from batch to batch.
    this.#reducer = await loadAddon().createGradientReducer(this.group.native, model.native, model.spec.backbone.name === 'TorchScript')
    return { reducer: this.#reducer }
  }

  /**
   * After an iteration's last backward: BatchNorm's running statistics become rank 0's. The training forward does not read them, so this is torch's
   * broadcast before each forward, at a place where snapshots and averages of the weights are equal on all ranks, too.
   */
  async syncBuffers(): Promise<void> {
    await this.group.broadcastModel(this.#model, { buffersOnly: true })
  }

  /** Losses and extras averaged over ranks; they have the same names on all. */
  async mean(scalars: Scalars): Promise<Scalars> {
    const places = [scalars.training_losses, ...Object.values(scalars.extras)].flatMap((dict) => Object.keys(dict).map((key) => ({ dict, key })))
    const means = await this.group.average(places.map(({ dict, key }) => dict[key] as number))
    const replaced = new Map<Readonly<Record<string, number>>, Record<string, number>>()
    for (const [i, { dict, key }] of places.entries()) {
      const copy = replaced.get(dict) ?? {}
      replaced.set(dict, copy)
      copy[key] = means[i] as number
    }
    return {
      training_losses: replaced.get(scalars.training_losses) ?? {},
      extras: Object.fromEntries(Object.entries(scalars.extras).map(([name, extra]) => [name, replaced.get(extra) ?? {}])),
    }
  }

  /**
   * An error has ended an epoch: tells the others, unless they know.
   * @returns what to throw
   */
  async ended(error: unknown): Promise<unknown> {
    const { group } = this
    if (error instanceof SiamError && error.code === 'ERR_ABORTED') return error
    // It holds on to connections whose end the others wait for.
    this.dispose()
    if (group.ended) return error
    const known = error instanceof SiamError && error.code === 'ERR_DISTRIBUTED' ? await group.explained(error) : error
    await group.fail(known)
    return known
  }

  dispose(): void {
    this.#reducer?.dispose()
    this.#reducer = null
  }
}
