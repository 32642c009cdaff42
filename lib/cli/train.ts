/**
 * `siamtrain train`: a configuration (or a snapshot of its run) → snapshots.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { byteSizeText, parseByteSize } from '../config/byte-size.ts'
import { loadConfig, requireTrain, trainerParams, warningText, type Config } from '../config/index.ts'
import { buildTrainer } from '../engine/builders.ts'
import { checkResumeTarget, checkUnused, checkWritable, hasSnapshots, removeSnapshots } from '../engine/output-folder.ts'
import { finalModelName } from '../engine/snapshot-file.ts'
import { withPackHint } from '../engine/snapshot-data.ts'
import type { TrainerBase } from '../engine/trainer-base.ts'
import type { Backend } from '../distributed/backend.ts'
import { readEnvironment } from '../distributed/environment.ts'
import { isLaunched, tellLauncher } from '../distributed/launched.ts'
import { signalOf } from '../distributed/stop.ts'
import { SiamError } from '../errors.ts'
import { Monitor, type EngineData } from '../monitors/monitor.ts'
import { epochJson, type EpochReport } from '../pipeline/epoch-report.ts'
import { checkedDevice } from '../native/device.ts'
import { withSignals } from './common.ts'
import { printDryRun } from './dry-run.ts'
import { commandLine } from './resume-command.ts'
import { backendFlag, defaultDistTimeout, defaultStartTimeout, joinRanks, nprocFlag, processesToStart, secondsFlag, startRanks, type Ranks } from './train-ranks.ts'

export interface TrainFlags {
  device: string
  resume?: string
  overwrite?: boolean
  seed?: number
  threads?: number
  workers?: number
  cache?: string
  maxIterations?: number
  snapshotEvery?: number
  pack?: string
  strict?: boolean
  dryRun?: boolean
  json?: boolean
  quiet?: boolean
  nproc?: number | 'auto'
  backend?: Backend
  distTimeout?: number
  distStartTimeout?: number
}

const examples = `
Examples:
  siamtrain train configs/siamfcpp_alexnet-got10k.yaml
  siamtrain train my.yaml train.track.data.minibatch=8 --seed 7 --snapshot-every 200
  siamtrain train my.yaml --resume latest
  siamtrain train my.yaml --nproc 2          two processes share each minibatch; torchrun, PyTorchJob and srun: docs/distributed.md
  siamtrain train my.yaml --pack /data/packs    from the packs that "siamtrain data pack my.yaml --out /data/packs" made
  siamtrain train my.yaml --dry-run          what it would do: configuration, network, schedule, data, memory

Snapshots go to exp_save/exp_name: epoch-N.pkl after each epoch, epoch-N-iter-M.pkl inside of one (--snapshot-every, Ctrl-C), final_model.pkl at
the end. Ctrl-C finishes the iteration, saves, and says how to go on; a second Ctrl-C ends at once.`

function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < min) throw new InvalidArgumentError(`Expected an integer ≥ ${min}.`)
    return value
  }
}

/** Checked here, kept as it was typed: the command that goes on with the run says the same. */
function byteSizeFlag(text: string): string {
  if (parseByteSize(text) === undefined) throw new InvalidArgumentError(`Expected ${byteSizeText}.`)
  return text
}

export function registerTrainCommand(program: Command): void {
  program
    .command('train')
    .description('train a tracker: data, network, schedule and output folder are what CONFIG says')
    .argument('<config>', 'YAML file of the experiment')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .option('--resume <snapshot>', "go on from 'latest', an epoch number, or a file; 'auto': from the latest if there is one, else start anew")
    .option('--overwrite', "start anew, and remove an older run's snapshots from the output folder after the first iteration")
    .option('--seed <n>', 'seed of weights and data (default: data.seed)', integer(0))
    .option('--threads <n>', 'threads of libtorch, of all processes of --nproc together (default: all cores)', integer(1))
    .option('--workers <n>', 'threads that make batches (default: data.num_workers, at most the number of cores)', integer(1))
    .option('--cache <size>', 'keep frames in memory, up to that: 8G, 512M, bytes (default: data.cache)', byteSizeFlag)
    .option('--max-iterations <n>', 'stop after that many iterations of this call, with a snapshot', integer(1))
    .option('--snapshot-every <n>', 'also write a snapshot after every n iterations', integer(1))
    .option('--pack <dir>', "train from the packs in this folder instead of from frames (default: data.pack)")
    .option('--strict', 'bad data is an error instead of being skipped and counted')
    .option('--dry-run', 'say what would be trained and what is missing; nothing is written. Exit code 1 when the run would not start')
    .option('--nproc <n>', "start n processes on this machine that train together; 'auto': one for each GPU", nprocFlag)
    .option('--backend <name>', 'what carries gradients between processes: gloo or nccl (default: nccl where each has a GPU and the build has NCCL)', backendFlag)
    .option('--dist-timeout <seconds>', `how long a process waits for another one's answer (default: ${defaultDistTimeout})`, secondsFlag)
    .option('--dist-start-timeout <seconds>', `how long it waits for the others to start (default: ${defaultStartTimeout})`, secondsFlag)
    .option('--json', 'one JSON line for each iteration and one at the end, on standard output')
    .option('--quiet', 'no progress and no messages, only errors')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], flags: TrainFlags) => {
      const processes = flags.dryRun === true ? undefined : await processesToStart(flags)
      if (processes !== undefined) {
        // What is wrong with the call is said once, and not by every process.
        const { params, dir } = await read(config, overrides, flags, () => {})
        await prepareFolder(params, dir, flags)
        process.exitCode = await startRanks(processes, toStderr)
        return
      }
      await withSignals((signal) => train(config, overrides, flags, signal), 'Stopping after this iteration, with a snapshot; once more to stop at once.')
    })
}

/**
 * Removes an older run's snapshots (--overwrite) once the first iteration is done: until then data, network or memory may turn out to be wrong, and
 * the old run would be gone for nothing. Before the first snapshot of the new run, so that none of the old ones is taken for one of it.
 */
class RemoveOldRun extends Monitor {
  readonly #dir: string
  readonly #say: (line: string) => void
  #done = false

  constructor(dir: string, say: (line: string) => void) {
    super()
    this.#dir = dir
    this.#say = say
  }

  /** Only of the first iteration: later ones need not read scalars for it. */
  override isDue(): boolean {
    return !this.#done
  }

  override async update(): Promise<void> {
    await this.remove()
  }

  async remove(): Promise<void> {
    if (this.#done) return
    this.#done = true
    const removed = await removeSnapshots(this.#dir)
    if (removed > 0) this.#say(`Removed ${removed} snapshot${removed === 1 ? '' : 's'} of an older run from ${this.#dir}`)
  }
}

/** Prints one JSON line for each iteration, and one of another kind (`epoch_report`) at the end of an epoch. */
class JsonLines extends Monitor {
  override async update({ schedule_info, training_losses, extras, time_dict }: EngineData): Promise<void> {
    const { epoch, iteration } = this.engineState
    await printLine({ epoch, iteration, lr: schedule_info.lr, losses: training_losses, extras, time: time_dict })
  }

  override async epochEnd(report: EpochReport): Promise<void> {
    await printLine({ epoch_report: epochJson(report) })
  }
}

/** Writes a line to standard output and waits where its reader is slow, so that lines do not pile up in memory. */
async function printLine(value: unknown): Promise<void> {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (!process.stdout.write(`${text}\n`)) await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
}

const toStderr = (line: string): void => void process.stderr.write(`${line}\n`)

interface Call {
  config: Config
  params: ReturnType<typeof trainerParams>
  /** The output folder. */
  dir: string
}

async function read(configFile: string, overrides: string[], flags: TrainFlags, say: (line: string) => void): Promise<Call> {
  checkedDevice(flags.device, '--device')
  if (flags.resume !== undefined && flags.overwrite === true) throw new SiamError('ERR_ARGUMENT', '--resume and --overwrite contradict each other')
  const packed = flags.pack === undefined ? [] : [`train.track.data.pack=${JSON.stringify(flags.pack)}`]
  const config = await loadConfig(configFile, [...overrides, ...packed], { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  const params = trainerParams(config)
  return { config, params, dir: path.join(params.exp_save, params.exp_name) }
}

/**
 * Everything that can be wrong with the folder is found before data and network take their time.
 * @returns what to resume from, or undefined for a new run
 */
async function prepareFolder(params: Call['params'], dir: string, flags: TrainFlags): Promise<string | undefined> {
  const asked = await askedResume(dir, flags)
  // --resume has precedence over the configuration's snapshot, which may be one of this folder or of another run.
  const resume = asked ?? (params.snapshot === '' ? undefined : params.snapshot)
  if (resume !== undefined) await checkResumeTarget(dir, resume)
  const goesOn = asked !== undefined || (resume !== undefined && path.resolve(path.dirname(resume)) === path.resolve(dir))
  if (!goesOn && flags.overwrite !== true) await checkUnused(dir)
  checkWritable(dir)
  return resume
}

/** `--resume auto` is what a command says that a scheduler starts again and again: the first time there is nothing yet. */
async function askedResume(dir: string, flags: TrainFlags): Promise<string | undefined> {
  if (flags.resume !== 'auto') return flags.resume
  return (await hasSnapshots(dir)) ? 'latest' : undefined
}

/** One process decides, and the others hear of it: of several machines only its own need have the output folder. */
async function decideOnFirst(ranks: Ranks, decide: () => Promise<string | undefined>): Promise<string | undefined> {
  if (ranks.group === undefined) return decide()
  const answer = await ranks.group.share(async () => Buffer.from(JSON.stringify((await decide()) ?? null)))
  return (JSON.parse(Buffer.from(answer).toString()) as string | null) ?? undefined
}

async function train(configFile: string, overrides: string[], flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const silent = flags.quiet === true || (readEnvironment(process.env)?.rank ?? 0) > 0
  const say = silent ? (): void => {} : toStderr
  const call = await read(configFile, overrides, flags, say)
  if (flags.dryRun === true) {
    if ((readEnvironment(process.env)?.rank ?? 0) === 0) await printDryRun(call.config, { ...flags, resume: await askedResume(call.dir, flags) }, signal)
    return
  }
  let ranks: Ranks | undefined
  try {
    ranks = await joinRanks(flags, signal, say)
    await trainAs(ranks, call, configFile, overrides, flags, signal, say)
  } catch (error) {
    await ranks?.group?.fail(error)
    tellLauncher(error)
    throw error
  } finally {
    await ranks?.group?.close()
  }
}

async function trainAs(ranks: Ranks, { config, params, dir }: Call, configFile: string, overrides: string[], flags: TrainFlags, signal: AbortSignal, say: (line: string) => void): Promise<void> {
  const { group, first, device, threads } = ranks
  const { trainer: named, num_processes } = requireTrain(config)
  if (group === undefined && named.name === 'DistributedRegularTrainer' && num_processes > 1) {
    say(`This is one process. To train in ${num_processes} on this machine add --nproc ${num_processes}; on several machines: torchrun, PyTorchJob or srun`)
  }
  const resume = await decideOnFirst(ranks, () => prepareFolder(params, dir, flags))
  const overwrite = flags.overwrite === true && first ? new RemoveOldRun(dir, say) : undefined
  const trainer = await buildTrainer(config, {
    device,
    group,
    seed: flags.seed,
    threads,
    workers: flags.workers,
    cacheBytes: parseByteSize(flags.cache),
    strict: flags.strict,
    pretrained: resume === undefined,
    monitors: [...(overwrite === undefined ? [] : [overwrite]), ...(flags.json === true && first ? [new JsonLines()] : [])],
    progress: flags.quiet === true ? 'none' : 'auto',
    snapshotEvery: flags.snapshotEvery,
    log: flags.quiet === true ? say : undefined,
    signal,
  }).catch(async (error: unknown) => {
    throw resume === undefined ? error : await withPackHint(error, dir, resume)
  })
  let failed = true
  try {
    if (resume !== undefined) await trainer.resume(resume)
    await runEpochs(trainer, ranks, configFile, overrides, flags, signal, say, overwrite)
    failed = false
  } finally {
    // An error of the run itself says more than one of closing after it.
    await trainer.close().catch((error: unknown) => {
      if (!failed) throw error
    })
  }
}

/** Whether a run was told to stop: this process by a signal, or another one of the run, for which all stop. */
function wasStopped(error: unknown, signal: AbortSignal): boolean {
  return error instanceof SiamError && error.code === 'ERR_ABORTED' && (signal.aborted || signalOf(error) !== undefined)
}

/** Compares the ranks' states, which are equal bit by bit in a run that is as it should be. */
async function replicasEqual({ group }: Ranks, sha: string): Promise<boolean> {
  if (group === undefined) return true
  const firsts = Buffer.from(await group.share(() => Buffer.from(sha))).toString()
  const [different = 0] = await group.maximum([firsts === sha ? 0 : 1])
  return different === 0
}

async function runEpochs(trainer: TrainerBase, ranks: Ranks, configFile: string, overrides: string[], flags: TrainFlags, signal: AbortSignal, say: (line: string) => void, overwrite: RemoveOldRun | undefined): Promise<void> {
  const { first } = ranks
  const iterations = trainer.state.max_iteration
  const place = (): number => (trainer.getPosition().epoch + 1) * iterations + trainer.getPosition().iteration
  const start = place()
  const limit = start + (flags.maxIterations ?? Infinity)
  const finishedBefore = trainer.isCompleted()
  const goOn = `to go on${ranks.group === undefined || isLaunched() ? '' : ', in all processes again'}:\n  ${commandLine(configFile, overrides, flags)}`
  const save = async (modelParamOnly = false): Promise<void> => {
    // A trainer of a user's own may not call monitors.
    await overwrite?.remove()
    say(`Saved ${await trainer.saveSnapshot({ modelParamOnly })}`)
  }
  try {
    while (!trainer.isCompleted() && place() < limit) {
      await trainer.train({ signal, maxIterations: limit - place() })
      await save()
    }
  } catch (error) {
    if (!wasStopped(error, signal)) throw error
    if (trainer.hasUnsavedWork()) await save()
    say(place() === 0 ? 'Stopped before the first iteration was done; there is nothing to save.' : `Stopped. T${goOn.slice(1)}`)
    if (flags.json === true && first) await printLine({ done: false, snapshot: place() === 0 ? null : trainer.state.snapshot_file })
    throw error
  }
  // A run that was killed between its last epoch's snapshot and this file still lacks it.
  const finalThere = await decideOnFirst(ranks, async () => (finishedBefore && existsSync(path.join(trainer.state.snapshot_dir, finalModelName)) ? 'yes' : undefined))
  if (trainer.isCompleted() && finalThere === undefined) await save(true)
  const snapshot = trainer.state.snapshot_file
  const sha = await trainer.stateSha256()
  const equal = await replicasEqual(ranks, sha)
  if (!equal) say('Warning: the processes ended with different weights: please report it, with the configuration')
  const summary = finishedBefore
    ? `Nothing to do: all ${trainer.state.max_epoch} epochs of this run are done (raise max_epoch to train longer).`
    : `Trained ${place() - start} iterations${trainer.isCompleted() ? '' : `; ${goOn}`}`
  if (!first) return
  if (flags.json === true) {
    say(summary)
    const several = ranks.group === undefined ? {} : { ranks: ranks.group.worldSize, backend: ranks.group.backend, replicas_equal: equal }
    await printLine({ done: true, completed: trainer.isCompleted(), iterations: place() - start, skipped: trainer.skippedSamples, snapshot, state_sha256: sha, ...several })
  } else if (flags.quiet !== true) {
    await printLine(`${summary}\nSnapshot: ${snapshot}\nState: sha256 ${sha}`)
  }
}
