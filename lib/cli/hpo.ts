/** `siamtrain hpo`: a search for the tracker's hyper-parameters over the original's ranges. */
import { availableParallelism } from 'node:os'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { ioError } from '../checkpoint/io-error.ts'
import { plural } from '../chart/svg.ts'
import { loadConfig, requireTest, warningText, type Config } from '../config/index.ts'
import { createProgress, type ProgressBar } from '../engine/progress.ts'
import { SiamError } from '../errors.ts'
import { runSettings } from '../evaluation/tester/manifest.ts'
import type { BenchmarkRequest } from '../evaluation/tester/plan.ts'
import { openSearchBenchmark, type SearchBenchmark } from '../hpo/benchmark.ts'
import { searchChart } from '../hpo/chart.ts'
import { checkSpace } from '../hpo/check-space.ts'
import { scoreText, searchCsv, searchJson, searchTable, type SearchReport } from '../hpo/report.ts'
import { costOf, planRungs, type SearchMethod } from '../hpo/rungs.ts'
import { searchHyperParameters, type SearchProgress } from '../hpo/search.ts'
import { readSearchSpace, type SearchSpace } from '../hpo/space.ts'
import { testerTrials } from '../hpo/tester-trial.ts'
import { lockFolder } from '../lock-folder.ts'
import { makeFolder } from '../make-folder.ts'
import { requireDevice } from '../native/device.ts'
import { precisionHelp } from '../tracking/precision.ts'
import { withSignals } from './common.ts'
import { shellQuote } from './resume-command.ts'

interface HpoFlags {
  hpoConfig: string
  method: SearchMethod
  trials: number
  eta: number
  seed: number
  workers?: number
  threads: number
  weights?: string
  ema?: boolean
  device: string
  precision: string
  benchmark?: BenchmarkRequest
  allowMissing?: boolean
  out?: string
  fresh?: boolean
  top: number
  json?: boolean
  quiet?: boolean
}

const examples = `
Examples:
  siamtrain hpo siamfcpp_alexnet-got.yaml --hpo-config siamfcpp_SiamFCppTracker-hpo.yaml --weights epoch-19.pkl --trials 50
  siamtrain hpo my.yaml --hpo-config ranges.yaml --benchmark GOT-10k/val=/data/GOT-10k --method halving --trials 81 --workers 8

Trials are drawn by --seed alone and run --workers at a time. Called again after it was stopped, it goes on; a random search goes on with more
--trials as well. Files: OUT/hpo_NAME.csv (the original's columns), .json, .svg, .jsonl (the journal), and OUT/hpo_NAME/ with the results of each
trial; OUT is --out, or exp_save of the ranges, NAME the configuration's exp_name. docs/hpo.md explains ranges, methods and what they cost.`

export function registerHpoCommand(program: Command): void {
  program
    .command('hpo')
    .description("search for the tracker's hyper-parameters")
    .argument('<config>', 'YAML file of the experiment (its test.track part)')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .requiredOption('--hpo-config <file>', 'YAML file of the ranges')
    .addOption(new Option('--method <name>', 'random: every trial on every sequence; halving: successive halving').choices(['random', 'halving']).default('random'))
    .option('--trials <n>', 'how many to draw', integerFrom(1), 30)
    .option('--eta <n>', 'halving: one trial in n goes on, to n times as many sequences', integerFrom(2), 3)
    .option('--seed <n>', 'the same seed draws the same trials', integerFrom(0), 0)
    .option('--workers <n>', 'trials that run at a time (default: the number of cores; 1 on a GPU)', integerFrom(1))
    .option('--threads <n>', 'threads of libtorch in each worker', integerFrom(1), 1)
    .option('--weights <file>', 'snapshot or weights (default: the pretrain_model_path of the configuration)')
    .option('--ema', "take the snapshot's averaged weights (a run with optim.ema)")
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .option('--precision <type>', precisionHelp, 'fp32')
    .option('--benchmark <name=folder>', "a benchmark and where it lies, instead of the configuration's first", benchmarkOf)
    .option('--allow-missing', 'go on without sequences that are not on this machine')
    .option('--out <folder>', 'where files go (default: exp_save of the ranges, else logs/hpo)')
    .option('--fresh', "remove an earlier search's journal and results first")
    .option('--top <n>', 'lines of the table', integerFrom(1), 10)
    .option('--json', 'print the result as JSON')
    .option('--quiet', 'no progress and no messages, only errors')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], flags: HpoFlags) => {
      await withSignals((signal) => hpo(config, overrides, flags, signal), 'Stopping; trials that are done are kept.')
    })
}

async function hpo(file: string, overrides: readonly string[], flags: HpoFlags, signal: AbortSignal): Promise<void> {
  const say = flags.quiet === true ? (): void => {} : (line: string): void => void process.stderr.write(`${line}\n`)
  await requireDevice(flags.device)
  const config = await loadConfig(file, overrides, { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  const space = await readSearchSpace(flags.hpoConfig)
  for (const warning of space.warnings) say(`Warning: ${warningText(warning)}`)
  await checkSpace(config, file, overrides, space)
  const benchmark = await openSearchBenchmark(config, flags.benchmark, { allowMissing: flags.allowMissing, signal })
  const files = filesOf(path.resolve(flags.out ?? space.expSave ?? path.join('logs', 'hpo')), benchmark.plan.tracker)
  announce(benchmark, flags, say)

  makeOutput(files.folder)
  using _lock = lockFolder(files.folder, 'searching with this folder')
  if (flags.fresh === true) await removeEarlier(files)
  const run = { weights: flags.weights, ema: flags.ema, device: flags.device, threads: flags.threads, precision: flags.precision, allowMissing: flags.allowMissing }
  const progress = new Progress(flags.quiet === true)
  const common = { parameters: space.parameters, method: flags.method, seed: flags.seed }
  let report: SearchReport
  try {
    const result = await searchHyperParameters({
      ...common,
      trials: flags.trials,
      eta: flags.eta,
      sequences: benchmark.sequences,
      workers: flags.workers ?? (flags.device === 'cpu' ? availableParallelism() : 1),
      journal: files.journal,
      identity: { benchmark: benchmark.title, settings: await settingsOf(config, space, flags) },
      evaluate: await testerTrials({ file, overrides, plan: benchmark.plan, folder: files.folder, run }),
      signal,
      onProgress: (state) => progress.show(state),
    })
    report = { ...common, benchmark: benchmark.title, sequences: benchmark.sequences.length, result }
  } finally {
    progress.close()
  }
  await writeFiles(report, files)
  print(report, files, flags, say)
}

interface Files {
  csv: string
  json: string
  svg: string
  journal: string
  /** With a folder for each trial. */
  folder: string
}

function filesOf(out: string, name: string): Files {
  const stem = path.join(out, `hpo_${name}`)
  return { csv: `${stem}.csv`, json: `${stem}.json`, svg: `${stem}.svg`, journal: `${stem}.jsonl`, folder: stem }
}

function announce({ title, sequences, others }: SearchBenchmark, { method, trials, eta }: HpoFlags, say: (line: string) => void): void {
  const rungs = planRungs(method, trials, sequences.length, eta)
  const cost = costOf(rungs)
  const plan = rungs.map((rung) => `${plural(rung.trials, 'trial')} on ${plural(rung.sequences, 'sequence')}`).join(', ')
  const share = method === 'random' ? '' : `, ${((100 * cost) / (trials * sequences.length)).toFixed(0)} % of a random search's`
  if (others.length > 0) say(`Warning: only the first benchmark of the configuration is searched on, not ${others.join(', ')}`)
  say(`Warning: the best of many trials is fitted to ${title}, so that its score there is not a fair result: search on a validation set and report another`)
  say(`${title}: ${plan}; a sequence is tracked ${plural(cost, 'time')}${share}`)
}

function makeOutput(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    throw ioError(error, 'write', folder)
  }
}

/** Only what a search writes is removed. */
async function removeEarlier({ journal, folder }: Files): Promise<void> {
  try {
    await rm(journal, { force: true })
    for (const name of await readdir(folder)) if (/^trial-\d{4,}$/.test(name)) await rm(path.join(folder, name), { recursive: true, force: true })
  } catch (error) {
    throw ioError(error, 'write', folder)
  }
}

/** All that scores depend on, but what is searched. */
async function settingsOf(config: Config, { parameters }: SearchSpace, flags: HpoFlags): Promise<Record<string, unknown>> {
  const weights = flags.weights ?? requireTest(config).model?.task_model.SiamTrack?.pretrain_model_path ?? ''
  if (weights === '') {
    throw new SiamError('ERR_ARGUMENT', 'there are no weights to track with', { hint: 'pass --weights PATH, or set test.track.model.task_model.SiamTrack.pretrain_model_path' })
  }
  const settings: Record<string, unknown> = { ...(await runSettings(config, weights, { ema: flags.ema ?? false, device: flags.device.split(':')[0] as string, threads: flags.threads, precision: flags.precision })) }
  for (const parameter of parameters) delete settings[parameter.path.join('.')]
  return settings
}

async function writeFiles(report: SearchReport, files: Files): Promise<void> {
  const texts = [[files.csv, searchCsv(report)], [files.svg, searchChart(report)], [files.json, `${JSON.stringify(searchJson(report), null, 2)}\n`]] as const
  for (const [name, text] of texts) await writeFileAtomically(name, (sink) => sink(Buffer.from(text)))
}

function print(report: SearchReport, files: Files, { top, json }: HpoFlags, say: (line: string) => void): void {
  const { best, main } = report.result
  if (json === true) process.stdout.write(`${JSON.stringify({ ...searchJson(report), files })}\n`)
  else {
    process.stdout.write(searchTable(report, top))
    if (best !== undefined) process.stdout.write(`\nBest, ${main.title} ${scoreText(best, main.digits)}:\n${best.overrides.map(shellQuote).join(' ')}\n`)
  }
  say(`Wrote ${files.csv}, .json and .svg`)
  if (best === undefined) throw new SiamError('ERR_NONFINITE', 'no trial gave a score', { file: files.journal, hint: 'the ranges may lead the tracker astray; the journal has the error of each trial' })
}

class Progress {
  readonly #quiet: boolean
  #bar: ProgressBar | undefined

  constructor(quiet: boolean) {
    this.#quiet = quiet
  }

  show({ done, total, kept, best }: SearchProgress): void {
    this.#bar ??= createProgress({ total, initial: kept, unit: 'trial', mode: this.#quiet ? 'none' : 'auto' })
    this.#bar.setDescription(best?.main === undefined ? 'hpo' : `best ${best.main.title} ${(best.score as number).toFixed(best.main.digits)}`)
    this.#bar.update(done - this.#bar.n)
  }

  close(): void {
    this.#bar?.close()
  }
}

function integerFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`Expected an integer ≥ ${least}.`)
    return value
  }
}

function benchmarkOf(text: string): BenchmarkRequest {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('Expected a benchmark and its folder, as in GOT-10k/val=/data/GOT-10k.')
  return { benchmark: text.slice(0, at), root: text.slice(at + 1) }
}
