/**
 * GOT-10k's layout: ROOT/SUBSET/list.txt and, for each sequence, ROOT/SUBSET/NAME/{00000001.jpg, …, groundtruth.txt, absence.label, …}.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { booleanParam, pathParam, textParam } from './dataset-params.ts'
import { describeRoot, isDirectory, isFile, readNameList, readText, requireRoot } from './files.ts'
import type { LabelFile } from './labels.ts'
import { mapOrdered } from './parallel.ts'
import { readSequenceFolders, sequencesAtATime } from './sequence-folder.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const subsets = ['train', 'val', 'test']
const layout = 'a folder with train/list.txt and train/SEQUENCE/{00000001.jpg, …, groundtruth.txt}'
const synthHint = '; `siamtrain synth OUT` makes one'
/** `absence.label` is 1 where the target is out of the picture; `cover.label` is its visible share in eighths. */
const labels: readonly LabelFile[] = [
  { name: 'absence.label', unseen: (label) => label !== 0 },
  { name: 'cover.label', unseen: (label) => label === 0 },
]

/**
 * Opens a data set in GOT-10k's layout.
 *
 * Settings: `dataset_root` (relative to the working directory), `subset` train|val|test, `check_integrity` (false: sequences that
 * list.txt names and that are not there are left out without a word), `exclude_absent` (true: frames that the labels call absent or
 * wholly covered are left out; the original uses them). list.txt may be missing: all folders with a groundtruth.txt count.
 * `groundtruth.txt` of the subset `test` may hold the first frame's box only; the sequence then has that one frame.
 *
 * @returns sequences in list.txt's order
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or the subset is missing or empty
 */
export async function openGot10k(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  return openSubset(params, context, new Set())
}

/**
 * GOT-10k without the training sequences whose annotations its authors say need fixing.
 *
 * Settings: those of {@link openGot10k} and `unfixed_list`, a file with the names to leave out, one a line (relative to the working
 * directory; empty: ROOT/unfixed_got10k_list.txt). The list comes with the original and not with this package.
 *
 * @throws ERR_CONFIG when the list is not there, and as {@link openGot10k}
 */
export async function openGot10kFixed(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = path.resolve(context.cwd, rootOf(params, context))
  const given = textParam(params, 'unfixed_list', '', context, 'a path')
  // A missing root is what should be said first.
  await requireRoot(rootOf(params, context), layout, context, synthHint)
  const file = given === '' ? path.join(root, 'unfixed_got10k_list.txt') : path.resolve(context.cwd, given)
  if (!(await isFile(file))) {
    throw new SiamError('ERR_CONFIG', `the list of sequences to leave out is missing: ${context.configPath}.unfixed_list is ${JSON.stringify(given)}`, {
      file,
      hint: `copy videoanalyst/data/dataset/dataset_impl/utils/unfixed_got10k_list.txt of the original (github.com/MegviiDetection/video_analyst) there, or use GOT10kDataset, which leaves nothing out`,
    })
  }
  context.dependsOn?.(file)
  return openSubset(params, context, new Set((await readText(file)).split(/\s*[\r\n]\s*/)))
}

function rootOf(params: DatasetParams, context: DatasetContext): string {
  return pathParam(params, 'dataset_root', 'datasets/GOT-10k', context)
}

async function openSubset(params: DatasetParams, context: DatasetContext, excluded: ReadonlySet<string>): Promise<AsyncIterable<SequenceRecord>> {
  const root = rootOf(params, context)
  const subset = textParam(params, 'subset', 'train', context, 'one of train, val, test')
  if (!subsets.includes(subset)) throw invalidArgument('one of train, val, test', `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const excludeUnseen = booleanParam(params, 'exclude_absent', false, context)
  const subsetDir = path.join(await requireRoot(root, layout, context, synthHint), subset)
  await requireSubset(root, subsetDir, context)
  for (const file of [subsetDir, path.join(subsetDir, 'list.txt')]) context.dependsOn?.(file)
  const all = await sequenceNames(subsetDir, context)
  if (all.length === 0) {
    throw new SiamError('ERR_DATA', 'the data set is empty: no sequence is named in list.txt and no folder holds a groundtruth.txt', {
      file: subsetDir,
      hint: `expected ${layout}`,
    })
  }
  const names = all.filter((name) => !excluded.has(name))
  if (names.length === 0) throw new SiamError('ERR_DATA', `the data set is empty: ${context.configPath}.unfixed_list names every sequence`, { file: subsetDir })
  const firstBoxOnly = subset === 'test'
  const folders = names.map((name) => ({ name, dir: path.join(subsetDir, name), firstBoxOnly, labels, excludeUnseen }))
  return readSequenceFolders(folders, context, checkIntegrity)
}

async function requireSubset(root: string, subsetDir: string, context: DatasetContext): Promise<void> {
  if (await isDirectory(subsetDir)) return
  const rootDir = path.dirname(subsetDir)
  const oneTooDeep = await isFile(path.join(rootDir, 'list.txt'))
  throw new SiamError('ERR_DATA', `the data root has no folder ${JSON.stringify(path.basename(subsetDir))} (${describeRoot(root, context)})`, {
    file: subsetDir,
    hint: oneTooDeep ? `${rootDir} is itself a subset: set dataset_root to ${path.dirname(rootDir)}` : `expected ${layout}`,
  })
}

/** Names in list.txt, else the folders that hold annotations. */
async function sequenceNames(subsetDir: string, context: DatasetContext): Promise<string[]> {
  const listFile = path.join(subsetDir, 'list.txt')
  if (await isFile(listFile)) return readNameList(listFile)
  return annotatedFolders(subsetDir, context)
}

/** Folders in `dir` that hold a groundtruth.txt, in the order of their names. */
export async function annotatedFolders(dir: string, context: DatasetContext): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true })
  // Hidden ones are not sequences: our own cached index is in one, and would change with its own making.
  const folders = entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.')).map((entry) => entry.name).sort()
  // A folder that gets its annotations later on becomes a sequence.
  for (const folder of folders) context.dependsOn?.(path.join(dir, folder))
  const names: string[] = []
  for await (const name of mapOrdered(folders, sequencesAtATime, async (folder) => ((await isFile(path.join(dir, folder, 'groundtruth.txt'))) ? folder : ''))) {
    if (name !== '') names.push(name)
  }
  return names
}
