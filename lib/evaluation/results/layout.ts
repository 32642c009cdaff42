/**
 * Where one-pass results lie in a folder or zip. Toolkits differ in how many folders they put around them:
 *   SEQ.txt · TRACKER/SEQ.txt · TRACKER/SEQ/SEQ_001.txt (GOT-10k) · TRACKER/CLASS/CLASS-1.txt (LaSOT) · BENCHMARK/TRACKER/… · TRACKER/BENCHMARK/…
 * and times beside them (SEQ_time.txt) or in times/.
 */
import path from 'node:path'
import { benchmarks } from '../benchmarks/names.ts'
import { matchNames, nameKey } from './names.ts'
import { sortedNames } from './entry-name.ts'

/** Names of entries of the source. */
export interface SequenceFiles {
  /** One for each run, in the order of their numbers. */
  runs: string[]
  times?: string
  /** A second file of one of the runs. */
  twice?: string
}

export interface TrackerFiles {
  tracker: string
  /** Keys are the annotations' names. */
  sequences: Map<string, SequenceFiles>
  /** Files that look like results but are of no annotated sequence. */
  unknown: string[]
}

interface FoundFile {
  entry: string
  /** Name without ending, run number and `_time`. */
  stem: string
  run: number
}

/** Files below one folder that seem to be of one tracker. */
interface Group {
  folder: string
  boxes: FoundFile[]
  times: Map<string, string>
}

const timeFolders = new Set(['times', 'time'])
/** Folders that say what is in them rather than whose it is. */
const plainFolders = new Set(['result', 'results', 'raw_results', 'raw_result', 'tracking_results', 'tracking_result', 'bboxes', 'boxes', 'txt', 'val', 'test', 'ope', 'baseline', 'default', 'got_benchmark', 'logs', 'output'])

/**
 * Finds the trackers of a source and their files.
 * @param entries    names of the source's files
 * @param own        what to call a tracker whose files lie at the top: the source's name
 * @param subset     the benchmark's part: folders of another part are left aside
 * @returns trackers that have at least one annotated sequence
 */
export function onePassLayout(entries: readonly string[], benchmark: string, sequences: readonly string[], own: string, subset?: string): TrackerFiles[] {
  const known = new Set(sequences.flatMap((name) => [name, nameKey(name)]))
  const groups = new Map<string, Group>()
  for (const entry of entries) {
    const match = /^(?:(.*)\/)?([^/]+)\.(?:txt|csv)$/i.exec(entry)
    if (match === null) continue
    const folders = (match[1] ?? '').split('/').filter((part) => part !== '')
    const name = match[2] as string
    const timed = /^(.+?)[_-]times?$/i.exec(name)
    const inTimes = timeFolders.has((folders.at(-1) ?? '').toLowerCase())
    if (inTimes) folders.pop()
    const full = timed?.[1] ?? name
    const { stem, run } = runOf(full, known)
    if (isSequenceFolder(folders.at(-1), stem, benchmark)) folders.pop()
    const folder = folders.join('/')
    const group: Group = groups.get(folder) ?? { folder, boxes: [], times: new Map() }
    groups.set(folder, group)
    if (timed !== null || inTimes) group.times.set(stem, entry)
    else group.boxes.push({ entry, stem, run })
  }
  const trackers = [...groups.values()].map((group) => ({ folder: group.folder, files: filesOf(group, sequences) })).filter(({ files }) => files.sequences.size > 0)
  const kept = ofThisBenchmark(trackers, benchmark, subset)
  const names = trackerNames(kept.map(({ folder }) => folder), own)
  return kept.map(({ files }, i) => ({ tracker: names[i] as string, ...files }))
}

/** `SEQ_002` is the second run, unless a sequence is so called. */
function runOf(name: string, known: ReadonlySet<string>): { stem: string; run: number } {
  const numbered = known.has(name) || known.has(nameKey(name)) ? null : /^(.+)_(\d{3})$/.exec(name)
  return numbered === null ? { stem: name, run: 1 } : { stem: numbered[1] as string, run: Number(numbered[2]) }
}

function isSequenceFolder(folder: string | undefined, stem: string, benchmark: string): boolean {
  if (folder === undefined) return false
  return nameKey(folder) === nameKey(stem) || (benchmark === 'LaSOT' && nameKey(stem).replace(/_\d+$/, '') === nameKey(folder))
}

function filesOf(group: Group, sequences: readonly string[]): Omit<TrackerFiles, 'tracker'> {
  const byStem = new Map<string, FoundFile[]>()
  for (const file of group.boxes) {
    const same = byStem.get(file.stem)
    if (same === undefined) byStem.set(file.stem, [file])
    else same.push(file)
  }
  const stems = [...byStem.keys()]
  const matched = matchNames(sequences, stems)
  const times = matchNames(sequences, [...group.times.keys()])
  const found = new Map<string, SequenceFiles>()
  for (const [sequence, stem] of matched) {
    const files = (byStem.get(stem) as FoundFile[]).toSorted((a, b) => a.run - b.run || (a.entry < b.entry ? -1 : 1))
    const twice = files.find(({ run }, i) => run === files[i - 1]?.run)?.entry
    const time = group.times.get(stem) ?? group.times.get(times.get(sequence) ?? '')
    found.set(sequence, { runs: files.map(({ entry }) => entry), ...(time === undefined ? {} : { times: time }), ...(twice === undefined ? {} : { twice }) })
  }
  const used = new Set(matched.values())
  return { sequences: found, unknown: sortedNames(stems.filter((stem) => !used.has(stem))) }
}

/** `OTB2015`, or `NfS/240` where the folder names a part as well. */
function benchmarkOf(folder: string): string | undefined {
  const key = nameKey(folder).replaceAll('_', '')
  // A number alone is too little to tell.
  if (!/[a-z]/.test(key)) return undefined
  for (const { name, aliases, subsets } of benchmarks) {
    for (const known of [nameKey(name).replaceAll('_', ''), ...aliases]) {
      if (key === known) return name
      const part = /[a-z]/.test(known) && key.startsWith(known) ? subsets.find((subset) => nameKey(subset).replaceAll('_', '') === key.slice(known.length)) : undefined
      if (part !== undefined) return `${name}/${part}`
    }
  }
  return undefined
}

/**
 * A folder of several benchmarks' results (OTB2013/TRACKER, OTB2015/TRACKER; NfS30, NfS240): those of another benchmark, or of another part
 * of it, are not meant.
 */
export function ofThisBenchmark<T extends { folder: string }>(trackers: readonly T[], benchmark: string, subset?: string): T[] {
  const named = trackers.map((tracker) => tracker.folder.split('/').map(benchmarkOf).filter((name) => name !== undefined))
  const isMeant = (names: readonly string[]): boolean => names.some((name) => name === benchmark || name === `${benchmark}/${subset ?? ''}`)
  if (!named.some(isMeant)) return [...trackers]
  return trackers.filter((_, i) => named[i]?.length === 0 || isMeant(named[i] ?? []))
}

/** The last folder that is a name; where two trackers would be called alike, as much of their paths as tells them apart. */
export function trackerNames(folders: readonly string[], own: string): string[] {
  const telling = folders.map((folder) => folder.split('/').filter((part) => part !== '' && !plainFolders.has(nameKey(part)) && benchmarkOf(part) === undefined))
  const short = telling.map((parts) => parts.at(-1) ?? own)
  return short.map((name, i) => {
    if (short.filter((other) => other === name).length === 1) return name
    const long = telling[i]?.join('/') || own
    return telling.filter((other) => (other.join('/') || own) === long).length === 1 ? long : folders[i] || own
  })
}

/** What to call a tracker of whose folder or zip only the path is known. */
export function ownName(source: { path: string; kind: 'folder' | 'zip' }): string {
  const base = path.basename(path.resolve(source.path))
  return source.kind === 'zip' ? base.replace(/\.zip$/i, '') : base
}
