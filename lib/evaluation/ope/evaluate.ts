/** One-pass evaluation: boxes of trackers against annotations. */
import { SiamError, invalidArgument } from '../../errors.ts'
import type { Rect } from '../overlap.ts'
import type { AnnotatedSequence, Annotations, Curve, Evaluation, ScoreColumn, Scores, SequenceResult, TrackerEvaluation, TrackerResults } from '../types.ts'
import { compats, conventionsOf } from './conventions.ts'
import type { Compat, Conventions } from './conventions.ts'
import { scoreFrames } from './frames.ts'
import type { FrameScores } from './frames.ts'
import { joinFrames, mean, meanPlots, plotsOf, thresholdsOf } from './plots.ts'
import type { Plots } from './plots.ts'
import { framesPerSecond, overallSpeed } from './speed.ts'
import { conventionsInWords } from './words.ts'

export interface OnePassOptions {
  /** Whose conventions; `got10k`, the default, is what the original's own evaluator does for the benchmark. */
  compat?: Compat
  /** Single conventions that should be others. */
  conventions?: Partial<Conventions>
  /** Sequences without a result: an error (the default), failures in every frame, or left out. */
  missing?: 'error' | 'zero' | 'skip'
}

interface ScoredSequence {
  sequence: AnnotatedSequence
  frames: FrameScores
  plots: Plots
  seconds: readonly number[]
}

/**
 * Scores trackers on a one-pass benchmark.
 * @param results  one box for each annotated frame, as {@link readTrackerResults} gives them
 * @returns trackers from the best to the worst. Scores are fractions: `auc`, `precision`, `norm_precision`, `ao` (mean overlap), `sr50`,
 *   `sr75`; `fps` where times are known
 * @throws ERR_DATA when a sequence has no result (unless `missing` says otherwise), another number of boxes than annotations, or none of a
 *   tracker's sequences can be scored; ERR_ARGUMENT for an unknown `compat`
 */
export function evaluateOnePass(annotations: Annotations, results: readonly TrackerResults[], options: OnePassOptions = {}): Evaluation {
  const { compat = 'got10k', missing = 'error' } = options
  if (!compats.includes(compat)) throw invalidArgument(`one of ${compats.join(', ')}`, 'compat', compat)
  const conventions = conventionsOf(annotations.benchmark, compat, options.conventions)
  const isGot10k = annotations.benchmark === 'GOT-10k'
  const warnings: string[] = []
  if (conventions.clip && annotations.sequences.some(({ size }) => size === undefined)) warnings.push('the size of the frames is not known for all sequences; there, boxes are not cut at the border')
  const trackers = results.map((tracker) => evaluateTracker(annotations, tracker, conventions, missing, isGot10k, warnings))
  const columns = columnsOf(conventions, isGot10k).filter(({ id }) => id !== 'fps' || trackers.some(({ scores }) => !Number.isNaN(scores.fps)))
  const main = isGot10k ? 'ao' : 'auc'
  return {
    benchmark: annotations.benchmark,
    ...(annotations.subset === undefined ? {} : { subset: annotations.subset }),
    protocol: 'ope',
    compat,
    conventions: conventionsInWords(conventions, !isGot10k),
    columns,
    main,
    trackers: trackers.toSorted((a, b) => (b.scores[main] as number) - (a.scores[main] as number)),
    warnings,
  }
}

function columnsOf(conventions: Conventions, isGot10k: boolean): ScoreColumn[] {
  const column = (id: string, title: string, digits = 3): ScoreColumn => ({ id, title, better: 'higher', digits })
  const overlaps = [column('ao', 'AO'), column('sr50', 'SR.50'), column('sr75', 'SR.75')]
  if (isGot10k) return [...overlaps, column('auc', 'AUC'), column('fps', 'FPS', 1)]
  const at = conventions['precision-at']
  return [column('auc', 'AUC'), column('precision', at === 'area' ? 'Precision' : `Precision@${at}`), column('norm_precision', 'Norm. precision'), ...overlaps, column('fps', 'FPS', 1)]
}

function evaluateTracker(annotations: Annotations, tracker: TrackerResults, conventions: Conventions, missing: 'error' | 'zero' | 'skip', isGot10k: boolean, warnings: string[]): TrackerEvaluation {
  const absent = annotations.sequences.filter(({ name }) => !tracker.sequences.has(name)).map(({ name }) => name)
  if (absent.length > 0) {
    const text = `${tracker.tracker} has no result for ${absent.length} of the ${annotations.sequences.length} sequences of ${annotations.benchmark}: ${some(absent)}`
    if (missing === 'error') throw new SiamError('ERR_DATA', text, { file: tracker.source, hint: 'missing sequences can be counted as failures (--missing zero) or left out (--missing skip)' })
    warnings.push(`${text}; ${missing === 'zero' ? 'they count as failures' : 'they are left out'}`)
  }
  const scored: ScoredSequence[] = []
  for (const sequence of annotations.sequences) {
    const result = tracker.sequences.get(sequence.name)
    if (result === undefined && missing === 'skip') continue
    const frames = result === undefined ? failed(sequence, conventions) : scoreRuns(sequence, result, conventions)
    scored.push({ sequence, frames, plots: plotsOf(frames, conventions), seconds: result?.seconds ?? [] })
  }
  const counting = scored.filter(({ plots }) => plots.frames > 0)
  if (counting.length === 0) throw new SiamError('ERR_DATA', `no frame of ${tracker.tracker} can be scored: ${scored.length === 0 ? 'it has no results' : 'no frame is annotated'}`, { file: tracker.source })
  const nothing = scored.filter(({ plots }) => plots.frames === 0).map(({ sequence }) => sequence.name)
  if (nothing.length > 0) warnings.push(`${tracker.tracker}: no frame counts in ${some(nothing)}; left out`)

  const overall = summary(counting, conventions)
  return {
    tracker: tracker.tracker,
    source: tracker.source,
    scores: scoresOf(overall, overallSpeed(counting.map(({ seconds }) => seconds), conventions.average), isGot10k),
    curves: curvesOf(overall, conventions, isGot10k),
    sequences: scored.map(({ sequence, plots, seconds }) => ({ sequence: sequence.name, frames: plots.frames, scores: scoresOf(plots, framesPerSecond(seconds), isGot10k) })),
    attributes: attributesOf(counting, conventions, isGot10k),
    missing: absent,
  }
}

function scoreRuns(sequence: AnnotatedSequence, result: SequenceResult, conventions: Conventions): FrameScores {
  const runs = [result.boxes, ...(result.moreRuns ?? [])]
  for (const boxes of runs) {
    if (boxes.length !== sequence.truth.length && !(result.partial === true && boxes.length < sequence.truth.length)) {
      throw new SiamError('ERR_DATA', `expected ${sequence.truth.length} boxes for ${sequence.name}, one for each annotated frame, but found ${boxes.length}`, { file: result.file })
    }
  }
  return joinFrames(runs.map((boxes) => scoreFrames({ ...sequence, truth: sequence.truth.slice(0, boxes.length) }, boxes, conventions)))
}

/** A tracker that gave nothing is not given the first box either. */
function failed(sequence: AnnotatedSequence, conventions: Conventions): FrameScores {
  const none: Rect = [Number.NaN, Number.NaN, Number.NaN, Number.NaN]
  return scoreFrames(sequence, sequence.truth.map(() => none), { ...conventions, first: conventions.first === 'given' ? 'counts' : conventions.first })
}

function summary(scored: readonly ScoredSequence[], conventions: Conventions): Plots {
  if (conventions.average === 'frame') return plotsOf(joinFrames(scored.map(({ frames }) => frames)), conventions)
  return meanPlots(scored.map(({ plots }) => plots), conventions)
}

function scoresOf(plots: Plots, fps: number, isGot10k: boolean): Scores {
  const { ao, sr50, sr75, auc, precisionScore: precision, normPrecisionScore: norm } = plots
  return isGot10k ? { ao, sr50, sr75, auc, fps } : { auc, precision, norm_precision: norm, ao, sr50, sr75, fps }
}

function curvesOf(plots: Plots, conventions: Conventions, isGot10k: boolean): Curve[] {
  const thresholds = thresholdsOf(conventions)
  // Where the number of a curve is read off, for plots.
  const range = (at: number | 'area'): Pick<Curve, 'scoreRange'> => (at === 'area' ? {} : { scoreRange: [at, at] })
  const success: Curve = { id: 'success', title: 'Success', xLabel: 'Overlap threshold', yLabel: 'Success rate', x: thresholds.success, y: [...plots.success], score: isGot10k ? 'ao' : 'auc' }
  if (isGot10k) return [success]
  return [
    success,
    { id: 'precision', title: 'Precision', xLabel: 'Location error threshold (pixels)', yLabel: 'Precision', x: thresholds.precision, y: [...plots.precision], score: 'precision', ...range(conventions['precision-at']) },
    { id: 'norm_precision', title: 'Normalised precision', xLabel: 'Normalised location error threshold', yLabel: 'Precision', x: thresholds.normPrecision, y: [...plots.normPrecision], score: 'norm_precision', ...range(conventions['norm-at']) },
  ]
}

function attributesOf(scored: readonly ScoredSequence[], conventions: Conventions, isGot10k: boolean): TrackerEvaluation['attributes'] {
  const byAttribute = new Map<string, ScoredSequence[]>()
  for (const one of scored) {
    for (const attribute of new Set(one.sequence.attributes ?? [])) {
      const list = byAttribute.get(attribute)
      if (list === undefined) byAttribute.set(attribute, [one])
      else list.push(one)
    }
  }
  return [...byAttribute].map(([attribute, list]) => ({
    attribute,
    count: list.length,
    scores: scoresOf(summary(list, conventions), mean(list.map(({ seconds }) => framesPerSecond(seconds)).filter((fps) => !Number.isNaN(fps))), isGot10k),
  }))
}

function some(names: readonly string[]): string {
  return names.length <= 8 ? names.join(', ') : `${names.slice(0, 8).join(', ')}, … (${names.length} in all)`
}
