/**
 * What is wrong with a data set, gathered while it is indexed: counted in full, kept in part, fatal where the caller asked for that.
 */
import { SiamError } from '../errors.ts'

export type ProblemKind =
  | 'missing_sequence'
  | 'missing_groundtruth'
  | 'unreadable'
  | 'no_frames'
  | 'missing_frame'
  | 'bad_annotation'
  | 'box_outside'
  | 'missing_box'
  | 'bad_labels'
  | 'short_groundtruth'
  | 'long_groundtruth'
  | 'unparsable_line'
  | 'not_finite'
  | 'empty_box'
  | 'undecodable_frame'
  | 'other_size'
  | 'damaged_member'
  | 'damaged_pack'

/** One thing that is wrong; `sequence` problems drop the whole sequence, `frame` problems one frame of it. */
export interface DataProblem {
  kind: ProblemKind
  scope: 'sequence' | 'frame'
  dataset: string
  sequence: string
  file: string
  /** 1-based line of {@link file}, where the problem is in a line. */
  line?: number
  message: string
}

/** How many problems a report keeps with their text; all are counted. */
const keptProblems = 1000

/** All that a log holds, as plain data: kept with a cached index, which reports the same as reading the annotations did. */
export interface ProblemState {
  kept: DataProblem[]
  counts: Partial<Record<ProblemKind, number>>
  skippedSequences: number
  excludedFrames: number
  absentFrames: number
}

/** Counts and keeps what is wrong with the data sets of one run. */
export class ProblemLog {
  readonly strict: boolean
  readonly kept: DataProblem[] = []
  readonly counts: Partial<Record<ProblemKind, number>> = {}
  skippedSequences = 0
  excludedFrames = 0
  /** Frames whose target is labelled absent and which have no box: left out, but not wrong. */
  absentFrames = 0

  readonly #limit: number

  /**
   * @param strict true: the first problem throws ERR_DATA instead of being counted
   * @param limit  how many problems are kept with their text
   */
  constructor(strict = false, limit = keptProblems) {
    this.strict = strict
    this.#limit = limit
  }

  /** Counts a problem. @throws ERR_DATA at once when strict */
  add(problem: DataProblem): void {
    if (this.strict) throw problemError(problem)
    this.counts[problem.kind] = (this.counts[problem.kind] ?? 0) + 1
    if (problem.scope === 'sequence') this.skippedSequences += 1
    else this.excludedFrames += 1
    if (this.kept.length < this.#limit) this.kept.push(problem)
  }

  /** Counts problems of which only the number is known. */
  addUnkept(kind: ProblemKind, scope: DataProblem['scope'], count: number): void {
    if (count <= 0) return
    this.counts[kind] = (this.counts[kind] ?? 0) + count
    if (scope === 'sequence') this.skippedSequences += count
    else this.excludedFrames += count
  }

  state(): ProblemState {
    const { kept, counts, skippedSequences, excludedFrames, absentFrames } = this
    return { kept, counts, skippedSequences, excludedFrames, absentFrames }
  }

  /** A log with what {@link state} gave. @throws ERR_DATA with its first problem when strict */
  static restore(state: ProblemState, strict: boolean): ProblemLog {
    const log = new ProblemLog(strict)
    const first = state.kept[0]
    if (strict && first !== undefined) throw problemError(first)
    log.absorb(state)
    return log
  }

  /** Adds what another log counted and kept. */
  absorb(other: ProblemState): void {
    for (const [kind, count] of Object.entries(other.counts) as [ProblemKind, number][]) this.counts[kind] = (this.counts[kind] ?? 0) + count
    this.kept.push(...other.kept.slice(0, keptProblems - this.kept.length))
    this.skippedSequences += other.skippedSequences
    this.excludedFrames += other.excludedFrames
    this.absentFrames += other.absentFrames
  }

  get total(): number {
    return this.skippedSequences + this.excludedFrames
  }

  /** Lines for a terminal: the totals and the first problems; empty when all is well. */
  summary(lines = 5): string[] {
    if (this.total === 0) return []
    const counts = Object.entries(this.counts)
      .map(([kind, n]) => countOfKind(kind, n))
      .join(', ')
    const head = `left out ${plural(this.skippedSequences, 'sequence')} and ${plural(this.excludedFrames, 'frame')} of bad data: ${counts}`
    const shown = this.kept.slice(0, lines).map((p) => `  ${problemError(p).toLine()}`)
    if (this.total > shown.length) shown.push(`  … and ${this.total - shown.length} more`)
    return [head, ...shown]
  }
}

/** '3 undecodable frames', '1 empty box', '2 unreadable': kinds that name a thing have a plural. */
export function countOfKind(kind: string, n: number): string {
  const text = `${n} ${kind.replaceAll('_', ' ')}`
  return n !== 1 && /_(sequence|frame|annotation|box|line|member|pack)$/.test(kind) ? `${text}${kind.endsWith('box') ? 'es' : 's'}` : text
}

/** The error that a problem becomes when it is fatal. */
export function problemError(problem: DataProblem, options: { hint?: string } = {}): SiamError {
  const where = problem.sequence === '' ? '' : `sequence ${JSON.stringify(problem.sequence)} of `
  return new SiamError('ERR_DATA', `${where}${problem.dataset}: ${problem.message}`, {
    file: problem.file,
    line: problem.line,
    hint: options.hint,
  })
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
