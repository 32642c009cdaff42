/**
 * `siamtrain bench data CONFIG`: how fast a configuration's own data comes, what its threads do, and how near that is to what decoding alone
 * allows. Without CONFIG it runs bench/data.ts of a checkout, which has frames of its own and Python beside it.
 */
import os from 'node:os'
import path from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { type DataConfig, type LoaderMeasurement, measureLoader } from '../data/index.ts'
import { progressOfIndexing } from '../engine/index-progress.ts'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import { loaderText } from '../pipeline/epoch-report.ts'
import { formatBytes, formatDuration, formatPercent, formatRate } from '../pipeline/format.ts'
import type { BenchName } from './bench.ts'
import { withSignals } from './common.ts'

interface Flags {
  workers?: number
  seconds?: number
  pack?: string
  json?: boolean
}

const examples = `
Examples:
  siamtrain bench data configs/siamfcpp_alexnet-got10k.yaml
  siamtrain bench data my.yaml train.track.data.minibatch=64 --workers 8 --seconds 30
  siamtrain bench data my.yaml --pack packs --json
  siamtrain bench data --rounds 3             (in a checkout) the loader beside Python that does what the original does

With CONFIG, nothing is trained: batches are made as fast as they come, in turns with the limit: the regions of the same samples decoded from memory
by as many threads, and nothing else done. What is printed is explained in docs/observability.md.`

function number(check: (value: number) => boolean, what: string): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !check(value)) throw new InvalidArgumentError(`Expected ${what}.`)
    return value
  }
}

/** @param runBench  runs a program of bench/ */
export function registerBenchData(bench: Command, runBench: (name: BenchName, args: readonly string[], signal: AbortSignal) => Promise<void>): void {
  bench
    .command('data')
    .description("training pairs a second of a configuration's own data; without CONFIG, of frames made here, beside Python that does what the original does")
    .argument('[config]', 'YAML file of the experiment; or options of bench/data.ts')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--workers <n>', 'threads that make batches (default: data.num_workers, at most the number of cores)', number((n) => Number.isSafeInteger(n) && n >= 1, 'an integer ≥ 1'))
    .option('--seconds <s>', 'how long to measure (default: 10)', number((n) => Number.isFinite(n) && n > 0, 'a positive number'))
    .option('--pack <dir>', 'read pictures from packs instead of frames (default: data.pack)')
    .option('--json', 'print the report as JSON')
    .allowUnknownOption()
    .addHelpText('after', examples)
    .action(async (first: string | undefined, rest: string[], flags: Flags) => {
      await withSignals(async (signal) => {
        if (first === undefined || first.startsWith('-')) return runOurs(first, rest, flags, signal, runBench)
        const option = rest.find((word) => word.startsWith('-'))
        if (option !== undefined) throw new SiamError('ERR_ARGUMENT', `unknown option '${option}' of bench data CONFIG`, { hint: 'siamtrain bench data --help lists them' })
        const result = await measureConfig(first, rest, flags, signal)
        process.stdout.write(flags.json === true ? `${JSON.stringify(plain(first, result))}\n` : describeMeasurement(first, result))
      })
    })
}

async function runOurs(first: string | undefined, rest: readonly string[], flags: Flags, signal: AbortSignal, runBench: (name: BenchName, args: readonly string[], signal: AbortSignal) => Promise<void>): Promise<void> {
  for (const name of ['workers', 'seconds', 'pack'] as const) {
    if (flags[name] !== undefined) throw new SiamError('ERR_ARGUMENT', `--${name} needs a CONFIG`, { hint: `siamtrain bench data CONFIG --${name} …` })
  }
  await runBench('data', [...(flags.json === true ? ['--json'] : []), ...(first === undefined ? [] : [first]), ...rest], signal)
}

async function measureConfig(file: string, overrides: string[], flags: Flags, signal: AbortSignal): Promise<LoaderMeasurement> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const config = await loadConfig(file, overrides, { onWarning: (warning) => log(`Warning: ${warningText(warning)}`) })
  const progress = progressOfIndexing('auto')
  const { workers: threads, seconds, pack } = flags
  return measureLoader(config as DataConfig, {
    threads,
    seconds,
    pack,
    signal,
    onProgress: progress.onProgress,
    log: (line) => {
      progress.close()
      log(line)
    },
  }).finally(progress.close)
}

function plain(config: string, result: LoaderMeasurement): Record<string, unknown> {
  const { pairsPerSecond, decodeLimit, use, verdict, shareOfLimit, ...rest } = result
  return {
    unit: 'pairs/s',
    ours: pairsPerSecond.median,
    baseline: decodeLimit.pairsPerSecond.median,
    ratio: shareOfLimit,
    config,
    ...rest,
    pairsPerSecond,
    decodeLimit,
    busyShare: use.busyShare,
    coreShare: use.coreShare,
    stages: use.stages,
    wholeShare: use.wholeShare,
    cacheHitShare: use.cacheHitShare,
    readAheadThreads: use.readAheadThreads,
    bound: verdict.bound,
    advice: verdict.advice,
    pixelKernels: loadAddon().jpegLibrary().pixelKernels,
    cpu: os.cpus()[0]?.model ?? 'unknown',
  }
}

/** More than all of the limit means that the limit's turns had less of the cores than the loader's: by the clock it then says nothing. */
function byClock(share: number): string {
  return share > 1 ? `${formatPercent(share)}: unreliable, the limit had less of the cores than the loader` : formatPercent(share)
}

/** The report for people. */
export function describeMeasurement(config: string, result: LoaderMeasurement): string {
  const { pairsPerSecond, decodeLimit, use, verdict, threads } = result
  const { median, min, max } = pairsPerSecond
  const plural = threads === 1 ? '' : 's'
  const rows: [string, string][] = [
    ['pairs/s', `${formatRate(median)} (median of ${result.rounds} rounds, ${formatRate(min)} to ${formatRate(max)}), ${formatRate(result.pairsPerCpuSecond)} for each second of a core`],
    ['read', `${formatBytes(use.bytesPerSecond)}/s, ${formatBytes(result.pairs > 0 ? (use.bytesPerSecond * result.seconds) / result.pairs : 0)} a pair`],
    ['threads', `${loaderText(use).replace(/^loader: /, '')}; on a core ${formatPercent(use.coreShare)} of that time`],
    ['decode limit', `${formatRate(decodeLimit.pairsPerSecond.median)} pairs/s: the same regions decoded from memory by ${threads} thread${plural}, and nothing else done`],
    ['reached', `${formatPercent(result.shareOfLimitCpu)} of the limit set by region decoding alone, by processor time (by the clock ${byClock(result.shareOfLimit)})`],
    ...(use.wholeShare > 0.005 ? ([['', `${formatPercent(use.wholeShare)} of the frames were decoded whole for their means, which happens once a frame`]] as [string, string][]) : []),
    ...(result.skipped > 0 ? ([['bad samples', `${result.skipped.toLocaleString('en-US')} replaced: siamtrain data verify finds them`]] as [string, string][]) : []),
    ['bound', verdict.advice === '' ? verdict.text : `${verdict.text}; ${verdict.advice}`],
    ['enough for', `training steps of ${result.batchSize} pairs that take ${formatDuration(result.batchSize / median)} or longer`],
  ]
  const head = `${path.basename(config)}: ${threads} thread${plural}, batches of ${result.batchSize}, from ${result.packed ? 'a pack' : 'frames'}, ${result.cores} core${result.cores === 1 ? '' : 's'}`
  return `${[head, ...rows.map(([name, text]) => `  ${name.padEnd(14)}${text}`)].join('\n')}\n`
}
