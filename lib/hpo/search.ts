/** The search itself: draws trials, has them scored, keeps the best, writes down what was done. It knows nothing of trackers. */
import { SiamError } from '../errors.ts'
import type { Evaluation } from '../evaluation/types.ts'
import { drawTrial, overridesOf } from './draw.ts'
import { Journal, type JournalEntry, type MainScore, type SearchIdentity } from './journal.ts'
import { costOf, mixed, planRungs, type Rung, type SearchMethod } from './rungs.ts'
import { columnName, type ParameterValue, type SearchParameter } from './space.ts'

export interface TrialRequest {
  /** 0, 1, …: the same number is the same trial, whatever the run. */
  trial: number
  /** What makes the configuration that of this trial. */
  overrides: readonly string[]
  /** The sequences that it is scored on, in the benchmark's order. */
  sequences: readonly string[]
  /** How many of the workers are this trial's: more than one where fewer trials than workers are left. */
  workers: number
  signal: AbortSignal
}

/** Runs the tracker with a trial's values. The score is the better the higher it is. */
export type EvaluateTrial = (request: TrialRequest) => Promise<{ score: number; evaluation: Evaluation }>

export interface SearchOptions {
  parameters: readonly SearchParameter[]
  method: SearchMethod
  trials: number
  seed: number
  /** Of how many trials one goes on, in successive halving. */
  eta: number
  /** Names of the benchmark's sequences, in its order. */
  sequences: readonly string[]
  /** Trials that run at a time. */
  workers: number
  /** File of the journal; its folder is there. */
  journal: string
  /** What else, beside the options above, tells this search from another: configuration, weights, benchmark. */
  identity: SearchIdentity
  evaluate: EvaluateTrial
  signal?: AbortSignal
  /** After each trial, and once before the first with those that an earlier run had done. */
  onProgress?: (progress: SearchProgress) => void
}

export interface SearchProgress {
  done: number
  total: number
  /** Of them done by earlier runs. */
  kept: number
  /** Just done; undefined at the first call. */
  latest: JournalEntry | undefined
  best: JournalEntry | undefined
}

export interface TrialResult {
  trial: number
  values: readonly ParameterValue[]
  overrides: readonly string[]
  /** Of the last rung that it took part in. */
  rung: number
  sequences: number
  score: number | null
  scores: Readonly<Record<string, number | null>>
  error?: string
}

export interface SearchResult {
  rungs: readonly Rung[]
  /** Sequences tracked by all trials, were none kept. */
  cost: number
  /** What the score is. */
  main: MainScore
  /** The best first: those scored on all sequences, then those that fell out before. */
  trials: readonly TrialResult[]
  /** The best of those scored on all sequences; undefined where none has a score. */
  best: TrialResult | undefined
}

/**
 * Searches. Started again with the same journal it goes on with what is missing, and gives what it would have given uninterrupted.
 * @throws ERR_ARGUMENT for a journal of another search, ERR_DATA for a damaged one, ERR_IO, the signal's reason; what `evaluate` throws, except
 *   ERR_NONFINITE, which is a trial without a score
 */
export async function searchHyperParameters(options: SearchOptions): Promise<SearchResult> {
  const { parameters, method, trials, seed, eta, sequences } = options
  const rungs = planRungs(method, trials, sequences.length, eta)
  const { journal, entries } = await Journal.open(options.journal, identityOf(options))
  try {
    const run = new Run(options, rungs, journal, entries)
    const order = mixed(sequences, seed)
    let field = Array.from({ length: trials }, (_, trial) => trial)
    const last = new Map<number, JournalEntry>()
    run.tell(undefined)
    for (const [k, rung] of rungs.entries()) {
      field = field.slice(0, rung.trials).sort((a, b) => a - b)
      const chosen = new Set(order.slice(0, rung.sequences))
      const scored = await run.rung(k, field, sequences.filter((name) => chosen.has(name)))
      for (const entry of scored) last.set(entry.trial, entry)
      field = scored.toSorted(better).map(({ trial }) => trial)
    }
    const results = [...last.values()].sort((a, b) => b.rung - a.rung || better(a, b)).map((entry): TrialResult => {
      const { error, main: _, ...rest } = entry
      return { ...rest, overrides: overridesOf(parameters, entry.values), ...(error === undefined ? {} : { error }) }
    })
    const [first] = results
    const main = [...last.values()].find((entry) => entry.main !== undefined)?.main ?? { id: 'score', title: 'score', digits: 3 }
    return { rungs, cost: costOf(rungs), main, trials: results, best: first?.score === null ? undefined : first }
  } finally {
    await journal.close()
  }
}

/** The higher score first; what has none last; of equals the trial that was drawn first. */
function better(a: JournalEntry, b: JournalEntry): number {
  const [left, right] = [a.score ?? -Infinity, b.score ?? -Infinity]
  return left === right ? a.trial - b.trial : right - left
}

/** More trials of a random search are the same search; in halving, who goes on depends on how many there are. */
function identityOf({ parameters, method, trials, seed, eta, sequences, identity }: SearchOptions): SearchIdentity {
  return {
    method,
    seed,
    ...(method === 'halving' ? { trials, eta } : {}),
    parameters: Object.fromEntries(parameters.map((parameter) => [columnName(parameter), parameter.range])),
    sequences,
    ...identity,
  }
}

class Run {
  readonly #options: SearchOptions
  readonly #rungs: readonly Rung[]
  readonly #journal: Journal
  readonly #known = new Map<string, JournalEntry>()
  readonly #total: number
  readonly #kept: number
  #done: number
  #best: JournalEntry | undefined

  constructor(options: SearchOptions, rungs: readonly Rung[], journal: Journal, entries: readonly JournalEntry[]) {
    this.#options = options
    this.#rungs = rungs
    this.#journal = journal
    for (const entry of entries) {
      this.#check(entry)
      const key = `${entry.rung}/${entry.trial}`
      if (entry.trial < options.trials && !this.#known.has(key)) this.#known.set(key, entry)
    }
    this.#total = rungs.reduce((sum, { trials }) => sum + trials, 0)
    this.#done = this.#kept = this.#known.size
    for (const entry of this.#known.values()) this.#compare(entry)
  }

  tell(latest: JournalEntry | undefined): void {
    this.#options.onProgress?.({ done: this.#done, total: this.#total, kept: this.#kept, latest, best: this.#best })
  }

  /** Scores these trials on these sequences, some at a time. @returns one entry for each, in their order */
  async rung(rung: number, trials: readonly number[], sequences: readonly string[]): Promise<JournalEntry[]> {
    const open = trials.filter((trial) => !this.#known.has(`${rung}/${trial}`))
    const atOnce = Math.min(this.#options.workers, open.length)
    // Where one fails, the others are not to go on for hours before anybody hears of it.
    const stop = new AbortController()
    const signal = this.#options.signal === undefined ? stop.signal : AbortSignal.any([this.#options.signal, stop.signal])
    let next = 0
    const worker = async (share: number): Promise<void> => {
      while (next < open.length) {
        signal.throwIfAborted()
        await this.#score(rung, open[next++] as number, sequences, share, signal)
      }
    }
    const running = Array.from({ length: atOnce }, (_, i) => worker(Math.floor((this.#options.workers + i) / atOnce)).catch((error: unknown) => {
      stop.abort(error)
      throw error
    }))
    const failed = (await Promise.allSettled(running)).find((outcome) => outcome.status === 'rejected')
    // The first failure is the reason of the others.
    if (failed !== undefined) throw this.#options.signal?.aborted === true ? this.#options.signal.reason : stop.signal.reason
    return trials.map((trial) => this.#known.get(`${rung}/${trial}`) as JournalEntry)
  }

  async #score(rung: number, trial: number, sequences: readonly string[], workers: number, signal: AbortSignal): Promise<void> {
    const { parameters, seed, evaluate } = this.#options
    const values = drawTrial(parameters, seed, trial)
    const common = { rung, trial, values, sequences: sequences.length }
    let entry: JournalEntry
    try {
      const { score, evaluation } = await evaluate({ trial, overrides: overridesOf(parameters, values), sequences, workers, signal })
      entry = { ...common, score: finite(score), main: mainOf(evaluation), scores: scoresOf(evaluation) }
    } catch (error) {
      if (!(error instanceof SiamError) || error.code !== 'ERR_NONFINITE') throw error
      entry = { ...common, score: null, scores: {}, error: error.message }
    }
    await this.#journal.add(entry)
    this.#known.set(`${rung}/${trial}`, entry)
    this.#done += 1
    this.#compare(entry)
    this.tell(entry)
  }

  #compare(entry: JournalEntry): void {
    const best = this.#best
    if (entry.score !== null && (best === undefined || entry.rung > best.rung || (entry.rung === best.rung && better(entry, best) < 0))) this.#best = entry
  }

  /** The journal says what a trial's values were; they are what the seed gives, or it is not this search's. */
  #check({ rung, trial, values, sequences }: JournalEntry): void {
    const drawn = drawTrial(this.#options.parameters, this.#options.seed, trial)
    if (JSON.stringify(drawn) === JSON.stringify(values) && this.#rungs[rung]?.sequences === sequences) return
    throw new SiamError('ERR_DATA', `the journal is damaged: trial ${trial} on ${sequences} sequences is none of this search`, { file: this.#options.journal, hint: 'remove its line to have the trial run again' })
  }
}

function mainOf({ main, columns }: Evaluation): MainScore {
  const { title, digits } = columns.find(({ id }) => id === main) ?? { title: main, digits: 3 }
  // One more than elsewhere: trials differ by little.
  return { id: main, title, digits: digits + 1 }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** Without the speed: trials run beside each other, so it says nothing, and it is another one each time. */
function scoresOf({ trackers }: Evaluation): Record<string, number | null> {
  return Object.fromEntries(Object.entries(trackers[0]?.scores ?? {}).filter(([id]) => id !== 'fps').map(([id, value]) => [id, finite(value)]))
}
