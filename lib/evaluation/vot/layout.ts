/**
 * Where the files of VOT results lie in a folder or zip: `TRACKER/EXPERIMENT/SEQ/SEQ_001.txt`, with fewer folders or more above it.
 */
import { SiamError } from '../../errors.ts'
import { ofThisBenchmark, ownName, trackerNames } from '../results/layout.ts'
import type { ResultSource } from '../results/source.ts'
import type { Annotations } from '../types.ts'

/** What one tracker has for one sequence; names of entries of the source. */
export interface SequenceFiles {
  /** The repetitions' files, in the order of their numbers. */
  runs: string[]
  /** `…_time.txt` or `…_time.value`. */
  times?: string
  /** Long-term: one for each of `runs`, where it is there. */
  confidences: (string | undefined)[]
}

export interface TrackerFiles {
  tracker: string
  /** Keys are the annotations' names of the sequences. */
  sequences: Map<string, SequenceFiles>
}

/** Experiments of the toolkits, folders below the tracker's; results of another one are left aside. */
const experiments = ['baseline', 'longterm', 'unsupervised', 'realtime']

/**
 * Finds the trackers of a source and their files.
 * @param experiment  `baseline` (reset-based) or `longterm`
 * @throws ERR_DATA when there is no result of any annotated sequence
 */
export function votLayout(source: ResultSource, annotations: Annotations, experiment: 'baseline' | 'longterm'): TrackerFiles[] {
  const known = new Map<string, string>()
  for (const { name } of annotations.sequences) known.set(name.toLowerCase(), name)
  const names = new Set(source.list())
  const trackers = new Map<string, Map<string, { number: string; name: string }[]>>()
  for (const name of names) {
    const match = /^(?:(.*)\/)?([^/]+)_(\d{3})\.(?:txt|bin)$/i.exec(name)
    const sequence = known.get(match?.[2]?.toLowerCase() ?? '')
    if (match === null || sequence === undefined) continue
    // Of both forms the toolkit takes the text, too.
    if (/\.bin$/i.test(name) && names.has(name.replace(/bin$/i, 'txt'))) continue
    const folders = (match[1] ?? '').split('/').filter((part) => part !== '')
    // The sequence's own folder, where it has one, then the experiment's.
    if (folders.at(-1)?.toLowerCase() === sequence.toLowerCase()) folders.pop()
    const kind = experiments.includes(folders.at(-1)?.toLowerCase() ?? '') ? folders.pop()?.toLowerCase() : undefined
    if (kind !== undefined && kind !== experiment) continue
    const key = folders.join('/')
    const sequences = trackers.get(key) ?? new Map<string, { number: string; name: string }[]>()
    trackers.set(key, sequences)
    sequences.set(sequence, [...(sequences.get(sequence) ?? []), { number: match[3] as string, name }])
  }
  if (trackers.size === 0) {
    throw new SiamError('ERR_DATA', `there is no result of a sequence of ${annotations.benchmark}`, {
      file: source.path,
      hint: `expected TRACKER/${experiment}/SEQUENCE/SEQUENCE_001.txt`,
    })
  }
  const kept = ofThisBenchmark([...trackers].map(([folder, found]) => ({ folder, found })), annotations.benchmark)
  const called = trackerNames(kept.map(({ folder }) => folder), ownName(source))
  return kept.map(({ found }, i) => ({ tracker: called[i] as string, sequences: filesOf(found, names, source) }))
}

function filesOf(found: Map<string, { number: string; name: string }[]>, names: ReadonlySet<string>, source: ResultSource): Map<string, SequenceFiles> {
  const sequences = new Map<string, SequenceFiles>()
  for (const [sequence, runs] of found) {
    runs.sort((a, b) => (a.number < b.number ? -1 : 1))
    const twice = runs.find((run, i) => run.number === runs[i + 1]?.number)
    if (twice !== undefined) {
      throw new SiamError('ERR_DATA', `two files hold repetition ${twice.number} of ${sequence}`, { file: source.describe(twice.name), hint: 'keep one of them, or give each tracker a folder of its own' })
    }
    const first = (runs[0] as { name: string }).name
    const stem = first.replace(/_\d{3}\.\w+$/, '')
    const times = [`${stem}_time.txt`, `${stem}_time.value`, `${stem}_001_time.txt`, `${stem}_001_time.value`].find((name) => names.has(name))
    const confidences = runs.map(({ name }) => name.replace(/\.\w+$/, '_confidence.value')).map((name) => (names.has(name) ? name : undefined))
    sequences.set(sequence, { runs: runs.map(({ name }) => name), confidences, ...(times === undefined ? {} : { times }) })
  }
  return sequences
}
