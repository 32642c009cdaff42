/**
 * OTB's layout: ROOT/NAME/{img/0001.jpg, …, groundtruth_rect.txt}. A folder with several targets has groundtruth_rect.1.txt, …2.txt.
 */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { isFile } from '../../data/files.ts'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence, Region } from '../types.ts'
import { checkPairs, framesIn, type PlannedSequence, readBoxes } from './layout.ts'
import { otbFolders } from './otb-sequences.ts'

/**
 * Frames that are annotated, 1-based, of folders that hold more (the benchmark's page lists them; Tiger1's annotations are sometimes given
 * from frame 6 on). Used only where there are more frames than annotations: some copies hold only the annotated ones.
 */
const annotated: Readonly<Record<string, readonly [first: number, last: number]>> = {
  David: [300, 770],
  Football1: [1, 74],
  Freeman3: [1, 460],
  Freeman4: [1, 283],
  Diving: [1, 215],
  Tiger1: [6, 354],
}

/** The challenges of the benchmark, in the order in which its att files have them. */
const attributes = ['IV', 'SV', 'OCC', 'DEF', 'MB', 'FM', 'IPR', 'OPR', 'OV', 'BC', 'LR']

/**
 * Sequences are named as the GOT-10k toolkit names them: by their folder, and NAME.1, NAME.2 where a folder has several targets. An
 * annotation file that is empty (Human4's first) is no target. Attributes are read from NAME/attrs.txt (`IV, OCC`) or ROOT/att/NAME.txt
 * (eleven of 0 and 1), where there are such files.
 */
export async function openOtb(root: string, benchmark: string): Promise<PlannedSequence[]> {
  const planned: PlannedSequence[] = []
  for (const folder of otbFolders(benchmark).toSorted()) {
    const dir = path.join(root, folder)
    const files = await annotationFiles(dir)
    if (files.length === 0) planned.push({ name: folder, dir, read: () => Promise.reject(new SiamError('ERR_DATA', 'expected groundtruth_rect.txt but there is none', { file: dir })) })
    for (const [i, file] of files.entries()) {
      const name = files.length === 1 ? folder : `${folder}.${i + 1}`
      planned.push({ name, dir, read: () => readSequence(root, folder, name, file) })
    }
  }
  return planned
}

async function annotationFiles(dir: string): Promise<string[]> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => /^groundtruth.*\.txt$/.test(name)).sort()
  const files: string[] = []
  for (const name of names) {
    const file = path.join(dir, name)
    if ((await readFile(file, 'utf8').catch(() => 'unreadable')).trim() !== '') files.push(file)
  }
  return files
}

async function readSequence(root: string, folder: string, name: string, annotationFile: string): Promise<BenchmarkSequence> {
  const [frames, truth, shows] = await Promise.all([framesIn(path.join(root, folder, 'img')), readBoxes(annotationFile), readAttributes(root, folder)])
  const files = annotatedFrames(folder, frames, truth)
  checkPairs(files, truth, annotationFile)
  return { name, files, truth, ...(shows === undefined ? {} : { attributes: shows }) }
}

function annotatedFrames(folder: string, frames: string[], truth: readonly Region[]): string[] {
  const range = annotated[folder]
  return range === undefined || frames.length <= truth.length ? frames : frames.slice(range[0] - 1, range[1])
}

async function readAttributes(root: string, folder: string): Promise<string[] | undefined> {
  const named = path.join(root, folder, 'attrs.txt')
  if (await isFile(named)) return (await readFile(named, 'utf8')).split(/[\s,;]+/).filter((attribute) => attribute !== '')
  const flags = path.join(root, 'att', `${folder}.txt`)
  if (!(await isFile(flags))) return undefined
  const values = (await readFile(flags, 'utf8')).trim().split(/[\s,]+/)
  if (values.length !== attributes.length) throw new SiamError('ERR_DATA', `expected ${attributes.length} values of 0 or 1 (${attributes.join(', ')}) but found ${values.length}`, { file: flags })
  return attributes.filter((_, i) => Number(values[i]) !== 0)
}
