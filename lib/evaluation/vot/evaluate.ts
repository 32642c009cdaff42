/**
 * Scores of reset-based results: accuracy, robustness, expected average overlap.
 */
import { invalidArgument, SiamError } from '../../errors.ts'
import type { AnnotatedSequence, Annotations, Curve, Evaluation, ScoreColumn, Scores, TrackerEvaluation } from '../types.ts'
import { eaoRange, expectedOverlaps, fragmentsPysot, fragmentsVot, meanExpectedOverlap, type Fragment } from './eao.ts'
import { meanOf, measureSequence, type SequenceMeasures, type VotCompat } from './measures.ts'
import type { VotTrackerResults } from './results.ts'
import { speedOf } from './speed.ts'
import { framesWithTag, tagNames } from './tags.ts'
import { votConventions } from './conventions.ts'

export interface VotOptions {
  /** `pysot` (default): what the original's evaluator gives; `vot`: the official toolkit (the Python package vot-toolkit). */
  compat?: VotCompat
  /** First and last sequence length of the expected average overlap. Default: the benchmark's official range, else all lengths. */
  range?: readonly [number, number]
}

/** Repetitions that the pysot toolkit wants; with fewer or more it takes only the first one. */
const pysotRuns = 15
/** The AR plot shows exp(−S · failures a frame) for S = 30 frames: the share of such stretches without a failure. */
const sensitivity = 30

/**
 * Evaluates reset-based results of several trackers. Sequences without a result do not count (they are named in `missing` and a warning).
 * @throws ERR_ARGUMENT for another `compat` or a bad range, ERR_DATA when annotations are not of a reset-based benchmark or nothing was given
 */
export function evaluateVot(annotations: Annotations, results: readonly VotTrackerResults[], options: VotOptions = {}): Evaluation {
  const { compat = 'pysot' } = options
  if (compat !== 'pysot' && compat !== 'vot') throw invalidArgument("'pysot' or 'vot'", 'compat', compat)
  if (annotations.protocol !== 'vot') throw new SiamError('ERR_DATA', `Expected annotations of a reset-based benchmark but found those of the protocol ${annotations.protocol}`, { file: annotations.source })
  if (results.length === 0) throw new SiamError('ERR_DATA', 'there are no results to evaluate', { file: annotations.source })
  const official = eaoRange(annotations.benchmark)
  const longest = Math.max(...annotations.sequences.map(({ truth }) => truth.length))
  const range = options.range ?? official ?? [2, longest]
  if (!range.every(Number.isSafeInteger) || range[0] < 1 || range[1] < range[0]) throw invalidArgument('two whole numbers ≥ 1, the second no smaller', 'range', range)
  const warnings: string[] = []
  if (options.range === undefined && official === undefined) {
    warnings.push(`${annotations.benchmark} has no official range of sequence lengths for the expected average overlap; all of them, 2 to ${longest}, were taken.`)
  }
  const unsized = annotations.sequences.filter(({ size }) => size === undefined).length
  if (unsized > 0) warnings.push(`The size of the frames of ${unsized} sequences is not known; regions were not cut at the right and lower border there.`)
  return {
    benchmark: annotations.benchmark,
    subset: annotations.subset,
    protocol: 'vot',
    compat,
    conventions: votConventions(compat, range),
    columns: scoreColumns,
    main: 'eao',
    trackers: results.map((tracker) => evaluateTracker(annotations, tracker, compat, range, warnings)),
    warnings,
  }
}

const scoreColumns: ScoreColumn[] = [
  { id: 'accuracy', title: 'Accuracy', better: 'higher', digits: 3 },
  // Failures per 100 frames or per sequence: the conventions say which.
  { id: 'robustness', title: 'Robustness', better: 'lower', digits: 3 },
  { id: 'lost', title: 'Lost', better: 'lower', digits: 1 },
  { id: 'eao', title: 'EAO', better: 'higher', digits: 3 },
  { id: 'fps', title: 'FPS', better: 'higher', digits: 1 },
]

function evaluateTracker(annotations: Annotations, results: VotTrackerResults, compat: VotCompat, range: readonly [number, number], warnings: string[]): TrackerEvaluation {
  const measured: SequenceMeasures[] = []
  const missing: string[] = []
  let cut = 0
  for (const sequence of annotations.sequences) {
    const result = results.sequences.get(sequence.name)
    if (result === undefined) {
      missing.push(sequence.name)
      continue
    }
    const all = compat === 'vot' || result.runs.length === pysotRuns
    if (!all && result.runs.length > 1) cut++
    measured.push(measureSequence(sequence, all ? result.runs : result.runs.slice(0, 1), compat))
  }
  warnings.push(...results.warnings)
  if (missing.length > 0) warnings.push(`${results.tracker} has no result for ${missing.length} of ${annotations.sequences.length} sequences (${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}); its scores are over the others.`)
  if (cut > 0) warnings.push(`${results.tracker} has other than ${pysotRuns} repetitions of ${cut} sequences; only the first one counts, as in the pysot toolkit.`)

  const curve = curveOf(measured, compat)
  const total = scoresOf(measured, compat)
  total.eao = eaoOf(curve, compat, range)
  if (Number.isNaN(total.eao) && measured.length > 0) warnings.push(`${results.tracker} has no expected average overlap: no sequence is as long as ${range[0]} frames.`)
  total.fps = speedOf(results)
  return {
    tracker: results.tracker,
    source: results.source,
    scores: total,
    curves: curvesOf(curve, measured, total, range),
    sequences: measured.map((one) => ({ sequence: one.sequence.name, frames: one.sequence.truth.length, scores: { ...scoresOf([one], compat), eao: Number.NaN, fps: speedOf(results, one.sequence.name) } })),
    attributes: tagNames(annotations).map((tag) => attributeOf(tag, measured, compat, range)),
    missing,
  }
}

/** Accuracy, robustness and number of failures over some sequences. */
function scoresOf(measured: readonly SequenceMeasures[], compat: VotCompat): Scores {
  const frames = measured.map(({ sequence }) => sequence.truth.length)
  const failures = measured.map(({ runs }) => meanOf(runs.map((run) => run.failures.length)))
  const lost = failures.reduce((sum, count) => sum + count, 0)
  const length = frames.reduce((sum, count) => sum + count, 0)
  if (compat === 'pysot') return { accuracy: meanOf(measured.flatMap(({ overlaps }) => overlaps)), robustness: (lost / length) * 100, lost }
  // Each sequence weighs as many frames as it has; one in which no frame counts has accuracy 0.
  const weighted = (values: readonly number[]): number => values.reduce((sum, value, i) => sum + value * (frames[i] as number), 0) / length
  const accuracy = weighted(measured.map(({ runs }) => meanOf(runs.map((run) => meanOf(run.overlaps) || 0))))
  return { accuracy, robustness: weighted(failures), lost }
}

/** Expected overlap against sequence length. @param share  which part of some frames of a sequence counts */
function curveOf(measured: readonly SequenceMeasures[], compat: VotCompat, share: (sequence: AnnotatedSequence, from: number, to: number) => number = () => 1): number[] {
  const fragments: Fragment[] = []
  let longest = 0
  for (const { sequence, runs } of measured) {
    for (const run of runs) {
      const cut = compat === 'vot' ? fragmentsVot(run.expected, run.trajectory) : fragmentsPysot(run.expected, run.failures, (from, to) => share(sequence, from, to))
      // A sequence weighs the same however often it was repeated; the official toolkit counts every run.
      for (const fragment of cut) fragments.push(compat === 'vot' ? fragment : { ...fragment, weight: fragment.weight / runs.length })
      longest = Math.max(longest, compat === 'vot' ? Math.max(...cut.map(({ overlaps }) => overlaps.length)) : run.expected.length)
    }
  }
  return expectedOverlaps(fragments, longest)
}

function eaoOf(curve: readonly number[], compat: VotCompat, [low, high]: readonly [number, number]): number {
  return compat === 'pysot' ? meanExpectedOverlap(curve, low - 1, high - 1) : meanExpectedOverlap(curve, low, high)
}

function attributeOf(tag: string, measured: readonly SequenceMeasures[], compat: VotCompat, range: readonly [number, number]): TrackerEvaluation['attributes'][number] {
  const overlaps: number[] = []
  let [count, lost] = [0, 0]
  for (const one of measured) {
    const has = framesWithTag(one.sequence, tag)
    overlaps.push(...one.overlaps.filter((_, i) => has[i] === 1))
    count += has.reduce((sum, flag) => sum + flag, 0)
    lost += meanOf(one.runs.map(({ failures }) => failures.filter((frame) => has[frame] === 1).length))
  }
  const share = (sequence: AnnotatedSequence, from: number, to: number): number => meanOf(framesWithTag(sequence, tag).slice(from, to))
  const eao = compat === 'pysot' ? eaoOf(curveOf(measured, compat, (sequence, from, to) => share(sequence, from, to) || 0), compat, range) : Number.NaN
  return { attribute: tag, count, scores: { accuracy: meanOf(overlaps), robustness: (lost / count) * 100, lost, eao } }
}

function curvesOf(curve: readonly number[], measured: readonly SequenceMeasures[], total: Scores, range: readonly [number, number]): Curve[] {
  const frames = measured.reduce((sum, { sequence }) => sum + sequence.truth.length, 0)
  const known = curve.flatMap((value, i) => (Number.isNaN(value) ? [] : [i]))
  return [
    {
      id: 'expected_overlap',
      title: 'Expected average overlap',
      xLabel: 'Sequence length (frames)',
      yLabel: 'Expected overlap',
      x: known.map((i) => i + 1),
      y: known.map((i) => curve[i] as number),
      score: 'eao',
      scoreRange: range,
    },
    {
      id: 'ar',
      title: 'Accuracy and robustness',
      xLabel: `Robustness (S = ${sensitivity})`,
      yLabel: 'Accuracy',
      x: [Math.exp((-sensitivity * (total.lost as number)) / frames)],
      y: [total.accuracy as number],
      score: 'accuracy',
    },
  ]
}
