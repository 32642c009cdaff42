/**
 * What all trainers share: hyper-parameters, the engine's state, snapshots, resuming.
 */
import path from 'node:path'
import { emaStateKey, stateSha256 } from '../checkpoint/index.ts'
import { collectTensors } from '../checkpoint/values.ts'
import type { SkipCounts } from '../data/index.ts'
import type { ProcessGroup } from '../distributed/group.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { EngineState, HyperParams, Monitor } from '../monitors/monitor.ts'
import { loadAddon } from '../native/load.ts'
import { nearestName } from '../registry.ts'
import { packageVersion } from '../version.ts'
import { watchDeviceMemory } from './device-memory.ts'
import { adoptAverage } from './ema.ts'
import { noNonFinite, type NonFiniteCounts } from './nonfinite.ts'
import { checkWritable, readResumeTarget, removeOldMidEpoch } from './output-folder.ts'
import type { ProgressOptions } from './progress.ts'
import { placeOf, readOnRank0 } from './resume-ranks.ts'
import { finalModelName, snapshotName, writeSnapshotFile } from './snapshot-file.ts'
import { configurationChanges } from './snapshot-data.ts'
import { composeSnapshot, composeWeights, readSnapshot, type RunPosition, type RunState, type SnapshotPack } from './snapshot.ts'
import type { DataPosition, TrainableModel, TrainableOptimizer, TrainingBatches } from './trainer-types.ts'

/** Bad samples that are reported one by one. */
const reportedSkips = 5

/** Mid-epoch snapshots that stay; older ones go once a newer snapshot is safely on disk. */
const keptMidEpoch = 2

/** Where a trainer is and where its files lie; monitors read it, TextInfo leaves `print_str` in it. */
export interface TrainerState extends EngineState {
  initialized: boolean
  /** exp_save/exp_name. */
  snapshot_dir: string
  /** The snapshot that was, or is to be, loaded; '' for none. */
  snapshot_file: string
}

export interface TrainerOptions {
  /** Seed of the data order, kept in snapshots. Without it a resumed run takes the snapshot's. */
  seed?: number
  /** SHA-256 of the effective configuration, to notice that a run goes on with another one. */
  configSha256?: string
  /** That sum for other packs than the run's own (none: frames), to tell a change of the data from one of the configuration. */
  configSha256With?: (packs: readonly SnapshotPack[]) => string
  /** Threads of libtorch's team, kept in snapshots. */
  threads?: number
  /** Where messages go; standard error by default. */
  log?: (line: string) => void
  /** How progress is shown; 'none' for silence. */
  progress?: ProgressOptions['mode']
  /** The processes that train this model together; every one of them makes the same calls. */
  group?: ProcessGroup
}

export interface TrainOptions {
  /** Return after that many iterations of this call, though the epoch is not done. */
  maxIterations?: number
  /** Ends the epoch after the running iteration with ERR_ABORTED; saveSnapshot() then keeps the place. */
  signal?: AbortSignal
}

export interface TrainerClass {
  new (optimizer: TrainableOptimizer, dataloader: TrainingBatches, monitors?: readonly Monitor[], options?: TrainerOptions): TrainerBase
  defaultHyperParams: HyperParams
}

/**
 * Base class of trainers. Life: constructor → setHyperParams → (resume) → train() until isCompleted(), saveSnapshot() after each → close().
 *
 * A sub-class names its hyper-parameters and their defaults in `static defaultHyperParams`.
 */
export abstract class TrainerBase implements AsyncDisposable {
  static defaultHyperParams: HyperParams = { exp_name: 'default_training', exp_save: 'snapshots', max_epoch: 20 }

  readonly state: TrainerState
  readonly options: Readonly<TrainerOptions>
  protected hyperParams: HyperParams
  protected optimizer: TrainableOptimizer
  protected dataloader: TrainingBatches
  protected readonly monitors: readonly Monitor[]
  /** The place up to which training is done. */
  protected position: RunPosition = { epoch: -1, iteration: 0 }
  /** Base learning rate of the last step, for the snapshot. */
  protected lastLr = 0
  /**
   * The first sample that has not been trained on. Not the dataloader's own cursor: a batch that was fetched when the run was stopped is behind that
   * one and yet untrained, and a resumed run would leave it out.
   */
  protected dataPosition: DataPosition | null = null
  #skips: SkipCounts = { samples: 0, attempts: 0 }
  #reportedSkips = 0
  #lastSkippedFile = ''
  #seed: number
  /** What is on disk: the position of the last snapshot written or loaded. */
  #saved: RunPosition = { epoch: -1, iteration: 0 }
  #settled = false
  readonly #owned: (Disposable | AsyncDisposable)[] = []
  #closed = false

  constructor(optimizer: TrainableOptimizer, dataloader: TrainingBatches, monitors: readonly Monitor[] = [], options: TrainerOptions = {}) {
    const defaults = (new.target as unknown as { defaultHyperParams: HyperParams }).defaultHyperParams
    // Each trainer has a copy of its own: the original shared one dictionary between all instances of a class.
    this.hyperParams = structuredClone(defaults)
    this.optimizer = optimizer
    this.dataloader = dataloader
    this.monitors = monitors
    this.options = options
    this.#seed = options.seed ?? 0
    this.state = {
      epoch: -1,
      max_epoch: 0,
      iteration: 0,
      max_iteration: 0,
      print_str: '',
      initialized: false,
      snapshot_dir: '',
      snapshot_file: '',
      devices: [optimizer.model.device],
      log: (line) => this.log(line),
    }
    watchDeviceMemory(this.state, optimizer.model.device)
  }

  /** Sub-classes' fields do not exist yet while this class's constructor runs, so their updateParams() is called at the first use instead. */
  #settle(): void {
    if (!this.#settled) this.updateParams()
  }

  get model(): TrainableModel {
    return this.optimizer.model
  }

  /** Seed of the data order: the given one, or that of the snapshot that was resumed. */
  get seed(): number {
    return this.#seed
  }

  getHyperParams(): Readonly<HyperParams> {
    return this.hyperParams
  }

  /** Sets hyper-parameters and derives what depends on them. @throws ERR_CONFIG for an unknown key or a value out of range */
  setHyperParams(values: Readonly<HyperParams>): void {
    for (const [key, value] of Object.entries(values)) {
      if (!Object.hasOwn(this.hyperParams, key)) {
        const nearest = nearestName(key, Object.keys(this.hyperParams))
        throw new SiamError('ERR_CONFIG', `${this.constructor.name} has no hyper-parameter ${JSON.stringify(key)}`, {
          hint: nearest === undefined ? undefined : `did you mean ${JSON.stringify(nearest)}?`,
        })
      }
      this.hyperParams[key] = value
    }
    this.updateParams()
  }

  /** Derives the state from the hyper-parameters; sub-classes that override it call super.updateParams(). */
  updateParams(): void {
    this.#settled = true
    this.state.snapshot_dir = path.join(this.stringParam('exp_save'), this.stringParam('exp_name'))
    this.state.max_epoch = this.integerParam('max_epoch', 0)
  }

  /** @throws ERR_CONFIG unless the hyper-parameter is a string */
  protected stringParam(key: string): string {
    const value = this.hyperParams[key]
    if (typeof value !== 'string') throw invalidArgument('a string', `${this.constructor.name}.${key}`, value, 'ERR_CONFIG')
    return value
  }

  /** @throws ERR_CONFIG unless the hyper-parameter is an integer ≥ min */
  protected integerParam(key: string, min: number): number {
    const value = this.hyperParams[key]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
      throw invalidArgument(`an integer ≥ ${min}`, `${this.constructor.name}.${key}`, value, 'ERR_CONFIG')
    }
    return value
  }

  setDataloader(dataloader: TrainingBatches): void {
    this.dataloader = dataloader
  }

  setOptimizer(optimizer: TrainableOptimizer): void {
    this.optimizer = optimizer
    this.state.devices = [optimizer.model.device]
    watchDeviceMemory(this.state, optimizer.model.device)
  }

  /** What must happen once before the first iteration; train() calls it when nobody has. */
  async initTrain(): Promise<void> {
    this.#settle()
    this.model.train()
    for (const monitor of this.monitors) await monitor.init(this.state)
    this.state.initialized = true
  }

  /** Trains one epoch (the rest of it, where a snapshot was taken inside of it). @throws ERR_ABORTED, ERR_NONFINITE, ERR_DATA, … */
  abstract train(options?: TrainOptions): Promise<void>

  /** Iterations of an epoch, for snapshots. */
  protected abstract get iterationsPerEpoch(): number

  /** Whether all max_epoch epochs are done. */
  isCompleted(): boolean {
    this.#settle()
    return this.position.epoch + 1 >= this.state.max_epoch
  }

  /** The place up to which training is done: last complete epoch (−1: none) and iterations done of the next one. */
  getPosition(): Readonly<RunPosition> {
    return { ...this.position }
  }

  /** Bad samples that the data replaced so far; the first of them have been reported by name. */
  get skippedSamples(): number {
    return this.#skips.samples
  }

  /** The same with the attempts that failed. */
  protected get skipCounts(): SkipCounts {
    return this.#skips
  }

  /** Of the last bad sample; '' before there was one. */
  protected get lastSkippedFile(): string {
    return this.#lastSkippedFile
  }

  /** Counts what the data had to replace since the last call and says the first few. */
  protected reportSkipped(): void {
    const skipped = this.dataloader.takeSkipped?.() ?? []
    for (const { epoch, sample, file, reason } of skipped) {
      this.#reportedSkips++
      if (this.#reportedSkips <= reportedSkips) this.log(`Skipped a bad sample (epoch ${epoch}, sample ${sample}): ${file}: ${reason}`)
      if (this.#reportedSkips === reportedSkips) this.log('More bad samples will be counted, not listed')
    }
    this.#lastSkippedFile = skipped.at(-1)?.file ?? this.#lastSkippedFile
    // Only some of the entries are kept where there are very many, so that they are not what is counted if there is a count.
    const { samples, attempts } = this.#skips
    this.#skips = this.dataloader.skipCounts?.() ?? { samples: samples + skipped.filter(({ attempt }) => attempt === 0).length, attempts: attempts + skipped.length }
  }

  /** Whether iterations have been trained since the last snapshot. */
  hasUnsavedWork(): boolean {
    return this.position.epoch !== this.#saved.epoch || this.position.iteration !== this.#saved.iteration
  }

  /** Prints a line for the user, without tearing the progress bar where there is one. */
  protected log(line: string): void {
    if (this.options.log !== undefined) this.options.log(line)
    else if (this.state.pbar !== undefined) this.state.pbar.log(line)
    else process.stderr.write(`${line}\n`)
  }

  /**
   * Loads a snapshot and goes on from it.
   * @param target 'latest' (the furthest one of exp_save/exp_name), an epoch number, or a file: one of ours or of the original
   * @throws ERR_CHECKPOINT when there is none, or it is corrupt or of another model; nothing is trained from scratch silently
   */
  async resume(target: 'latest' | number | string): Promise<void> {
    this.#settle()
    const checkpoint = await readOnRank0(this.options.group, () => readResumeTarget(this.state.snapshot_dir, target, (line) => this.log(line)))
    const { file } = checkpoint
    const { epoch, modelState, optimizerState, emaState, run } = readSnapshot(checkpoint)
    // Before anything is loaded: a refused snapshot leaves the model as it was.
    if (run !== null) this.#checkFits(run, file)
    await this.model.loadStateDict(modelState, { file })
    if (optimizerState !== null) await this.optimizer.loadStateDict(optimizerState, file)
    await adoptAverage(this.optimizer.ema ?? null, emaState, run?.ema?.updates ?? 0, file, (line) => this.log(line))
    if (run === null) await this.#adoptForeign(epoch, file, optimizerState === null)
    else await this.#adopt(run, file)
    this.adoptCounts(run?.nonfinite)
    this.#saved = { ...this.position }
    this.state.epoch = this.position.epoch
    this.state.snapshot_file = file
    const { position, state } = this
    const where = position.iteration === 0 ? `epoch ${position.epoch + 1}` : `epoch ${position.epoch + 1}, iteration ${position.iteration}`
    this.log(this.isCompleted() ? `Loaded ${file}: all ${state.max_epoch} epochs are done` : `Loaded ${file}: going on at ${where} of ${state.max_epoch} epochs`)
  }

  /** A snapshot without our section: the original's, or final_model.pkl. Order of data and random numbers begin anew at its epoch. */
  async #adoptForeign(epoch: number, file: string, weightsOnly: boolean): Promise<void> {
    this.position = { epoch, iteration: 0 }
    this.log(`${file} was not written by siamfcpp-native: ${weightsOnly ? 'it holds weights only' : 'model, momentum and epoch were taken over'}`)
    await this.#seek({ epoch: epoch + 1, sample: 0 })
  }

  #checkFits(run: RunState, file: string): void {
    const { iterationsPerEpoch } = this
    if (run.iteration >= iterationsPerEpoch || (run.iteration > 0 && run.numIterations !== iterationsPerEpoch)) {
      throw new SiamError('ERR_CHECKPOINT', `this snapshot was taken at iteration ${run.iteration} of ${run.numIterations}, but an epoch now has ${iterationsPerEpoch} iterations`, {
        file,
        hint: 'use the nr_image_per_epoch, minibatch and accumulate_batches that it was made with, or resume from the end of an epoch',
      })
    }
  }

  async #adopt(run: RunState, file: string): Promise<void> {
    const { options } = this
    const differs: string[] = []
    if (options.seed !== undefined && options.seed !== run.seed) differs.push(`seed ${run.seed} (now ${options.seed}: the data comes in another order)`)
    if (options.configSha256 !== undefined && run.configSha256 !== '' && options.configSha256 !== run.configSha256) differs.push(...configurationChanges(run, this.dataloader.packs, options.configSha256With))
    if (options.threads !== undefined && options.threads !== run.threads) differs.push(`${run.threads} threads (now ${options.threads}: sums may differ in their last bits)`)
    const ranks = options.group?.worldSize ?? 1
    if (ranks !== (run.ranks ?? 1)) differs.push(`${run.ranks ?? 1} rank${(run.ranks ?? 1) === 1 ? '' : 's'} (now ${ranks}: each of them has another part of a batch)`)
    const { libtorch } = loadAddon().versions()
    if (libtorch !== run.libtorchVersion) differs.push(`libtorch ${run.libtorchVersion} (now ${libtorch})`)
    if (differs.length > 0) this.log(`Warning: ${path.basename(file)} was made with ${differs.join(', ')}; the run goes on, but not bit-identical to one that was never stopped`)
    if (run.gradScaler !== null) await this.optimizer.gradScaler?.loadStateDict(run.gradScaler)
    await loadAddon().setRngState(run.rngState)
    this.#seed = options.seed ?? run.seed
    this.position = { epoch: run.epoch, iteration: run.iteration }
    this.lastLr = run.lr
    await this.#seek(placeOf(run, this.dataloader, this.optimizer.accumulateBatches ?? 1))
  }

  async #seek(place: DataPosition): Promise<void> {
    if (this.dataloader.seek === undefined) {
      this.log('The training data cannot seek (no seek()): the run goes on with its first batch')
      return
    }
    await this.dataloader.seek(place, this.#seed)
    this.dataPosition = place
  }

  /**
   * Writes `epoch-N.pkl` after an epoch, `epoch-N-iter-M.pkl` inside of one, or `final_model.pkl` (weights alone; the averaged ones where the
   * run keeps them for it) with `modelParamOnly`: to a temporary
   * file, synced, renamed, so that a kill at any moment leaves the file of before or the whole new one. Mid-epoch snapshots but the newest two
   * are removed afterwards. Of several ranks the first one writes, while the others wait.
   * @returns the file's path
   * @throws ERR_ARGUMENT before the first iteration, ERR_IO (read-only folder, disk full); the earlier snapshots stay
   */
  async saveSnapshot(options: { modelParamOnly?: boolean } = {}): Promise<string> {
    this.#settle()
    const { snapshot_dir: dir } = this.state
    const ema = this.optimizer.ema ?? null
    if (options.modelParamOnly === true) {
      const file = path.join(dir, finalModelName)
      await this.#onRank0(async () => {
        checkWritable(dir)
        await writeSnapshotFile(file, composeWeights(await (ema?.finalModel === true ? ema : this.model).stateDict()))
      })
      return file
    }
    if (this.position.epoch < 0 && this.position.iteration === 0) throw new SiamError('ERR_ARGUMENT', 'there is nothing to save: no iteration has been trained')
    const nonfinite = await this.settleSteps()
    const { epoch, iteration } = this.position
    const file = path.join(dir, iteration === 0 ? snapshotName(epoch) : snapshotName(epoch + 1, iteration))
    await this.#onRank0(async () => {
      checkWritable(dir)
      const emaState = ema === null ? null : await ema.stateDict()
      await writeSnapshotFile(file, composeSnapshot(await this.model.stateDict(), await this.optimizer.stateDict(), await this.#runState(nonfinite), emaState))
      await removeOldMidEpoch(dir, file, keptMidEpoch)
    })
    this.state.snapshot_file = file
    this.#saved = { ...this.position }
    return file
  }

  /** Work for the first rank alone, which the others wait for. */
  async #onRank0(work: () => Promise<void>): Promise<void> {
    const { group } = this.options
    if (group === undefined) await work()
    else await group.together(() => (group.rank === 0 ? work() : undefined))
  }

  /** Waits for what a device has not told yet of the steps so far, before a snapshot. @returns iterations that were skipped, for the snapshot */
  protected async settleSteps(): Promise<NonFiniteCounts> {
    return noNonFinite
  }

  /** A resumed run counts on from these; undefined: from none. */
  protected adoptCounts(_counts: NonFiniteCounts | undefined): void {}

  async #runState(nonfinite: NonFiniteCounts): Promise<RunState> {
    const addon = loadAddon()
    return {
      ...this.position,
      sampler: this.dataPosition,
      seed: this.dataloader.seed ?? this.#seed,
      configSha256: this.options.configSha256 ?? '',
      ...(this.dataloader.packs === undefined ? {} : { packs: [...this.dataloader.packs] }),
      lr: this.lastLr,
      gradScaler: (await this.optimizer.gradScaler?.stateDict()) ?? null,
      ...(this.optimizer.ema ? { ema: { updates: this.optimizer.ema.updates } } : {}),
      ...(Object.values(nonfinite).some((count) => count > 0) ? { nonfinite } : {}),
      rngState: await addon.rngState(),
      threads: this.options.threads ?? 0,
      ...((this.options.group?.worldSize ?? 1) === 1 ? {} : { ranks: this.options.group?.worldSize }),
      numIterations: this.iterationsPerEpoch,
      packageVersion,
      libtorchVersion: addon.versions().libtorch,
    }
  }

  /** SHA-256 over parameters, buffers, optimizer state and (where there is one) the average: equal means bit-identical. */
  async stateSha256(): Promise<string> {
    const optimizerState = collectTensors(await this.optimizer.stateDict())
    const momentum = Array.from(optimizerState, ([name, tensor]) => ({ name: `optimizer_state_dict.${name}`, ...tensor.toRaw() }))
    const average = (await this.optimizer.ema?.stateDict()) ?? []
    return stateSha256([...(await this.model.stateDict()), ...momentum, ...average.map((entry) => ({ ...entry, name: `${emaStateKey}.${entry.name}` }))])
  }

  /** Hands parts over that close() is to free, in the order in which they were made. */
  own(parts: readonly (Disposable | AsyncDisposable)[]): void {
    this.#owned.push(...parts)
  }

  /** Ends the run: closes monitors and the dataloader, and frees what was handed over by {@link own}. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const failures: unknown[] = []
    for (const part of [...this.monitors, this.dataloader]) {
      try {
        await part.close?.()
      } catch (error) {
        failures.push(error)
      }
    }
    await disposeInReverse(this.#owned.splice(0))
    if (failures.length > 0) throw failures[0]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Frees parts, the last made first. */
export async function disposeInReverse(parts: readonly (Disposable | AsyncDisposable)[]): Promise<void> {
  for (const part of parts.toReversed()) {
    if (Symbol.asyncDispose in part) await part[Symbol.asyncDispose]()
    else part[Symbol.dispose]()
  }
}
