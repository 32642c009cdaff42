/** A data set, a cache folder of its own, and what indexing says, for tests of cached indexes. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IndexCacheMode } from '../../lib/data/cache-folder.ts'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { type DatasetIndexes, type IndexDatasetsOptions, indexDatasets } from '../../lib/data/open-datasets.ts'
import type { DatasetParams } from '../../lib/data/source.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { loaderSpec } from './loader-spec.ts'

/** Sets the environment's cache for one test file; call the result to put it back. */
export function useCacheFolder(folder: string): () => void {
  const before = { XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'], SIAMFCPP_INDEX_CACHE: process.env['SIAMFCPP_INDEX_CACHE'] }
  process.env['XDG_CACHE_HOME'] = folder
  delete process.env['SIAMFCPP_INDEX_CACHE']
  return () => {
    for (const [key, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[key]
      else process.env[key] = value
    }
  }
}

export const cacheFiles = (folder: string): string[] => {
  const dir = path.join(folder, 'siamfcpp-native/index')
  return existsSync(dir) ? readdirSync(dir).sort().map((name) => path.join(dir, name)) : []
}

export interface Indexed extends DatasetIndexes {
  index: DatasetIndex
  report: DatasetIndexes['reports'][number]
  lines: string[]
}

/** Indexes one data set. Waits first until the clock that stamps files has ticked, so that what was just written counts as old. */
export async function indexOnce(name: string, params: DatasetParams, options: IndexDatasetsOptions & { mode?: IndexCacheMode; ratio?: number } = {}): Promise<Indexed> {
  await sleep(45)
  const lines: string[] = []
  const setting = { name, configPath: `data.${name}`, params, ratio: options.ratio ?? 1, maxDiff: 100 }
  const all = await indexDatasets({ datasets: [setting], indexCache: options.mode ?? 'user' }, { log: (line) => lines.push(line), ...options })
  return { ...all, index: all.indexes[0]!, report: all.reports[0]!, lines }
}

/** All that an index holds, as plain values. */
export function contents(index: DatasetIndex): unknown {
  return {
    dirs: index.sequenceDirs,
    patterns: index.framePatterns,
    first: [...index.firstNumbers],
    names: index.frameNames,
    start: [...index.sequenceStart],
    boxes: Buffer.from(index.boxes.slice().buffer).toString('hex'),
    still: [index.still, index.emptyStills],
  }
}

/** The bytes of the first batches that a loader makes of an index, and the samples that it had to replace. */
export async function batches(index: DatasetIndex, count = 6): Promise<string[]> {
  const loader = loadAddon().createLoader(loaderSpec([index], { negativePairRatio: 0.25, threads: 2 }))
  const out: string[] = []
  try {
    for (let b = 0; b < count; b += 1) {
      const { tensors } = await loader.next()
      for (const [key, tensor] of Object.entries(tensors)) {
        out.push(`${key} ${Buffer.from(await tensor.toBytes()).toString('base64')}`)
        tensor.dispose()
      }
    }
    out.push(...loader.takeSkipped().map(({ file, reason }) => `${file}: ${reason}`))
  } finally {
    await loader.close()
  }
  return out
}
