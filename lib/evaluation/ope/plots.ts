/** Success, precision and normalised precision plots, and what is read off them. */
import type { Conventions } from './conventions.ts'
import type { FrameScores } from './frames.ts'

/** Shares of frames, by threshold; all are NaN when no frame counts. */
export interface Plots {
  success: Float64Array
  precision: Float64Array
  normPrecision: Float64Array
  /** Mean overlap. */
  ao: number
  /** Shares of frames with an overlap above 0.5 and 0.75. */
  sr50: number
  sr75: number
  /** What stands for the plots in tables. */
  auc: number
  precisionScore: number
  normPrecisionScore: number
  /** Frames that counted. */
  frames: number
}

const maxError = 50
const maxNormError = 0.5

/** Evenly from 0 to `to`; the same numbers as numpy's linspace. */
export function linspace(to: number, count: number): number[] {
  const step = to / (count - 1)
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? to : i * step))
}

/** The thresholds of the three plots. */
export function thresholdsOf(conventions: Conventions): { success: number[]; precision: number[]; normPrecision: number[] } {
  const n = conventions['error-bins']
  return {
    success: linspace(1, conventions.bins),
    precision: linspace(maxError, n),
    // Toolkits that read the score off divide whole numbers by 100, and those that average use linspace: the last bit may differ.
    normPrecision: conventions['norm-at'] === 'area' || n !== 51 ? linspace(maxNormError, n) : Array.from({ length: n }, (_, i) => i / 100),
  }
}

export function plotsOf(scores: FrameScores, conventions: Conventions): Plots {
  const thresholds = thresholdsOf(conventions)
  const { overlaps } = scores
  // Sorted, so that a threshold takes a search instead of a pass over all frames.
  const [sortedOverlaps, errors, normErrors] = [overlaps.toSorted(), scores.errors.toSorted(), scores.normErrors.toSorted()]
  const strict = conventions.compare === 'greater'
  const above = (threshold: number): number => (overlaps.length - notAbove(sortedOverlaps, threshold, strict)) / overlaps.length
  const within = (values: Float64Array, threshold: number): number => notAbove(values, threshold, true) / values.length
  const at = (threshold: number | 'area', values: Float64Array): number => (threshold === 'area' ? Number.NaN : within(values, threshold))
  return withAreas(
    {
      success: Float64Array.from(thresholds.success, above),
      precision: Float64Array.from(thresholds.precision, (threshold) => within(errors, threshold)),
      normPrecision: Float64Array.from(thresholds.normPrecision, (threshold) => within(normErrors, threshold)),
      ao: mean(Array.from(overlaps, (overlap) => Math.max(0, overlap))),
      sr50: above(0.5),
      sr75: above(0.75),
      precisionScore: at(conventions['precision-at'], errors),
      normPrecisionScore: at(conventions['norm-at'], normErrors),
      frames: overlaps.length,
    },
    conventions,
  )
}

/** Adds those scores that are areas under the plots: of a mean plot, not the mean of areas, whose last digits are others. */
function withAreas(plots: Omit<Plots, 'auc'>, conventions: Conventions): Plots {
  const { area } = conventions
  return {
    ...plots,
    auc: area === 'exact' ? plots.ao : areaUnder(plots.success, area),
    ...(conventions['precision-at'] === 'area' ? { precisionScore: areaUnder(plots.precision, area) } : {}),
    ...(conventions['norm-at'] === 'area' ? { normPrecisionScore: areaUnder(plots.normPrecision, area) } : {}),
  }
}

/** How many of the sorted values are at most the threshold (or, not `equal`, less). */
function notAbove(sorted: Float64Array, threshold: number, equal: boolean): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const value = sorted[middle] as number
    if (value < threshold || (equal && value === threshold)) from = middle + 1
    else to = middle
  }
  return from
}

/** @returns NaN of none */
export function mean(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

/** Plots of several sequences as one: each sequence has the same weight. */
export function meanPlots(plots: readonly Plots[], conventions: Conventions): Plots {
  const over = (pick: (plot: Plots) => number): number => mean(plots.map(pick))
  const curve = (pick: (plot: Plots) => Float64Array): Float64Array => Float64Array.from(plots[0] === undefined ? [] : pick(plots[0]), (_, i) => over((plot) => pick(plot)[i] as number))
  return withAreas(
    {
      success: curve((plot) => plot.success),
      precision: curve((plot) => plot.precision),
      normPrecision: curve((plot) => plot.normPrecision),
      ao: over((plot) => plot.ao),
      sr50: over((plot) => plot.sr50),
      sr75: over((plot) => plot.sr75),
      precisionScore: over((plot) => plot.precisionScore),
      normPrecisionScore: over((plot) => plot.normPrecisionScore),
      frames: plots.reduce((sum, plot) => sum + plot.frames, 0),
    },
    conventions,
  )
}

/** Frames of several sequences, or of several runs over one, as those of one. */
export function joinFrames(parts: readonly FrameScores[]): FrameScores {
  return { overlaps: join(parts.map((part) => part.overlaps)), errors: join(parts.map((part) => part.errors)), normErrors: join(parts.map((part) => part.normErrors)) }
}

function join(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The area under a plot whose axis is scaled to 0…1. */
function areaUnder(curve: Float64Array, area: Conventions['area']): number {
  const n = curve.length
  const sum = curve.reduce((total, value) => total + value, 0)
  return area === 'trapezoid' ? (sum - ((curve[0] as number) + (curve[n - 1] as number)) / 2) / (n - 1) : sum / n
}
