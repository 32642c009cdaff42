/** What a pack will take: from some frames that are really made, evenly spread over the data set. */
import { statfs } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import type { PackSample } from '../../native/addon-pack.ts'
import { packRowBytes } from './format.ts'
import { formatBytes } from '../../pipeline/format.ts'

/** Frames that are looked at; of small data sets all. */
export const estimateSamples = 48

export interface PackEstimate {
  dataset: string
  frames: number
  /** Of shards, table and index. */
  bytes: number
  bytesPerFrame: number
  /** Of the frames' own files. */
  sourceBytesPerFrame: number
  /** With the threads that were asked for, on an idle machine. */
  seconds: number
  threads: number
  /** Frames that were looked at, those of them that could not be used, and those that are stored without loss. */
  samples: number
  unusable: number
  copied: number
}

/**
 * @param indexBytes  of the pack's index     @param threads  that write
 */
export function estimateFrom(dataset: string, frames: number, samples: readonly PackSample[], indexBytes: number, threads: number): PackEstimate {
  const usable = samples.filter((sample) => sample.usable)
  const mean = (of: (sample: PackSample) => number, list: readonly PackSample[]): number => (list.length === 0 ? 0 : list.reduce((sum, sample) => sum + of(sample), 0) / list.length)
  // Frames that cannot be used take no room; how many there are is estimated, too.
  const bytesPerFrame = mean((sample) => sample.bytes, usable)
  const shards = bytesPerFrame * (usable.length / Math.max(1, samples.length)) * frames
  return {
    dataset,
    frames,
    bytes: Math.round(shards + packRowBytes * (frames + 1) + indexBytes),
    bytesPerFrame: Math.round(bytesPerFrame),
    sourceBytesPerFrame: Math.round(mean((sample) => sample.frameBytes, usable)),
    seconds: (mean((sample) => sample.cpuSeconds, samples) * frames) / threads,
    threads,
    samples: samples.length,
    unusable: samples.length - usable.length,
    copied: usable.filter((sample) => sample.copied).length,
  }
}

/** Free bytes of the file system that a folder, which need not be there yet, lies on; null where it does not say. */
export async function freeBytes(folder: string): Promise<number | null> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const status = await statfs(at).catch(() => null)
    if (status !== null) return status.bavail * status.bsize
    if (at === path.dirname(at)) return null
  }
}

/** Estimates are means of samples: this much more must be free. */
const reserve = 1.05

/**
 * @param needed  bytes that are still to be written
 * @throws ERR_IO when they do not fit
 */
export function checkRoom(needed: number, free: number | null, folder: string): void {
  if (free === null || needed * reserve <= free) return
  throw new SiamError('ERR_IO', `expected room for ${formatBytes(needed)} (estimated, and 5 % more) but the file system has ${formatBytes(free)} free`, {
    file: folder,
    hint: 'make room, lower --density or --quality, or --force to try all the same: a pack that is stopped by a full disk goes on later',
  })
}
