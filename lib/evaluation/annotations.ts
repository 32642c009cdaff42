/**
 * Annotations of a benchmark: a JSON file as the pysot toolkit has them, or the data set's folder, with frames or without.
 */
import type { Dirent } from 'node:fs'
import { readFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { ioError } from '../checkpoint/io-error.ts'
import { SiamError } from '../errors.ts'
import { isWithoutFrames, picture, plainBenchmarks, readPlainAnnotations } from './annotation-folder.ts'
import { readAnnotationJson } from './annotation-json.ts'
import { findBenchmark, openBenchmark } from './benchmarks/index.ts'
import { otbFolders } from './benchmarks/otb-sequences.ts'
import { nameKey } from './results/names.ts'
import { withResults } from './results/source.ts'
import type { AnnotatedSequence, Annotations } from './types.ts'

export interface AnnotationOptions {
  /** Part of the benchmark: val, test, … */
  subset?: string
  /** Only these sequences. */
  sequences?: readonly string[]
}

/** LaSOT's file, with the names of all frames, has 150 MB; more could not become one string. */
const maxJsonBytes = 500 * 2 ** 20

/**
 * Reads a benchmark's annotations.
 * @param name  any name of the benchmark: OTB2015, otb-100, GOT-10k/val, …
 * @param file  a JSON file `{NAME: {gt_rect: [[x,y,w,h], …], …}}`, a folder that holds such a file (OTB2015.json), the folder of the data set,
 *   or a folder or zip of it without the frames
 * @throws ERR_ARGUMENT for an unknown benchmark, part or sequence; ERR_IO when nothing is there; ERR_DATA when it cannot be made out
 */
export async function readAnnotations(name: string, file: string, options: AnnotationOptions = {}): Promise<Annotations> {
  const { benchmark, subset } = findBenchmark(name, options.subset)
  const part = subset === undefined ? {} : { subset }
  let isFolder: boolean
  try {
    isFolder = (await stat(file)).isDirectory()
  } catch (error) {
    throw ioError(error, 'read', file)
  }
  const json = isFolder ? await jsonWithin(file, benchmark.name) : file
  if (json === undefined || /\.zip$/i.test(json)) {
    const plain = plainBenchmarks.has(benchmark.name) ? await withoutFrames(file, benchmark.name, subset) : undefined
    if (plain === undefined && !isFolder) throw new SiamError('ERR_DATA', `the zip holds no annotations of ${benchmark.name} that can be read without its frames`, { file, hint: 'unpack it and name the folder' })
    if (plain === undefined) return await openBenchmark(name, file, { subset: options.subset, sequences: options.sequences })
    return { benchmark: benchmark.name, ...part, protocol: benchmark.protocol, source: file, sequences: chosen(ofBenchmark(plain, benchmark.name), options.sequences, benchmark.name, file) }
  }

  let bytes: Buffer
  try {
    const { size } = await stat(json)
    if (size > maxJsonBytes) throw new SiamError('ERR_DATA', `the file has ${size} bytes, more than the ${maxJsonBytes} that a file of annotations may have`, { file: json, hint: 'expected a JSON file as the pysot toolkit has it' })
    bytes = await readFile(json)
  } catch (error) {
    throw error instanceof SiamError ? error : ioError(error, 'read', json)
  }
  const all = readAnnotationJson(bytes, json, benchmark.protocol)
  const sequences = chosen(ofBenchmark(all, benchmark.name), options.sequences, benchmark.name, json)
  return { benchmark: benchmark.name, ...part, protocol: benchmark.protocol, source: json, sequences }
}

/** @returns undefined when there are frames, which openBenchmark knows to pair with the annotations, or no annotations that we know */
async function withoutFrames(file: string, benchmark: string, subset: string | undefined): Promise<AnnotatedSequence[] | undefined> {
  if (!/\.zip$/i.test(file) && (await hasFrames(file))) return undefined
  return await withResults(file, async (source) => (isWithoutFrames(source) ? await readPlainAnnotations(source, benchmark, subset) : undefined))
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    throw ioError(error, 'list', folder)
  }
}

/** Looks for a first frame, which in a data set is soon found; a folder of text files is small. A link is not looked behind. */
async function hasFrames(folder: string): Promise<boolean> {
  const entries = await entriesOf(folder)
  if (entries.some((entry) => entry.isSymbolicLink() || picture.test(entry.name))) return true
  for (const entry of entries) if (entry.isDirectory() && (await hasFrames(path.join(folder, entry.name)))) return true
  return false
}

/** Benchmarks that are parts of another, whose file may be given for them. */
const wholes: Readonly<Record<string, string>> = { OTB2013: 'OTB2015', OTB50: 'OTB2015' }

/** `OTB2015.json` and the like in a folder, under any of the benchmark's names. */
async function jsonWithin(folder: string, benchmark: string): Promise<string | undefined> {
  const names = (await entriesOf(folder)).map((entry) => entry.name).filter((each) => each.toLowerCase().endsWith('.json')).sort()
  const called = (each: string): string | undefined => {
    try {
      return findBenchmark(each.slice(0, -'.json'.length)).benchmark.name
    } catch {
      return undefined
    }
  }
  const found = names.find((each) => called(each) === benchmark) ?? (wholes[benchmark] === undefined ? undefined : names.find((each) => called(each) === wholes[benchmark]))
  return found === undefined ? undefined : path.join(folder, found)
}

function ofBenchmark(sequences: readonly AnnotatedSequence[], benchmark: string): readonly AnnotatedSequence[] {
  if (wholes[benchmark] === undefined) return sequences
  const folders = new Set(otbFolders(benchmark).map(nameKey))
  const part = sequences.filter(({ name }) => folders.has(nameKey(name)) || folders.has(nameKey(name.replace(/[._-]\d+$/, ''))))
  return part.length === 0 ? sequences : part
}

function chosen(sequences: readonly AnnotatedSequence[], wanted: readonly string[] | undefined, benchmark: string, file: string): readonly AnnotatedSequence[] {
  if (wanted === undefined || wanted.length === 0) return sequences
  const keys = new Map(sequences.map((sequence) => [nameKey(sequence.name), sequence]))
  return wanted.map((name) => {
    const found = sequences.find((sequence) => sequence.name === name) ?? keys.get(nameKey(name))
    if (found === undefined) throw new SiamError('ERR_ARGUMENT', `${benchmark} has no sequence ${JSON.stringify(name)}`, { file })
    return found
  })
}
