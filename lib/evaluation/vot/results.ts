/**
 * Reads results of the VOT protocols from a folder or zip.
 */
import { SiamError } from '../../errors.ts'
import { withResults, type ResultSource } from '../results/source.ts'
import type { Annotations, TrackerResults } from '../types.ts'
import { votLayout, type SequenceFiles } from './layout.ts'
import { parseBinaryTrajectory } from './trajectory-binary.ts'
import { parseTrajectory, type Trajectory } from './trajectory.ts'

/** What one tracker gave for one sequence. */
export interface VotSequenceResult {
  /** One for each repetition: up to 15 in the reset-based experiment, one in the long-term experiment. */
  runs: readonly Trajectory[]
  /** Long-term: the tracker's confidence in each frame of the run; NaN in the first where its line is empty. */
  confidences?: readonly (readonly number[])[]
  /** Seconds that each frame of the first run took, where they were kept. */
  seconds?: readonly number[]
  /** The file or entry of the first run. */
  file: string
}

export interface VotTrackerResults extends TrackerResults<VotSequenceResult> {
  /** What was odd and did not stop the reading, one sentence each. */
  warnings: readonly string[]
}

/**
 * Reads the results of every tracker in a folder or zip: `TRACKER/baseline/SEQ/SEQ_001.txt` … `_015.txt` (or `.bin`) for the reset-based experiment,
 * `TRACKER/longterm/SEQ/SEQ_001.txt` with `SEQ_001_confidence.value` for the long-term one (`annotations.protocol` tells which). Folders may
 * be left out or stand above; other experiments' folders, other files and sequences that are not annotated are left aside.
 * @param source  the path of a folder or zip, or one that is open
 * @throws ERR_DATA when there is none, a file has another number of lines than the sequence has frames, or a malformed line (with its number)
 */
export async function readVotResults(source: string | ResultSource, annotations: Annotations): Promise<VotTrackerResults[]> {
  if (typeof source === 'string') return withResults(source, (opened) => readVotResults(opened, annotations))
  const longTerm = annotations.protocol === 'vot-lt'
  const frames = new Map(annotations.sequences.map(({ name, truth }) => [name, truth.length]))
  const results: VotTrackerResults[] = []
  for (const { tracker, sequences } of votLayout(source, annotations, longTerm ? 'longterm' : 'baseline')) {
    const read = new Map<string, VotSequenceResult>()
    const warnings: string[] = []
    for (const [name, files] of sequences) {
      const count = frames.get(name) as number
      const runs: Trajectory[] = []
      for (const run of files.runs) {
        const bytes = await source.read(run)
        runs.push(/\.bin$/i.test(run) ? parseBinaryTrajectory(bytes, count, source.describe(run)) : parseTrajectory(bytes.toString('utf8'), count, source.describe(run)))
      }
      const result: VotSequenceResult = { runs, file: source.describe(files.runs[0] as string) }
      if (longTerm) result.confidences = await readConfidences(source, files, count)
      const seconds = await readSeconds(source, files, count, warnings)
      if (seconds !== undefined) result.seconds = seconds
      read.set(name, result)
    }
    results.push({ tracker, source: source.path, sequences: read, warnings })
  }
  return results.sort((a, b) => (a.tracker < b.tracker ? -1 : 1))
}

async function textOf(source: ResultSource, name: string): Promise<string> {
  return (await source.read(name)).toString('utf8')
}

/** One number a line; the line of the first frame, in which the tracker was given the target, may be empty. */
async function readConfidences(source: ResultSource, files: SequenceFiles, count: number): Promise<number[][]> {
  const all: number[][] = []
  for (const [i, name] of files.confidences.entries()) {
    const run = files.runs[i] as string
    if (name === undefined) throw new SiamError('ERR_DATA', 'the confidences of this result are missing', { file: source.describe(run), hint: `expected ${run.replace(/\.\w+$/, '_confidence.value')} beside it` })
    // The first line is empty, so nothing may be cut off at the front.
    const lines = (await textOf(source, name)).replace(/^\ufeff/, '').replace(/\r?\n$/, '').split(/\r?\n/)
    const file = source.describe(name)
    if (lines.length !== count) throw new SiamError('ERR_DATA', `Expected ${count} lines, one a frame, but found ${lines.length}`, { file, line: Math.min(lines.length, count) })
    all.push(lines.map((line, frame) => (frame === 0 && line.trim() === '' ? Number.NaN : confidenceOf(line, frame + 1, file))))
  }
  return all
}

function confidenceOf(text: string, line: number, file: string): number {
  const trimmed = text.trim()
  if (/^[-+]?nan$/i.test(trimmed)) return Number.NaN
  const value = Number(trimmed)
  if (trimmed === '' || !Number.isFinite(value)) throw new SiamError('ERR_DATA', `Expected a number but found ${JSON.stringify(text.slice(0, 60))}`, { file, line })
  return value
}

/** One line a frame, one column a repetition. Times are no part of a score but the speed: what cannot be read becomes a warning. */
async function readSeconds(source: ResultSource, files: SequenceFiles, count: number, warnings: string[]): Promise<number[] | undefined> {
  if (files.times === undefined) return undefined
  const lines = (await textOf(source, files.times)).trim().split(/\r?\n/)
  const seconds = lines.map((line) => Number(line.trim().split(/\s*[,;\t ]\s*/)[0]))
  if (lines.length === count && seconds.every((value) => value >= 0)) return seconds
  warnings.push(`${source.describe(files.times)}: expected ${count} times in seconds, one a line; it was not used.`)
  return undefined
}
