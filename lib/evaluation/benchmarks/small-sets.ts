/**
 * DTB70: ROOT/NAME/{img/00001.jpg, …, groundtruth_rect.txt}. TColor-128: ROOT/NAME/{img/0001.jpg, …, NAME_gt.txt, NAME_frames.txt}.
 * Neither comes with a list: what has annotations is a sequence.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence } from '../types.ts'
import { checkPairs, framesIn, listed, numbersOf, type PlannedSequence, readBoxes, readLines } from './layout.ts'

export async function openDtb70(root: string): Promise<PlannedSequence[]> {
  return foldersWith(root, 'groundtruth_rect.txt', async (name, dir, annotationFile) => {
    const [files, truth] = await Promise.all([framesIn(path.join(dir, 'img')), readBoxes(annotationFile)])
    checkPairs(files, truth, annotationFile)
    return { name, files, truth }
  })
}

export async function openTColor128(root: string): Promise<PlannedSequence[]> {
  return foldersWith(root, '_gt.txt', async (name, dir, annotationFile) => {
    const entries = await listed(dir)
    const rangeFile = entries.find((entry) => entry.endsWith('_frames.txt'))
    if (rangeFile === undefined) throw new SiamError('ERR_DATA', 'expected a file *_frames.txt with the first and the last frame', { file: dir })
    const range = path.join(dir, rangeFile)
    const [first, last] = numbersOf((await readLines(range)).join(','), range, 0)
    if (first === undefined || last === undefined || !(last >= first)) throw new SiamError('ERR_DATA', 'expected the numbers of the first and the last frame', { file: range })
    const there = new Set(await listed(path.join(dir, 'img')))
    const names = Array.from({ length: last - first + 1 }, (_, i) => `${String(first + i).padStart(4, '0')}.jpg`)
    const missing = names.find((each) => !there.has(each))
    if (missing !== undefined) throw new SiamError('ERR_DATA', `expected the frames ${names[0]} to ${names.at(-1)} but ${missing} is not there`, { file: path.join(dir, 'img') })
    const files = names.map((each) => path.join(dir, 'img', each))
    const truth = await readBoxes(annotationFile)
    checkPairs(files, truth, annotationFile)
    return { name, files, truth }
  })
}

/** A sequence for each folder with a file that ends so. */
async function foldersWith(root: string, ending: string, read: (name: string, dir: string, annotationFile: string) => Promise<BenchmarkSequence>): Promise<PlannedSequence[]> {
  const planned: PlannedSequence[] = []
  for (const name of (await readdir(root)).sort()) {
    const dir = path.join(root, name)
    const file = (await readdir(dir).catch(() => [])).sort().find((entry) => entry.endsWith(ending))
    if (file !== undefined) planned.push({ name, dir, read: () => read(name, dir, path.join(dir, file)) })
  }
  if (planned.length === 0) throw new SiamError('ERR_DATA', `expected folders of sequences, each with a file *${ending}, but found none`, { file: root })
  return planned
}
