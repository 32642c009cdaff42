/** `siamtrain data index`: the indexes of a configuration's data sets, opened or built, and what is in them. */
import { availableParallelism } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { type DataConfig, type IndexReport, indexDatasets, readDataSettings } from '../data/index.ts'
import type { DatasetIndex } from '../data/compact-index.ts'
import { type MeansReport, computeMeans } from '../data/index-means.ts'
import { progressOfIndexing } from '../engine/index-progress.ts'
import { type ProgressBar, createProgress } from '../engine/progress.ts'
import { withSignals } from './common.ts'

interface IndexFlags {
  rebuild?: boolean
  means?: boolean
  threads?: number
  strict?: boolean
  json?: boolean
}

const examples = `
Examples:
  siamtrain data index configs/siamfcpp_alexnet-got10k.yaml
  siamtrain data index my.yaml train.track.data.index_cache=dataset --rebuild --json
  siamtrain data index my.yaml --means

An index that is cached and holds is opened; one that does not hold is built anew, and a line says why. train.track.data.index_cache, or the
environment variable SIAMFCPP_INDEX_CACHE, says where it is kept: user ($XDG_CACHE_HOME/siamfcpp-native/index), dataset (DATASET_ROOT/.siamfcpp-index), none.

A crop that leaves its frame is padded with the frame's mean, for which the frame is decoded whole once. --means does that for all frames now and
keeps the means beside the index; a training keeps those that it comes to know in any case. A stopped run goes on where it was.`

/** Adds `index` to the `data` group. */
export function registerDataIndexCommand(data: Command): void {
  data
    .command('index')
    .description("read the annotations of a configuration's data sets, or what is cached of them, and tell what is there")
    .argument('<config>', 'YAML file of the experiment')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--rebuild', 'read the annotations although a cached index holds')
    .option('--means', 'decode the frames whose mean is not known and keep their means beside the index')
    .option('--threads <n>', 'threads for --means (default: one for each core)', positive)
    .option('--strict', 'stop at the first sequence or box that is bad')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', examples)
    .action(async (file: string, overrides: string[], flags: IndexFlags) => {
      const reports = await withSignals((signal) => run(file, overrides, flags, signal), flags.means === true ? 'Stopping; the same command goes on from here' : undefined)
      process.stdout.write(flags.json === true ? `${JSON.stringify({ datasets: reports.map(plain) })}\n` : reports.map(describe).join(''))
    })
}

type Report = IndexReport & { means?: MeansReport }

async function run(file: string, overrides: string[], flags: IndexFlags, signal: AbortSignal): Promise<Report[]> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const config = await loadConfig(file, overrides, { onWarning: (warning) => log(`Warning: ${warningText(warning)}`) })
  const settings = readDataSettings(config as DataConfig)
  const progress = progressOfIndexing('auto')
  const { indexes, reports } = await indexDatasets(settings, {
    strict: flags.strict ?? settings.strict,
    rebuild: flags.rebuild ?? false,
    onProgress: progress.onProgress,
    log: (line) => {
      progress.close()
      log(line)
    },
    signal,
  }).finally(progress.close)
  try {
    if (flags.means !== true) return reports
    const withMeans: Report[] = []
    for (const [i, report] of reports.entries()) withMeans.push({ ...report, means: await meansOf(indexes[i] as DatasetIndex, flags.threads ?? availableParallelism(), signal) })
    return withMeans
  } finally {
    for (const index of indexes) index.dispose()
  }
}

async function meansOf(index: DatasetIndex, threads: number, signal: AbortSignal): Promise<MeansReport> {
  let bar: ProgressBar | undefined
  try {
    return await computeMeans(index, {
      threads,
      signal,
      onProgress: ({ dataset, done, total }) => {
        bar ??= createProgress({ mode: 'auto', total, description: `means of ${dataset}`, unit: 'frame' })
        bar.update(done - bar.n)
      },
    })
  } finally {
    bar?.close()
  }
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Expected a number of threads, at least 1.')
  return Number(text)
}

function plain({ dataset, sequences, frames, problems, seconds, fromCache, cacheFile, cacheBytes, notCached, means }: Report): Record<string, unknown> {
  return {
    dataset,
    sequences,
    frames,
    problems: { total: problems.total, counts: problems.counts, skippedSequences: problems.skippedSequences, excludedFrames: problems.excludedFrames, absentFrames: problems.absentFrames },
    seconds: Number(seconds.toFixed(4)),
    fromCache,
    cacheFile,
    cacheBytes,
    ...(notCached === undefined ? {} : { notCached }),
    ...(means === undefined ? {} : { means: { file: means.file, computed: means.computed, known: means.known, failed: means.failed, firstFailure: means.firstFailure ?? null, seconds: Number(means.seconds.toFixed(4)) } }),
  }
}

function describe(report: Report): string {
  const { dataset, sequences, frames, problems, seconds, fromCache, cacheFile, cacheBytes, notCached, means } = report
  const count = (n: number, noun: string): string => `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`
  const where = cacheFile === null ? `not cached: ${notCached ?? 'unknown'}` : `${cacheFile} (${(cacheBytes / 1e6).toFixed(1)} MB)`
  const lines = [
    `${dataset}: ${count(sequences, 'sequence')}, ${count(frames, 'frame')}, ${count(problems.total, 'problem')}`,
    `  ${fromCache ? 'opened from the cache' : 'built from the annotations'} in ${seconds.toFixed(2)} s`,
    `  ${where}`,
    ...problems.summary().map((line) => `  ${line}`),
    ...(means === undefined ? [] : [`  ${count(means.known, 'mean')} of frames in ${means.file}, ${means.computed.toLocaleString('en-US')} of them computed in ${means.seconds.toFixed(1)} s`]),
    ...(means?.firstFailure === undefined ? [] : [`  ${count(means.failed, 'frame')} cannot be decoded, the first is ${means.firstFailure.file}: ${means.firstFailure.reason}`]),
  ]
  return `${lines.join('\n')}\n`
}
