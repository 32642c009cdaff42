/** Adds up where the time of an epoch goes while it is trained. */
import { availableParallelism } from 'node:os'
import type { SkipCounts } from '../data/index.ts'
import type { LoaderStats } from '../native/addon.ts'
import type { EpochReport, LoopStage } from '../pipeline/epoch-report.ts'
import { loaderUse } from '../pipeline/loader-use.ts'
import { verdictOf } from '../pipeline/verdict.ts'
import { Timer } from './timer.ts'
import type { TrainableModel, TrainingBatches } from './trainer-types.ts'

/** What an epoch's counts are read from, at its beginning and its end. */
export interface MeterSource {
  /** Counts of the loader's threads; undefined: the data has none. */
  loaderStats?: () => LoaderStats
  /** Seconds that the model has spent so far on bringing images to the device and to floating point; undefined: it does not count them. */
  copySeconds?: () => number
  /** Frames come from a pack. */
  packed: boolean
  /** Threads of libtorch where it computes on the CPU, else 0. */
  computeThreads: number
  skipped: () => SkipCounts
}

/** @param threads  of libtorch, where the trainer was told     @param skipped  bad samples of the run so far */
export function meterSource(dataloader: TrainingBatches, model: TrainableModel, threads: number | undefined, skipped: () => SkipCounts): MeterSource {
  // An iterable of a user's own may have a stats() that means something else.
  const hasStats = typeof dataloader.stats?.()?.busySeconds === 'number'
  return {
    loaderStats: hasStats ? () => dataloader.stats!() : undefined,
    copySeconds: model.copySeconds === undefined ? undefined : () => model.copySeconds!(),
    packed: dataloader.packed === true,
    computeThreads: model.device === 'cpu' ? (threads ?? availableParallelism()) : 0,
    skipped,
  }
}

export class EpochMeter {
  readonly #source: MeterSource
  readonly #startMs = performance.now()
  readonly #loader: LoaderStats | undefined
  readonly #copy: number
  readonly #skipped: SkipCounts
  readonly #cold: boolean
  readonly #seconds: Record<'data' | 'fwd' | 'bwd' | 'optim' | 'sync', number> = { data: 0, fwd: 0, bwd: 0, optim: 0, sync: 0 }
  #firstWait = 0
  #iterations = 0
  #pairs = 0
  #moved = 0

  /** @param cold the first epoch of a run: its first batch waits for the threads to start */
  constructor(source: MeterSource, cold: boolean) {
    this.#source = source
    this.#cold = cold
    this.#loader = source.loaderStats?.()
    this.#copy = source.copySeconds?.() ?? 0
    this.#skipped = source.skipped()
  }

  get iterations(): number {
    return this.#iterations
  }

  /** An iteration is done. @param times its time_dict     @param gathered  pairs that it took, and seconds in which they went to the device, which no timer has */
  add(times: Readonly<Record<string, number>>, gathered: { readonly pairs: number; readonly moveSeconds: number }): void {
    for (const stage of ['data', 'fwd', 'bwd', 'optim'] as const) this.#seconds[stage] += times[stage] ?? 0
    if (this.#iterations === 0 && this.#cold) this.#firstWait = times.data ?? 0
    this.#iterations++
    this.#pairs += gathered.pairs
    this.#moved += gathered.moveSeconds
  }

  /** Reads scalars. @param waits a device may still be computing them; on the CPU they are there */
  async sync<T>(waits: boolean, read: () => Promise<T>): Promise<T> {
    const timer = new Timer()
    const result = await read()
    if (waits) this.#seconds.sync += timer.stop()
    return result
  }

  /** @param place where in the epoch this part began */
  report(place: Pick<EpochReport, 'epoch' | 'firstIteration' | 'iterationsPerEpoch'>): EpochReport {
    const source = this.#source
    const seconds = (performance.now() - this.#startMs) / 1000
    // What the model counted meanwhile was inside of its forward passes.
    const copy = Math.min(this.#seconds.fwd, Math.max(0, (source.copySeconds?.() ?? 0) - this.#copy))
    const { data, fwd, bwd, optim, sync } = this.#seconds
    const stages: Record<LoopStage, number> = { data, copy: copy + this.#moved, fwd: fwd - copy, bwd, optim, sync, other: 0 }
    stages.other = Math.max(0, seconds - Object.values(stages).reduce((sum, value) => sum + value, 0))
    const loader = this.#loader === undefined ? null : loaderUse(this.#loader, source.loaderStats?.() ?? this.#loader, seconds)
    const verdict = verdictOf({
      seconds: seconds - this.#firstWait,
      waitSeconds: stages.data - this.#firstWait,
      loader,
      packed: source.packed,
      cores: availableParallelism(),
      computeThreads: source.computeThreads,
    })
    const [before, after] = [this.#skipped, source.skipped()]
    const skips = { skipped: after.samples - before.samples, skippedAttempts: after.attempts - before.attempts }
    return { ...place, iterations: this.#iterations, pairs: this.#pairs, seconds, stages, startSeconds: this.#firstWait, ...skips, loader, verdict }
  }
}
