/**
 * Follows what becomes of a trainer's steps: reads the outcomes that a device tells late together with the losses, counts what was skipped, writes
 * down which samples it was, and says when training must stop.
 */
import { appendFile, mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { BatchSource } from '../data/batch-samples.ts'
import type { SiamError } from '../errors.ts'
import type { StepFacts } from '../native/addon-step.ts'
import { meanScalars, readIterations, type Gathered, type Scalars } from './accumulation.ts'
import type { TensorDict } from './losses.ts'
import { countStep, kindOfStep, noNonFinite, skippedLine, tooManyError, whatWasWrong, type NonFiniteCounts, type SkippedIteration } from './nonfinite.ts'
import type { TrainableOptimizer, TrainingBatches } from './trainer-types.ts'

/** Iterations whose outcome may be unknown: where no monitor reads anything, the host waits for the device this often. */
const mostPending = 32

/** Skipped iterations that are told one by one. */
const toldSkips = 5

/** What the processes of a distributed run agree through. */
export interface WatchGroup {
  readonly rank: number
  /** The largest of each value over all processes. Called by all of them in the same iterations. */
  maximum(values: number[]): Promise<number[]>
}

/** What a watch needs of its trainer. */
export interface WatchOwner {
  /** Folder of the experiment. */
  readonly folder: string
  /** Skipped iterations in a row that end the run. */
  readonly limit: number
  /** The last snapshot; '' for none. */
  readonly snapshot: string
  readonly dataloader: TrainingBatches
  readonly group: WatchGroup | null
  log(line: string): void
}

/** An iteration, with the data that its samples are from: the trainer may have other data by the time its outcome is known. */
interface Iteration {
  gathered: Gathered
  dataloader: TrainingBatches
}

interface Watched extends Iteration {
  optimizer: TrainableOptimizer
  pending: TensorDict
}

interface Known extends Iteration {
  facts: StepFacts
}

export class StepWatch {
  readonly #owner: () => WatchOwner
  readonly #pending: Watched[] = []
  #counts: NonFiniteCounts = { ...noNonFinite }
  /** The first iteration of the row. */
  #first: SkippedIteration | null = null
  #failure: SiamError | null = null
  #told = 0
  #cannotWrite = false

  /** @param owner asked at each use, since folder, data and limit may change */
  constructor(owner: () => WatchOwner) {
    this.#owner = owner
  }

  get counts(): Readonly<NonFiniteCounts> {
    return this.#counts
  }

  /** Takes over the counts of a snapshot. */
  restore(counts: Readonly<NonFiniteCounts>): void {
    this.drop()
    this.#counts = { ...counts }
    this.#first = null
    this.#failure = null
  }

  get file(): string {
    const { folder, group } = this.#owner()
    const rank = group?.rank ?? 0
    return path.join(folder, rank === 0 ? 'nonfinite.jsonl' : `nonfinite.rank${rank}.jsonl`)
  }

  /** An iteration's step was made. Where its outcome is known, it is taken note of at once. */
  async add(gathered: Gathered, optimizer: TrainableOptimizer): Promise<void> {
    const outcome = optimizer.takeOutcome?.() ?? null
    if (outcome === null) return
    const { dataloader } = this.#owner()
    if (outcome.known === null) this.#pending.push({ gathered, dataloader, optimizer, pending: gathered.handles.add(outcome.pending) })
    else await this.#note([{ gathered, dataloader, facts: outcome.known }])
  }

  /** Whether so many outcomes are unknown that they should be read. */
  get full(): boolean {
    return this.#pending.length >= mostPending
  }

  /** Frees an iteration's handles, unless they will be read. */
  release(gathered: Gathered): void {
    if (!this.#pending.some((watched) => watched.gathered === gathered)) gathered.dispose()
  }

  /**
   * Reads an iteration's losses and extras and all outcomes that are unknown, in one packed copy.
   * @param own scalars of its step, for `extras.optim`
   */
  async read(gathered: Gathered, own: TensorDict): Promise<Scalars> {
    const { flags = 0, scale: _scale, ...values } = await this.#settle(gathered, own)
    const { training_losses, extras } = meanScalars(gathered.read)
    const { skipped, scaleSkips } = this.#counts
    // A norm of gradients that were not finite says nothing.
    const optim = { ...(flags % 2 === 1 ? {} : values), ...(skipped > 0 ? { skipped } : {}), ...(scaleSkips > 0 ? { scale_skips: scaleSkips } : {}) }
    return { training_losses, extras: Object.keys(optim).length === 0 ? extras : { ...extras, optim: { ...extras.optim, ...optim } } }
  }

  /** Reads all outcomes that are unknown: before a snapshot. */
  async drain(): Promise<void> {
    if (this.#pending.length > 0) await this.#settle(null, {})
  }

  /** @returns values of the scalars of `current`'s step */
  async #settle(current: Gathered | null, own: TensorDict): Promise<Record<string, number>> {
    const watched = this.#pending.splice(0)
    const parts = watched.map(({ gathered, pending }) => ({ gathered, own: gathered === current ? { ...own, ...pending } : pending }))
    if (current !== null && !watched.some(({ gathered }) => gathered === current)) parts.push({ gathered: current, own })
    try {
      const values = await readIterations(parts)
      await this.#note(watched.map(({ gathered, dataloader, optimizer }, i) => ({ gathered, dataloader, facts: optimizer.settle?.(values[i] ?? {}) ?? { skipped: false, lossBad: false, scale: null } })))
      return values[parts.findIndex(({ gathered }) => gathered === current)] ?? {}
    } finally {
      for (const { gathered } of watched) if (gathered !== current) gathered.dispose()
    }
  }

  async #note(iterations: readonly Known[]): Promise<void> {
    // All processes skip alike; only why, one of them may know alone.
    const { group } = this.#owner()
    const skipped = iterations.filter(({ facts }) => facts.skipped)
    const own = skipped.map(({ facts }) => Number(facts.lossBad))
    const any = group === null || skipped.length === 0 ? own : await group.maximum(own)
    for (const iteration of iterations) {
      const { gathered, facts } = iteration
      const at = skipped.findIndex((other) => other.gathered === gathered)
      const lossBad = at >= 0 && any[at] === 1
      const kind = kindOfStep({ ...facts, lossBad })
      this.#counts = countStep(this.#counts, kind)
      if (kind === 'step') this.#first = null
      if (kind === 'nonfinite') await this.#report(iteration, facts.lossBad || (!lossBad && (group?.rank ?? 0) === 0))
    }
  }

  /** @param ours whether this process writes it down: its own loss was at fault, or, where none was, it is the first */
  async #report({ gathered, dataloader, facts: { scale } }: Known, ours: boolean): Promise<void> {
    const { epoch, iteration } = gathered
    const losses = meanScalars(gathered.read).training_losses
    const skipped = { epoch, iteration, lr: gathered.schedule_info.lr ?? 0, wrong: whatWasWrong(losses) }
    this.#first ??= skipped
    const { inARow } = this.#counts
    if (ours) await this.#write(skippedLine(skipped, { time: new Date(), scale, inARow, losses, samples: samplesOf(dataloader, gathered.sources) }))
    if (ours && this.#told++ < toldSkips) {
      const more = this.#told === toldSkips ? '; more will be counted, not listed' : ''
      this.#owner().log(`Skipped epoch ${epoch}, iteration ${iteration}: ${skipped.wrong}; its samples are in ${this.file}${more}`)
    }
    if (inARow >= this.#owner().limit) this.#failure ??= tooManyError(this.#first, inARow, this.file, this.#owner().snapshot)
  }

  async #write(line: string): Promise<void> {
    try {
      await mkdir(path.dirname(this.file), { recursive: true })
      await appendFile(this.file, `${line}\n`)
    } catch (error) {
      // The run is worth more than the list.
      if (!this.#cannotWrite) this.#owner().log(`Warning: cannot write ${this.file}: ${(error as Error).message}`)
      this.#cannotWrite = true
    }
  }

  /** @throws ERR_NONFINITE once too many iterations in a row were skipped */
  throwIfEnough(): void {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure
  }

  /** Frees what was not read. */
  drop(): void {
    for (const { gathered } of this.#pending.splice(0)) gathered.dispose()
  }
}

function samplesOf(dataloader: TrainingBatches, sources: readonly BatchSource[]): unknown[] {
  return sources.flatMap((source): unknown[] => dataloader.describeSamples?.(source) ?? Array.from({ length: source.count }, (_, i) => ({ epoch: source.epoch, sample: source.sample + i })))
}
