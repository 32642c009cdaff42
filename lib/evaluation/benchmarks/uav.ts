/**
 * UAV123's layout, which UAV20L shares: ROOT/anno/UAV123/NAME.txt and ROOT/data_seq/UAV123/FOLDER/000001.jpg. A sequence is a range of a
 * folder's frames.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isDirectory, isFile } from '../../data/files.ts'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence } from '../types.ts'
import { checkPairs, listed, type PlannedSequence, readBoxes } from './layout.ts'
import { type UavSequence, uavSequences } from './uav-sequences.ts'

/** In the order in which the benchmark's att files have them. */
const attributes = [
  'Scale Variation', 'Aspect Ratio Change', 'Low Resolution', 'Fast Motion', 'Full Occlusion', 'Partial Occlusion',
  'Out-of-View', 'Background Clutter', 'Illumination Variation', 'Viewpoint Change', 'Camera Motion', 'Similar Object',
]

export async function openUav(root: string, benchmark: string): Promise<PlannedSequence[]> {
  const set = benchmark === 'UAV20L' ? 'UAV20L' : 'UAV123'
  const anno = path.join(root, 'anno', set)
  if (!(await isDirectory(anno))) {
    throw new SiamError('ERR_DATA', 'the folder of the annotations is not there', { file: anno, hint: `expected a folder with anno/${set}/bike1.txt, … and data_seq/UAV123/bike1/000001.jpg, …` })
  }
  const names = new Map<string, Promise<ReadonlySet<string>>>()
  const namesIn = (dir: string): Promise<ReadonlySet<string>> => {
    const known = names.get(dir) ?? listed(dir).then((entries) => new Set(entries))
    names.set(dir, known)
    return known
  }
  return uavSequences(set).map((sequence) => {
    const dir = path.join(root, 'data_seq', 'UAV123', sequence.folder)
    return { name: sequence.name, dir, read: async () => readSequence(sequence, dir, anno, await namesIn(dir)) }
  })
}

async function readSequence({ name, first, last }: UavSequence, dir: string, anno: string, there: ReadonlySet<string>): Promise<BenchmarkSequence> {
  const annotationFile = path.join(anno, `${name}.txt`)
  const frames = Array.from({ length: last - first + 1 }, (_, i) => `${String(first + i).padStart(6, '0')}.jpg`)
  const missing = frames.filter((frame) => !there.has(frame))
  if (missing.length > 0) {
    throw new SiamError('ERR_DATA', `expected the frames ${frames[0]} to ${frames.at(-1)} but ${missing.length} of them are not there, the first ${missing[0]}`, { file: dir })
  }
  const files = frames.map((frame) => path.join(dir, frame))
  const [truth, shows] = await Promise.all([readBoxes(annotationFile), readAttributes(path.join(anno, 'att', `${name}.txt`))])
  checkPairs(files, truth, annotationFile)
  return { name, files, truth, ...(shows === undefined ? {} : { attributes: shows }) }
}

async function readAttributes(file: string): Promise<string[] | undefined> {
  if (!(await isFile(file))) return undefined
  const values = (await readFile(file, 'utf8')).trim().split(/[\s,]+/)
  if (values.length !== attributes.length) throw new SiamError('ERR_DATA', `expected ${attributes.length} values of 0 or 1 but found ${values.length}`, { file })
  return attributes.filter((_, i) => Number(values[i]) !== 0)
}
