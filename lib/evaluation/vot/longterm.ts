/**
 * Scores of long-term results: the best F-score over confidence thresholds, with its precision and recall.
 */
import { invalidArgument, SiamError } from '../../errors.ts'
import type { Annotations, Curve, Evaluation, Scores, TrackerEvaluation } from '../types.ts'
import { bestOf, confidenceThresholds, fScores, meanPrecisionRecall, precisionRecall, thresholdCount, type PrecisionRecall } from './confidence.ts'
import { anySize, type VotCompat } from './measures.ts'
import { overlapPysot } from './overlap-pysot.ts'
import { overlapVot } from './overlap-vot.ts'
import type { VotSequenceResult, VotTrackerResults } from './results.ts'
import { speedOf } from './speed.ts'

/**
 * Evaluates results of the long-term experiment (VOT2018-LT).
 * @param options.compat  `pysot` (default): what the original's evaluator gives; `vot`: the official toolkit
 * @throws ERR_ARGUMENT for another `compat`, ERR_DATA when the annotations are not of a long-term benchmark or nothing was given
 */
export function evaluateVotLongTerm(annotations: Annotations, results: readonly VotTrackerResults[], options: { compat?: VotCompat } = {}): Evaluation {
  const { compat = 'pysot' } = options
  if (compat !== 'pysot' && compat !== 'vot') throw invalidArgument("'pysot' or 'vot'", 'compat', compat)
  if (annotations.protocol !== 'vot-lt') throw new SiamError('ERR_DATA', `Expected annotations of a long-term benchmark but found those of the protocol ${annotations.protocol}`, { file: annotations.source })
  if (results.length === 0) throw new SiamError('ERR_DATA', 'there are no results to evaluate', { file: annotations.source })
  const warnings: string[] = []
  const unsized = annotations.sequences.filter(({ size }) => size === undefined).length
  if (unsized > 0) warnings.push(`The size of the frames of ${unsized} sequences is not known; regions were not cut at the right and lower border there.`)
  return {
    benchmark: annotations.benchmark,
    subset: annotations.subset,
    protocol: 'vot-lt',
    compat,
    conventions: conventionsOf(compat),
    columns: [
      { id: 'f1', title: 'F-score', better: 'higher', digits: 3 },
      { id: 'precision', title: 'Precision', better: 'higher', digits: 3 },
      { id: 'recall', title: 'Recall', better: 'higher', digits: 3 },
      { id: 'fps', title: 'FPS', better: 'higher', digits: 1 },
    ],
    main: 'f1',
    trackers: results.map((tracker) => evaluateTracker(annotations, tracker, compat, warnings)),
    warnings,
  }
}

function conventionsOf(compat: VotCompat): Record<string, string> {
  const pysot = compat === 'pysot'
  return {
    overlap: pysot ? 'pixels of both regions filled within the frame (x,y,w,h reaches from x to x + w, both included)' : 'pixels of both regions filled within the frame, numbers rounded first (x,y,w,h covers w × h pixels)',
    thresholds: `${thresholdCount} that part the confidences of all frames evenly, infinite ones at both ends`,
    precision: 'mean overlap of the frames whose confidence reaches the threshold, frames without a target and the first frame as 0; 1 where there is none',
    recall: 'sum of these overlaps over the number of frames with a target',
    'F-score': 'of precision and recall averaged over the sequences; the best threshold counts, in rows of single sequences their own best one',
    'threshold −∞': pysot ? 'confidences of 0 and less do not reach it' : 'all frames reach it',
    missing: 'sequences without a result do not count',
  }
}

interface Measured {
  name: string
  frames: number
  attributes: readonly string[]
  curves: PrecisionRecall
}

function evaluateTracker(annotations: Annotations, results: VotTrackerResults, compat: VotCompat, warnings: string[]): TrackerEvaluation {
  warnings.push(...results.warnings)
  const all = [...results.sequences.values()].flatMap((result) => confidencesOf(result, compat))
  const thresholds = confidenceThresholds(all, compat)
  const measured: Measured[] = []
  const missing: string[] = []
  for (const { name, truth, size = anySize, attributes = [] } of annotations.sequences) {
    const result = results.sequences.get(name)
    const visible = truth.filter((region) => region !== null).length
    if (result === undefined) missing.push(name)
    else if (visible === 0) warnings.push(`${name} has no frame with a target; it does not count.`)
    else {
      const overlaps = (result.runs[0] ?? []).map((line, i) => {
        const region = truth[i] ?? null
        const given = typeof line === 'number' ? null : line
        if (compat === 'vot') return overlapVot(given, region, size)
        return given === null || region === null ? 0 : overlapPysot(given, region, size) || 0
      })
      measured.push({ name, frames: truth.length, attributes, curves: precisionRecall(overlaps, confidencesOf(result, compat, 0), thresholds, visible, compat === 'vot') })
    }
  }
  if (missing.length > 0) warnings.push(`${results.tracker} has no result for ${missing.length} of ${annotations.sequences.length} sequences (${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}); its scores are over the others.`)
  const mean = meanPrecisionRecall(measured.map(({ curves }) => curves))
  const attributes = [...new Set(annotations.sequences.flatMap((sequence) => sequence.attributes ?? []))]
  return {
    tracker: results.tracker,
    source: results.source,
    scores: { ...scoresOf(mean), fps: speedOf(results) },
    curves: curvesOf(mean, thresholds),
    sequences: measured.map(({ name, frames, curves }) => ({ sequence: name, frames, scores: { ...scoresOf(curves), fps: speedOf(results, name) } })),
    attributes: attributes.map((attribute) => {
      const having = measured.filter((one) => one.attributes.includes(attribute))
      return { attribute, count: having.length, scores: scoresOf(meanPrecisionRecall(having.map(({ curves }) => curves))) }
    }),
    missing,
  }
}

/** The first frame has no confidence of its own: pysot takes it as unknown (0 once the thresholds are found), the official toolkit as 0. */
function confidencesOf(result: VotSequenceResult, compat: VotCompat, unknown = Number.NaN): number[] {
  const values = result.confidences?.[0] ?? []
  return values.map((value, i) => {
    if (compat === 'vot') return i === 0 && Number.isNaN(value) ? 0 : value
    return i === 0 || Number.isNaN(value) ? unknown : value
  })
}

function scoresOf(curves: PrecisionRecall): Scores {
  const scores = fScores(curves)
  const best = bestOf(scores)
  return { f1: scores[best] ?? Number.NaN, precision: curves.precision[best] ?? Number.NaN, recall: curves.recall[best] ?? Number.NaN }
}

function curvesOf(curves: PrecisionRecall, thresholds: readonly number[]): Curve[] {
  const scores = fScores(curves)
  const finite = thresholds.flatMap((value, i) => (Number.isFinite(value) ? [i] : [])).reverse()
  return [
    { id: 'precision_recall', title: 'Precision and recall', xLabel: 'Recall', yLabel: 'Precision', x: curves.recall, y: curves.precision, score: 'f1' },
    { id: 'f1', title: 'F-score', xLabel: 'Confidence threshold', yLabel: 'F-score', x: finite.map((i) => thresholds[i] as number), y: finite.map((i) => scores[i] as number), score: 'f1' },
  ]
}
