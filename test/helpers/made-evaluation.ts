/** Evaluations made up for tests of what is written and drawn: shaped like real ones, the same at every call. */
import type { Curve, Evaluation, Scores, TrackerEvaluation } from '../../lib/evaluation/types.ts'

const attributes = ['Background clutter', 'Deformation', 'Fast motion', 'In-plane rotation', 'Illumination variation', 'Low resolution', 'Motion blur', 'Occlusion', 'Out-of-plane rotation', 'Out of view', 'Scale variation']

export const trackerNames = ['SiamFC++ (AlexNet)', 'SiamRPN++', 'DaSiamRPN', 'ECO', 'SiamFC', 'KCF', 'ATOM', 'DiMP-50', 'MDNet']

/** 0 to 1, from two integers. */
export function noise(a: number, b: number): number {
  const value = Math.sin(a * 127.1 + b * 311.7) * 43758.5453
  return value - Math.floor(value)
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

function curvesOf(quality: number): Curve[] {
  const overlaps = range(21).map((i) => i / 20)
  const pixels = range(51)
  const shares = range(51).map((i) => i / 100)
  return [
    { id: 'success', title: 'Success', xLabel: 'Overlap threshold', yLabel: 'Success rate', x: overlaps, y: overlaps.map((t) => (1 - t ** (1.2 + quality * 3)) * (0.75 + quality * 0.3)), score: 'auc' },
    { id: 'precision', title: 'Precision', xLabel: 'Location error threshold (pixels)', yLabel: 'Precision', x: pixels, y: pixels.map((t) => (1 - Math.exp(-t / (13 - 10 * quality))) * (0.7 + quality * 0.3)), score: 'precision', scoreRange: [20, 20] },
    { id: 'norm_precision', title: 'Normalised precision', xLabel: 'Location error threshold', yLabel: 'Normalised precision', x: shares, y: shares.map((t) => (1 - Math.exp(-t * (8 + 14 * quality))) * (0.72 + quality * 0.25)), score: 'norm_precision' },
  ]
}

/** A one-pass evaluation of so many trackers. */
export function madeEvaluation(names: readonly string[] = trackerNames.slice(0, 5), sequenceCount = 12): Evaluation {
  const sequences = range(sequenceCount).map((i) => `Sequence${i + 1}`)
  const trackers = names.map((tracker, t): TrackerEvaluation => {
    const quality = 0.72 * 0.93 ** t + 0.02 * noise(t, 5)
    const curves = curvesOf(quality)
    const score = (s: number, k: number): number => Math.min(1, Math.max(0, quality + 0.5 * (noise(t + 1, s * 7 + k) - 0.5)))
    const scoresAt = (s: number): Scores => ({ auc: score(s, 1), precision: score(s, 2), norm_precision: score(s, 3), fps: 30 + 20 * noise(s, t) })
    return {
      tracker,
      source: `results/${t}`,
      scores: { auc: mean(curves[0]!.y), precision: curves[1]!.y[20]!, norm_precision: mean(curves[2]!.y), fps: 25 * (t + 1) + noise(t, 9) },
      curves,
      sequences: sequences.map((sequence, s) => ({ sequence, frames: 100 + s * 13, scores: scoresAt(s) })),
      attributes: attributes.map((attribute, a) => ({ attribute, count: 10 + a, scores: { auc: score(100 + a, 1), precision: score(100 + a, 2), norm_precision: score(100 + a, 3) } })),
      missing: [],
    }
  })
  return {
    benchmark: 'OTB2015',
    protocol: 'ope',
    compat: 'pysot',
    conventions: { 'success threshold': 'overlap > threshold, 21 thresholds from 0 to 1', 'precision threshold': 'distance ≤ threshold, 0 to 50 pixels', 'first frame': 'counts', 'AUC': 'mean of the success curve' },
    columns: [
      { id: 'auc', title: 'AUC', better: 'higher', digits: 3 },
      { id: 'precision', title: 'Precision', better: 'higher', digits: 3 },
      { id: 'norm_precision', title: 'Norm. precision', better: 'higher', digits: 3 },
      { id: 'fps', title: 'FPS', better: 'higher', digits: 1 },
    ],
    main: 'auc',
    trackers,
    warnings: [],
  }
}

/** A VOT evaluation: expected overlap over the length, accuracy and robustness as points; the lower robustness is the better. */
export function madeVotEvaluation(names: readonly string[] = trackerNames): Evaluation {
  const base = madeEvaluation(names)
  const lengths = range(400).map((i) => i + 1)
  const trackers = base.trackers.map((one, t): TrackerEvaluation => {
    const eao = 0.37 - 0.025 * t
    const [accuracy, robustness] = [0.6 - 0.012 * t - 0.03 * noise(t, 2), 0.2 + 0.035 * t + 0.05 * noise(t, 3)]
    return {
      ...one,
      scores: { accuracy, robustness, eao },
      curves: [
        { id: 'eao_curve', title: 'Expected average overlap', xLabel: 'Sequence length (frames)', yLabel: 'Expected overlap', x: lengths, y: lengths.map((n) => eao * (0.75 + 0.9 * Math.exp(-n / (90 - 4 * t)))), score: 'eao', scoreRange: [100, 356] },
        { id: 'ar', title: 'Accuracy and robustness', xLabel: 'Reliability exp(−100 R / L)', yLabel: 'Accuracy', x: [Math.exp(-robustness)], y: [accuracy] },
      ],
      sequences: one.sequences.map(({ scores, ...rest }) => ({ ...rest, scores: { accuracy: scores['auc']!, robustness: scores['precision']! } })),
      attributes: [],
    }
  })
  const columns = [{ id: 'accuracy', title: 'A', better: 'higher', digits: 3 }, { id: 'robustness', title: 'R', better: 'lower', digits: 3 }, { id: 'eao', title: 'EAO', better: 'higher', digits: 3 }] as const
  return { ...base, benchmark: 'VOT2018', protocol: 'vot', compat: 'vot', conventions: { restart: '5 frames after a failure' }, columns: [...columns], main: 'eao', trackers }
}
