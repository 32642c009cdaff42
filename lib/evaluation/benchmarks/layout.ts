/**
 * What a data set's layout tells: which sequences there are, where, and how to read one. And the reading that layouts share.
 */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { errorCode, isMissing, readText } from '../../data/files.ts'
import { frameNamesOf } from '../../data/frames.ts'
import { parseGroundTruth } from '../../data/groundtruth.ts'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence, Region } from '../types.ts'

/** A sequence that should be there. */
export interface PlannedSequence {
  name: string
  /** Its folder; where that is not there, the sequence is missing. */
  dir: string
  /** @throws ERR_DATA with the file and what was expected */
  read(): Promise<BenchmarkSequence>
}

/**
 * Finds out what a root should hold; reads no sequence.
 * @param root    an absolute path of a folder that is there
 * @throws ERR_DATA when it is not this data set
 */
export type Layout = (root: string, benchmark: string, subset: string | undefined) => Promise<PlannedSequence[]>

/**
 * The frames in a folder, in the order of their names; of `numeric` names by their number (2.jpg before 10.jpg).
 * @returns their paths @throws ERR_DATA when there is none
 */
export async function framesIn(dir: string, numeric = false): Promise<string[]> {
  const names = frameNamesOf(await listed(dir))
  if (numeric) names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  if (names.length === 0) throw new SiamError('ERR_DATA', 'expected frames (.jpg, .png or .webp) but there is none', { file: dir })
  return names.map((name) => path.join(dir, name))
}

/** Names in a folder. @throws ERR_DATA when it is not there or cannot be read */
export async function listed(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (cause) {
    throw new SiamError('ERR_DATA', isMissing(cause) ? 'the folder is not there' : `the folder cannot be read (${errorCode(cause)})`, { file: dir, cause })
  }
}

/**
 * Boxes x,y,w,h, one a line; null where one of the numbers is nan.
 * @throws ERR_DATA with the line that cannot be read
 */
export async function readBoxes(file: string): Promise<Region[]> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new SiamError('ERR_DATA', isMissing(cause) ? 'the annotations are not there' : `cannot be read (${errorCode(cause)})`, { file, cause })
  }
  const { count, values, unparsable } = parseGroundTruth(bytes)
  for (const [frame, why] of unparsable) throw new SiamError('ERR_DATA', why, { file, line: frame + 1 })
  return Array.from({ length: count }, (_, k) => {
    const box = [...values.subarray(k * 4, k * 4 + 4)]
    return box.some(Number.isNaN) ? null : box
  })
}

/** Lines of a text file, without the empty ones at its end. */
export async function readLines(file: string): Promise<string[]> {
  const text = (await readText(file)).trimEnd()
  return text === '' ? [] : text.split(/\r\n|\n|\r/)
}

/** The numbers of one line between commas, tabs, semicolons or spaces; `nan` is a number. @throws ERR_DATA */
export function numbersOf(line: string, file: string, index: number): number[] {
  return line
    .trim()
    .split(/\s*[,;\s]\s*/)
    .map((token) => {
      const value = token === '' ? Number.NaN : Number(token)
      if (Number.isNaN(value) && !/^[+-]?nan$/i.test(token)) throw new SiamError('ERR_DATA', `expected a number but found ${JSON.stringify(token.slice(0, 40))}`, { file, line: index + 1 })
      return value
    })
}

/**
 * Labels, one for each frame, between line ends or commas.
 * @returns undefined where the file is not there @throws ERR_DATA for another number of labels, or something that is no number
 */
export async function readLabels(file: string, frames: number): Promise<number[] | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new SiamError('ERR_DATA', `cannot be read (${errorCode(cause)})`, { file, cause })
  }
  const labels = text.split(/[\s,]+/).filter((token) => token !== '').map(Number)
  if (labels.some((label) => !Number.isFinite(label))) throw new SiamError('ERR_DATA', 'expected a number for each frame', { file })
  if (labels.length !== frames) throw new SiamError('ERR_DATA', `expected one label for each of ${frames} frames but found ${labels.length}`, { file })
  return labels
}

/**
 * Checks that frames and annotations pair up, and that the first frame has a target.
 * @param firstOnly  the annotations may be of the first frame only
 * @throws ERR_DATA with both counts
 */
export function checkPairs(files: readonly string[], truth: readonly Region[], annotationFile: string, firstOnly = false): void {
  const expected = firstOnly && truth.length === 1 ? 1 : files.length
  if (truth.length !== expected) {
    const where = path.dirname(files[0] ?? annotationFile)
    throw new SiamError('ERR_DATA', `expected one annotation for each of the ${files.length} frames in ${where} but found ${truth.length}: which belongs to which frame is unknown`, { file: annotationFile })
  }
  const first = truth[0]
  if (first === null || first === undefined) throw new SiamError('ERR_DATA', 'expected a target in the first frame but it has none', { file: annotationFile, line: 1 })
}
