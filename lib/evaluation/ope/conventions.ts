/**
 * What toolkits do differently when they score the same boxes, and which does what. docs/evaluation.md explains each with its source.
 */
import { SiamError } from '../../errors.ts'

/** What becomes of a frame that is not like others: left out; counted as a failure; scored as if it were like others. */
export type FrameRule = 'skip' | 'miss' | 'score'

export interface Conventions {
  /** Thresholds of the success plot, evenly from 0 to 1. */
  bins: number
  /** The area under the success plot: mean of its values; trapezoids between them; or without any thresholds, which is the mean overlap. */
  area: 'mean' | 'trapezoid' | 'exact'
  /** An overlap that equals the threshold is a failure (greater) or a success (greater-equal). */
  compare: 'greater' | 'greater-equal'
  /** The first frame: its result is replaced by the truth that the tracker was given; counts as it is in the file; does not count. */
  first: 'given' | 'counts' | 'excluded'
  /** Frames without annotation (NaN in the file). */
  unannotated: FrameRule
  /** Frames whose annotated box has no area (0,0,0,0 in two of OTB's files). */
  empty: FrameRule
  /** Frames that a label says show nothing of the target (GOT-10k's cover 0; LaSOT's full occlusion, out of view). */
  absent: FrameRule
  /** An annotated box is one when: its size is positive; all four numbers are; or, for the overlap its size, for the centre both its coordinates. */
  box: 'size' | 'positive' | 'pysot'
  /** In precision, a frame that `unannotated` or `empty` calls a miss (or `box` no box) is a miss, or, by what is a slip of two toolkits, a hit. */
  'missed-centre': 'miss' | 'hit'
  /** A result that is NaN or has no area: no overlap; or the box of the frame before. */
  invalid: 'zero' | 'previous'
  /** Boxes are cut at the frame's border before they are compared. */
  clip: boolean
  /** Boxes are rounded to whole pixels before they are compared. */
  round: boolean
  /** Added to the union of two boxes. */
  epsilon: number
  /** Thresholds of the two precision plots, evenly from 0 to 50 pixels and from 0 to 0.5 sizes. */
  'error-bins': number
  /** Precision: read off at so many pixels between the centres, or the area under its plot. */
  'precision-at': number | 'area'
  /** Normalised precision: read off at this distance, or the area under its plot. */
  'norm-at': number | 'area'
  /** Distances are divided by the annotated size; by 1 where that is smaller, or as it is. */
  'norm-size': 'at-least-1' | 'as-is'
  /** Sequences count alike, or frames do. */
  average: 'sequence' | 'frame'
}

export type Compat = 'got10k' | 'otb' | 'pysot' | 'trackingnet' | 'exact'
export const compats: readonly Compat[] = ['got10k', 'otb', 'pysot', 'trackingnet', 'exact']

/** ExperimentOTB of the GOT-10k toolkit, and of the original: one class for OTB and what derives from it. */
const got10k: Conventions = {
  bins: 21,
  area: 'mean',
  compare: 'greater',
  first: 'given',
  unannotated: 'miss',
  empty: 'score',
  absent: 'score',
  box: 'size',
  'missed-centre': 'miss',
  invalid: 'zero',
  clip: false,
  round: false,
  epsilon: Number.EPSILON,
  'error-bins': 51,
  'precision-at': 20,
  'norm-at': 'area',
  'norm-size': 'at-least-1',
  average: 'sequence',
}

/** perfPlot of the OTB toolkit (Matlab), and LaSOT's, which is made of it. */
const otb: Conventions = {
  ...got10k,
  unannotated: 'miss',
  empty: 'miss',
  absent: 'miss',
  box: 'positive',
  'missed-centre': 'hit',
  invalid: 'previous',
  epsilon: 0,
  'norm-size': 'as-is',
}

/** OPEBenchmark of the pysot toolkit. */
const pysot: Conventions = { ...otb, first: 'counts', empty: 'skip', box: 'pysot', invalid: 'zero', 'norm-at': 0.2 }

/** metrics.py of TrackingNet's development kit, which its server runs. */
const trackingnet: Conventions = { ...got10k, area: 'trapezoid', round: true, epsilon: 0, 'error-bins': 21, 'precision-at': 'area', 'norm-size': 'as-is' }

/** No thresholds, and nothing but annotated frames after the first: what the plots approximate. */
const exact: Conventions = {
  ...got10k,
  bins: 101,
  area: 'exact',
  compare: 'greater-equal',
  first: 'excluded',
  unannotated: 'skip',
  empty: 'skip',
  absent: 'skip',
  epsilon: 0,
  'norm-at': 0.2,
  'norm-size': 'as-is',
}

/** ExperimentGOT10k. */
const gotOfGot10k: Partial<Conventions> = { bins: 101, first: 'excluded', unannotated: 'skip', absent: 'skip', clip: true, average: 'frame' }

/** Where a toolkit has a class of its own for a benchmark. */
const special: Partial<Record<Compat, Readonly<Record<string, Partial<Conventions>>>>> = {
  got10k: {
    'GOT-10k': gotOfGot10k,
    LaSOT: { unannotated: 'skip' },
    UAV123: { unannotated: 'skip' },
    UAV20L: { unannotated: 'skip' },
  },
}

/**
 * The conventions of a toolkit for a benchmark.
 * @param compat     got10k is what the original's own evaluator does, and the default for every one-pass benchmark
 * @param overrides  single ones that should be others
 */
export function conventionsOf(benchmark: string, compat: Compat = 'got10k', overrides: Partial<Conventions> = {}): Conventions {
  const base = { got10k, otb, pysot, trackingnet, exact }[compat]
  return { ...base, ...special[compat]?.[benchmark], ...overrides }
}

const rules: readonly FrameRule[] = ['skip', 'miss', 'score']
const flags = [true, false] as const

/** What each convention may be: one of these, or a number from … to …. */
const choices: { readonly [K in keyof Conventions]: readonly Conventions[K][] | readonly ['number', number, number] | readonly ['number', number, number, 'area'] } = {
  bins: ['number', 2, 10_001],
  area: ['mean', 'trapezoid', 'exact'],
  compare: ['greater', 'greater-equal'],
  first: ['given', 'counts', 'excluded'],
  unannotated: rules,
  empty: rules,
  absent: rules,
  box: ['size', 'positive', 'pysot'],
  'missed-centre': ['miss', 'hit'],
  invalid: ['zero', 'previous'],
  clip: flags,
  round: flags,
  epsilon: ['number', 0, 1],
  'error-bins': ['number', 2, 10_001],
  'precision-at': ['number', 0, 50, 'area'],
  'norm-at': ['number', 0, 0.5, 'area'],
  'norm-size': ['at-least-1', 'as-is'],
  average: ['sequence', 'frame'],
}

export const conventionNames: readonly (keyof Conventions)[] = Object.keys(choices) as (keyof Conventions)[]

/**
 * Reads `bins=101` and the like.
 * @throws ERR_ARGUMENT for a name or a value that is not known, with those that are
 */
export function parseConvention(text: string): Partial<Conventions> {
  const at = text.indexOf('=')
  const name = text.slice(0, Math.max(at, 0)).trim() as keyof Conventions
  const value = text.slice(at + 1).trim()
  const wrong = (expected: string): SiamError => new SiamError('ERR_ARGUMENT', `Expected ${expected} but received ${JSON.stringify(text)}`, { hint: 'docs/evaluation.md explains the conventions' })
  const known: readonly unknown[] | undefined = Object.hasOwn(choices, name) ? choices[name] : undefined
  if (known === undefined) throw wrong(`a convention NAME=VALUE with one of the names ${conventionNames.join(', ')}`)
  if (known[0] !== 'number') {
    const found = known.find((choice) => String(choice) === value)
    if (found === undefined) throw wrong(`${name}=${known.join('|')}`)
    return { [name]: found }
  }
  const [, from, to, word] = known as readonly ['number', number, number, 'area'?]
  if (word !== undefined && value === word) return { [name]: word }
  const number = value === '' ? Number.NaN : Number(value)
  if (!(number >= from && number <= to) || (name.endsWith('bins') && !Number.isInteger(number))) throw wrong(`${name}=${word === undefined ? '' : `${word} or `}a number from ${from} to ${to}`)
  return { [name]: number }
}
