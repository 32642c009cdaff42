/**
 * TrackingNet's layout: ROOT/TRAIN_0 … TRAIN_11 and ROOT/TEST, each with anno/NAME.txt and frames/NAME/{0.jpg, 1.jpg, …}.
 */
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { booleanParam, pathParam, textParam } from './dataset-params.ts'
import { describeRoot, errorCode, isDirectory, isMissing, requireRoot } from './files.ts'
import { patternOf } from './frames.ts'
import { type GroundTruth, parseGroundTruth } from './groundtruth.ts'
import type { ProblemKind } from './problems.ts'
import { type Unusable, countProblem, readSequences } from './sequence-folder.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const chunks = 12
const layout = 'a folder with TRAIN_0/{anno/NAME.txt, frames/NAME/0.jpg, …}, TRAIN_1, …'
const allowed = 'train, test, or chunks of the training set such as train0,1,11'

interface TrackingNetSequence {
  name: string
  annotationFile: string
  frameDir: string
  test: boolean
}

/**
 * Opens TrackingNet.
 *
 * Settings: `dataset_root`; `subset` train (all 12 chunks), test, or some chunks as in `train0,3`; `check_integrity`. True: every chunk
 * has to be there, and every folder of frames is compared with its annotation. False: chunks and sequences that are not there are left
 * out without a word, and the folders of frames are not looked into, which makes indexing much quicker: frame k is then `k.jpg`, and one
 * that is missing is met while training.
 *
 * @returns sequences by chunk, then in the order of their names
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or a chunk is missing
 */
export async function openTrackingNet(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', 'datasets/TrackingNet', context)
  const subset = textParam(params, 'subset', 'train', context, allowed)
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const wanted = chunksOf(subset, context)
  const rootDir = await requireRoot(root, layout, context)
  for (const chunk of wanted) for (const folder of ['', 'anno', 'frames']) context.dependsOn?.(path.join(rootDir, chunk, folder))
  const found = (await Promise.all(wanted.map(async (chunk) => ((await hasFolders(path.join(rootDir, chunk))) ? chunk : '')))).filter((chunk) => chunk !== '')
  if (found.length === 0 || (checkIntegrity && found.length < wanted.length)) throw missingChunks(rootDir, root, wanted, found, context)
  const sequences: TrackingNetSequence[] = []
  for (const chunk of found) sequences.push(...(await sequencesOf(path.join(rootDir, chunk), checkIntegrity, context)))
  if (sequences.length === 0) throw new SiamError('ERR_DATA', `the data set is empty: no annotation in ${found.join(', ')} has a folder of frames`, { file: rootDir, hint: `expected ${layout}` })
  return readSequences(sequences, (sequence) => readSequence(sequence, checkIntegrity, context), context, checkIntegrity, ({ annotationFile, frameDir }) => [annotationFile, frameDir])
}

function chunksOf(subset: string, context: DatasetContext): string[] {
  if (subset === 'test') return ['TEST']
  if (subset === 'train') return Array.from({ length: chunks }, (_, i) => `TRAIN_${i}`)
  const numbers = subset.startsWith('train') ? subset.slice('train'.length).split(',').map((part) => part.trim()) : []
  const valid = numbers.length > 0 && numbers.every((number) => /^\d{1,2}$/.test(number) && Number(number) < chunks)
  if (!valid) throw invalidArgument(allowed, `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  return [...new Set(numbers.map(Number))].map((number) => `TRAIN_${number}`)
}

async function hasFolders(chunkDir: string): Promise<boolean> {
  return (await isDirectory(path.join(chunkDir, 'anno'))) && (await isDirectory(path.join(chunkDir, 'frames')))
}

function missingChunks(rootDir: string, root: string, wanted: readonly string[], found: readonly string[], context: DatasetContext): SiamError {
  const missing = wanted.filter((chunk) => !found.includes(chunk))
  const numbers = found.map((chunk) => chunk.replace('TRAIN_', '')).join(',')
  return new SiamError('ERR_DATA', `no folders anno and frames in ${missing.join(', ')} (${describeRoot(root, context)})`, {
    file: path.join(rootDir, missing[0] ?? ''),
    hint: found.length === 0 ? `expected ${layout}` : `check_integrity: false takes the chunks that are there, and so does subset: "train${numbers}"`,
  })
}

/** The annotations of a chunk. One listing of `frames` finds those without a folder, without asking for each. */
async function sequencesOf(chunkDir: string, checkIntegrity: boolean, context: DatasetContext): Promise<TrackingNetSequence[]> {
  const [annotations, folders] = await Promise.all([list(path.join(chunkDir, 'anno')), list(path.join(chunkDir, 'frames'))])
  const frames = new Set(folders)
  const names = annotations.filter((file) => file.endsWith('.txt')).map((file) => file.slice(0, -'.txt'.length)).sort()
  if (checkIntegrity) reportUnannotated(chunkDir, folders, new Set(names), context)
  return names
    .filter((name) => checkIntegrity || frames.has(name))
    .map((name) => ({ name, annotationFile: path.join(chunkDir, 'anno', `${name}.txt`), frameDir: path.join(chunkDir, 'frames', name), test: path.basename(chunkDir) === 'TEST' }))
}

function reportUnannotated(chunkDir: string, folders: readonly string[], annotated: ReadonlySet<string>, context: DatasetContext): void {
  for (const folder of folders) {
    if (annotated.has(folder) || folder.startsWith('.')) continue
    const file = path.join(chunkDir, 'anno', `${folder}.txt`)
    context.problems.add({ kind: 'missing_groundtruth', scope: 'sequence', dataset: context.name, sequence: folder, file, message: 'its frames are there but its annotation is missing' })
  }
}

async function list(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    throw new SiamError('ERR_DATA', `the folder cannot be read (${errorCode(error)})`, { file: dir, cause: error })
  }
}

async function readSequence(sequence: TrackingNetSequence, checkIntegrity: boolean, context: DatasetContext): Promise<SequenceRecord | Unusable> {
  const { name, annotationFile, frameDir } = sequence
  const unusable = (kind: ProblemKind, file: string, message: string): Unusable => ({ kind, sequence: name, file, message })
  let truth: GroundTruth
  try {
    truth = parseGroundTruth(await readFile(annotationFile))
  } catch (error) {
    return unusable('unreadable', annotationFile, `cannot be read (${errorCode(error)})`)
  }
  const record = { name, boxes: truth.values, annotationFile, unparsable: truth.unparsable }
  const byRule = { dir: frameDir, pattern: '%d.jpg', first: 0, count: truth.count }
  if (truth.count === 0) return unusable('short_groundtruth', annotationFile, 'expected a box for each frame but the file is empty')
  if (!checkIntegrity || (sequence.test && truth.count === 1)) return { ...record, frames: byRule }
  let names: string[]
  try {
    names = numberedFrames(await readdir(frameDir))
  } catch (error) {
    return isMissing(error) ? unusable('missing_sequence', frameDir, 'its folder of frames is missing') : unusable('unreadable', frameDir, `its folder cannot be read (${errorCode(error)})`)
  }
  if (names.length === 0) return unusable('no_frames', frameDir, 'no numbered .jpg frame in its folder')
  const numbers = Int32Array.from(names, numberOf).sort()
  const first = numbers[0] as number
  // '07.jpg' is a user's own naming, whose numbers say nothing about lines.
  const plain = names.every((frame) => !frame.startsWith('0') || frame === '0.jpg')
  if (names.length !== truth.count) {
    return plain && first === 0 ? pairByNumber(sequence, truth, numbers, context) : { sequence: name, ...problemOf(countProblem(annotationFile, truth.count, names.length)) }
  }
  if (plain && (numbers[numbers.length - 1] as number) - first === names.length - 1) return { ...record, frames: { ...byRule, first } }
  names.sort((a, b) => numberOf(a) - numberOf(b))
  const pattern = patternOf(names)
  return { ...record, frames: pattern === null ? names.map((frame) => path.join(frameDir, frame)) : { dir: frameDir, ...pattern } }
}

/** Frames in no order; other files are passed over. */
function numberedFrames(entries: readonly string[]): string[] {
  return entries.filter((entry) => /^\d{1,9}\.jpg$/.test(entry))
}

/** The original orders frames by it. */
function numberOf(frame: string): number {
  return Number.parseInt(frame, 10)
}

function problemOf([kind, file, message, line]: ReturnType<typeof countProblem>): Pick<Unusable, 'kind' | 'file' | 'message' | 'line'> {
  return { kind, file, message, line }
}

/**
 * Only a part of the frames, or of the boxes, is there. A frame's name is its number, counted from 0, so which box is whose is known
 * all the same: what has no partner is left out and reported, frame by frame.
 */
function pairByNumber({ name, annotationFile, frameDir }: TrackingNetSequence, truth: GroundTruth, numbers: Int32Array, context: DatasetContext): SequenceRecord {
  const { count, values, unparsable } = truth
  const absent = new Uint8Array(count).fill(1)
  for (const number of numbers) {
    if (number < count) absent[number] = 0
    else report('missing_box', path.join(frameDir, `${number}.jpg`), undefined, `frame ${number + 1} has no box: ${path.basename(annotationFile)} has ${count} lines`)
  }
  for (let k = 0; k < count; k += 1) {
    if (absent[k] === 0) continue
    report('missing_frame', annotationFile, k + 1, `frame ${k + 1} is missing: there is no ${k}.jpg`)
    // A box of no size, said to be absent, is what the index passes over.
    values.fill(0, k * 4, k * 4 + 4)
    unparsable.delete(k)
  }
  return { name, frames: { dir: frameDir, pattern: '%d.jpg', first: 0, count }, boxes: values, annotationFile, unparsable, absent }

  function report(kind: ProblemKind, file: string, line: number | undefined, message: string): void {
    context.problems.add({ kind, scope: 'frame', dataset: context.name, sequence: name, file, line, message })
  }
}
