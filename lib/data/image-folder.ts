/**
 * A user's own frames: a folder of images with a `groundtruth.txt`, or a folder of such folders.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { booleanParam, pathParam } from './dataset-params.ts'
import { describeRoot, isFile, readNameList, requireRoot } from './files.ts'
import { frameNamesOf } from './frames.ts'
import { annotatedFolders } from './got10k.ts'
import type { LabelFile } from './labels.ts'
import { readSequenceFolders } from './sequence-folder.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder of .jpg, .png or .webp frames with a groundtruth.txt, or a folder of such folders'
/** Where the frames may lie: beside groundtruth.txt, or where OTB, LaSOT and VOT keep them. */
const frameFolders = ['', 'img', 'color']
const labels: readonly LabelFile[] = [{ name: 'absence.label', unseen: (label) => label !== 0 }]

/**
 * Opens a user's own folders.
 *
 * Settings: `dataset_root` (needed), `check_integrity` (false: sequences that list.txt names and that are not there are left out without
 * a word), `exclude_absent` (true: frames that absence.label marks are left out, also where they have a box). The root is one sequence
 * when it holds a groundtruth.txt, else a folder of sequences, in the order of list.txt or of their names. A line of groundtruth.txt is
 * x,y,w,h or a polygon of four corners (VOT), or four `nan` where the target is absent. The frames lie beside groundtruth.txt or in `img`
 * or `color`.
 *
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root is missing or holds no sequence
 */
export async function openImageFolder(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', '', context)
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const excludeUnseen = booleanParam(params, 'exclude_absent', false, context)
  const rootDir = await requireRoot(root, layout, context)
  for (const file of ['', 'groundtruth.txt', 'list.txt']) context.dependsOn?.(path.join(rootDir, file))
  const dirs = (await isFile(path.join(rootDir, 'groundtruth.txt'))) ? [rootDir] : await sequenceFolders(rootDir, context)
  if (dirs.length === 0) {
    const loose = frameNamesOf(await readdir(rootDir)).length
    throw new SiamError('ERR_DATA', `no groundtruth.txt in the data root or in a folder of it (${describeRoot(root, context)})`, {
      file: rootDir,
      hint: loose > 0 ? `it holds ${loose} frames: put a groundtruth.txt with a line x,y,w,h for each beside them` : `expected ${layout}`,
    })
  }
  const folders = dirs.map((dir) => ({ name: path.basename(dir), dir, frameFolders, groundTruth: { polygons: true }, nanIsAbsent: true, labels, excludeUnseen }))
  return readSequenceFolders(folders, context, checkIntegrity)
}

async function sequenceFolders(rootDir: string, context: DatasetContext): Promise<string[]> {
  const listFile = path.join(rootDir, 'list.txt')
  const names = (await isFile(listFile)) ? await readNameList(listFile) : await annotatedFolders(rootDir, context)
  return names.map((name) => path.join(rootDir, name))
}
