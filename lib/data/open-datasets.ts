/** From the configuration to the indexes of all its data sets. */
import path from 'node:path'
import { type IndexCacheMode, indexCacheMode } from './cache-folder.ts'
import type { DatasetIndex } from './compact-index.ts'
import { buildDatasetIndex } from './dataset-index.ts'
import { Dependencies } from './dependencies.ts'
import { IndexCache } from './index-cache.ts'
import { type PackSource, openPackedDataset } from './pack/open-pack.ts'
import { ProblemLog } from './problems.ts'
import { datasetFingerprint, openDataset } from './registry.ts'
import type { DataSettings, DatasetSetting } from './settings.ts'

export interface IndexProgress {
  dataset: string
  /** Sequences read so far. */
  done: number
  /** Sequences in all, where the data set knows. */
  total: number | undefined
}

export interface IndexDatasetsOptions {
  /** true: bad data is an error instead of being left out. */
  strict?: boolean
  /** Relative data roots are taken from here; default: the process's working directory. */
  cwd?: string
  /** While annotations are read; an index that comes from the cache gives none. */
  onProgress?: (progress: IndexProgress) => void
  /** true: read the annotations even where a cached index holds, and cache the result. */
  rebuild?: boolean
  /** One line a call: why a cached index was not used, or not written. */
  log?: (line: string) => void
  /** Open packs instead: neither annotations nor frames are looked at. */
  pack?: PackSource
  signal?: AbortSignal
}

/** Where one data set's index came from. */
export interface IndexReport {
  dataset: string
  sequences: number
  frames: number
  /** What is wrong with this data set. */
  problems: ProblemLog
  seconds: number
  /** true: opened as it was cached; false: the annotations were read. */
  fromCache: boolean
  /** The cached file, null where there is none, with the reason. */
  cacheFile: string | null
  cacheBytes: number
  notCached?: string
  /** What it is read from instead of frames: text, and density of the pack. */
  pack?: { origin: string; density: number }
}

export interface DatasetIndexes {
  /** They may be mapped files: {@link DatasetIndex.dispose} them when no loader is made of them any more. */
  indexes: DatasetIndex[]
  problems: ProblemLog
  reports: IndexReport[]
}

/**
 * Opens the cached index of every configured data set, or reads its annotations where there is none that holds; or its pack.
 *
 * @param settings  of {@link readDataSettings}; without `indexCache` nothing is cached
 * @throws ERR_DATA (missing root, nothing usable, anything bad when strict), ERR_CONFIG (unknown data set, wrong setting), and the
 *   signal's reason
 */
export async function indexDatasets(settings: Pick<DataSettings, 'datasets'> & Partial<Pick<DataSettings, 'indexCache'>>, options: IndexDatasetsOptions = {}): Promise<DatasetIndexes> {
  const problems = new ProblemLog(options.strict ?? false)
  const mode = indexCacheMode(settings.indexCache ?? 'none')
  const indexes: DatasetIndex[] = []
  const reports: IndexReport[] = []
  try {
    for (const setting of settings.datasets) {
      options.signal?.throwIfAborted()
      const begun = performance.now()
      const { index, own, ...rest } = await indexOne(setting, mode, options)
      indexes.push(index)
      problems.absorb(own.state())
      reports.push({ dataset: setting.name, sequences: index.sequences, frames: index.frames, problems: own, seconds: (performance.now() - begun) / 1000, cacheBytes: index.file?.bytes ?? 0, ...rest })
    }
  } catch (error) {
    for (const index of indexes) index.dispose()
    throw error
  }
  return { indexes, problems, reports }
}

type OneIndex = Pick<IndexReport, 'fromCache' | 'cacheFile' | 'notCached' | 'pack'> & { index: DatasetIndex; own: ProblemLog }

async function indexOne(setting: DatasetSetting, mode: IndexCacheMode, options: IndexDatasetsOptions): Promise<OneIndex> {
  const { name, configPath, params, ratio, maxDiff } = setting
  const strict = options.strict ?? false
  const cwd = options.cwd ?? process.cwd()
  if (options.pack !== undefined) {
    const { index, file, origin, manifest } = await openPackedDataset(setting, { ...options.pack, dir: path.resolve(cwd, options.pack.dir) }, cwd, options.log)
    return { index, own: new ProblemLog(strict), fromCache: true, cacheFile: file, pack: { origin, density: manifest.density } }
  }
  const fingerprint = mode === 'none' ? null : await datasetFingerprint(params, { name, cwd, configPath })
  const cache = mode === 'none' || fingerprint === null ? null : new IndexCache({ init: { name, ratio, maxDiff }, params, cwd, mode, fingerprint, say: options.log ?? (() => {}) })
  const cached = options.rebuild === true ? null : await cache?.open(strict)
  if (cached !== null && cached !== undefined) return { index: cached.index, own: cached.problems, fromCache: true, cacheFile: cached.file }

  const target = (await cache?.prepare()) ?? null
  const own = new ProblemLog(strict)
  const dependencies = new Dependencies(cwd)
  const onProgress = (done: number, total: number | undefined): void => options.onProgress?.({ dataset: name, done, total })
  const sequences = await openDataset(params, { name, cwd, configPath, problems: own, onProgress, dependsOn: (file) => dependencies.declare(file), signal: options.signal })
  const index = await buildDatasetIndex(dependencies.watch(sequences), { name, ratio, maxDiff, cwd, problems: own, signal: options.signal })
  const uncached = (notCached: string): OneIndex => ({ index, own, fromCache: false, cacheFile: null, notCached })
  if (mode === 'none') return uncached('index_cache is none')
  if (cache === null) return uncached('a registered data set is cached when it was registered with a fingerprint')
  if (target === null) return uncached('no folder for it can be written to')
  if (fingerprint === undefined && !dependencies.declared) return uncached('the data set does not say what it depends on')
  const stored = await cache.store(target, index, own, dependencies)
  return { index: stored.index, own, fromCache: false, cacheFile: stored.file, notCached: stored.reason }
}
