/** What is in a data set: how many sequences and frames, how large the boxes are and of what shape. */
import path from 'node:path'
import { frameSize } from '../frame-size.ts'
import { ProblemLog } from '../problems.ts'
import { openDataset } from '../registry.ts'
import type { SequenceRecord } from '../source.ts'
import { forEachBounded } from './bounded.ts'
import { boxFault, boxOf, frameCountOf, framePathOf } from './boxes.ts'
import type { DetectedDataset } from './detect.ts'
import { Distribution, type DistributionSummary } from './distribution.ts'

export interface StatsOptions {
  /** Relative roots are taken from here; default: the working directory. */
  cwd?: string
  onProgress?: (done: number, total: number | undefined) => void
  signal?: AbortSignal
}

export interface DatasetStats {
  name: string
  params: Record<string, unknown>
  sequences: number
  frames: number
  /** Frames whose target is labelled absent and has no box. */
  absentFrames: number
  /** Frames whose box cannot be used; `siamtrain data verify` lists them. */
  badFrames: number
  /** Sequences that cannot be used at all. */
  badSequences: number
  /** Sequences by the size of their first frame, most frequent first. */
  frameSizes: { width: number; height: number; sequences: number }[]
  /** Sequences whose first frame could not be read: they have no relative sizes. */
  unknownFrameSizes: number
  distributions: Record<DistributionName, DistributionSummary | null>
}

export type DistributionName = 'sequence_length' | 'box_width' | 'box_height' | 'box_size' | 'relative_size' | 'aspect_ratio'

/** Sequences looked at together: most of the time goes into opening files. */
const concurrency = 32

/** @throws ERR_DATA when a data set cannot be opened, the signal's reason when it was aborted */
export async function datasetStats({ name, params, configPath }: DetectedDataset, options: StatsOptions = {}): Promise<DatasetStats> {
  const cwd = options.cwd ?? process.cwd()
  const problems = new ProblemLog()
  const distributions: Record<DistributionName, Distribution> = {
    sequence_length: new Distribution(),
    box_width: new Distribution(),
    box_height: new Distribution(),
    box_size: new Distribution(),
    relative_size: new Distribution(),
    aspect_ratio: new Distribution(),
  }
  const sizes = new Map<string, DatasetStats['frameSizes'][number]>()
  const stats = { sequences: 0, frames: 0, absentFrames: 0, badFrames: 0, unknownFrameSizes: 0 }
  const look = async (record: SequenceRecord): Promise<void> => {
    const frame = await frameSize(path.resolve(cwd, framePathOf(record, 0)))
    stats.sequences += 1
    if (frame === null) stats.unknownFrameSizes += 1
    else {
      const key = `${frame.width}x${frame.height}`
      const size = sizes.get(key) ?? { ...frame, sequences: 0 }
      size.sequences += 1
      sizes.set(key, size)
    }
    const count = frameCountOf(record)
    stats.frames += count
    distributions.sequence_length.add(count)
    for (let k = 0; k < count; k += 1) {
      const { width, height } = boxOf(record, k)
      if (boxFault(record, k) !== undefined) stats.badFrames += 1
      else if (!(width > 0 && height > 0)) stats.absentFrames += 1
      else {
        distributions.box_width.add(width)
        distributions.box_height.add(height)
        distributions.box_size.add(Math.sqrt(width * height))
        distributions.aspect_ratio.add(width / height)
        if (frame !== null) distributions.relative_size.add(Math.sqrt((width * height) / (frame.width * frame.height)))
      }
    }
  }
  const context = { name, cwd, configPath, problems, onProgress: options.onProgress, signal: options.signal }
  await forEachBounded(await openDataset(params, context), concurrency, look, options.signal)
  return {
    name,
    params: { ...params },
    ...stats,
    badSequences: problems.skippedSequences,
    frameSizes: [...sizes.values()].sort((a, b) => b.sequences - a.sequences),
    distributions: Object.fromEntries(Object.entries(distributions).map(([key, distribution]) => [key, distribution.summary()])) as DatasetStats['distributions'],
  }
}
