/**
 * TrackingNet's layout: ROOT/TEST and ROOT/TRAIN_0 … TRAIN_11, each with anno/NAME.txt and frames/NAME/{0.jpg, 1.jpg, …}.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { isDirectory } from '../../data/files.ts'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence } from '../types.ts'
import { checkPairs, framesIn, type PlannedSequence, readBoxes } from './layout.ts'

/** Parts: test (only the first frames are annotated), train (all twelve chunks), train0 … train11. */
export async function openTrackingNet(root: string, _benchmark: string, subset = 'test'): Promise<PlannedSequence[]> {
  const chunks = subset === 'test' ? ['TEST'] : subset === 'train' ? Array.from({ length: 12 }, (_, i) => `TRAIN_${i}`) : [`TRAIN_${subset.slice('train'.length)}`]
  const planned: PlannedSequence[] = []
  for (const chunk of chunks) {
    const anno = path.join(root, chunk, 'anno')
    if (!(await isDirectory(anno))) throw new SiamError('ERR_DATA', 'the folder of the annotations is not there', { file: anno, hint: `expected a folder with ${chunk}/anno/NAME.txt and ${chunk}/frames/NAME/0.jpg, …` })
    for (const file of (await readdir(anno)).filter((each) => each.endsWith('.txt')).sort()) {
      const name = file.slice(0, -'.txt'.length)
      const dir = path.join(root, chunk, 'frames', name)
      planned.push({ name, dir, read: () => readSequence(name, dir, path.join(anno, file), subset === 'test') })
    }
  }
  return planned
}

async function readSequence(name: string, dir: string, annotationFile: string, firstOnly: boolean): Promise<BenchmarkSequence> {
  const [files, truth] = await Promise.all([framesIn(dir, true), readBoxes(annotationFile)])
  checkPairs(files, truth, annotationFile, firstOnly)
  return { name, files, truth }
}
