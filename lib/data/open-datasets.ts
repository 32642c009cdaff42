/** From the configuration to the indexes of all its data sets. */
import type { NativeDatasetIndex } from '../native/addon.ts'
import { buildDatasetIndex } from './dataset-index.ts'
import { ProblemLog } from './problems.ts'
import { openDataset } from './registry.ts'
import type { DataSettings } from './settings.ts'

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
  onProgress?: (progress: IndexProgress) => void
  signal?: AbortSignal
}

export interface DatasetIndexes {
  indexes: NativeDatasetIndex[]
  problems: ProblemLog
}

/**
 * Reads the annotations of every configured data set.
 * @throws ERR_DATA (missing root, nothing usable, anything bad when strict), ERR_CONFIG (unknown data set, wrong setting), and the
 *   signal's reason
 */
export async function indexDatasets(settings: Pick<DataSettings, 'datasets'>, options: IndexDatasetsOptions = {}): Promise<DatasetIndexes> {
  const problems = new ProblemLog(options.strict ?? false)
  const cwd = options.cwd ?? process.cwd()
  const indexes: NativeDatasetIndex[] = []
  for (const { name, configPath, params, ratio, maxDiff } of settings.datasets) {
    options.signal?.throwIfAborted()
    const onProgress = (done: number, total: number | undefined): void => options.onProgress?.({ dataset: name, done, total })
    const sequences = await openDataset(params, { name, cwd, configPath, problems, onProgress, signal: options.signal })
    indexes.push(await buildDatasetIndex(sequences, { name, ratio, maxDiff, cwd, problems, signal: options.signal }))
  }
  return { indexes, problems }
}
