/** What a bench says about its timings. */
import { median } from '../../lib/pipeline/median.ts'

export interface Timing {
  min: number
  median: number
  /** Every measurement, in order. */
  all: number[]
}

/** @throws RangeError without a measurement */
export function timingOf(seconds: readonly number[]): Timing {
  return { median: median(seconds), min: Math.min(...seconds), all: seconds.map((value) => Number(value.toFixed(5))) }
}

/** Median of the ratios of measurements that were taken one after the other: less noise than the ratio of two medians. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, i) => value / (theirs[i] as number)))
}
