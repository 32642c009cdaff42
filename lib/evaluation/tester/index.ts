/**
 * Runs the configured tracker over benchmarks: sequences in parallel, results as the toolkits write them, finished ones kept.
 */
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { requireTest, type Config } from '../../config/index.ts'
import { invalidArgument, SiamError } from '../../errors.ts'
import type { TrackPrecision } from '../../native/addon.ts'
import { checkedDevice } from '../../native/device.ts'
import { checkedPrecision, checkPrecisionOn } from '../../tracking/precision.ts'
import { openBenchmark } from '../benchmarks/index.ts'
import type { Benchmark, BenchmarkSequence, Evaluation } from '../types.ts'
import { evaluateRun } from './evaluate-run.ts'
import { claimFolder, lockResults, runSettings } from './manifest.ts'
import type { WorkerSetup } from './messages.ts'
import { type BenchmarkRequest, type TestPlan, testPlans } from './plan.ts'
import { WorkerPool } from './pool.ts'
import { isFinished, type ResultFormat, writeResults } from './result-files.ts'
import type { SequenceTask } from './sequence-run.ts'
import { packSubmission } from './submission.ts'
import { unchanged } from './unchanged.ts'

export { servers } from './submission.ts'
export type { BenchmarkRequest } from './plan.ts'

export interface RunTestersOptions {
  /** Snapshot or weights; default: the configuration's pretrain_model_path. */
  weights?: string
  /** Take the averaged weights out of the snapshot. */
  ema?: boolean
  /** 'cpu' (default), 'cuda', 'cuda:N'. */
  device?: string
  /** Processes that track at the same time. Default: as many as there are cores; one on a GPU. Boxes do not depend on it. */
  workers?: number
  /** Threads of libtorch in each worker (1). They change the last digits of sums, so results of one run are of one number. */
  threads?: number
  /** fp32 (default), bf16, fp16 (GPU) or int8 (CPU). */
  precision?: string
  /** Instead of the configuration's exp_save. */
  out?: string
  /** Only these sequences. */
  sequences?: readonly string[]
  /** Go on without sequences that are not on this machine. */
  allowMissing?: boolean
  /** Remove results of earlier runs first. */
  fresh?: boolean
  /** Instead of the configuration's testers. */
  benchmarks?: readonly BenchmarkRequest[]
  /** Score the results (true). */
  evaluate?: boolean
  /** Modules that each worker imports first; they may call registerTracker(). */
  modules?: readonly string[]
  signal?: AbortSignal
  onProgress?: (progress: TestProgress) => void
}

export interface TestProgress {
  benchmark: string
  subset: string | undefined
  sequencesDone: number
  sequences: number
  framesDone: number
  frames: number
  /** Frames of sequences that an earlier run had finished; part of framesDone. */
  framesKept: number
}

export interface FailedSequence {
  sequence: string
  error: SiamError
}

export interface TestOutcome {
  tester: string
  benchmark: string
  subset: string | undefined
  tracker: string
  /** The tracker's folder of results. */
  results: string
  /** Sequences with a result, how many of them an earlier run had finished. */
  sequences: number
  kept: number
  failed: FailedSequence[]
  /** Only the benchmark's server has the annotations. */
  secret: boolean
  /** Absent where sequences failed, annotations are secret, or it was not asked for. */
  evaluation?: Evaluation
  /** The zip for the benchmark's server, where its annotations are secret and all of it was tracked. */
  submission?: string
}

/**
 * Runs the tracker of `test.track` over the benchmarks of `test.track.tester`, one after the other, and scores what it gave. Started again
 * with the same settings, it goes on with what is not finished; results are then those of a run that was never stopped.
 * @returns one outcome for each part of each benchmark. Sequences that cannot be tracked (a corrupt frame, frames of another size) are in
 *   `failed`, and the others go on.
 * @throws ERR_CONFIG, ERR_ARGUMENT (also when the folder has results of other settings), ERR_DATA when a benchmark cannot be opened,
 *   ERR_CHECKPOINT, ERR_DEVICE, ERR_IO, the signal's reason
 */
export async function runTesters(config: Config, options: RunTestersOptions = {}): Promise<TestOutcome[]> {
  const plans = testPlans(config, options.out, options.benchmarks)
  const setup = setupOf(config, options)
  const { config: _, weights, ...run } = setup
  // Workers read the weights later than this, one that takes a dead one's place hours later.
  const sameWeights = await unchanged(weights, 'the weights')
  const settings = await runSettings(config, weights, { ema: run.ema, device: run.device.split(':')[0] as string, threads: run.threads, precision: run.precision })
  // Everything is opened before anything runs: what is missing shows at once, not hours later.
  const benchmarks: Benchmark[] = []
  for (const plan of plans) benchmarks.push(await openPlanned(plan, options))
  // Parts of a benchmark may share a folder: it is claimed once.
  const folders = new Set(plans.map((plan) => plan.folder))
  using _lock = lockResults(folders)
  for (const folder of folders) await claimFolder(folder, settings, options.fresh === true)
  const outcomes: TestOutcome[] = []
  await using pool = new WorkerPool(options.workers ?? (setup.device === 'cpu' ? availableParallelism() : 1), setup, sameWeights, options.signal)
  for (const [i, plan] of plans.entries()) outcomes.push(await runPlan(plan, benchmarks[i] as Benchmark, pool, options))
  return outcomes
}

async function openPlanned(plan: TestPlan, options: RunTestersOptions): Promise<Benchmark> {
  const { subset } = plan
  const { sequences = [], allowMissing = false, signal } = options
  return openBenchmark(plan.benchmark, plan.root, {
    ...(subset === undefined ? {} : { subset }),
    sequences: sequences.length > 0 ? sequences : plan.sequences,
    allowMissing,
    ...(signal === undefined ? {} : { signal }),
  })
}

function setupOf(config: Config, options: RunTestersOptions): WorkerSetup {
  const configured = requireTest(config).model?.task_model.SiamTrack?.pretrain_model_path ?? ''
  const weights = options.weights ?? configured
  if (weights === '') {
    throw new SiamError('ERR_ARGUMENT', 'there are no weights to track with', { hint: 'pass weights (--weights PATH), or set test.track.model.task_model.SiamTrack.pretrain_model_path' })
  }
  for (const key of ['workers', 'threads'] as const) {
    const value = options[key]
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) throw invalidArgument('an integer ≥ 1', key, value)
  }
  const device = checkedDevice(options.device ?? 'cpu', 'device')
  const precision = checkedPrecision((options.precision ?? 'fp32') as TrackPrecision)
  checkPrecisionOn(device, precision)
  return { config: config.raw, weights, ema: options.ema ?? false, device, threads: options.threads ?? 1, precision, modules: options.modules ?? [] }
}

async function runPlan(plan: TestPlan, benchmark: Benchmark, pool: WorkerPool, options: RunTestersOptions): Promise<TestOutcome> {
  const format: ResultFormat = plan.protocol === 'ope' ? (plan.benchmark === 'GOT-10k' ? 'got10k' : 'otb') : plan.protocol
  const { kept, failed } = await trackBenchmark(benchmark, plan, format, pool, options)
  const outcome: TestOutcome = {
    tester: plan.tester,
    benchmark: plan.benchmark,
    subset: plan.subset,
    tracker: plan.tracker,
    secret: plan.secret,
    results: plan.folder,
    sequences: benchmark.sequences.length - failed.length,
    kept,
    failed,
  }
  if (failed.length > 0) return outcome
  if (plan.secret && benchmark.partial === true) return outcome
  if (plan.secret) outcome.submission = await packSubmission(format, plan.folder, benchmark.sequences.map(({ name }) => name))
  else if (options.evaluate !== false) outcome.evaluation = await evaluateRun(benchmark, plan.folder)
  return outcome
}

async function trackBenchmark(benchmark: Benchmark, plan: TestPlan, format: ResultFormat, pool: WorkerPool, options: RunTestersOptions): Promise<{ kept: number; failed: FailedSequence[] }> {
  const { sequences } = benchmark
  const open: BenchmarkSequence[] = []
  let framesKept = 0
  for (const sequence of sequences) {
    if (await isFinished(format, plan.folder, sequence.name, sequence.files.length)) framesKept += sequence.files.length
    else open.push(sequence)
  }
  const kept = sequences.length - open.length
  let sequencesDone = kept
  let framesDone = framesKept
  const frames = sequences.reduce((sum, { files }) => sum + files.length, 0)
  const tell = (): void => options.onProgress?.({ benchmark: plan.benchmark, subset: plan.subset, sequencesDone, sequences: sequences.length, framesDone, frames, framesKept })
  tell()
  // The longest first: one that begins last would be waited for alone.
  const tasks = open.map((sequence) => taskOf(sequence, benchmark)).sort((a, b) => b.files.length - a.files.length)
  const failures = new Map<string, SiamError>()
  const told = new Map<string, number>()
  const count = (task: SequenceTask, more: number): void => {
    told.set(task.name, (told.get(task.name) ?? 0) + more)
    framesDone += more
    tell()
  }
  const finish = (task: SequenceTask): void => {
    sequencesDone += 1
    count(task, task.files.length - (told.get(task.name) ?? 0))
  }
  await pool.track(tasks, {
    frames: count,
    done: async (task, run) => {
      await writeResults(format, plan.folder, task.name, run)
      finish(task)
    },
    failed: (task, error) => {
      failures.set(task.name, error)
      finish(task)
    },
  })
  // In the benchmark's order, whichever worker met them first.
  const failed = sequences.flatMap(({ name }) => (failures.has(name) ? [{ sequence: name, error: failures.get(name) as SiamError }] : []))
  return { kept, failed }
}

function taskOf({ name, files, truth, size }: BenchmarkSequence, { protocol }: Benchmark): SequenceTask {
  // Workers run where this process does, but paths are made absolute all the same: a module that they import may change the folder.
  return { name, protocol, files: files.map((file) => path.resolve(file)), truth: protocol === 'vot' ? truth : truth.slice(0, 1), ...(size === undefined ? {} : { size }) }
}
