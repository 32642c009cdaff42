/**
 * What an evaluation takes and gives: annotations of a benchmark, results of trackers, scores and curves. Data only; JSON.stringify-able
 * but for the maps of results.
 */
import type { Bound, Rect } from './overlap.ts'

/** How a benchmark is run and scored: one pass; restarts after failures (VOT); one pass with confidences (VOT long-term). */
export type Protocol = 'ope' | 'vot' | 'vot-lt'

/** The target in one frame: x,y,w,h or a polygon x1,y1,x2,y2,… of three corners or more, pixels; null where it is absent or not annotated. */
export type Region = readonly number[] | null

export interface AnnotatedSequence {
  name: string
  /** One for each annotated frame. */
  truth: readonly Region[]
  /** Size of the frames in pixels, where the annotations tell it. */
  size?: Bound
  /** What the sequence shows (OTB's `OCC`, LaSOT's `Fast Motion`, …). */
  attributes?: readonly string[]
  /** VOT's tags: name → 1 for each frame that has it, else 0. */
  tags?: Readonly<Record<string, readonly number[]>>
  /** Frames of which a toolkit says that the target is absent (GOT-10k, LaSOT). */
  absent?: readonly boolean[]
  /** GOT-10k's share of the target that can be seen, 0 to 8, one for each frame. */
  cover?: readonly number[]
  /** The number of the first annotated frame in the whole video, where the names of the frames tell it (Tiger1 of OTB: 6); 1 otherwise. */
  firstFrame?: number
}

/** A sequence whose frames are on this machine. */
export interface BenchmarkSequence extends AnnotatedSequence {
  /** One file a frame. There may be fewer annotations than frames (only the first in a test set). */
  files: readonly string[]
}

export interface Annotations<S extends AnnotatedSequence = AnnotatedSequence> {
  /** As the tables name it: OTB2015, VOT2018, GOT-10k, … */
  benchmark: string
  /** Part of it: val, test, … */
  subset?: string
  protocol: Protocol
  /** The file or folder that it was read from. */
  source: string
  sequences: readonly S[]
}

export interface Benchmark extends Annotations<BenchmarkSequence> {
  /** true: not all sequences of the benchmark; some were chosen, or are missing. */
  partial?: boolean
}

/** What one tracker gave for one sequence of a one-pass benchmark. */
export interface SequenceResult {
  /** One for each annotated frame; NaN where the tracker gave none. */
  boxes: readonly Rect[]
  /** Further runs over the same sequence (GOT-10k asks for three of a tracker that uses chance). */
  moreRuns?: readonly (readonly Rect[])[]
  /** true: a run has boxes for the first frames only, and the frames after them do not count. */
  partial?: boolean
  /** Seconds that each frame took, of all runs, where they were kept. */
  seconds?: readonly number[]
  /** The file (or entry of a zip) that it was read from. */
  file: string
}

/** Results of one tracker; keys are the annotations' names of the sequences. */
export interface TrackerResults<R = SequenceResult> {
  tracker: string
  source: string
  sequences: ReadonlyMap<string, R>
}

/** One number that an evaluation gives. Scores are fractions (0.680), not per cent; NaN (null in JSON) where nothing counts. */
export interface ScoreColumn {
  /** The key in `scores` and in JSON: auc, precision, norm_precision, ao, sr50, sr75, accuracy, robustness, eao, f1, fps, … */
  id: string
  title: string
  better: 'higher' | 'lower'
  /** Digits behind the point in tables. */
  digits: number
}

export interface Curve {
  id: string
  title: string
  xLabel: string
  yLabel: string
  x: readonly number[]
  y: readonly number[]
  /** The number that the curve stands for in its legend (AUC, precision at 20 px), a key of the tracker's scores. */
  score?: string
  /** Between which x that number is read or averaged, where it is not the whole curve (precision: 20 and 20; EAO: the range of lengths). Plots show it. */
  scoreRange?: readonly [from: number, to: number]
}

export type Scores = Record<string, number>

export interface TrackerEvaluation {
  tracker: string
  source: string
  scores: Scores
  curves: Curve[]
  sequences: { sequence: string; frames: number; scores: Scores }[]
  /** Over the sequences (or, in VOT, the frames) that have the attribute. */
  attributes: { attribute: string; count: number; scores: Scores }[]
  /** Sequences without a result; they count as the conventions say. */
  missing: string[]
}

export interface Evaluation {
  benchmark: string
  subset?: string
  protocol: Protocol
  /** Whose conventions were taken: got10k, otb, pysot, vot. */
  compat: string
  /** The conventions in words, for the report: what → which. */
  conventions: Record<string, string>
  columns: ScoreColumn[]
  /** The column that ranks trackers (and that a search for hyper-parameters maximises). */
  main: string
  trackers: TrackerEvaluation[]
  /** What was odd in the results and did not stop the evaluation, one sentence each. */
  warnings: string[]
}
