/** VOT annotations and results made in memory. */
import { readFileSync } from 'node:fs'
import type { ResultSource } from '../../lib/evaluation/results/source.ts'
import type { Annotations, AnnotatedSequence, Region } from '../../lib/evaluation/types.ts'
import type { VotLine, VotTrackerResults } from '../../lib/evaluation/vot/index.ts'

interface MadeSequence {
  size: [number, number]
  truth: Region[]
  runs: number[][][]
  confidences?: (number | null)[]
}

interface Fixture {
  overlaps: [number[], number[], [number, number], number][]
  supervised: { range: [number, number]; sequences: Record<string, MadeSequence>; expected: Record<string, number> }
  long_term: { sequences: Record<string, MadeSequence>; expected: Record<string, number> }
}

/** Numbers of the official toolkit: see test/fixtures/vot_toolkit.py. */
export function officialNumbers(): Fixture {
  return JSON.parse(readFileSync(new URL('../fixtures/vot_toolkit.json', import.meta.url), 'utf8')) as Fixture
}

export function annotationsOf(sequences: readonly AnnotatedSequence[], more: Partial<Annotations> = {}): Annotations {
  return { benchmark: 'VOT2018', protocol: 'vot', source: 'made', sequences, ...more }
}

export function resultsOf(sequences: Record<string, { runs: readonly (readonly VotLine[])[]; confidences?: readonly (readonly number[])[] }>, tracker = 'made'): VotTrackerResults {
  return { tracker, source: 'made', warnings: [], sequences: new Map(Object.entries(sequences).map(([name, result]) => [name, { ...result, file: `${name}_001.txt` }])) }
}

/** Annotations and results of one of the fixture's parts. */
export function madeBy(sequences: Record<string, MadeSequence>, protocol: 'vot' | 'vot-lt'): { annotations: Annotations; results: VotTrackerResults } {
  const lineOf = (numbers: number[]): VotLine => (numbers.length === 1 ? (numbers[0] as 0 | 1 | 2) : numbers)
  return {
    annotations: annotationsOf(Object.entries(sequences).map(([name, { truth, size }]) => ({ name, truth, size })), { protocol }),
    results: resultsOf(
      Object.fromEntries(
        Object.entries(sequences).map(([name, { runs, confidences }]) => [
          name,
          { runs: runs.map((run) => run.map(lineOf)), ...(confidences === undefined ? {} : { confidences: [confidences.map((value) => value ?? Number.NaN)] }) },
        ]),
      ),
    ),
  }
}

/** Result files that lie in memory. */
export function memorySource(files: Record<string, string | Uint8Array>, path = 'made/results'): ResultSource {
  return {
    path,
    kind: path.endsWith('.zip') ? 'zip' : 'folder',
    list: () => Object.keys(files).sort(),
    read: (name) => Promise.resolve(Buffer.from(files[name] as string)),
    describe: (name) => `${path}/${name}`,
    close: () => Promise.resolve(),
  }
}
