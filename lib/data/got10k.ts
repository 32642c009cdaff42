/**
 * GOT-10k's layout: ROOT/SUBSET/list.txt and, for each sequence, ROOT/SUBSET/NAME/{00000001.jpg, …, groundtruth.txt, absence.label, …}.
 */
import { readFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { frameNamesOf, patternOf } from './frames.ts'
import { parseGroundTruth, parseLabels } from './groundtruth.ts'
import { mapOrdered } from './parallel.ts'
import type { ProblemKind } from './problems.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

/** Sequences read at a time: more than libuv's 4 threads, so that they never wait for JavaScript. */
const concurrency = 32
const subsets = ['train', 'val', 'test']
const layout = 'a folder with train/list.txt and train/SEQUENCE/{00000001.jpg, …, groundtruth.txt}'

interface Unusable {
  kind: ProblemKind
  sequence: string
  file: string
  line?: number
  message: string
}

/**
 * Opens a data set in GOT-10k's layout.
 *
 * Settings: `dataset_root` (relative to the working directory), `subset` train|val|test, `check_integrity` (false: sequences that
 * list.txt names and that are not there are left out without a word). list.txt may be missing: all folders with a groundtruth.txt count.
 * `groundtruth.txt` of the subset `test` may hold the first frame's box only; the sequence then has that one frame.
 *
 * @returns sequences in list.txt's order
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or the subset is missing or empty
 */
export async function openGot10k(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = params['dataset_root'] ?? 'datasets/GOT-10k'
  const subset = params['subset'] ?? 'train'
  if (typeof root !== 'string' || root === '') throw invalidArgument('a path', `${context.configPath}.dataset_root`, root, 'ERR_CONFIG')
  if (typeof subset !== 'string' || !subsets.includes(subset)) throw invalidArgument('one of train, val, test', `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  const subsetDir = path.join(path.resolve(context.cwd, root), subset)
  await requireLayout(root, subsetDir, context)
  context.dependsOn?.(subsetDir)
  context.dependsOn?.(path.join(subsetDir, 'list.txt'))
  const names = await sequenceNames(subsetDir, context)
  if (names.length === 0) {
    throw new SiamError('ERR_DATA', 'the data set is empty: no sequence is named in list.txt and no folder holds a groundtruth.txt', {
      file: subsetDir,
      hint: `expected ${layout}`,
    })
  }
  return readSequences(subsetDir, names, subset, params['check_integrity'] !== false, context)
}

async function* readSequences(subsetDir: string, names: string[], subset: string, checkIntegrity: boolean, context: DatasetContext): AsyncGenerator<SequenceRecord> {
  let done = 0
  for await (const sequence of mapOrdered(names, concurrency, (name) => readSequence(subsetDir, name, subset))) {
    const dir = path.join(subsetDir, names[done] ?? '')
    // The folder tells of files that come and go, the files themselves of edits in place; sequences that cannot be used may be mended.
    for (const file of [dir, path.join(dir, 'groundtruth.txt'), path.join(dir, 'absence.label')]) context.dependsOn?.(file)
    context.signal?.throwIfAborted()
    done += 1
    context.onProgress?.(done, names.length)
    if (!('kind' in sequence)) yield sequence
    else if (checkIntegrity || sequence.kind !== 'missing_sequence') context.problems.add({ ...sequence, scope: 'sequence', dataset: context.name })
  }
}

async function requireLayout(root: string, subsetDir: string, context: DatasetContext): Promise<void> {
  const rootDir = path.dirname(subsetDir)
  const taken = path.isAbsolute(root) ? '' : `, taken from the working directory ${context.cwd}`
  if (!(await isDirectory(rootDir))) {
    throw new SiamError('ERR_DATA', `data root not found: no such folder (${context.configPath}.dataset_root is ${JSON.stringify(root)}${taken})`, {
      file: rootDir,
      hint: `expected ${layout}; \`siamtrain synth OUT\` makes one`,
    })
  }
  if (!(await isDirectory(subsetDir))) {
    const oneTooDeep = await isFile(path.join(rootDir, 'list.txt'))
    throw new SiamError('ERR_DATA', `the data root has no folder ${JSON.stringify(path.basename(subsetDir))} (${context.configPath}.dataset_root is ${JSON.stringify(root)}${taken})`, {
      file: subsetDir,
      hint: oneTooDeep ? `${rootDir} is itself a subset: set dataset_root to ${path.dirname(rootDir)}` : `expected ${layout}`,
    })
  }
}

/** Names in list.txt, else the folders that hold annotations. */
async function sequenceNames(subsetDir: string, context: DatasetContext): Promise<string[]> {
  const listFile = path.join(subsetDir, 'list.txt')
  if (await isFile(listFile)) {
    const text = await readList(listFile)
    const names = text.split(/\r?\n/).map((name) => name.trim()).filter((name) => name !== '')
    const seen = new Set<string>()
    for (const [index, name] of names.entries()) {
      if (seen.has(name)) throw new SiamError('ERR_DATA', `the sequence ${JSON.stringify(name)} is listed twice`, { file: listFile, line: index + 1 })
      if (path.isAbsolute(name) || name.split(/[/\\]/).includes('..')) {
        throw new SiamError('ERR_DATA', `expected the name of a folder beside list.txt but found ${JSON.stringify(name)}`, { file: listFile, line: index + 1 })
      }
      seen.add(name)
    }
    return names
  }
  const entries = await readdir(subsetDir, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name).sort()
  // A folder that gets its annotations later on becomes a sequence.
  for (const folder of folders) context.dependsOn?.(path.join(subsetDir, folder))
  const names: string[] = []
  for await (const name of mapOrdered(folders, concurrency, async (folder) => ((await isFile(path.join(subsetDir, folder, 'groundtruth.txt'))) ? folder : ''))) {
    if (name !== '') names.push(name)
  }
  return names
}

async function readSequence(subsetDir: string, name: string, subset: string): Promise<SequenceRecord | Unusable> {
  const dir = path.join(subsetDir, name)
  const annotationFile = path.join(dir, 'groundtruth.txt')
  const unusable = (kind: ProblemKind, file: string, message: string, line?: number): Unusable => ({ kind, sequence: name, file, line, message })
  let entries: string[]
  try {
    entries = await readdir(dir)
  } catch (error) {
    return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' ? unusable('missing_sequence', dir, 'its folder is missing') : unusable('unreadable', dir, `its folder cannot be read (${errorCode(error)})`)
  }
  const names = frameNamesOf(entries)
  if (!entries.includes('groundtruth.txt')) return unusable('missing_groundtruth', annotationFile, 'groundtruth.txt is missing')
  if (names.length === 0) return unusable('no_frames', dir, 'no .jpg frame in its folder')
  let text: string
  try {
    text = await readFile(annotationFile, 'utf8')
  } catch (error) {
    return unusable('unreadable', annotationFile, `cannot be read (${errorCode(error)})`)
  }
  const truth = parseGroundTruth(text)
  const frames = subset === 'test' && truth.count === 1 ? names.slice(0, 1) : names
  if (truth.count !== frames.length) {
    const short = truth.count < frames.length
    return unusable(
      short ? 'short_groundtruth' : 'long_groundtruth',
      annotationFile,
      `expected one box for each of ${frames.length} frames but found ${truth.count}: which box belongs to which frame is unknown`,
      Math.min(truth.count, frames.length) + 1,
    )
  }
  const pattern = patternOf(frames)
  const record: SequenceRecord = {
    name,
    frames: pattern === null ? frames.map((frame) => path.join(dir, frame)) : { dir, ...pattern },
    boxes: truth.values,
    annotationFile,
    unparsable: truth.unparsable,
  }
  if (entries.includes('absence.label') && hasEmptyBox(truth.values)) {
    const labels = path.join(dir, 'absence.label')
    try {
      record.absent = parseLabels(await readFile(labels, 'utf8'))
    } catch (error) {
      return unusable('unreadable', labels, `cannot be read (${errorCode(error)})`)
    }
  }
  return record
}

/** Only then do the absence labels matter: as in the original, an absent target that has a box is used. */
function hasEmptyBox(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i += 4) if (!((values[i + 2] ?? 0) > 0 && (values[i + 3] ?? 0) > 0)) return true
  return false
}

async function readList(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new SiamError('ERR_DATA', `cannot be read (${errorCode(error)})`, { file, cause: error })
  }
}

async function isDirectory(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isDirectory() ?? false
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isFile() ?? false
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
