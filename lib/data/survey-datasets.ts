/** Which of a configuration's data sets are there, all of them looked at, without making anything of them. */
import path from 'node:path'
import { SiamError, type ErrorCode } from '../errors.ts'
import { indexDatasets } from './open-datasets.ts'
import type { PackSource } from './pack/open-pack.ts'
import type { DatasetSetting } from './settings.ts'

export interface DatasetSurvey {
  name: string
  /** Absolute folder, where the settings name one. */
  root: string | null
  /** Share of the samples; all shares add up to 1. */
  share: number
  found: boolean
  /** Sequences that its list names, or that were read; null where counting them would take reading everything. */
  sequences: number | null
  /** Usable frames; null unless all annotations were read within the time. */
  frames: number | null
  /** Sequences and frames that indexing leaves out, in sentences; empty unless all annotations were read. */
  problems: string[]
  /** The pack that stands for its frames, in words. */
  pack?: string
  /** Why it cannot be used. */
  error?: { code: ErrorCode; message: string; file?: string; line?: number; hint?: string }
}

export interface SurveyOptions {
  cwd?: string
  strict?: boolean
  /** How long the annotations of one data set may take, milliseconds; what is known by then is told. Default: 2000. */
  budgetMs?: number
  /** Packs that stand for the frames. */
  pack?: PackSource
  /** Told what would be worth a warning. */
  log?: (line: string) => void
  signal?: AbortSignal
}

/**
 * Opens each data set as a run would, and stops at the time given.
 * @returns one entry for each setting, in their order; a data set that is missing or unusable has an `error`
 * @throws the signal's reason
 */
export async function surveyDatasets(datasets: readonly DatasetSetting[], options: SurveyOptions = {}): Promise<DatasetSurvey[]> {
  const surveys: DatasetSurvey[] = []
  for (const dataset of datasets) {
    options.signal?.throwIfAborted()
    surveys.push(await surveyDataset(dataset, options))
  }
  return surveys
}

async function surveyDataset(dataset: DatasetSetting, options: SurveyOptions): Promise<DatasetSurvey> {
  const { name, params, ratio } = dataset
  const cwd = options.cwd ?? process.cwd()
  const root = options.pack === undefined ? params['dataset_root'] : path.join(options.pack.dir, name)
  const survey: DatasetSurvey = { name, root: typeof root === 'string' && root !== '' ? path.resolve(cwd, root) : null, share: ratio, found: true, sequences: null, frames: null, problems: [] }
  const enough = new AbortController()
  const stop = (): void => enough.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(stop, options.budgetMs ?? 2000)
  let total: number | undefined
  try {
    const { indexes, problems, reports } = await indexDatasets(
      { datasets: [dataset] },
      {
        cwd,
        strict: options.strict,
        pack: options.pack,
        log: options.log,
        signal: enough.signal,
        onProgress: (progress) => {
          total = progress.total ?? total
        },
      },
    )
    survey.sequences = indexes[0]?.sequences ?? 0
    survey.frames = indexes[0]?.frames ?? 0
    survey.problems = problems.summary()
    const [report] = reports
    if (report?.pack !== undefined && report.cacheFile !== null) {
      survey.root = path.dirname(report.cacheFile)
      survey.pack = report.pack.origin
    }
    for (const index of indexes) index.dispose()
  } catch (error) {
    options.signal?.throwIfAborted()
    if (enough.signal.aborted) survey.sequences = total ?? null
    else if (error instanceof SiamError) {
      const { code, message, file, line, hint } = error
      survey.found = false
      survey.error = { code, message, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }), ...(hint === undefined ? {} : { hint }) }
    } else throw error
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', stop)
  }
  return survey
}
