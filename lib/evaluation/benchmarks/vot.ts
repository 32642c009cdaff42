/**
 * VOT's layout: ROOT/list.txt and ROOT/NAME/{color/00000001.jpg, …, groundtruth.txt, camera_motion.tag, …}. The list may also lie in
 * ROOT/VOT2018 (as the original has it) or ROOT/sequences (as the VOT toolkit has it), the frames in the sequence's folder itself, and
 * annotations and tags may come from VOT2018.json (pysot's) in the root or beside it.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { isDirectory, isFile, readNameList, readText } from '../../data/files.ts'
import { frameSize } from '../../data/frame-size.ts'
import { SiamError } from '../../errors.ts'
import type { Bound } from '../overlap.ts'
import type { BenchmarkSequence, Region } from '../types.ts'
import { checkPairs, framesIn, numbersOf, type PlannedSequence, readLabels, readLines } from './layout.ts'

/** Tags of frames that the challenge scores on their own. */
const tagNames = ['camera_motion', 'illum_change', 'motion_change', 'size_change', 'occlusion'] as const

/** What pysot's file says of one sequence. */
interface JsonSequence {
  gt_rect?: unknown
  img_names?: unknown
  width?: unknown
  height?: unknown
  [tag: string]: unknown
}

export async function openVot(root: string, benchmark: string): Promise<PlannedSequence[]> {
  const folders = [path.join(root, benchmark), root, path.join(root, 'sequences')]
  let dir: string | undefined
  for (const folder of folders) if (dir === undefined && (await isFile(path.join(folder, 'list.txt')))) dir = folder
  const json = await readJson([...folders, path.dirname(root)], benchmark)
  if (dir === undefined && json === undefined) {
    throw new SiamError('ERR_DATA', 'the list of the sequences is not there', { file: path.join(root, 'list.txt'), hint: `expected list.txt and SEQUENCE/{color/00000001.jpg, …, groundtruth.txt}, in this folder or in ${benchmark} below it` })
  }
  const names = dir === undefined ? [...(json?.sequences.keys() ?? [])].sort() : await readNameList(path.join(dir, 'list.txt'))
  const base = dir ?? ((await isDirectory(path.join(root, benchmark))) ? path.join(root, benchmark) : root)
  return names.map((name) => {
    const told = json?.sequences.get(name)
    return { name, dir: path.join(base, name), read: () => readSequence(name, path.join(base, name), told, json?.file ?? '') }
  })
}

async function readJson(folders: readonly string[], benchmark: string): Promise<{ file: string; sequences: Map<string, JsonSequence> } | undefined> {
  for (const folder of folders) {
    for (const name of [benchmark, benchmark.replace('LT', '-LT')]) {
      const file = path.join(folder, `${name}.json`)
      if (!(await isFile(file))) continue
      let value: unknown
      try {
        value = JSON.parse(await readText(file))
      } catch (cause) {
        throw new SiamError('ERR_DATA', `is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SiamError('ERR_DATA', 'expected a map from sequence to annotations', { file })
      return { file, sequences: new Map(Object.entries(value as Record<string, JsonSequence>)) }
    }
  }
  return undefined
}

async function readSequence(name: string, dir: string, told: JsonSequence | undefined, jsonFile: string): Promise<BenchmarkSequence> {
  const color = path.join(dir, 'color')
  const files = await framesIn((await isDirectory(color)) ? color : dir)
  const annotationFile = path.join(dir, 'groundtruth.txt')
  const fromText = (await isFile(annotationFile)) || told === undefined
  const truth = fromText ? await readRegions(annotationFile) : jsonRegions(told.gt_rect, name, jsonFile)
  checkPairs(files, truth, fromText ? annotationFile : jsonFile)
  const [tags, size] = await Promise.all([readTags(dir, files.length, told), sizeOf(files, told)])
  return { name, files, truth, ...(tags === undefined ? {} : { tags }), ...(size === undefined ? {} : { size }) }
}

/** x,y,w,h or a polygon, one a line; null where a number is nan (the target is out of the picture). */
async function readRegions(file: string): Promise<Region[]> {
  return (await readLines(file)).map((line, index) => {
    const numbers = numbersOf(line, file, index)
    if (numbers.length !== 4 && (numbers.length < 6 || numbers.length % 2 !== 0)) {
      throw new SiamError('ERR_DATA', `expected x,y,w,h or the corners x1,y1,x2,y2,… of a polygon but found ${numbers.length} numbers`, { file, line: index + 1 })
    }
    return numbers.some(Number.isNaN) ? null : numbers
  })
}

function jsonRegions(value: unknown, name: string, file: string): Region[] {
  if (!Array.isArray(value)) throw new SiamError('ERR_DATA', `expected a list of regions at ${name}.gt_rect`, { file })
  return value.map((region: unknown, k) => {
    const numbers = Array.isArray(region) ? region.map((number) => (typeof number === 'number' ? number : Number.NaN)) : []
    if (numbers.length !== 4 && (numbers.length < 6 || numbers.length % 2 !== 0)) throw new SiamError('ERR_DATA', `expected 4 numbers or a polygon at ${name}.gt_rect[${k}]`, { file })
    return numbers.some(Number.isNaN) ? null : numbers
  })
}

/** Files NAME.tag or NAME.label, else what the JSON says. */
async function readTags(dir: string, frames: number, told: JsonSequence | undefined): Promise<Record<string, number[]> | undefined> {
  const there = new Set(await readdir(dir))
  const tags: Record<string, number[]> = {}
  for (const tag of tagNames) {
    const file = [`${tag}.tag`, `${tag}.label`].find((each) => there.has(each))
    const labels = file === undefined ? jsonTag(told?.[tag], frames) : await readTagFile(path.join(dir, file), frames)
    if (labels !== undefined) tags[tag] = labels
  }
  return Object.keys(tags).length === 0 ? undefined : tags
}

/** The toolkit's files may end at the last frame that has the tag. */
async function readTagFile(file: string, frames: number): Promise<number[] | undefined> {
  const count = (await readText(file)).split(/[\s,]+/).filter((token) => token !== '').length
  const labels = await readLabels(file, count)
  if (labels === undefined) return undefined
  if (count > frames) throw new SiamError('ERR_DATA', `expected at most one label for each of ${frames} frames but found ${count}`, { file })
  return [...labels, ...Array.from({ length: frames - count }, () => 0)]
}

function jsonTag(value: unknown, frames: number): number[] | undefined {
  if (!Array.isArray(value) || value.length !== frames) return undefined
  return value.map((label) => (Number(label) === 0 ? 0 : 1))
}

async function sizeOf(files: readonly string[], told: JsonSequence | undefined): Promise<Bound | undefined> {
  if (typeof told?.width === 'number' && typeof told.height === 'number') return [told.width, told.height]
  const size = await frameSize(files[0] as string)
  return size === null ? undefined : [size.width, size.height]
}
