/**
 * From sequences to the flat index that the native loader samples: checked, converted, and without a string a frame where names follow
 * a pattern.
 */
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { DatasetIndex, SectionsBuilder, type SequenceNames } from './compact-index.ts'
import { isFramePattern, nameFromPattern, numberedOf, patternOf } from './frames.ts'
import { type DataProblem, type ProblemLog, plural, problemError } from './problems.ts'
import type { FramePattern, SequenceIterable, SequenceRecord } from './source.ts'

export interface IndexOptions {
  /** Name of the data set, for messages. */
  name: string
  /** Share of the samples that come from it, relative to the other data sets' ratios. */
  ratio: number
  /** Largest distance between the two frames of a pair, frames. */
  maxDiff: number
  cwd: string
  problems: ProblemLog
  signal?: AbortSignal
}

interface FlatSequence {
  dir: string
  names: SequenceNames
  boxes: Float32Array
}

/**
 * Indexes a data set. Bad boxes (not finite, zero or negative size, unreadable line) leave their frame out, sequences with no frame left
 * are left out whole; all of that is counted in `options.problems`.
 *
 * @returns boxes as x1,y1,x2,y2 with x2 = x1 + w − 1, as the original's xywh2xyxy (float32)
 * @throws ERR_DATA when nothing usable is left (with the first problem), or at the first problem when strict
 */
export async function buildDatasetIndex(sequences: SequenceIterable, options: IndexOptions): Promise<DatasetIndex> {
  const { problems } = options
  const countBefore = problems.total
  const keptBefore = problems.kept.length
  const parts = new SectionsBuilder()
  let still: boolean | undefined
  let emptyStills = 0
  for await (const record of sequences) {
    options.signal?.throwIfAborted()
    const sequence = flatten(record, options)
    if (sequence !== null) {
      if (still !== undefined && still !== (record.still === true)) throw mixedError(record, options)
      still = record.still === true
      parts.append(sequence.dir, sequence.names, sequence.boxes)
    } else if (record.still === true) emptyStills += 1
    if (parts.frames > 0xffffffff) throw new SiamError('ERR_DATA', `${options.name} has more than 2^32 − 1 frames, which is what an index holds at most`)
  }
  if (parts.sequences === 0) throw emptyError(options, problems.kept[keptBefore], problems.total - countBefore)
  return new DatasetIndex({ ...options, still: still === true, emptyStills }, parts.take())
}

function mixedError(record: SequenceRecord, options: IndexOptions): SiamError {
  return new SiamError('ERR_DATA', `${options.name}: expected all sequences or none to be still pictures, but ${JSON.stringify(record.name)} differs from those before it`, {
    file: fileOf(record),
    hint: 'register the stills as a data set of their own',
  })
}

function emptyError(options: IndexOptions, first: DataProblem | undefined, count: number): SiamError {
  if (first === undefined) return new SiamError('ERR_DATA', `${options.name} is empty: it has no sequence with a usable frame`)
  const error = problemError(first)
  return new SiamError('ERR_DATA', `${error.message}${count > 1 ? ` (the first of ${plural(count, 'problem')})` : ''}; ${options.name} has no usable frame left`, { file: error.file, line: error.line })
}

/** @returns null when no frame of the sequence can be used */
function flatten(record: SequenceRecord, options: IndexOptions): FlatSequence | null {
  const count = frameCount(record, options)
  const values = flatBoxes(record, count, options)
  const corners = record.boxFormat === 'xyxy'
  const boxes = new Float32Array(count * 4)
  const kept: number[] = []
  let bad = 0
  for (let k = 0; k < count; k += 1) {
    const [a, b, c, d] = [values[k * 4] ?? NaN, values[k * 4 + 1] ?? NaN, values[k * 4 + 2] ?? NaN, values[k * 4 + 3] ?? NaN]
    const [w, h] = corners ? [c - a + 1, d - b + 1] : [c, d]
    if (Number.isFinite(a) && Number.isFinite(b) && w > 0 && h > 0 && Number.isFinite(w) && Number.isFinite(h)) {
      const at = kept.length * 4
      // The original computes in float32: one rounding of each number, then one of each sum.
      const [x, y] = [Math.fround(a), Math.fround(b)]
      boxes[at] = x
      boxes[at + 1] = y
      boxes[at + 2] = corners ? c : Math.fround(Math.fround(w) + x) - 1
      boxes[at + 3] = corners ? d : Math.fround(Math.fround(h) + y) - 1
      kept.push(k)
    } else if (record.absent?.[k] && !(w < 0 || h < 0) && record.unparsable?.has(k) !== true) options.problems.absentFrames += 1
    else {
      bad += 1
      options.problems.add(boxProblem(record, k, [a, b, c, d], options.name))
    }
  }
  if (kept.length === 0) {
    if (bad === 0 && record.still !== true) options.problems.add({ kind: 'no_frames', scope: 'sequence', dataset: options.name, sequence: record.name, file: fileOf(record), message: 'the target is absent in every frame' })
    return null
  }
  // All objects of a still are in its one file.
  const frames = record.still === true ? framesOf(record, [0], 1, options.cwd) : framesOf(record, kept, count, options.cwd)
  return { ...frames, boxes: kept.length === count ? boxes : boxes.slice(0, kept.length * 4) }
}

function boxProblem(record: SequenceRecord, k: number, box: number[], dataset: string): DataProblem {
  const reason = record.unparsable?.get(k)
  const finite = box.every((v) => Number.isFinite(v))
  const shown = `[${box.join(', ')}]`
  return {
    kind: reason !== undefined ? 'unparsable_line' : finite ? 'empty_box' : 'not_finite',
    scope: 'frame',
    dataset,
    sequence: record.name,
    file: fileOf(record),
    line: record.annotationFile === undefined ? undefined : (record.annotationLine ?? 1) + k,
    message: `frame ${k + 1}: ${reason ?? (finite ? `the box ${shown} has no area: width and height must be above 0` : `the box ${shown} is not finite`)}`,
  }
}

function fileOf(record: SequenceRecord): string {
  if (record.annotationFile !== undefined) return record.annotationFile
  return isPattern(record.frames) ? path.join(record.frames.dir, nameFromPattern(record.frames, 0)) : (record.frames[0] ?? record.name)
}

function isPattern(frames: SequenceRecord['frames']): frames is FramePattern {
  return !Array.isArray(frames)
}

/** Checks what a user's own data set gave; ours are right by construction. */
function frameCount(record: SequenceRecord, options: IndexOptions): number {
  const where = `${options.name}: sequence ${JSON.stringify(record?.name)}`
  if (typeof record?.name !== 'string') throw invalidArgument('a sequence {name, frames, boxes}', `a sequence of ${options.name}`, record, 'ERR_DATA')
  if (Array.isArray(record.frames)) {
    const wrong = record.frames.find((frame) => typeof frame !== 'string' || frame === '')
    if (wrong !== undefined) throw invalidArgument('a file path', `a frame of ${where}`, wrong, 'ERR_DATA')
    if (record.still === true) return objectCount(record, record.frames.length, where)
    return record.frames.length
  }
  const frames = record.frames as Partial<FramePattern> | null
  if (typeof frames !== 'object' || frames === null) throw invalidArgument('an array of paths or {dir, pattern, first, count}', `frames of ${where}`, frames, 'ERR_DATA')
  if (typeof frames.dir !== 'string') throw invalidArgument('a folder', `frames.dir of ${where}`, frames.dir, 'ERR_DATA')
  if (typeof frames.pattern !== 'string' || !isFramePattern(frames.pattern)) throw invalidArgument("a name with one %d or %0Nd, such as '%08d.jpg',", `frames.pattern of ${where}`, frames.pattern, 'ERR_DATA')
  for (const key of ['first', 'count'] as const) {
    const value = frames[key]
    if (!Number.isInteger(value) || (value ?? -1) < 0 || (value ?? 0) > 0x7fffffff) throw invalidArgument('an integer of 0 or more', `frames.${key} of ${where}`, value, 'ERR_DATA')
  }
  return record.still === true ? objectCount(record, frames.count ?? 0, where) : (frames.count ?? 0)
}

/** How many objects a still picture has. */
function objectCount(record: SequenceRecord, files: number, where: string): number {
  if (files !== 1) throw invalidArgument('one file', `frames of the still picture ${where}`, files, 'ERR_DATA')
  const { boxes } = record
  const nested = Array.isArray(boxes) && (boxes.length === 0 || Array.isArray(boxes[0]))
  return nested ? boxes.length : Math.ceil((boxes?.length ?? 0) / 4)
}

function flatBoxes(record: SequenceRecord, count: number, options: IndexOptions): ArrayLike<number> {
  const { boxes } = record
  const where = `boxes of ${options.name}: sequence ${JSON.stringify(record.name)}`
  if (typeof boxes !== 'object' || boxes === null || typeof boxes.length !== 'number') throw invalidArgument('an array of boxes', where, boxes, 'ERR_DATA')
  const nested = Array.isArray(boxes) && (boxes.length === 0 || Array.isArray(boxes[0]))
  const flat = nested ? (boxes as number[][]).flatMap((box) => (Array.isArray(box) && box.length === 4 ? box : [NaN, NaN, NaN, NaN])) : (boxes as ArrayLike<number>)
  if (flat.length !== count * 4) {
    throw new SiamError('ERR_DATA', `Expected 4 numbers for each of ${count} frames as ${where} but received ${flat.length} numbers`, { file: record.annotationFile })
  }
  return flat
}

/** Folder and names of the kept frames, as a pattern where one gives them. */
function framesOf(record: SequenceRecord, kept: readonly number[], count: number, cwd: string): Omit<FlatSequence, 'boxes'> {
  const { frames } = record
  if (isPattern(frames)) {
    const dir = path.resolve(cwd, frames.dir)
    const first = kept[0] ?? 0
    // Frames left out at the ends only shift the count; a hole needs the numbers.
    if ((kept[kept.length - 1] ?? 0) - first + 1 === kept.length) return { dir, names: { pattern: frames.pattern, first: frames.first + first } }
    return { dir, names: { pattern: frames.pattern, numbers: kept.map((k) => frames.first + k) } }
  }
  const paths = kept.length === count ? frames : kept.map((k) => frames[k] ?? '')
  const dir = path.resolve(cwd, path.dirname(paths[0] ?? ''))
  const names = paths.map((file) => path.relative(dir, path.resolve(cwd, file)))
  return { dir, names: patternOf(names) ?? numberedOf(names) ?? { names } }
}
