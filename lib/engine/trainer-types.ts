/**
 * What a trainer needs of its parts. Our Model, Optimizer and Dataloader fit; so does anything of a user's own with these members.
 */
import type { PyDict } from '../checkpoint/index.ts'
import type { BatchSource } from '../data/batch-samples.ts'
import type { SkipCounts } from '../data/index.ts'
import type { LoaderStats, SkippedSample } from '../native/addon.ts'
import type { StepFacts } from '../native/addon-step.ts'
import type { Tensor } from '../native/tensor.ts'
import type { Ema } from './ema.ts'
import type { GradScaler } from './grad-scaler.ts'
import type { Model, StateTable } from './model.ts'
import type { StepOutcome } from './optimizer.ts'
import type { SnapshotPack } from './snapshot.ts'
import type { TensorDict, TrainableLoss } from './losses.ts'

export interface TrainableModel {
  readonly device: string
  /** By name (cls, ctr, reg); the trainer minimises their sum. */
  losses: Record<string, TrainableLoss>
  /** @returns predictions by name; the trainer disposes them */
  forward(trainingData: TensorDict): Promise<TensorDict>
  /** Switches to training mode. */
  train(): void
  stateDict(): ReturnType<Model['stateDict']>
  loadStateDict(table: StateTable, options?: { strict?: boolean; file?: string }): Promise<unknown>
  /** Seconds that forward() has spent so far on bringing images to the device and to floating point, for the report of an epoch. */
  copySeconds?(): number
}

export interface TrainableOptimizer {
  readonly model: TrainableModel
  readonly gradScaler: Pick<GradScaler, 'scale' | 'stateDict' | 'loadStateDict'> | null
  /** Sets the learning rate of the next step. @returns what monitors show, e.g. { lr } */
  schedule(epoch: number, iteration: number): Record<string, number>
  zeroGrad(): void
  /** @param iteration absent at the start of an epoch */
  modifyGrad(epoch: number, iteration?: number): void | Promise<void>
  step(): Promise<unknown>
  /** The backward pass of a loss that skips the step where it is not finite; without it the trainer runs backward() on the loss itself. */
  backward?(loss: Tensor, share: number, parts: readonly Tensor[]): Promise<void>
  /** Whether the last step was skipped. Without it no step is taken to be, and a loss that is not finite ends the run. */
  takeOutcome?(): StepOutcome | null
  settle?(values: Readonly<Record<string, number>>): StepFacts
  /** Batches whose mean gradient makes one step; without it 1. */
  readonly accumulateBatches?: number
  /** A moving average of the weights, kept in snapshots. */
  readonly ema?: Pick<Ema, 'stateDict' | 'loadStateDict' | 'reset' | 'updates' | 'finalModel'> | null
  /** Scalars of the last step for the monitors, under `extras.optim`; the trainer disposes them. */
  takeExtras?(): TensorDict
  stateDict(): Promise<PyDict>
  loadStateDict(state: PyDict, file?: string): Promise<void>
}

/** The sample that comes next: sample `sample` (0-based) of epoch `epoch`. */
export interface DataPosition {
  epoch: number
  sample: number
}

/**
 * Batches of training data: any (async) iterable of dictionaries of tensors. The trainer owns a batch that it was given and disposes its tensors after
 * the iteration. An iterable that ends is begun anew.
 */
export type TrainingBatches = (AsyncIterable<TensorDict> | Iterable<TensorDict>) & Partial<ResumableBatches>

/** What makes an iterable resume exactly; without it a resumed run begins with the iterable's first batch. */
export interface ResumableBatches {
  /** What the order of the samples depends on. */
  readonly seed: number
  /** The first sample of the batch that comes next. */
  readonly cursor: DataPosition
  /** Goes to a sample; `seed` replaces the seed that the order depends on, where given. */
  seek(position: DataPosition, seed?: number): void | Promise<void>
  /** Attempts at samples that failed since the last call because they could not be read. */
  takeSkipped(): SkippedSample[]
  /** How many there were in all; without it those of takeSkipped() are counted, which keeps 1000 at most. */
  skipCounts(): SkipCounts
  /** What the threads that make batches have done so far, for the report of an epoch. */
  stats(): LoaderStats
  /** Samples of one batch, of all ranks' batches where there are several: an epoch's iterations begin at its multiples. */
  readonly samplesPerBatch: number
  /** Whether the frames come from a pack. */
  readonly packed: boolean
  /** What the packs are that the frames come from; empty: none. Snapshots keep it. */
  readonly packs: readonly SnapshotPack[]
  /** Which samples a batch was made of, and what they are: for the list of those that training stumbled over. */
  sourceOf(batch: TensorDict): BatchSource | null
  describeSamples(source: BatchSource): unknown[]
  close(): Promise<void>
}

/** Everything that an iteration must free, whatever happens in it. */
export class Handles {
  readonly #open: Tensor[] = []

  add<T extends Tensor | TensorDict>(value: T): T {
    if (isTensor(value)) this.#open.push(value)
    else this.#open.push(...Object.values(value))
    return value
  }

  dispose(): void {
    for (const tensor of this.#open.splice(0)) tensor.dispose()
  }
}

function isTensor(value: Tensor | TensorDict): value is Tensor {
  return typeof (value as Tensor).dispose === 'function'
}
