/**
 * LaSOT's layout: ROOT/CLASS/CLASS-N/{img/00000001.jpg, …, groundtruth.txt, full_occlusion.txt, out_of_view.txt}, or without the class folders.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { isFile, readNameList } from '../../data/files.ts'
import { lasotListFiles } from '../../data/lasot.ts'
import { lasotSequences, type LasotSubset } from '../../data/lasot-split.ts'
import type { BenchmarkSequence } from '../types.ts'
import { checkPairs, framesIn, type PlannedSequence, readBoxes, readLabels } from './layout.ts'

/** Parts: test (280 sequences), train (1,120), train_test (all). ROOT/testing_set.txt and ROOT/training_set.txt take precedence. */
export async function openLasot(root: string, _benchmark: string, subset = 'test'): Promise<PlannedSequence[]> {
  const there = new Set(await readdir(root))
  const names: string[] = []
  for (const part of subset.split('_') as LasotSubset[]) {
    const list = path.join(root, lasotListFiles[part])
    names.push(...((await isFile(list)) ? await readNameList(list) : lasotSequences(part)))
  }
  return names.map((name) => {
    const dir = there.has(name) ? path.join(root, name) : path.join(root, name.slice(0, Math.max(name.lastIndexOf('-'), 0)), name)
    return { name, dir, read: () => readSequence(name, dir) }
  })
}

async function readSequence(name: string, dir: string): Promise<BenchmarkSequence> {
  const annotationFile = path.join(dir, 'groundtruth.txt')
  const [files, truth] = await Promise.all([framesIn(path.join(dir, 'img')), readBoxes(annotationFile)])
  checkPairs(files, truth, annotationFile)
  const [occluded, outOfView] = await Promise.all(['full_occlusion.txt', 'out_of_view.txt'].map((label) => readLabels(path.join(dir, label), files.length)))
  if (occluded === undefined && outOfView === undefined) return { name, files, truth }
  return { name, files, truth, absent: files.map((_, k) => (occluded?.[k] ?? 0) !== 0 || (outOfView?.[k] ?? 0) !== 0) }
}
