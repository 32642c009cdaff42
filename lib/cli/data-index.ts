/** `siamtrain data index`: the indexes of a configuration's data sets, opened or built, and what is in them. */
import type { Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { type DataConfig, type IndexReport, indexDatasets, readDataSettings } from '../data/index.ts'
import { progressOfIndexing } from '../engine/index-progress.ts'
import { withSignals } from './common.ts'

interface IndexFlags {
  rebuild?: boolean
  strict?: boolean
  json?: boolean
}

const examples = `
Examples:
  siamtrain data index configs/siamfcpp_alexnet-got10k.yaml
  siamtrain data index my.yaml train.track.data.index_cache=dataset --rebuild --json

An index that is cached and holds is opened; one that does not hold is built anew, and a line says why. train.track.data.index_cache, or the
environment variable SIAMFCPP_INDEX_CACHE, says where it is kept: user ($XDG_CACHE_HOME/siamfcpp-native/index), dataset (DATASET_ROOT/.siamfcpp-index), none.`

/** Adds `index` to the `data` group. */
export function registerDataIndexCommand(data: Command): void {
  data
    .command('index')
    .description("read the annotations of a configuration's data sets, or what is cached of them, and tell what is there")
    .argument('<config>', 'YAML file of the experiment')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--rebuild', 'read the annotations although a cached index holds')
    .option('--strict', 'stop at the first sequence or box that is bad')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', examples)
    .action(async (file: string, overrides: string[], flags: IndexFlags) => {
      const reports = await withSignals((signal) => run(file, overrides, flags, signal))
      process.stdout.write(flags.json === true ? `${JSON.stringify({ datasets: reports.map(plain) })}\n` : reports.map(describe).join(''))
    })
}

async function run(file: string, overrides: string[], flags: IndexFlags, signal: AbortSignal): Promise<IndexReport[]> {
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
  for (const index of indexes) index.dispose()
  return reports
}

function plain({ dataset, sequences, frames, problems, seconds, fromCache, cacheFile, cacheBytes, notCached }: IndexReport): Record<string, unknown> {
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
  }
}

function describe(report: IndexReport): string {
  const { dataset, sequences, frames, problems, seconds, fromCache, cacheFile, cacheBytes, notCached } = report
  const count = (n: number): string => n.toLocaleString('en-US')
  const where = cacheFile === null ? `not cached: ${notCached ?? 'unknown'}` : `${cacheFile} (${(cacheBytes / 1e6).toFixed(1)} MB)`
  const lines = [
    `${dataset}: ${count(sequences)} sequences, ${count(frames)} frames, ${count(problems.total)} problems`,
    `  ${fromCache ? 'opened from the cache' : 'built from the annotations'} in ${seconds.toFixed(2)} s`,
    `  ${where}`,
    ...problems.summary().map((line) => `  ${line}`),
  ]
  return `${lines.join('\n')}\n`
}
