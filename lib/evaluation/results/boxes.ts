/** Files of boxes and of times. */
import { parseGroundTruth } from '../../data/groundtruth.ts'
import { SiamError } from '../../errors.ts'
import type { Rect } from '../overlap.ts'
import type { AnnotatedSequence, BenchmarkSequence } from '../types.ts'
import { frameNumber } from '../annotation-json.ts'

/**
 * Reads boxes x,y,w,h, one a line, between commas, tabs, semicolons or spaces, with any kind of line ends; empty lines at the end are left out.
 * @returns NaN where the file says nan or inf
 * @throws ERR_DATA with the line that is no box
 */
export function parseBoxes(bytes: Uint8Array, file: string): Rect[] {
  const { count, values, unparsable } = parseGroundTruth(bytes)
  for (const [frame, why] of unparsable) throw new SiamError('ERR_DATA', why, { file, line: frame + 1 })
  if (count === 0) throw new SiamError('ERR_DATA', 'expected boxes x,y,w,h, one a line, but the file is empty', { file })
  return Array.from({ length: count }, (_, k) => {
    // Spreading a part of the array instead takes twice the memory, of millions of boxes.
    const [x, y, w, h] = [values[k * 4], values[k * 4 + 1], values[k * 4 + 2], values[k * 4 + 3]] as unknown as Rect
    return Number.isFinite(x) && Number.isFinite(y) && Number.isFinite(w) && Number.isFinite(h) ? [x, y, w, h] : nothing
  })
}

const nothing: Rect = [Number.NaN, Number.NaN, Number.NaN, Number.NaN]

/**
 * Reads seconds, one a line or, of several runs, as columns.
 * @returns undefined when something in it is no number
 */
export function parseTimes(bytes: Uint8Array): number[] | undefined {
  const seconds: number[] = []
  for (const token of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').replace(/^\uFEFF/, '').split(/[\s,;]+/)) {
    if (token === '') continue
    const value = Number(token)
    if (Number.isNaN(value) && !/^[+-]?nan$/i.test(token)) return undefined
    seconds.push(value)
  }
  return seconds
}

/** Too few boxes: an error; failures in the frames at the end; or those frames do not count, as the original has it. */
export type ShortResults = 'error' | 'pad' | 'cut'

export interface FitOptions {
  /** The benchmark's toolkit refuses another number of boxes than frames. */
  exactly: boolean
  short: ShortResults
  warn: (message: string) => void
}

/**
 * Gives a sequence one box for each annotated frame (fewer only by `cut`).
 *
 * More boxes than annotations: a tracker that ran over the whole video where annotations begin later (Tiger1 of OTB at frame 6) is taken from
 * there, else the surplus is at the end, as the GOT-10k toolkit has it (Diving of OTB, monkey-17 of LaSOT).
 * @throws ERR_DATA when the boxes cannot be told to belong to the frames
 */
export function fitBoxes(boxes: readonly Rect[], sequence: AnnotatedSequence, file: string, options: FitOptions): readonly Rect[] {
  const frames = sequence.truth.length
  if (boxes.length === frames) return boxes
  const counts = `expected ${frames} boxes for ${sequence.name}, one for each annotated frame, but found ${boxes.length}`
  if (frames === 1) throw new SiamError('ERR_DATA', `only the first frame of ${sequence.name} is annotated, so that its ${boxes.length} boxes cannot be scored`, { file, hint: 'the benchmark’s own server scores such results' })
  if (boxes.length > frames && !options.exactly) {
    const before = firstFrameOf(sequence) - 1
    const skip = before > 0 && boxes.length >= frames + before ? before : 0
    options.warn(`${file}: ${boxes.length} boxes for the ${frames} annotated frames of ${sequence.name}; ${skip > 0 ? `annotations begin at frame ${skip + 1}, so the boxes before it are left out` : 'those at the end are left out'}`)
    return boxes.slice(skip, skip + frames)
  }
  if (boxes.length < frames && options.short === 'pad') {
    options.warn(`${file}: ${boxes.length} boxes for the ${frames} annotated frames of ${sequence.name}; the others count as failures`)
    return [...boxes, ...Array.from({ length: frames - boxes.length }, () => nothing)]
  }
  if (boxes.length < frames && options.short === 'cut' && !options.exactly) {
    options.warn(`${file}: ${boxes.length} boxes for the ${frames} annotated frames of ${sequence.name}; the others do not count`)
    return boxes
  }
  throw new SiamError('ERR_DATA', counts, { file, hint: boxes.length < frames ? 'the run may have been stopped; --short pad counts the frames at the end as failures, --short cut leaves them out' : undefined })
}

function firstFrameOf(sequence: AnnotatedSequence): number {
  return sequence.firstFrame ?? frameNumber((sequence as Partial<BenchmarkSequence>).files?.[0]) ?? 1
}
