/**
 * Batches of training pairs, made by the addon's loader threads; the pixels never enter JavaScript.
 */
import { availableParallelism } from 'node:os'
import { maxReadAhead } from '../config/schema-data.ts'
import { SiamError, invalidArgument } from '../errors.ts'
import type { DecodeLimitRun, LoaderSpec, LoaderStats, NativeFrameCache, NativeLoader, SkippedSample } from '../native/addon.ts'
import { checkedDevice } from '../native/device.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import { nearestName } from '../registry.ts'
import { type BatchSource, type SampleDescription, describeSamples } from './batch-samples.ts'
import { MeansKeeper } from './index-means.ts'
import { type IndexDatasetsOptions, indexDatasets } from './open-datasets.ts'
import type { ProblemLog } from './problems.ts'
import { type DataConfig, type DataSettings, readDataSettings } from './settings.ts'

/** Keys of a batch, in the original's order. */
export const trainingDataKeys = ['im_z', 'im_x', 'bbox_z', 'bbox_x', 'cls_gt', 'ctr_gt', 'box_gt', 'is_negative_pair'] as const

/**
 * One batch of N pairs: `im_z`, `im_x` uint8 [N,3,S,S] BGR; `bbox_z`, `bbox_x` float32 [N,4] xyxy in the crops; `cls_gt`, `ctr_gt` float32
 * [N,R²,1]; `box_gt` float32 [N,R²,4]; `is_negative_pair` int64 [N].
 */
export type TrainingData = Record<(typeof trainingDataKeys)[number], Tensor>

/** Samples that could not be read and were replaced, and the attempts at them that failed: what is drawn instead may be bad, too. */
export interface SkipCounts {
  samples: number
  attempts: number
}

/** What a pack of a data set is, wherever it lies. */
export interface PackContents {
  dataset: string
  /** CRC-32C of its table, which holds one of each picture. */
  crc: number
  density: number
}

/** The sample that comes next: sample `sample` (0-based) of epoch `epoch`. */
export interface DataCursor {
  epoch: number
  sample: number
}

export interface DataloaderOptions extends Omit<IndexDatasetsOptions, 'pack'> {
  /** Folder of packs to train from instead of frames. Default: `pack` of the configuration. '': frames. */
  pack?: string
  /** Sample i of epoch e depends on (seed, e, i) alone. Default: `seed` of the configuration, 0. */
  seed?: number
  /** Loader threads; default: `num_workers`, but no more than there are cores. */
  threads?: number
  /** Batches made ahead. Default: `queue_batches` of the configuration, 4. */
  queueBatches?: number
  /** Threads that read frames ahead, at most (0 to 1024); 0: none. Default: `read_ahead` of the configuration, 32. */
  readAhead?: number
  /** Bound on the memory of frames that are kept, in bytes; 0: none are. Default: `cache` of the configuration, 0. */
  cacheBytes?: number
  /** Where the batches will be copied to: for a GPU they lie in page-locked memory, as far as the system gives it. They are on the CPU all the same. Default: cpu */
  device?: string
  /** This process's number among those that share the batches, and how many they are. Default: 0 of 1. */
  rank?: number
  worldSize?: number
  /** false: leave it to another process to keep the frames' means that this one comes to know. */
  keepMeans?: boolean
  /** Where to begin: a resumed run goes on at its snapshot's cursor. Default: epoch 0, sample 0. */
  startEpoch?: number
  startSample?: number
}

/**
 * An endless stream of batches: epoch after epoch of {@link samplesPerEpoch} samples. Whoever takes a batch disposes its tensors.
 * The threads start with the first batch that is asked for, so that a resumed run can {@link seek} before anything is read.
 */
export class Dataloader implements AsyncIterable<TrainingData>, AsyncDisposable {
  readonly settings: DataSettings
  /** What indexing found wrong. */
  readonly problems: ProblemLog
  readonly #signal: AbortSignal | undefined
  readonly #means: MeansKeeper | undefined
  /** Of the packs, by data set. */
  readonly #densities: readonly number[]
  #spec: LoaderSpec
  #native: NativeLoader | null = null
  readonly #cacheBytes: number
  /** Kept here and not by the native loader: a seek() makes a new one, which goes on with the frames of the old one. */
  #cache: NativeFrameCache | null = null
  #cursor: DataCursor
  /** Counts of loaders that a seek() ended. */
  #skippedBefore: SkipCounts = { samples: 0, attempts: 0 }
  #skippedLeft: SkippedSample[] = []
  #closing: Promise<void> | null = null
  readonly #sources = new WeakMap<object, BatchSource>()

  /** @internal use {@link buildDataloader} */
  constructor(spec: LoaderSpec, settings: DataSettings, problems: ProblemLog, { cacheBytes = 0, signal, means, densities = [] }: { cacheBytes?: number; signal?: AbortSignal; means?: MeansKeeper; densities?: readonly number[] } = {}) {
    this.#spec = spec
    this.settings = settings
    this.problems = problems
    this.#cursor = { epoch: spec.startEpoch, sample: spec.startSample }
    this.#cacheBytes = cacheBytes
    this.#signal = signal
    this.#means = means
    this.#densities = densities
  }

  get samplesPerEpoch(): number {
    return this.settings.samplesPerEpoch
  }

  /** Of one batch of each rank. */
  get samplesPerBatch(): number {
    return this.settings.batchSize * (this.#spec.worldSize ?? 1)
  }

  get seed(): number {
    return this.#spec.seed
  }

  /** The first sample of the batch that {@link next} gives next; of several ranks: of the first one's. */
  get cursor(): DataCursor {
    return { ...this.#cursor }
  }

  /** Whether the frames come from packs: those of all data sets, or of none. */
  get packed(): boolean {
    return this.packs.length > 0
  }

  /** What stands for the contents of the packs that it reads, wherever they lie; empty when it reads frames. */
  get packs(): PackContents[] {
    return this.#spec.datasets.flatMap(({ name, pack }, i) => (pack === undefined ? [] : [{ dataset: name, crc: pack.rowsCrc, density: this.#densities[i] ?? 0 }]))
  }

  /** Samples that could not be read and were replaced, so far. */
  get skipped(): number {
    return this.skipCounts().samples
  }

  /** The same with the attempts that it took, so far. */
  skipCounts(): SkipCounts {
    const { skippedSamples, skipped } = this.stats()
    return { samples: this.#skippedBefore.samples + skippedSamples, attempts: this.#skippedBefore.attempts + skipped }
  }

  /**
   * The next batch.
   * @throws ERR_DATA when a sample cannot be read and `strict` is set, or too many in a row; ERR_SETUP when the system has no files, memory or
   *   threads left; ERR_ABORTED when a {@link seek} came while it waited; ERR_DISPOSED after close(); the signal's reason
   */
  async next(): Promise<TrainingData> {
    this.#signal?.throwIfAborted()
    const native = this.#open()
    const { epoch, firstSample, tensors } = await native.next()
    // The batch was ready, and before its promise got here a seek() went elsewhere: it is no more wanted than those that were made ahead.
    if (this.#native !== native) {
      for (const tensor of Object.values(tensors)) tensor.dispose()
      throw new SiamError('ERR_ABORTED', 'next: a seek() came while it waited', { hint: 'ask again: the next batch is the one at the new place' })
    }
    const before = this.#cursor
    // Counted from the first rank's batch. Whatever the place of a seek was: batches that end behind the epoch's end go on in the next one.
    const end = epoch * this.samplesPerEpoch + firstSample + this.samplesPerBatch - (this.#spec.rank ?? 0) * this.settings.batchSize
    this.#cursor = { epoch: Math.floor(end / this.samplesPerEpoch), sample: end % this.samplesPerEpoch }
    if (this.#cursor.epoch > before.epoch) this.#means?.saveSometimes()
    const batch: Partial<TrainingData> = {}
    for (const key of trainingDataKeys) {
      const tensor = tensors[key]
      if (tensor === undefined) throw new SiamError('ERR_INTERNAL', `the loader's batch has no ${key}`)
      batch[key] = new Tensor(tensor)
    }
    this.#sources.set(batch, { epoch, sample: firstSample, count: this.settings.batchSize })
    return batch as TrainingData
  }

  /** Which samples a batch of this loader was made of; null for another. It may be freed already. */
  sourceOf(batch: object): BatchSource | null {
    return this.#sources.get(batch) ?? null
  }

  /** What these samples drew: data sets, sequences, frames. */
  describeSamples(source: BatchSource): SampleDescription[] {
    return describeSamples(this.#spec, source)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingData, void, undefined> {
    for (;;) yield await this.next()
  }

  /**
   * Goes to a sample: the next batch begins with it. Batches made ahead are thrown away, and a {@link next} that waits rejects with ERR_ABORTED.
   * @param seed  a new seed for all further samples; default: the present one
   * @throws ERR_ARGUMENT for a position that no epoch has, ERR_DISPOSED after close()
   */
  async seek(position: DataCursor, seed: number = this.#spec.seed): Promise<void> {
    const startEpoch = integerOption('position.epoch', position.epoch, 0)
    const startSample = sampleOption('position.sample', position.sample, this.samplesPerEpoch)
    this.#throwIfClosed()
    const old = this.#native
    this.#skippedBefore = this.skipCounts()
    this.#native = null
    this.#spec = { ...this.#spec, startEpoch, startSample, seed: integerOption('seed', seed, 0) }
    this.#cursor = { epoch: startEpoch, sample: startSample }
    if (old === null) return
    this.#skippedLeft.push(...old.takeSkipped())
    await old.close()
  }

  /** Counts and times of the loader threads since the start or the last {@link seek}. */
  stats(): LoaderStats {
    return this.#native?.stats() ?? { ...noLoaderStats }
  }

  /** Batches that are made ahead at most. */
  get queueBatches(): number {
    return this.#spec.queueBatches
  }

  /**
   * Decodes the regions of the samples from {@link cursor} on, read into memory before, for some seconds with as many threads as the loader has.
   * @throws ERR_DATA when none of the samples is good, ERR_DISPOSED after close()
   */
  async measureDecodeLimit(options: { samples: number; seconds: number }): Promise<DecodeLimitRun> {
    this.#throwIfClosed()
    const { epoch: startEpoch, sample: startSample } = this.#cursor
    return loadAddon().measureDecodeLimit({ ...this.#spec, startEpoch, startSample }, { ...options, threads: this.#spec.threads })
  }

  /** Attempts that failed since the last call, with file and reason; at most 1000 are kept. `attempt` 0 is the sample itself, later ones what was drawn instead. */
  takeSkipped(): SkippedSample[] {
    return [...this.#skippedLeft.splice(0), ...(this.#native?.takeSkipped() ?? [])]
  }

  /** Stops and joins the threads; a next() that waits rejects with ERR_ABORTED. A second call waits for the first. */
  async close(): Promise<void> {
    this.#closing ??= this.#end()
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #end(): Promise<void> {
    await this.#native?.close()
    this.#cache?.dispose()
    await this.#means?.save()
    for (const index of this.#spec.datasets) {
      index.file?.dispose()
      index.pack?.dispose()
    }
  }

  #open(): NativeLoader {
    this.#throwIfClosed()
    if (this.#native !== null) return this.#native
    if (this.#cacheBytes > 0) this.#cache ??= loadAddon().createFrameCache(this.#cacheBytes)
    return (this.#native = loadAddon().createLoader(this.#cache === null ? this.#spec : { ...this.#spec, cache: this.#cache }))
  }

  #throwIfClosed(): void {
    if (this.#closing !== null) throw new SiamError('ERR_DISPOSED', 'this dataloader was used after close()')
  }
}

/** What {@link Dataloader.stats} says before the threads have started. */
const noLoaderStats: Readonly<LoaderStats> = {
  batches: 0,
  samples: 0,
  skipped: 0,
  skippedSamples: 0,
  readSeconds: 0,
  decodeSeconds: 0,
  meanSeconds: 0,
  warpSeconds: 0,
  cpuSeconds: 0,
  idleSeconds: 0,
  waitSeconds: 0,
  bytesRead: 0,
  wholeDecodes: 0,
  regionDecodes: 0,
  queueDepthBatches: 0,
  threads: 0,
  failedThreads: 0,
  busySeconds: 0,
  readAheadThreads: 0,
  readAheadFrames: 0,
  readAheadBytes: 0,
  readAheadSeconds: 0,
  cacheHits: 0,
  cacheMisses: 0,
  cacheFrames: 0,
  cacheBytes: 0,
  cacheLimitBytes: 0,
}

/** Frees the tensors of a batch. */
export function disposeTrainingData(batch: TrainingData): void {
  for (const tensor of Object.values(batch)) tensor.dispose()
}

/**
 * Reads the annotations of `train.track.data`, or opens its packs, and prepares the loader threads, which start with the first batch.
 *
 * @param config   a loaded configuration; its `seed`, `queue_batches` and `strict` hold where the options say nothing
 * @returns batches from (startEpoch, startSample) on, without end; `close()` it
 * @throws ERR_CONFIG, ERR_DATA (see {@link indexDatasets} and {@link openPackedDataset}), ERR_ARGUMENT for a bad option
 */
export async function buildDataloader(config: DataConfig, options: DataloaderOptions = {}): Promise<Dataloader> {
  checkOptionNames(options)
  const worldSize = integerOption('worldSize', options.worldSize ?? 1, 1)
  const rank = integerOption('rank', options.rank ?? 0, 0, { max: worldSize - 1 })
  const settings = readDataSettings(config, worldSize)
  const strict = options.strict ?? settings.strict
  const spec: LoaderSpec = {
    datasets: [],
    seed: integerOption('seed', options.seed ?? settings.seed, 0),
    negativePairRatio: settings.negativePairRatio,
    symmetricWindow: settings.symmetricWindow,
    filter: settings.filter,
    crop: settings.crop,
    target: settings.target,
    batchSize: settings.batchSize,
    threads: integerOption('threads', options.threads ?? Math.min(Math.max(settings.numWorkers, 1), availableParallelism()), 1),
    queueBatches: integerOption('queueBatches', options.queueBatches ?? settings.queueBatches, 1),
    samplesPerEpoch: settings.samplesPerEpoch,
    startEpoch: integerOption('startEpoch', options.startEpoch ?? 0, 0),
    startSample: sampleOption('startSample', options.startSample ?? 0, settings.samplesPerEpoch),
    strict,
    readAheadThreads: integerOption('readAhead', options.readAhead ?? settings.readAhead, 0, { max: maxReadAhead }),
    decode: settings.decode,
    ...(worldSize === 1 ? {} : { rank, worldSize }),
    // Whatever pin_memory says: out of plain memory the host itself copies, 4 ms for 128 pairs, while a GPU waits.
    device: checkedDevice(options.device ?? 'cpu', 'options.device'),
  }
  const cacheBytes = integerOption('cacheBytes', options.cacheBytes ?? settings.cacheBytes, 0, { unit: ' (a number of bytes)' })
  const dir = textOption('pack', options.pack ?? settings.pack)
  const { indexes, problems, reports } = await indexDatasets(settings, { ...options, strict, pack: dir === '' ? undefined : { dir, crop: settings.crop, single: settings.datasets.length === 1 } })
  for (const { dataset, pack } of reports) if (pack !== undefined) options.log?.(`${dataset}: from ${pack.origin}`)
  return new Dataloader({ ...spec, datasets: indexes }, settings, problems, { cacheBytes, signal: options.signal, means: options.keepMeans === false ? undefined : new MeansKeeper(indexes, options.log), densities: reports.map(({ pack }) => pack?.density ?? 0) })
}

/** Every option has its entry here: the compiler sees to it. */
const optionNames: Record<keyof Required<DataloaderOptions>, true> = {
  pack: true, seed: true, threads: true, queueBatches: true, readAhead: true, cacheBytes: true, device: true, rank: true, worldSize: true, keepMeans: true, startEpoch: true, startSample: true,
  strict: true, cwd: true, onProgress: true, rebuild: true, log: true, signal: true,
}

/** A name with a typing error would be passed over in plain JavaScript, and frames be read instead of a pack. @throws ERR_ARGUMENT */
function checkOptionNames(options: DataloaderOptions): void {
  const known = Object.keys(optionNames)
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(optionNames, name)) continue
    // `cache` is too many edits away from cacheBytes.
    const nearest = nearestName(name, known) ?? known.find((other) => other.toLowerCase().startsWith(name.toLowerCase()))
    throw new SiamError('ERR_ARGUMENT', `buildDataloader has no option ${JSON.stringify(name)}`, { hint: nearest === undefined ? `it has ${known.join(', ')}` : `did you mean ${JSON.stringify(nearest)}?` })
  }
}

function integerOption(name: string, value: unknown, min: number, { max = Infinity, unit = '' }: { max?: number; unit?: string } = {}): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw invalidArgument(`${max === Infinity ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`}${unit}`, name, value)
  }
  return value
}

function textOption(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument('text', name, value)
  return value
}

function sampleOption(name: string, value: unknown, samplesPerEpoch: number): number {
  const sample = integerOption(name, value, 0)
  if (sample >= samplesPerEpoch) throw invalidArgument(`an integer below ${samplesPerEpoch}, the samples of an epoch,`, name, value)
  return sample
}
