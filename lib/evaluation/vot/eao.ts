/**
 * Expected average overlap: what mean overlap a tracker is expected to have on a sequence of n frames, and the mean of that over the
 * sequence lengths that are typical of a benchmark.
 */
import type { Trajectory } from './trajectory.ts'

/** From a (re-)initialisation to the next one, or to the end of the sequence. */
export interface Fragment {
  /** Overlap in each frame, the one of the initialisation first (it does not count). */
  overlaps: readonly number[]
  /** The tracker failed in it: on a longer sequence it would have had overlap 0 from then on. Else nothing is known beyond its end. */
  failed: boolean
  weight: number
}

/** Sequence lengths (first, last), by the challenges' reports: half of a benchmark's sequences are about so long. */
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  VOT2015: [108, 371],
  VOT2016: [108, 371],
  VOT2017: [100, 356],
  VOT2018: [100, 356],
  VOT2019: [46, 291],
}

/** @returns the official range of sequence lengths; undefined for a benchmark without one */
export function eaoRange(benchmark: string): readonly [number, number] | undefined {
  return ranges[benchmark.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')]
}

/** Frames in which the tracker failed. */
export function failuresOf(trajectory: Trajectory): number[] {
  return trajectory.flatMap((line, i) => (line === 2 ? [i] : []))
}

/**
 * Cuts a run into fragments as the pysot toolkit does: at the frames `skipping` after each failure, which belong to both sides. A failure
 * in the last `skipping` frames cuts nothing, so its fragment counts as one that ended with the sequence. Frames without an overlap (codes,
 * unknown targets) count 0.
 * @param overlaps  one for each frame, NaN where there is none
 * @param share     part of the frames in [from, to) that count, for the weight: 1, or those that have a tag
 */
export function fragmentsPysot(overlaps: readonly number[], failures: readonly number[], share: (from: number, to: number) => number, skipping = 5): Fragment[] {
  const known = overlaps.map((value) => (Number.isNaN(value) ? 0 : value))
  const starts = [0, ...failures.map((frame) => frame + skipping).filter((frame) => frame <= overlaps.length)]
  return starts.map((from, i) => {
    const next = starts[i + 1]
    const to = next === undefined ? overlaps.length : Math.min(next + 1, overlaps.length)
    // The toolkit divides by the planned length, also where the sequence ends one frame earlier.
    const planned = next === undefined ? to - from : next + 1 - from
    return { overlaps: known.slice(from, to), failed: next !== undefined, weight: planned > 0 ? (share(from, to) * (to - from)) / planned : 0 }
  })
}

/**
 * Cuts a run into fragments as the official toolkit does: from each initialisation up to the failure (exclusive), or to the end.
 * @param overlaps  0 in frames of a code
 */
export function fragmentsVot(overlaps: readonly number[], trajectory: Trajectory): Fragment[] {
  const failures = failuresOf(trajectory)
  if (failures.length === 0) return [{ overlaps, failed: false, weight: 1 }]
  const starts = trajectory.flatMap((line, i) => (line === 1 ? [i] : []))
  const fragments: Fragment[] = failures.map((frame, i) => ({ overlaps: overlaps.slice(starts[i] ?? frame, frame), failed: true, weight: 1 }))
  if (starts.length > failures.length) fragments.push({ overlaps: overlaps.slice(starts.at(-1)), failed: false, weight: 1 })
  return fragments
}

/**
 * Expected overlap against sequence length: at index i, the weighted mean over all fragments that say something about frame i of their
 * mean overlap in the frames 1 … i.
 * @returns as many numbers as `length`; the first is 1 (the tracker is given the target); NaN where no fragment that counts is long enough
 */
export function expectedOverlaps(fragments: readonly Fragment[], length: number): number[] {
  const sums = new Float64Array(length)
  const weights = new Float64Array(length)
  for (const { overlaps, failed, weight } of fragments) {
    let sum = 0
    const end = failed ? length : Math.min(overlaps.length, length)
    for (let i = 1; i < end; i++) {
      sum += overlaps[i] ?? 0
      sums[i] = (sums[i] as number) + weight * (sum / i)
      weights[i] = (weights[i] as number) + weight
    }
  }
  return Array.from(sums, (sum, i) => (i === 0 ? 1 : sum / (weights[i] as number)))
}

/**
 * Mean of a curve of expected overlaps over the sequence lengths `low` … `high`, as far as it goes.
 * @param from  index of the length `low` in the curve: the pysot toolkit counts lengths from 1 (`low − 1`), the official one from 0 (`low`)
 */
export function meanExpectedOverlap(curve: readonly number[], from: number, to: number): number {
  const part = curve.slice(from, to + 1).filter((value) => !Number.isNaN(value))
  return part.reduce((sum, value) => sum + value, 0) / part.length
}
