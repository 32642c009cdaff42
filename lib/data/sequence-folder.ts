/**
 * One sequence out of one folder: frames, `groundtruth.txt` and label files. GOT-10k, LaSOT and a user's own folders differ only in where
 * these lie.
 */
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { errorCode, isDirectory, isMissing } from './files.ts'
import { frameNamesOf, isFrameName, patternOf } from './frames.ts'
import { type GroundTruth, type GroundTruthOptions, parseGroundTruth } from './groundtruth.ts'
import { type LabelFile, readUnseen } from './labels.ts'
import { mapOrdered } from './parallel.ts'
import type { DataProblem, ProblemKind } from './problems.ts'
import type { DatasetContext, SequenceRecord } from './source.ts'

/** Sequences read at a time: more than libuv's 4 threads, so that they never wait for JavaScript. */
export const sequencesAtATime = 32

/** Why a sequence is left out. */
export type Unusable = Omit<DataProblem, 'scope' | 'dataset'>

export interface SequenceFolder {
  name: string
  /** The sequence's folder; its label files lie in it. */
  dir: string
  /** Folders below {@link dir} of which the first with frames counts; default: {@link dir} itself, ''. */
  frameFolders?: readonly string[]
  groundTruth?: GroundTruthOptions
  /** true: the file may hold the first frame's box only; the sequence then has that one frame. */
  firstBoxOnly?: boolean
  /** true: frames whose four numbers are all `nan` have no target, which is no mistake. */
  nanIsAbsent?: boolean
  labels?: readonly LabelFile[]
  /** true: frames whose labels say that the target is unseen are left out, also where they have a box. */
  excludeUnseen?: boolean
}

const annotationName = 'groundtruth.txt'

/** @returns the sequence, or why it cannot be used */
export async function readSequenceFolder(sequence: SequenceFolder): Promise<SequenceRecord | Unusable> {
  const { name, dir } = sequence
  const annotationFile = path.join(dir, annotationName)
  const unusable = (kind: ProblemKind, file: string, message: string, line?: number): Unusable => ({ kind, sequence: name, file, line, message })
  const [listing, read] = await Promise.all([listFrames(dir, frameFoldersOf(sequence)), outcome(readFile(annotationFile))])
  const { frameDir, entries, error } = listing
  if (error !== undefined) {
    if (!isMissing(error)) return unusable('unreadable', frameDir, `its folder cannot be read (${errorCode(error)})`)
    return frameDir !== dir && (await isDirectory(dir))
      ? unusable('no_frames', frameDir, 'its folder of frames is missing')
      : unusable('missing_sequence', dir, 'its folder is missing')
  }
  if ('error' in read) {
    return isMissing(read.error)
      ? unusable('missing_groundtruth', annotationFile, `${annotationName} is missing`)
      : unusable('unreadable', annotationFile, `cannot be read (${errorCode(read.error)})`)
  }
  const names = frameNamesOf(entries)
  if (names.length === 0) return unusable('no_frames', frameDir, `no .jpg, .png or .webp frame in its folder${otherPictures(entries)}`)
  const truth = parseGroundTruth(read.value, sequence.groundTruth)
  const frames = sequence.firstBoxOnly === true && truth.count === 1 ? names.slice(0, 1) : names
  if (truth.count !== frames.length) return unusable(...countProblem(annotationFile, truth.count, frames.length))
  const pattern = patternOf(frames)
  const record: SequenceRecord = {
    name,
    frames: pattern === null ? frames.map((frame) => path.join(frameDir, frame)) : { dir: frameDir, ...pattern },
    boxes: truth.values,
    annotationFile,
    unparsable: truth.unparsable,
  }
  const absent = await absentFrames(sequence, truth)
  if (absent !== null && 'message' in absent) return unusable('bad_labels', absent.file, absent.message, absent.line)
  if (absent !== null) record.absent = absent
  return record
}

function frameFoldersOf({ frameFolders = [''] }: SequenceFolder): readonly string[] {
  return frameFolders
}

/** The first folder with frames; where none has any, the first that is there, or why the first cannot be read. */
async function listFrames(dir: string, folders: readonly string[]): Promise<{ frameDir: string; entries: string[]; error?: unknown }> {
  const listings: { frameDir: string; entries: string[]; error?: unknown }[] = []
  for (const folder of folders) {
    const frameDir = path.join(dir, folder)
    const listed = await outcome(readdir(frameDir))
    const listing = 'error' in listed ? { frameDir, entries: [], error: listed.error } : { frameDir, entries: listed.value }
    if (listing.entries.some(isFrameName)) return listing
    listings.push(listing)
  }
  return listings.find(({ error }) => error === undefined) ?? (listings[0] as (typeof listings)[number])
}

async function outcome<T>(work: Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await work }
  } catch (error) {
    return { error }
  }
}

/** What {@link Unusable} says when boxes and frames do not pair up. */
export function countProblem(annotationFile: string, boxes: number, frames: number): [ProblemKind, string, string, number] {
  return [
    boxes < frames ? 'short_groundtruth' : 'long_groundtruth',
    annotationFile,
    `expected one box for each of ${frames} frames but found ${boxes}: which box belongs to which frame is unknown`,
    Math.min(boxes, frames) + 1,
  ]
}

async function absentFrames(sequence: SequenceFolder, truth: GroundTruth) {
  const { values, count, unparsable } = truth
  let absent: Uint8Array | null = null
  if (sequence.nanIsAbsent === true) {
    for (let k = 0; k < count; k += 1) {
      if (Number.isNaN(values[k * 4]) && Number.isNaN(values[k * 4 + 1]) && Number.isNaN(values[k * 4 + 2]) && Number.isNaN(values[k * 4 + 3]) && !unparsable.has(k)) {
        absent ??= new Uint8Array(count)
        absent[k] = 1
      }
    }
  }
  const exclude = sequence.excludeUnseen === true
  // Most sequences have a box in every frame: their labels then say nothing that matters, and are not read.
  if (sequence.labels === undefined || !(exclude || hasEmptyBox(values))) return absent
  const unseen = await readUnseen(sequence.dir, sequence.labels, count)
  if (unseen === null) return exclude ? { file: sequence.dir, message: `exclude_absent needs ${sequence.labels.map(({ name }) => name).join(' or ')}, and there is none` } : absent
  if ('message' in unseen) return unseen
  for (let k = 0; k < count; k += 1) {
    // Without a size the index passes the frame over; a line that cannot be read stays a mistake.
    if (exclude && unseen[k] === 1 && !unparsable.has(k)) values.fill(0, k * 4, k * 4 + 4)
    if (absent?.[k] === 1) unseen[k] = 1
  }
  return unseen
}

/** Only then do labels matter: as in the original, an absent target that has a box is used. */
function hasEmptyBox(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i += 4) if (!((values[i + 2] ?? 0) > 0 && (values[i + 3] ?? 0) > 0)) return true
  return false
}

function otherPictures(entries: readonly string[]): string {
  const other = entries.find((entry) => /\.(bmp|tiff?|gif|avif|jp2|ppm)$/i.test(entry))
  return other === undefined ? '' : ` (but ${JSON.stringify(other)}: training reads JPEG, PNG and WebP, so convert the frames)`
}

/** Reads sequences that lie in folders, several at a time, in the given order. @param reportMissing  as of {@link readSequences} */
export function readSequenceFolders(folders: readonly SequenceFolder[], context: DatasetContext, reportMissing: boolean): AsyncGenerator<SequenceRecord> {
  return readSequences(folders, readSequenceFolder, context, reportMissing, (sequence) => [
    ...frameFoldersOf(sequence).map((folder) => path.join(sequence.dir, folder)),
    path.join(sequence.dir, annotationName),
    ...(sequence.labels ?? []).map(({ name }) => path.join(sequence.dir, name)),
  ])
}

/**
 * Reads many sequences, several at a time, in the given order.
 * @param reportMissing  false: sequences that are not there are left out without a word
 * @param filesOf        what a sequence is read from, also one that cannot be used: it may be mended later
 */
export async function* readSequences<T>(
  items: readonly T[],
  read: (item: T) => Promise<SequenceRecord | Unusable>,
  context: DatasetContext,
  reportMissing: boolean,
  filesOf: (item: T) => readonly string[],
): AsyncGenerator<SequenceRecord> {
  let done = 0
  for await (const sequence of mapOrdered(items, sequencesAtATime, read)) {
    context.signal?.throwIfAborted()
    if (context.dependsOn !== undefined) for (const file of filesOf(items[done] as T)) context.dependsOn(file)
    done += 1
    context.onProgress?.(done, items.length)
    if (!('kind' in sequence)) yield sequence
    else if (reportMissing || sequence.kind !== 'missing_sequence') context.problems.add({ ...sequence, scope: 'sequence', dataset: context.name })
  }
}
