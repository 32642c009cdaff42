/**
 * The training loop: data → schedule → zeroGrad → forward and losses → backward → modifyGrad → step → monitors, for each iteration. Where
 * the optimizer accumulates K batches, data, forward and backward come K times an iteration, the rest once.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import type { EngineData, HyperParams, Monitor } from '../monitors/monitor.ts'
import { withBatchSize } from '../native/device-errors.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import { epochLine, type EpochReport, skippedWarning } from '../pipeline/epoch-report.ts'
import { Gathered, type Forwarded, type Scalars } from './accumulation.ts'
import { EpochMeter, meterSource } from './epoch-meter.ts'
import type { TensorDict } from './losses.ts'
import { disposeAll } from './model.ts'
import { noNonFinite, type NonFiniteCounts } from './nonfinite.ts'
import { createProgress } from './progress.ts'
import { Ranks } from './ranks.ts'
import { StageClock } from './stage-clock.ts'
import { buildStepGraph, type CudaGraphSetting, type StepGraph, type StepStages } from './step-graph.ts'
import { StepWatch } from './step-watch.ts'
import { Timer } from './timer.ts'
import { toDevice } from './to-device.ts'
import { TrainerBase, type TrainOptions } from './trainer-base.ts'
import { Handles, type DataPosition, type TrainableOptimizer, type TrainingBatches } from './trainer-types.ts'

/** A batch, and the sample that comes after it. */
interface Pulled {
  training_data: TensorDict
  /** The first sample of it. */
  from: DataPosition | null
  next: DataPosition | null
  /** Its copy to the device, where that was begun before its iteration. */
  moving?: Promise<TensorDict>
}

/**
 * The original's trainer: `new RegularTrainer(optimizer, dataloader, monitors)`.
 *
 * Hyper-parameters: exp_name, exp_save, max_epoch, minibatch, nr_image_per_epoch (iterations of an epoch = nr_image_per_epoch // (minibatch × accumulate_batches)), snapshot
 * (a file to begin from); ours: snapshot_every (iterations between mid-epoch snapshots, 0: none), timer, cuda_graph, max_nonfinite (skipped iterations
 * in a row that end the run).
 */
export class RegularTrainer extends TrainerBase {
  static override defaultHyperParams: HyperParams = { ...TrainerBase.defaultHyperParams, minibatch: 1, nr_image_per_epoch: 1, max_epoch: 1, snapshot: '', snapshot_every: 0, timer: 'wall', cuda_graph: false, max_nonfinite: 10 }

  #snapshotEvery = 0
  #maxNonFinite = 10
  #running = false
  readonly #watch = new StepWatch(() => ({ folder: this.state.snapshot_dir, limit: this.#maxNonFinite, snapshot: this.state.snapshot_file, dataloader: this.dataloader, group: this.options.group ?? null, log: (line) => this.log(line) }))
  /** No batch of this dataloader has come yet: its threads are still to start. */
  #cold = true
  #iterator: AsyncIterator<TensorDict> | Iterator<TensorDict> | null = null
  /** A batch that was asked for when the run was told to stop; the next train() begins with it. */
  #pending: Promise<Pulled> | null = null
  /** The batch of #pending, once it is there and has not been sent to the device. */
  #ahead: Pulled | null = null
  /** An iteration that lacks batches because the data failed; the next train() goes on with it. */
  #left: Gathered | null = null
  /** undefined: not decided yet; null: steps are eager. */
  #graph: StepGraph | null | undefined
  readonly #stages: StepStages = { forward: (batch, handles) => this.#forward(batch, handles, handles), backward: (forwarded, handles) => this.#backward(forwarded, handles, true) }
  #clock: StageClock | null = null
  /** One batch's share of an iteration, on the device; made where it is not 1. */
  #share: Tensor | null = null
  /** The other processes of a distributed run; null: there are none. */
  #ranks: Ranks | null = null

  override updateParams(): void {
    super.updateParams()
    const minibatch = this.integerParam('minibatch', 1)
    const images = this.integerParam('nr_image_per_epoch', 1)
    const batches = this.#accumulateBatches
    if (images < minibatch * batches) {
      const several = batches === 1 ? '' : `, and an iteration takes ${batches} of them (accumulate_batches)`
      throw new SiamError('ERR_CONFIG', `an epoch would have 0 iterations: nr_image_per_epoch is ${images}, minibatch is ${minibatch}${several}`, {
        hint: 'nr_image_per_epoch must be at least minibatch × accumulate_batches',
      })
    }
    this.hyperParams.num_iterations = Math.floor(images / (minibatch * batches))
    this.state.max_iteration = this.iterationsPerEpoch
    this.#snapshotEvery = this.integerParam('snapshot_every', 0)
    this.#maxNonFinite = this.integerParam('max_nonfinite', 1)
    const timer = this.stringParam('timer')
    if (timer !== 'wall' && timer !== 'event') throw invalidArgument("'wall' or 'event'", 'RegularTrainer.timer', timer, 'ERR_CONFIG')
    const { cuda_graph } = this.hyperParams
    if (typeof cuda_graph !== 'boolean' && cuda_graph !== 'auto') throw invalidArgument("true, false or 'auto'", 'RegularTrainer.cuda_graph', cuda_graph, 'ERR_CONFIG')
    this.#dropGraph()
  }

  /** Iterations that were skipped so far because a loss or a gradient was not finite, and those in which the gradient scaler lowered its scale. */
  get nonFiniteCounts(): Readonly<NonFiniteCounts> {
    return this.#watch.counts
  }

  protected override async settleSteps(): Promise<NonFiniteCounts> {
    await this.#watch.drain()
    return { ...this.#watch.counts }
  }

  protected override adoptCounts(counts: NonFiniteCounts | undefined): void {
    this.#watch.restore(counts ?? noNonFinite)
  }

  protected get iterationsPerEpoch(): number {
    return this.hyperParams.num_iterations as number
  }

  get #accumulateBatches(): number {
    return this.optimizer.accumulateBatches ?? 1
  }

  override setDataloader(dataloader: TrainingBatches): void {
    super.setDataloader(dataloader)
    this.#cold = true
    this.#iterator = null
    void disposePulled(this.#pending)
    this.#pending = null
    this.#dropLeft()
  }

  override setOptimizer(optimizer: TrainableOptimizer): void {
    const before = this.#accumulateBatches
    super.setOptimizer(optimizer)
    this.#endClock()
    this.#dropLeft()
    this.#dropGraph()
    if (this.#accumulateBatches !== before) this.updateParams()
  }

  #endClock(): void {
    this.#clock?.[Symbol.dispose]()
    this.#clock = null
  }

  /** Gradients and scalars of a begun iteration, and what depends on the optimizer. */
  #dropLeft(): void {
    this.#left?.dispose()
    this.#left = null
    this.#share?.dispose()
    this.#share = null
  }

  #dropGraph(): void {
    this.#graph?.dispose()
    this.#graph = undefined
  }

  override async resume(target: 'latest' | number | string): Promise<void> {
    await super.resume(target)
    // What was fetched or begun before belongs to another place of the run.
    const pending = this.#pending
    this.#pending = null
    this.#iterator = null
    this.#cold = true
    this.#dropLeft()
    await disposePulled(pending)
    // A batch that was being made meanwhile has moved the data on, from the new place.
    if (pending !== null && this.dataPosition !== null) await this.dataloader.seek?.(this.dataPosition)
  }

  override async initTrain(): Promise<void> {
    const snapshot = this.stringParam('snapshot')
    // resume() has precedence over the configuration's snapshot.
    if (snapshot !== '' && this.state.snapshot_file === '') await this.resume(snapshot)
    await super.initTrain()
    const { group } = this.options
    this.#ranks = group === undefined ? null : new Ranks(group, this.model)
    await this.#ranks?.begin()
  }

  /**
   * Trains the next epoch, or what a mid-epoch snapshot left of it.
   * @throws ERR_ABORTED once the running iteration is done when the signal fires; ERR_NONFINITE when max_nonfinite iterations in a row were
   *   skipped because a loss or a gradient was NaN or infinite; ERR_DISTRIBUTED when another rank is lost or has failed; ERR_ARGUMENT when
   *   all epochs are done; whatever the parts throw
   */
  async train(options: TrainOptions = {}): Promise<void> {
    if (this.#running) throw new SiamError('ERR_ARGUMENT', 'train() was called while an epoch is running', { hint: 'await the first call' })
    this.#running = true
    try {
      await this.#trainEpoch(options)
    } finally {
      this.#running = false
    }
  }

  async #trainEpoch(options: TrainOptions): Promise<void> {
    if (!this.state.initialized) await this.initTrain()
    if (this.isCompleted()) throw new SiamError('ERR_ARGUMENT', `training is finished: ${this.position.epoch + 1} of ${this.state.max_epoch} epochs are done`, { hint: 'raise max_epoch to train longer' })
    this.#clock ??= StageClock.for(this.stringParam('timer'), this.model.device)
    const { state, optimizer, iterationsPerEpoch } = this
    if (this.#graph === undefined) this.#graph = await buildStepGraph(optimizer, this.hyperParams.cuda_graph as CudaGraphSetting, { ...this.options, log: (line) => this.log(line) })
    const epoch = this.position.epoch + 1
    const first = this.position.iteration
    const end = Math.min(iterationsPerEpoch, first + (options.maxIterations ?? Infinity))
    state.epoch = epoch
    state.max_iteration = iterationsPerEpoch
    // A freezer decides by the epoch alone, so running it again in a resumed epoch restores what was frozen.
    await optimizer.modifyGrad(epoch)
    const pbar = createProgress({ total: iterationsPerEpoch, initial: first, mode: this.options.progress })
    state.pbar = pbar
    state.print_str = ''
    const meter = new EpochMeter(meterSource(this.dataloader, this.model, this.options.threads, () => this.skipCounts), this.#cold)
    this.#cold = false
    const place = { epoch, firstIteration: first, iterationsPerEpoch }
    const skipsBefore = this.#watch.counts
    try {
      for (let iteration = first; iteration < end; iteration++) {
        state.iteration = iteration
        await this.#iterate(epoch, iteration, options.signal, meter)
        this.position = iteration + 1 === iterationsPerEpoch ? { epoch, iteration: 0 } : { epoch: epoch - 1, iteration: iteration + 1 }
        pbar.setDescription(state.print_str)
        pbar.update()
        await this.#snapshotWhenDue(epoch * iterationsPerEpoch + iteration + 1)
      }
    } catch (error) {
      // A run that was told to stop says where its time went, too. No monitor may come between it and its snapshot.
      if (error instanceof SiamError && error.code === 'ERR_ABORTED') this.#endEpoch(meter, place, skipsBefore)
      throw (await this.#ranks?.ended(error)) ?? error
    } finally {
      pbar.close()
      state.pbar = undefined
    }
    const report = this.#endEpoch(meter, place, skipsBefore)
    if (report !== null) await this.#show(true, this.monitors, (monitor) => monitor.epochEnd?.(report))
  }

  /** @param together  the other ranks are here, too, and wait: they have no monitors, and would take a slow one for a lost rank */
  async #show(together: boolean, monitors: readonly Monitor[], tell: (monitor: Monitor) => void | Promise<void>): Promise<void> {
    const work = async (): Promise<void> => {
      for (const monitor of monitors) await tell(monitor)
    }
    await (this.#ranks === null || !together ? work() : this.#ranks.group.together(work))
  }

  /** Prints the epoch's line. @returns null where no iteration was done */
  #endEpoch(meter: EpochMeter, place: Parameters<EpochMeter['report']>[0], before: Readonly<NonFiniteCounts>): EpochReport | null {
    if (meter.iterations === 0) return null
    const { skipped, scaleSkips } = this.#watch.counts
    const report = { ...meter.report(place), nonFinite: skipped - before.skipped, scaleSkips: scaleSkips - before.scaleSkips }
    this.log(epochLine(report))
    const warning = skippedWarning(report, this.lastSkippedFile)
    if (warning !== null) this.log(warning)
    return report
  }

  async #iterate(epoch: number, iteration: number, signal: AbortSignal | undefined, meter: EpochMeter): Promise<void> {
    const { optimizer } = this
    const gathered = this.#takeGathered(epoch, iteration)
    try {
      while (gathered.batches < this.#accumulateBatches) await this.#gather(gathered, signal)
      await this.#ranks?.syncBuffers()
      await optimizer.modifyGrad(epoch, iteration)
      await gathered.timed('optim', () => optimizer.step())
      this.dataPosition = gathered.next

      const own = gathered.handles.add(optimizer.takeExtras?.() ?? {})
      await this.#watch.add(gathered, optimizer)
      const due = this.monitors.filter((monitor) => monitor.isDue(iteration))
      const unread = gathered.unread.length > 0
      if (due.length > 0 || gathered.dueOnRank0 || this.#watch.full || (unread && this.#snapshotFollows(epoch, iteration))) {
        // Whoever reads waits for the device: the next batch travels meanwhile.
        if (unread) this.#sendAhead()
        const read = await meter.sync(unread, () => this.#watch.read(gathered, own))
        if (unread) this.#checkFinite(read, epoch, iteration)
        const scalars = this.#ranks !== null && gathered.dueOnRank0 ? await this.#ranks.mean(read) : read
        const engine_data: EngineData = { schedule_info: gathered.schedule_info, ...scalars, time_dict: { ...gathered.time_dict, ...(await gathered.deviceSeconds()) } }
        await this.#show(gathered.dueOnRank0, due, (monitor) => monitor.update(engine_data))
      }
      this.#watch.throwIfEnough()
      this.reportSkipped()
      meter.add(gathered.time_dict, gathered)
    } finally {
      if (this.#left !== gathered) this.#watch.release(gathered)
    }
  }

  /** The iteration that an error of the data interrupted between two batches, or a new one. */
  #takeGathered(epoch: number, iteration: number): Gathered {
    const left = this.#left
    this.#left = null
    if (left !== null && left.epoch === epoch && left.iteration === iteration) return left
    left?.dispose()
    return new Gathered(epoch, iteration, this.#clock)
  }

  /**
   * One batch of an iteration: its gradients are added to those of the batches before it. A signal ends only the wait for the first one: with
   * half an iteration in the running statistics of BatchNorm a snapshot would not resume exactly.
   */
  async #gather(gathered: Gathered, signal: AbortSignal | undefined): Promise<void> {
    const { optimizer } = this
    const { epoch, iteration, batches } = gathered
    // If the data fails here, the next train() goes on with the batch after those that are in.
    this.#left = batches > 0 ? gathered : null
    const { training_data, from, next, moving } = await gathered.timed('data', () => this.#nextBatch(gathered, batches === 0 ? signal : undefined))
    this.#left = null
    this.#ahead = null
    const handles = new Handles()
    const pairs = training_data.im_z?.shape[0] ?? this.integerParam('minibatch', 1)
    try {
      handles.add(training_data)
      const batch = moving === undefined ? await this.#onDevice(training_data, handles, gathered) : handles.add(await moving)
      if (iteration + 1 < this.iterationsPerEpoch) this.#fetchAhead()
      if (batches === 0) {
        gathered.schedule_info = optimizer.schedule(epoch, iteration)
        this.lastLr = gathered.schedule_info.lr ?? this.lastLr
        optimizer.zeroGrad()
      }
      const { handles: kept } = gathered
      const replayed = await gathered.timed('fwd', () => this.#graph?.run(batch, this.#stages, kept) ?? null)
      const forwarded = replayed ?? (await gathered.timed('fwd', () => this.#forward(batch, handles, kept)))
      gathered.unread.push(forwarded)
      // On the CPU the values are there already. On a device reading them here would stall it, so they are read after the step, and only when
      // a monitor asks or a snapshot follows.
      if (this.model.device === 'cpu') {
        await gathered.readNow()
        this.#checkFinite(gathered.read.at(-1) as Scalars, epoch, iteration)
      }
      await gathered.timed('bwd', () => (replayed === null ? this.#backward(forwarded, handles, batches + 1 === this.#accumulateBatches) : undefined))
      gathered.batches++
      gathered.pairs += pairs * (this.options.group?.worldSize ?? 1)
      const source = this.dataloader.sourceOf?.(training_data) ?? (from === null ? null : { ...from, count: pairs })
      if (source !== null) gathered.sources.push(source)
      gathered.next = next
    } catch (error) {
      throw withBatchSize(error, pairs)
    } finally {
      handles.dispose()
    }
  }

  /** The next batch; a signal that fires while it is awaited ends the wait, and the batch is kept for the next train(). */
  async #nextBatch(gathered: Gathered, signal: AbortSignal | undefined): Promise<Pulled> {
    if (this.#ranks !== null) return this.#nextOfAll(this.#ranks, gathered, signal)
    if (signal?.aborted === true) throw stopped(signal)
    const batch = (this.#pending ??= this.#pull())
    // If the batch fails after the wait was given up, the next train() reports it.
    batch.catch(() => undefined)
    let gaveUp = false
    let stop = (): void => {}
    const aborted = new Promise<never>((_resolve, reject) => {
      stop = () => {
        gaveUp = true
        reject(stopped(signal))
      }
    })
    signal?.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([batch, aborted])
    } finally {
      signal?.removeEventListener('abort', stop)
      if (!gaveUp) this.#pending = null
    }
  }

  /** The same where other ranks wait for theirs: all get one, or none does. */
  async #nextOfAll(ranks: Ranks, gathered: Gathered, signal: AbortSignal | undefined): Promise<Pulled> {
    const batch = (this.#pending ??= this.#pull())
    const failed = batch.then(() => false, () => true)
    try {
      const { value, due } = await ranks.next(batch, { signal, due: this.monitors.some((monitor) => monitor.isDue(gathered.iteration)) })
      gathered.dueOnRank0 = due
      this.#pending = null
      return value
    } catch (error) {
      if (!(error instanceof SiamError && error.code === 'ERR_ABORTED') && (await Promise.race([failed, false]))) this.#pending = null
      throw error
    }
  }

  async #pull(): Promise<Pulled> {
    for (let begun = false; ; ) {
      if (this.#iterator === null) {
        const { dataloader } = this
        this.#iterator = Symbol.asyncIterator in dataloader ? dataloader[Symbol.asyncIterator]() : dataloader[Symbol.iterator]()
        begun = true
      }
      const from = this.dataloader.cursor ?? null
      const result = await this.#iterator.next()
      if (result.done !== true) return { training_data: result.value, from, next: this.dataloader.cursor ?? null }
      this.#iterator = null
      if (begun) throw new SiamError('ERR_DATA', 'the training data ended without a single batch')
    }
  }

  /** Asks for the next batch while the device computes with this one. A user's own iterable is never asked for more than an iteration needs. */
  #fetchAhead(): void {
    if (this.model.device === 'cpu' || this.#pending !== null || this.dataloader.cursor === undefined) return
    const batch = this.#pull().then((pulled) => {
      if (this.#pending === batch) this.#ahead = pulled
      return pulled
    })
    // If it fails, the iteration that needs it says so.
    batch.catch(() => undefined)
    this.#pending = batch
  }

  /** Begins the next batch's way to the device, if it is there: the call must come before that which makes the engine wait for the device. */
  #sendAhead(): void {
    const pulled = this.#ahead
    this.#ahead = null
    if (pulled === null || this.#pending === null) return
    pulled.moving = toDevice(pulled.training_data, this.model.device)
    pulled.moving.catch(() => undefined)
  }

  /** The batch where the model is. On the CPU it is there already. */
  async #onDevice(training_data: TensorDict, handles: Handles, gathered: Gathered): Promise<TensorDict> {
    if (this.model.device === 'cpu') return training_data
    const timer = new Timer()
    const batch = handles.add(await toDevice(training_data, this.model.device))
    gathered.moveSeconds += timer.stop()
    // Its memory may serve the next batch as soon as the device has read it.
    disposeAll(training_data)
    return batch
  }

  /** @param handles frees what the batch alone needs     @param kept frees losses and extras, which are read later */
  async #forward(training_data: TensorDict, handles: Handles, kept: Handles): Promise<Forwarded> {
    const predict_data = handles.add(await this.model.forward(training_data))
    const training_losses: TensorDict = {}
    const extras: Record<string, TensorDict> = {}
    for (const [name, loss] of Object.entries(this.model.losses)) {
      const result = await loss.forward(predict_data, training_data)
      training_losses[name] = kept.add(result.loss)
      extras[name] = kept.add(result.extra)
    }
    const scalars = Object.values(training_losses)
    if (scalars.length === 0) throw new SiamError('ERR_ARGUMENT', 'the model has no losses to minimise', { hint: 'set model.losses, or model.losses.names in the configuration' })
    const total_loss = handles.add(new Tensor(await loadAddon().sum(scalars.map(({ native }) => native))))
    return { training_losses, extras, total_loss }
  }

  /** Adds this batch's share to the gradients: those of the mean over the iteration's batches. */
  async #backward({ total_loss, training_losses, extras }: Forwarded, handles: Handles, last: boolean): Promise<void> {
    const { optimizer } = this
    if (last) await this.#ranks?.expect(total_loss)
    const batches = this.#accumulateBatches
    if (optimizer.backward !== undefined) return optimizer.backward(total_loss, 1 / batches, [training_losses, ...Object.values(extras)].flatMap((values) => Object.values(values)))
    const { gradScaler } = optimizer
    const scalar = gradScaler === null ? total_loss : handles.add(await gradScaler.scale(total_loss))
    if (batches === 1) return scalar.backward()
    this.#share ??= Tensor.from(new Float32Array([1 / batches]), scalar.shape, { device: this.model.device })
    await scalar.backward(this.#share)
  }

  #checkFinite({ training_losses }: Scalars, epoch: number, iteration: number): void {
    // Our optimizer skips such an iteration, and a scaler the step; one of a user's own that does neither would spoil the weights.
    if (this.optimizer.takeOutcome !== undefined || this.optimizer.gradScaler !== null) return
    for (const [name, value] of Object.entries(training_losses)) {
      if (Number.isFinite(value)) continue
      throw new SiamError('ERR_NONFINITE', `the loss ${name} became ${value} at epoch ${epoch}, iteration ${iteration} (learning rate ${this.lastLr.toExponential(2)})`, {
        hint: 'resume from the last snapshot with a lower learning rate, or look at the data of this iteration',
      })
    }
  }

  #snapshotFollows(epoch: number, iteration: number): boolean {
    const done = epoch * this.iterationsPerEpoch + iteration + 1
    return iteration + 1 === this.iterationsPerEpoch || (this.#snapshotEvery > 0 && done % this.#snapshotEvery === 0)
  }

  /** @param done iterations since the beginning of epoch 0 */
  async #snapshotWhenDue(done: number): Promise<void> {
    // An epoch's end has a snapshot of its own, which whoever called train() writes.
    if (this.#snapshotEvery === 0 || done % this.#snapshotEvery !== 0 || this.position.iteration === 0) return
    this.log(`Saved ${await this.saveSnapshot()}`)
  }

  override async close(): Promise<void> {
    const pending = this.#pending
    this.#pending = null
    // A generator's finally blocks run here. While a batch is awaited they could not: return() would wait for it.
    const iterator = this.#iterator
    if (pending === null) await iterator?.return?.()
    this.#iterator = null
    this.#watch.drop()
    this.#dropLeft()
    this.#dropGraph()
    this.#endClock()
    this.#ranks?.dispose()
    await super.close()
    // Closing the dataloader ends the wait for a batch that nobody will use.
    await disposePulled(pending)
    if (pending !== null) await iterator?.return?.()
  }
}

async function disposePulled(pending: Promise<Pulled> | null): Promise<void> {
  const left = await pending?.catch(() => null)
  if (left === undefined || left === null) return
  disposeAll(left.training_data)
  disposeAll((await left.moving?.catch(() => null)) ?? {})
}

function stopped(signal: AbortSignal | undefined): SiamError {
  return new SiamError('ERR_ABORTED', 'training was stopped', { cause: signal?.reason })
}
