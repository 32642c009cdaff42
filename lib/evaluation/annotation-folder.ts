/**
 * Annotations without their frames: the data set's folder, or a zip of it, of which only the text files were kept. Enough to score results.
 */
import { parseGroundTruth } from '../data/groundtruth.ts'
import { SiamError } from '../errors.ts'
import { benchmarks } from './benchmarks/names.ts'
import { nameKey } from './results/names.ts'
import type { ResultSource } from './results/source.ts'
import type { AnnotatedSequence, Region } from './types.ts'

interface Found {
  name: string
  entry: string
  /** Folder of the sequence, ending in `/`; '' where sequences share one. */
  folder: string
}

/** Benchmarks whose annotations are boxes x,y,w,h in files of their own. */
export const plainBenchmarks: ReadonlySet<string> = new Set(['OTB2013', 'OTB2015', 'OTB50', 'GOT-10k', 'LaSOT', 'UAV123', 'UAV20L', 'TrackingNet', 'DTB70', 'TColor128'])

export const picture = /\.(?:jpe?g|png|webp|bmp)$/i

/** Whether there are annotations and not a single frame. */
export function isWithoutFrames(source: ResultSource): boolean {
  return !source.list().some((name) => picture.test(name))
}

/**
 * Reads `…/NAME/groundtruth*.txt` (OTB, GOT-10k, LaSOT and the like) or else `…/anno/…/NAME.txt` (UAV123, TrackingNet), with GOT-10k's and
 * LaSOT's labels beside them.
 * @param subset  where some of the folders are called like it, only those below them are taken
 * @returns undefined when there is no such file @throws ERR_DATA with the line that is no box
 */
export async function readPlainAnnotations(source: ResultSource, benchmark: string, subset: string | undefined): Promise<AnnotatedSequence[] | undefined> {
  const entries = new Set(source.list())
  const all = inFolders(entries)
  const found = below(below(all.length > 0 ? all : inOneFolder(entries), (part) => namesBenchmark(part, benchmark)), (part) => subset !== undefined && nameKey(part) === nameKey(subset))
  const sequences: AnnotatedSequence[] = []
  for (const one of found) {
    const sequence = await readSequence(source, one, entries)
    if (sequence !== undefined) sequences.push(sequence)
  }
  return sequences.length === 0 ? undefined : numbered(sequences)
}

function inFolders(entries: Iterable<string>): Found[] {
  const found: Found[] = []
  for (const entry of entries) {
    const match = /^((?:.*\/)?([^/]+)\/)groundtruth[^/]*\.txt$/i.exec(entry)
    if (match !== null) found.push({ name: match[2] as string, entry, folder: match[1] as string })
  }
  return found
}

function inOneFolder(entries: Iterable<string>): Found[] {
  const found: Found[] = []
  for (const entry of entries) {
    const match = /^(?:.*\/)?anno(?:tations?)?\/(?:[^/]+\/)?([^/]+)\.txt$/i.exec(entry)
    if (match !== null) found.push({ name: (match[1] as string).replace(/_gt$/, ''), entry, folder: '' })
  }
  return found
}

/** Those below a folder that is meant, where there is one; else all. */
function below(found: readonly Found[], isMeant: (folder: string) => boolean): readonly Found[] {
  const meant = found.filter(({ entry }) => entry.split('/').slice(0, -1).some(isMeant))
  return meant.length > 0 ? meant : found
}

function namesBenchmark(folder: string, benchmark: string): boolean {
  const key = nameKey(folder).replaceAll('_', '')
  const known = benchmarks.find(({ name }) => name === benchmark)
  return known !== undefined && (nameKey(known.name).replaceAll('_', '') === key || known.aliases.includes(key))
}

async function readSequence(source: ResultSource, { name, entry, folder }: Found, entries: ReadonlySet<string>): Promise<AnnotatedSequence | undefined> {
  const { count, values, unparsable } = parseGroundTruth(await source.read(entry))
  // Human4 of OTB has an empty file beside the one that counts.
  if (count === 0) return undefined
  for (const [frame, why] of unparsable) throw new SiamError('ERR_DATA', why, { file: source.describe(entry), line: frame + 1 })
  const truth = Array.from({ length: count }, (_, k): Region => {
    const box = [...values.subarray(k * 4, k * 4 + 4)]
    return box.some(Number.isNaN) ? null : box
  })
  const text = async (file: string): Promise<string | undefined> => (folder !== '' && entries.has(folder + file) ? (await source.read(folder + file)).toString('utf8') : undefined)
  const labels = async (file: string): Promise<number[] | undefined> => {
    const found = (await text(file))?.split(/[\s,]+/).filter((token) => token !== '').map(Number)
    if (found === undefined) return undefined
    if (found.length !== count || found.some(Number.isNaN)) throw new SiamError('ERR_DATA', `expected a number for each of ${count} frames but found ${found.length} entries`, { file: source.describe(folder + file) })
    return found
  }
  const [absence, cover, occluded, outOfView] = [await labels('absence.label'), await labels('cover.label'), await labels('full_occlusion.txt'), await labels('out_of_view.txt')]
  const size = /^resolution:\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)/m.exec((await text('meta_info.ini')) ?? '')
  const absent = [absence, occluded, outOfView].filter((list) => list !== undefined)
  return {
    name,
    truth,
    ...(size === null ? {} : { size: [Number(size[1]), Number(size[2])] as const }),
    ...(absent.length === 0 ? {} : { absent: truth.map((_, k) => absent.some((list) => list[k] !== 0)) }),
    ...(cover === undefined ? {} : { cover }),
  }
}

/** Several targets in one folder: NAME.1, NAME.2, as the GOT-10k toolkit calls them. */
function numbered(sequences: readonly AnnotatedSequence[]): AnnotatedSequence[] {
  const seen = new Map<string, number>()
  return sequences.map((sequence) => {
    if (sequences.filter(({ name }) => name === sequence.name).length === 1) return sequence
    const number = (seen.get(sequence.name) ?? 0) + 1
    seen.set(sequence.name, number)
    return { ...sequence, name: `${sequence.name}.${number}` }
  })
}
