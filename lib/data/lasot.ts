/**
 * LaSOT's layout: ROOT/CLASS/CLASS-N/{img/00000001.jpg, …, groundtruth.txt, full_occlusion.txt, out_of_view.txt}, or the same without
 * the class folders.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { booleanParam, pathParam, textParam } from './dataset-params.ts'
import { describeRoot, isFile, readNameList, requireRoot } from './files.ts'
import type { LabelFile } from './labels.ts'
import { type LasotSubset, lasotSequences } from './lasot-split.ts'
import { readSequenceFolders } from './sequence-folder.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder with airplane/airplane-1/{img/00000001.jpg, …, groundtruth.txt}, or with airplane-1 itself'
/** Lists that may lie in the root; they come before the built-in division. */
/** A data set's own division, which takes precedence. */
export const lasotListFiles: Readonly<Record<LasotSubset, string>> = { train: 'training_set.txt', test: 'testing_set.txt' }
const labels: readonly LabelFile[] = [
  { name: 'full_occlusion.txt', unseen: (label) => label !== 0 },
  { name: 'out_of_view.txt', unseen: (label) => label !== 0 },
]

/**
 * Opens LaSOT.
 *
 * Settings: `dataset_root`; `subset` train, test, or both as train_test; `check_integrity` (false: sequences that are not there are left
 * out without a word); `exclude_absent` (true: frames labelled fully occluded or out of view are left out; the original uses those that
 * have a box). A sequence's folder is ROOT/CLASS/NAME or ROOT/NAME. Which sequences are for training is known (1,120 and 280);
 * ROOT/training_set.txt and ROOT/testing_set.txt take precedence.
 *
 * @returns sequences in the order of their names
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or all of the subset's sequences are missing
 */
export async function openLasot(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', 'datasets/LaSOT', context)
  const subset = textParam(params, 'subset', 'train', context, 'train, test or train_test')
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const excludeUnseen = booleanParam(params, 'exclude_absent', false, context)
  const subsets = parseSubset(subset, context)
  const rootDir = await requireRoot(root, layout, context)
  context.dependsOn?.(rootDir)
  for (const each of subsets) context.dependsOn?.(path.join(rootDir, lasotListFiles[each]))
  const names: string[] = []
  for (const each of subsets) names.push(...(await subsetNames(rootDir, each)))
  names.sort()
  const there = new Set(await readdir(rootDir))
  const folders = names.map((name) => ({ name, dir: folderOf(rootDir, name, there), frameFolders: ['img'], labels, excludeUnseen }))
  if (!folders.some(({ name }) => there.has(name) || there.has(classOf(name)))) {
    throw new SiamError('ERR_DATA', `none of the ${names.length} sequences of ${JSON.stringify(subset)} is there (${describeRoot(root, context)})`, {
      file: rootDir,
      hint: `expected ${layout}${there.has('LaSOTBenchmark') ? `; set dataset_root to ${path.join(rootDir, 'LaSOTBenchmark')}` : ''}`,
    })
  }
  return readSequenceFolders(folders, context, checkIntegrity)
}

/** 'train_test' → train and test, each once. */
function parseSubset(subset: string, context: DatasetContext): LasotSubset[] {
  const parts = [...new Set(subset.split('_'))]
  if (!parts.every((part) => part === 'train' || part === 'test')) throw invalidArgument('train, test or train_test', `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  return parts as LasotSubset[]
}

async function subsetNames(rootDir: string, subset: LasotSubset): Promise<string[]> {
  const listFile = path.join(rootDir, lasotListFiles[subset])
  if (!(await isFile(listFile))) return lasotSequences(subset)
  const names = await readNameList(listFile)
  if (names.length === 0) throw new SiamError('ERR_DATA', 'expected the name of a sequence in each line but the list is empty', { file: listFile })
  return names
}

/** The class folder where there is one: looking there costs no access to the disk. */
function folderOf(rootDir: string, name: string, there: ReadonlySet<string>): string {
  return there.has(name) ? path.join(rootDir, name) : path.join(rootDir, classOf(name), name)
}

function classOf(name: string): string {
  return name.slice(0, Math.max(name.lastIndexOf('-'), 0))
}
