/**
 * GOT-10k's layout: ROOT/{val,test}/list.txt and ROOT/val/NAME/{00000001.jpg, …, groundtruth.txt, absence.label, cover.label, meta_info.ini}.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isFile, readNameList } from '../../data/files.ts'
import { frameSize } from '../../data/frame-size.ts'
import { SiamError } from '../../errors.ts'
import type { Bound } from '../overlap.ts'
import type { BenchmarkSequence } from '../types.ts'
import { checkPairs, framesIn, type PlannedSequence, readBoxes, readLabels } from './layout.ts'

/** The root may also be the part itself (…/GOT-10k/val). Of `test`, only the first frame is annotated. */
export async function openGot10k(root: string, _benchmark: string, subset = 'val'): Promise<PlannedSequence[]> {
  const below = path.join(root, subset)
  const dir = (await isFile(path.join(below, 'list.txt'))) || path.basename(root) !== subset ? below : root
  const list = path.join(dir, 'list.txt')
  if (!(await isFile(list))) {
    throw new SiamError('ERR_DATA', 'the list of the sequences is not there', { file: list, hint: `expected a folder with ${subset}/list.txt and ${subset}/SEQUENCE/{00000001.jpg, …, groundtruth.txt}` })
  }
  return (await readNameList(list)).map((name) => ({ name, dir: path.join(dir, name), read: () => readSequence(name, path.join(dir, name), subset) }))
}

async function readSequence(name: string, dir: string, subset: string): Promise<BenchmarkSequence> {
  const annotationFile = path.join(dir, 'groundtruth.txt')
  const [files, truth] = await Promise.all([framesIn(dir), readBoxes(annotationFile)])
  checkPairs(files, truth, annotationFile, subset === 'test')
  const [absence, cover, size] = await Promise.all([readLabels(path.join(dir, 'absence.label'), files.length), readLabels(path.join(dir, 'cover.label'), files.length), sizeOf(dir, files)])
  return {
    name,
    files,
    truth,
    ...(absence === undefined ? {} : { absent: absence.map((label) => label !== 0) }),
    ...(cover === undefined ? {} : { cover }),
    ...(size === undefined ? {} : { size }),
  }
}

/** `resolution: (1920, 1080)` in meta_info.ini, else what the first frame says. */
async function sizeOf(dir: string, files: readonly string[]): Promise<Bound | undefined> {
  const meta = await readFile(path.join(dir, 'meta_info.ini'), 'utf8').catch(() => '')
  const found = /^resolution:\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)/m.exec(meta)
  if (found !== null) return [Number(found[1]), Number(found[2])]
  const size = await frameSize(files[0] as string)
  return size === null ? undefined : [size.width, size.height]
}
