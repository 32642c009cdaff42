/** What a bench says about its timings. */

export interface Timing {
  min: number
  median: number
  /** Every measurement, in order. */
  all: number[]
}

/** @throws RangeError without a measurement */
export function timingOf(seconds: readonly number[]): Timing {
  if (seconds.length === 0) throw new RangeError('no measurement')
  const sorted = seconds.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
  return { min: sorted[0] as number, median, all: seconds.map((value) => Number(value.toFixed(5))) }
}

/** Median of the ratios of measurements that were taken one after the other: less noise than the ratio of two medians. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  return timingOf(ours.map((value, i) => value / (theirs[i] as number))).median
}
