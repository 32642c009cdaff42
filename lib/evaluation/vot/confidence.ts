/**
 * Precision, recall and F-score of long-term tracking: a frame counts as tracked where the tracker's confidence reaches a threshold.
 */
import type { VotCompat } from './measures.ts'

/** How many thresholds there are, the infinite ones at both ends included. */
export const thresholdCount = 100

/**
 * Thresholds from +∞ down to −∞ that part the given confidences evenly. The pysot toolkit sorts them upwards, the official one downwards,
 * which gives slightly other thresholds. With too few confidences each one is a threshold.
 * @param confidences  of all frames of all sequences; NaN does not count
 */
export function confidenceThresholds(confidences: readonly number[], compat: VotCompat): number[] {
  const inner = thresholdCount - 2
  const upwards = confidences.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  const n = upwards.length
  if (n < inner || (compat === 'vot' && n === inner)) return [Infinity, ...upwards.toReversed(), -Infinity]
  const delta = Math.floor(n / inner)
  const first = compat === 'pysot' ? delta - 1 : delta
  const step = (n - delta - first) / (inner - 1)
  const sorted = compat === 'pysot' ? upwards : upwards.toReversed()
  const chosen = Array.from({ length: inner }, (_, i) => sorted[place(i === inner - 1 ? n - delta : first + i * step, compat)] as number)
  return [Infinity, ...(compat === 'pysot' ? chosen.toReversed() : chosen), -Infinity]
}

/** Rounded: halves up in pysot, to even in the official toolkit. */
function place(value: number, compat: VotCompat): number {
  const floor = Math.floor(value)
  if (compat === 'vot' && value - floor === 0.5) return floor % 2 === 0 ? floor : floor + 1
  return Math.floor(value + 0.5)
}

export interface PrecisionRecall {
  /** One for each threshold. */
  precision: number[]
  recall: number[]
}

/**
 * @param overlaps     in each frame; 0 where there is none
 * @param confidences  in each frame; NaN is below every threshold
 * @param visible      frames in which the target is there
 * @param zeroCounts   whether a confidence of 0 or less reaches the threshold −∞: it does in the official toolkit, not in pysot's
 */
export function precisionRecall(overlaps: readonly number[], confidences: readonly number[], thresholds: readonly number[], visible: number, zeroCounts: boolean): PrecisionRecall {
  const precision: number[] = []
  const recall: number[] = []
  for (const threshold of thresholds) {
    let [sum, count] = [0, 0]
    for (const [i, confidence] of confidences.entries()) {
      if (!(confidence >= threshold) || (threshold === -Infinity && !zeroCounts && confidence <= 0)) continue
      sum += overlaps[i] as number
      count++
    }
    // Nothing was claimed, so nothing was wrong.
    precision.push(count === 0 ? 1 : sum / count)
    recall.push(count === 0 ? 0 : sum / visible)
  }
  return { precision, recall }
}

export function meanPrecisionRecall(all: readonly PrecisionRecall[]): PrecisionRecall {
  const mean = (key: 'precision' | 'recall'): number[] => (all[0]?.[key] ?? []).map((_, i) => all.reduce((sum, one) => sum + (one[key][i] as number), 0) / all.length)
  return { precision: mean('precision'), recall: mean('recall') }
}

/** Harmonic mean of precision and recall, for each threshold; 0 where both are 0. */
export function fScores({ precision, recall }: PrecisionRecall): number[] {
  return precision.map((value, i) => {
    const other = recall[i] as number
    return value + other > 0 ? (2 * value * other) / (value + other) : 0
  })
}

/** Index of the first best F-score. */
export function bestOf(scores: readonly number[]): number {
  return scores.reduce((best, value, i) => (value > (scores[best] as number) ? i : best), 0)
}
