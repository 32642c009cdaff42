/** What one iteration gathers from its batches: times, losses and extras, which monitors see as their means. */
import type { BatchSource } from '../data/batch-samples.ts'
import type { EngineData } from '../monitors/monitor.ts'
import { loadAddon } from '../native/load.ts'
import type { Tensor } from '../native/tensor.ts'
import type { TensorDict } from './losses.ts'
import type { StageClock } from './stage-clock.ts'
import { timed } from './timer.ts'
import { Handles, type DataPosition } from './trainer-types.ts'

/** Losses and extras of one batch, on the device. */
export interface Forwarded {
  training_losses: TensorDict
  extras: Record<string, TensorDict>
  total_loss: Tensor
}

export type Scalars = Pick<EngineData, 'training_losses' | 'extras'>

/** Scalars of several batches: each value the mean over them. With one batch its own values, bit by bit. */
export function meanScalars(batches: readonly Scalars[]): Scalars {
  const mean = (dicts: readonly Readonly<Record<string, number>>[]): Record<string, number> =>
    Object.fromEntries(Object.keys(dicts[0] ?? {}).map((key) => [key, dicts.reduce((sum, dict) => sum + (dict[key] ?? Number.NaN), 0) / dicts.length]))
  const names = Object.keys(batches[0]?.extras ?? {})
  return {
    training_losses: mean(batches.map(({ training_losses }) => training_losses)),
    extras: Object.fromEntries(names.map((name) => [name, mean(batches.map(({ extras }) => extras[name] ?? {}))])),
  }
}

/** Reads what iterations left unread, and scalars of their steps, in one packed copy. @returns those of each iteration's step */
export async function readIterations(iterations: readonly { gathered: Pick<Gathered, 'unread' | 'read'>; own: TensorDict }[]): Promise<Record<string, number>[]> {
  const places: { tensor: Tensor; put: (value: number) => void }[] = []
  const note = (tensors: TensorDict): Record<string, number> => {
    const values: Record<string, number> = {}
    for (const [key, tensor] of Object.entries(tensors)) places.push({ tensor, put: (value) => void (values[key] = value) })
    return values
  }
  const steps = iterations.map(({ gathered, own }) => {
    for (const { training_losses, extras } of gathered.unread.splice(0)) {
      gathered.read.push({ training_losses: note(training_losses), extras: Object.fromEntries(Object.entries(extras).map(([name, extra]) => [name, note(extra)])) })
    }
    return note(own)
  })
  if (places.length === 0) return steps
  const values = await loadAddon().readScalars(places.map(({ tensor }) => tensor.native))
  for (const [i, { put }] of places.entries()) put(values[i] as number)
  return steps
}

/** One iteration that is under way. */
export class Gathered {
  readonly epoch: number
  readonly iteration: number
  /** Batches whose gradients are in. */
  batches = 0
  /** Of several ranks: whether a monitor of the first one wants this iteration's numbers. */
  dueOnRank0 = false
  /** Training pairs in them. */
  pairs = 0
  /** Seconds in which batches went to the device. Not in time_dict: the original's timers leave them out. */
  moveSeconds = 0
  schedule_info: Record<string, number> = {}
  /** Sums over the batches. */
  readonly time_dict: Record<string, number> = {}
  /** The sample after the last batch. */
  next: DataPosition | null = null
  /** Where its batches come from, as far as the data says. */
  readonly sources: BatchSource[] = []
  /** Losses and extras that lie on the device still. */
  readonly unread: Forwarded[] = []
  readonly read: Scalars[] = []
  /** Frees what `unread` names. */
  readonly handles = new Handles()

  readonly #clock: StageClock | null

  constructor(epoch: number, iteration: number, clock: StageClock | null = null) {
    this.epoch = epoch
    this.iteration = iteration
    this.#clock = clock
    // What an iteration that failed has left.
    clock?.drop()
  }

  /** Runs a stage and adds its seconds to what it has taken so far. */
  async timed<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    const once: Record<string, number> = {}
    try {
      return await timed(stage, once, () => (this.#clock === null ? work() : this.#clock.around(stage, work)))
    } finally {
      this.time_dict[stage] = (this.time_dict[stage] ?? 0) + (once[stage] ?? 0)
    }
  }

  /** Reads what lies on the device still. */
  async readNow(): Promise<void> {
    await readIterations([{ gathered: this, own: {} }])
  }

  /** The device's times of the stages so far, where they are measured. After {@link scalars}, which has waited for the device. */
  async deviceSeconds(): Promise<Record<string, number>> {
    return (await this.#clock?.take()) ?? {}
  }

  dispose(): void {
    this.handles.dispose()
  }
}
