/**
 * NfS's layout: ROOT/NAME/{30,240}/NAME/00001.jpg and ROOT/NAME/{30,240}/NAME.txt.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { isDirectory } from '../../data/files.ts'
import { SiamError } from '../../errors.ts'
import type { BenchmarkSequence, Region } from '../types.ts'
import { checkPairs, framesIn, numbersOf, type PlannedSequence, readLines } from './layout.ts'

/** Parts: 30 and 240 frames a second. Every folder in the root that has the part is a sequence. */
export async function openNfs(root: string, _benchmark: string, subset = '30'): Promise<PlannedSequence[]> {
  const planned: PlannedSequence[] = []
  for (const folder of (await readdir(root)).sort()) {
    const dir = path.join(root, folder, subset)
    if (!(await isDirectory(dir))) continue
    for (const file of (await readdir(dir)).filter((each) => each.endsWith('.txt')).sort()) {
      const name = file.slice(0, -'.txt'.length)
      planned.push({ name, dir: path.join(dir, name), read: () => readSequence(name, dir) })
    }
  }
  if (planned.length === 0) throw new SiamError('ERR_DATA', `expected NAME/${subset}/NAME.txt but no folder has one`, { file: root })
  return planned
}

async function readSequence(name: string, dir: string): Promise<BenchmarkSequence> {
  const annotationFile = path.join(dir, `${name}.txt`)
  const [frames, all] = await Promise.all([framesIn(path.join(dir, name)), readCorners(annotationFile)])
  // At 30 frames a second the annotations may still be those of 240: every eighth counts.
  const truth = Math.abs(all.length / frames.length - 8) < 1 ? all.filter((_, k) => k % 8 === 0) : all
  // Some sequences have one annotation more or less than frames; the toolkit drops the last.
  const count = Math.abs(frames.length - truth.length) === 1 ? Math.min(frames.length, truth.length) : undefined
  const files = frames.slice(0, count)
  checkPairs(files, truth.slice(0, count), annotationFile)
  return { name, files, truth: truth.slice(0, count) }
}

/** `ID LEFT TOP RIGHT BOTTOM FRAME … "CLASS"`, one a line. */
async function readCorners(file: string): Promise<Region[]> {
  return (await readLines(file)).map((line, index) => {
    const [left, top, right, bottom] = numbersOf(line.trim().split(/\s+/).slice(1, 5).join(' '), file, index)
    if (bottom === undefined) throw new SiamError('ERR_DATA', 'expected an id and left, top, right, bottom', { file, line: index + 1 })
    const box = [left as number, top as number, (right as number) - (left as number), bottom - (top as number)]
    return box.some(Number.isNaN) ? null : box
  })
}
