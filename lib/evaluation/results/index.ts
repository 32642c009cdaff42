/** Results of one-pass benchmarks, ours or others'. */
import path from 'node:path'
import { mapOrdered } from '../../data/parallel.ts'
import { SiamError } from '../../errors.ts'
import type { Rect } from '../overlap.ts'
import type { AnnotatedSequence, Annotations, SequenceResult, TrackerResults } from '../types.ts'
import { fitBoxes, parseBoxes, parseTimes } from './boxes.ts'
import type { ShortResults } from './boxes.ts'
import { onePassLayout, ownName } from './layout.ts'
import type { SequenceFiles, TrackerFiles } from './layout.ts'
import { withResults } from './source.ts'
import type { ResultSource } from './source.ts'

export type { ShortResults } from './boxes.ts'
export { openResults, sourceLimits, withResults } from './source.ts'
export type { ResultSource, SourceLimits } from './source.ts'

export interface ReadResultsOptions {
  /** Sequences with fewer boxes than annotations: an error (the default); failures in the frames at the end; or those frames do not count. */
  short?: ShortResults
  /** What was odd and did not stop the reading, one sentence each. */
  onWarning?: (message: string) => void
}

/** Files open at a time. */
const filesAtATime = 8

/**
 * Reads one-pass results: boxes x,y,w,h, one line for each frame, in files named after the sequences. Finds the trackers in a folder or zip
 * whatever folders are around them, and sequences whatever toolkit named them.
 * @param source  the path of a folder or zip, or one that is open
 * @returns trackers in the order of their names; sequences without a file are not in their maps
 * @throws ERR_DATA when there is no result of an annotated sequence, a line is no box, or there are too few boxes; ERR_IO
 */
export async function readTrackerResults(source: string | ResultSource, annotations: Annotations, options: ReadResultsOptions = {}): Promise<TrackerResults[]> {
  if (typeof source === 'string') return await withResults(source, (open) => readTrackerResults(open, annotations, options))
  const layout = onePassLayout(source.list(), annotations.benchmark, annotations.sequences.map(({ name }) => name), ownName(source), annotations.subset)
  if (layout.length === 0) throw nothingFound(source, annotations)
  // T.zip beside T is most often the same, packed for a server.
  const zips = source.list().filter((name) => /\.zip$/i.test(name) && !layout.some(({ tracker }) => path.posix.basename(name).slice(0, -'.zip'.length) === tracker))
  if (zips.length > 0) options.onWarning?.(`${source.path}: zips in it are not looked into: ${zips.slice(0, 5).join(', ')}${zips.length > 5 ? ', …' : ''}`)
  const trackers: TrackerResults[] = []
  for (const files of layout) trackers.push(await readTracker(source, annotations, files, options))
  return trackers
}

function nothingFound(source: ResultSource, annotations: Annotations): SiamError {
  const names = source.list()
  const example = annotations.sequences[0]?.name ?? 'SEQUENCE'
  const what = names.length === 0 ? `the ${source.kind} of results is empty` : `none of its ${names.length} files is a result of a sequence of ${annotations.benchmark}`
  const zip = names.find((name) => name.toLowerCase().endsWith('.zip'))
  const seen = zip !== undefined ? `; zips are not looked into, ${source.kind === 'zip' ? 'unpack this one' : 'name them'}: ${source.describe(zip)}` : names.length === 0 ? '' : `; the first file is ${names[0]}`
  return new SiamError('ERR_DATA', what, { file: source.path, hint: `expected ${example}.txt, TRACKER/${example}.txt or TRACKER/${example}/${example}_001.txt${seen}` })
}

async function readTracker(source: ResultSource, annotations: Annotations, files: TrackerFiles, options: ReadResultsOptions): Promise<TrackerResults> {
  const warn = options.onWarning ?? (() => {})
  const sequences = new Map<string, SequenceResult>()
  const faults: { name: string; error: SiamError }[] = []
  const there = annotations.sequences.filter(({ name }) => files.sequences.has(name))
  const outcomes = mapOrdered(there, filesAtATime, async (sequence) => {
    const warnings: string[] = []
    try {
      return { sequence, warnings, result: await readSequence(source, sequence, files.sequences.get(sequence.name) as SequenceFiles, annotations.benchmark, options.short ?? 'error', (text) => warnings.push(text)) }
    } catch (error) {
      if (error instanceof SiamError) return { sequence, warnings, error }
      throw error
    }
  })
  for await (const outcome of outcomes) {
    for (const text of outcome.warnings) warn(text)
    if (outcome.result === undefined) faults.push({ name: outcome.sequence.name, error: outcome.error })
    else sequences.set(outcome.sequence.name, outcome.result)
  }
  const first = faults[0]
  if (first !== undefined) {
    const others = faults.slice(1).map(({ name }) => name)
    const more = others.length === 0 ? '' : ` (and ${others.length} more sequences of ${files.tracker} are faulty: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''})`
    throw new SiamError(first.error.code, `${first.error.message}${more}`, { file: first.error.file, line: first.error.line, hint: first.error.hint, cause: first.error })
  }
  if (sequences.size < annotations.sequences.length && files.unknown.length > 0) {
    warn(`${files.tracker}: ${files.unknown.length} files are of no sequence of ${annotations.benchmark}: ${files.unknown.slice(0, 5).join(', ')}${files.unknown.length > 5 ? ', …' : ''}`)
  }
  return { tracker: files.tracker, source: source.path, sequences }
}

async function readSequence(source: ResultSource, sequence: AnnotatedSequence, files: SequenceFiles, benchmark: string, short: ShortResults, warn: (message: string) => void): Promise<SequenceResult> {
  if (files.twice !== undefined) throw new SiamError('ERR_DATA', `there are two files for one run over ${sequence.name}`, { file: source.describe(files.twice), hint: 'keep one of them, or give each tracker a folder of its own' })
  const runs: (readonly Rect[])[] = []
  for (const entry of files.runs) {
    const file = source.describe(entry)
    const read = parseBoxes(await source.read(entry), file)
    const boxes = fitBoxes(read, sequence, file, { exactly: benchmark === 'GOT-10k', short, warn })
    const none = boxes.filter((box) => Number.isNaN(box[0])).length
    if (none > 0 && boxes.length === read.length) warn(`${file}: ${none} of ${boxes.length} boxes are nan or inf; they count as failures`)
    runs.push(boxes)
  }
  const [boxes = [], ...moreRuns] = runs
  const seconds = files.times === undefined ? undefined : parseTimes(await source.read(files.times))
  if (files.times !== undefined && seconds === undefined) warn(`${source.describe(files.times)}: the times are not all numbers; left out`)
  const partial = runs.some((run) => run.length < sequence.truth.length)
  return { boxes, ...(moreRuns.length === 0 ? {} : { moreRuns }), ...(partial ? { partial } : {}), ...(seconds === undefined ? {} : { seconds }), file: source.describe(files.runs[0] as string) }
}
