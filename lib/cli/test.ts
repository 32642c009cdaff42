/**
 * `siamtrain test`: the configured tracker over the configured benchmarks → result files, scores.
 */
import path from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { createProgress, type ProgressBar } from '../engine/progress.ts'
import { SiamError } from '../errors.ts'
import { type BenchmarkRequest, runTesters, type RunTestersOptions, servers, type TestOutcome, type TestProgress } from '../evaluation/tester/index.ts'
import { writeReport } from '../evaluation/report/index.ts'
import { evaluationJson, evaluationTable } from '../evaluation/table.ts'
import { requireDevice } from '../native/device.ts'
import { precisionHelp } from '../tracking/precision.ts'
import { printable, withSignals } from './common.ts'

export interface TestFlags {
  config?: string
  weights?: string
  ema?: boolean
  device: string
  workers?: number
  threads?: number
  precision: string
  out?: string
  sequences?: string[]
  allowMissing?: boolean
  fresh?: boolean
  benchmark?: BenchmarkRequest[]
  eval: boolean
  report?: string
  json?: boolean
  quiet?: boolean
}

const examples = `
Examples:
  siamtrain test siamfcpp_alexnet-otb.yaml --weights epoch-19.pkl
  siamtrain test siamfcpp_alexnet-got.yaml test.track.tester.GOT10kTester.data_root=/data/GOT-10k --workers 8
  siamtrain test my.yaml --benchmark OTB2015=/data/OTB100 --benchmark NfS30=/data/nfs --out results --report report
  siamtrain test --config siamfcpp_alexnet.yaml --sequences bag,ball1

Results go to exp_save/GOT-Benchmark/result/BENCHMARK/exp_name, of VOT to exp_save/BENCHMARK/exp_name, in the formats of the toolkits. Called again
it goes on with the sequences that are not finished, however it ended; with other weights or parameters it refuses to (--fresh begins anew).
Sequences run in --workers processes; boxes do not depend on how many. Where only a server has the annotations (GOT-10k test, TrackingNet test),
it writes the zip to send there. A sequence with a broken frame is reported, the others go on, and the exit code is 1.`

export function registerTestCommand(program: Command): void {
  program
    .command('test')
    .description('run the configured tracker over benchmarks, and score it')
    .argument('[config]', 'YAML file of the experiment (its test.track part)')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--config <file>', 'the YAML file, as the original has it')
    .option('--weights <file>', 'snapshot or weights: .pkl, .pth or .safetensors (default: the pretrain_model_path of the configuration)')
    .option('--ema', "take the snapshot's averaged weights (a run with optim.ema)")
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .option('--workers <n>', 'processes that track at the same time (default: the number of cores; 1 on a GPU)', positive)
    .option('--threads <n>', 'threads of libtorch in each worker (default: 1)', positive)
    .option('--precision <type>', precisionHelp, 'fp32')
    .option('--out <folder>', "where results go (default: the configuration's exp_save)")
    .option('--sequences <names>', 'only these sequences, commas between them', namesOf)
    .option('--allow-missing', 'go on without sequences that are not on this machine')
    .option('--fresh', "remove an earlier run's results first")
    .option('--benchmark <name=folder>', "a benchmark and where it lies, instead of the configuration's testers; may be repeated", requested)
    .option('--no-eval', 'only write results')
    .option('--report <folder>', 'write an HTML report with plots and tables')
    .option('--json', 'one JSON line at the end on standard output')
    .option('--quiet', 'no progress and no messages, only errors')
    .addHelpText('after', examples)
    .action(async (config: string | undefined, overrides: string[], flags: TestFlags) => {
      await withSignals((signal) => test(config, overrides, flags, signal))
    })
}

async function test(first: string | undefined, rest: readonly string[], flags: TestFlags, signal: AbortSignal): Promise<void> {
  // With --config, what would be the file is an override.
  const file = flags.config ?? first
  const overrides = flags.config === undefined || first === undefined ? rest : [first, ...rest]
  if (file === undefined) throw new SiamError('ERR_ARGUMENT', 'Expected the YAML file of an experiment', { hint: 'siamtrain test CONFIG, or --config CONFIG' })
  const say = flags.quiet === true ? (): void => {} : (line: string): void => void process.stderr.write(`${line}\n`)
  await requireDevice(flags.device)
  const config = await loadConfig(file, overrides, { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  const bars = new Bars(flags.quiet === true)
  let outcomes: TestOutcome[]
  try {
    outcomes = await runTesters(config, { ...optionsOf(flags), signal, onProgress: (progress) => bars.show(progress) })
  } catch (error) {
    bars.close()
    if (signal.aborted) say('Stopped; finished sequences are kept, and the same command goes on.')
    throw error
  }
  bars.close()
  await print(outcomes, flags, say)
  const failed = outcomes.flatMap((outcome) => outcome.failed.map(({ sequence }) => `${outcome.benchmark} ${sequence}`))
  if (failed.length > 0) {
    const total = outcomes.reduce((sum, outcome) => sum + outcome.sequences + outcome.failed.length, 0)
    throw new SiamError('ERR_DATA', `${failed.length} of ${total} sequences could not be tracked: ${failed.join(', ')}`, { hint: 'the others are finished; mend these and call again' })
  }
}

function optionsOf(flags: TestFlags): RunTestersOptions {
  const { weights, ema, device, workers, threads, precision, out, sequences, allowMissing, fresh, benchmark } = flags
  return { weights, ema, device, workers, threads, precision, out, sequences, allowMissing, fresh, benchmarks: benchmark, evaluate: flags.eval }
}

async function print(outcomes: readonly TestOutcome[], flags: TestFlags, say: (line: string) => void): Promise<void> {
  for (const outcome of outcomes) {
    for (const { sequence, error } of outcome.failed) say(printable(`${outcome.benchmark} ${sequence}: ${error.toLine()}`))
    const name = outcome.subset === undefined ? outcome.benchmark : `${outcome.benchmark} ${outcome.subset}`
    const kept = outcome.kept === 0 ? '' : `, ${outcome.kept} of them from before,`
    say(`${name}: results of ${outcome.sequences} sequences${kept} in ${outcome.results}`)
    if (outcome.evaluation !== undefined) {
      if (flags.json !== true) process.stdout.write(`${evaluationTable(outcome.evaluation)}\n`)
      for (const warning of outcome.evaluation.warnings) say(`Warning: ${warning}`)
      if (flags.report !== undefined) {
        const folder = outcomes.length === 1 ? flags.report : path.join(flags.report, name.replaceAll(/[^A-Za-z0-9_.-]/g, '-'))
        await writeReport(outcome.evaluation, folder)
        say(`${name}: report in ${folder}`)
      }
    }
    if (outcome.secret && outcome.failed.length === 0 && outcome.submission === undefined) say(`${name}: only a server has its annotations, and it takes whole benchmarks: without the other sequences no zip is packed`)
    if (outcome.submission !== undefined) say(`${name}: its annotations are not public. Send ${outcome.submission} to ${servers[outcome.benchmark] ?? 'its server'}`)
  }
  if (flags.json === true) {
    const line = { done: true, benchmarks: outcomes.map(jsonOf) }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
}

/** The evaluation is as `siamtrain eval --json` prints it. */
function jsonOf({ evaluation, failed, ...outcome }: TestOutcome): object {
  return { ...outcome, failed: failed.map(({ sequence, error }) => ({ sequence, error: error.toLine() })), ...(evaluation === undefined ? {} : { evaluation: evaluationJson(evaluation) }) }
}

/** One progress bar for each benchmark. */
class Bars {
  readonly #quiet: boolean
  #of: string | undefined
  #bar: ProgressBar | undefined

  constructor(quiet: boolean) {
    this.#quiet = quiet
  }

  show({ benchmark, subset, sequences, sequencesDone, frames, framesDone, framesKept }: TestProgress): void {
    const name = subset === undefined ? benchmark : `${benchmark} ${subset}`
    if (name !== this.#of) {
      this.close()
      this.#of = name
      this.#bar = createProgress({ total: frames, initial: framesKept, description: name, unit: 'frame', mode: this.#quiet ? 'none' : 'auto' })
    }
    this.#bar?.setDescription(`${name} ${sequencesDone}/${sequences} sequences`)
    this.#bar?.update(framesDone - this.#bar.n)
  }

  close(): void {
    this.#bar?.close()
    this.#bar = undefined
  }
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected an integer ≥ 1.')
  return value
}

function namesOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim()).filter((name) => name !== '')
  if (names.length === 0) throw new InvalidArgumentError('Expected names of sequences with commas between them.')
  return names
}

function requested(text: string, before: BenchmarkRequest[] = []): BenchmarkRequest[] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('Expected a benchmark and its folder, as in OTB2015=/data/OTB100.')
  return [...before, { benchmark: text.slice(0, at), root: text.slice(at + 1) }]
}
