/** What the loader's threads did between two looks at their counts. */
import type { LoaderStats } from '../native/addon.ts'

/** Stages of making a sample; `other` is drawing the pair, labels, locks. */
export const loaderStages = ['read', 'decode', 'mean', 'warp', 'other'] as const
export type LoaderStage = (typeof loaderStages)[number]

/** Shares are 0 to 1. */
export interface LoaderUse {
  threads: number
  /** Of all threads' time, how much they made samples, waiting for frames included. */
  busyShare: number
  /** Of the time that they were busy. */
  stages: Record<LoaderStage, number>
  /** Of the time that they were busy, how much they had a core. What is missing they waited for a disk, or for a core that others used. */
  coreShare: number
  /** Samples made, delivered or not. */
  samples: number
  bytesPerSecond: number
  /** Frames decoded whole, of all that were decoded. */
  wholeShare: number
  /** Frames found in the cache, of all that were looked for there; null without a cache. */
  cacheHitShare: number | null
  /** Threads that read frames ahead, at the end. */
  readAheadThreads: number
}

/**
 * @param before  counts at the beginning; those of an older loader (there are fewer samples now) are taken for zeros
 * @param seconds  time that passed between the two
 * @returns null where no thread has worked yet
 */
export function loaderUse(before: LoaderStats, after: LoaderStats, seconds: number): LoaderUse | null {
  if (after.threads === 0) return null
  const same = after.samples >= before.samples && after.busySeconds >= before.busySeconds
  const grown = (key: keyof LoaderStats): number => after[key] - (same ? before[key] : 0)
  const busy = grown('busySeconds')
  const ofBusy = (value: number): number => share(value, busy)
  const [read, decode, mean, warp] = (['readSeconds', 'decodeSeconds', 'meanSeconds', 'warpSeconds'] as const).map((key) => ofBusy(grown(key))) as [number, number, number, number]
  const [whole, region, hits, misses] = (['wholeDecodes', 'regionDecodes', 'cacheHits', 'cacheMisses'] as const).map(grown) as [number, number, number, number]
  return {
    threads: after.threads,
    busyShare: share(busy, after.threads * seconds),
    stages: { read, decode, mean, warp, other: busy > 0 ? Math.max(0, 1 - read - decode - mean - warp) : 0 },
    coreShare: ofBusy(grown('cpuSeconds')),
    samples: grown('samples'),
    bytesPerSecond: seconds > 0 ? grown('bytesRead') / seconds : 0,
    wholeShare: share(whole, whole + region),
    cacheHitShare: after.cacheLimitBytes > 0 ? share(hits, hits + misses) : null,
    readAheadThreads: after.readAheadThreads,
  }
}

/** A sample is counted when it is done, so that what came over from before may make a little more than all. */
function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0
}
