/**
 * What the loader needs to know, read from `train.track.data` (snake_case keys, the original's defaults) and checked here, so that
 * hand-made configurations get the same messages as YAML files.
 */
import { byteSizeText, parseByteSize } from '../config/byte-size.ts'
import { maxReadAhead } from '../config/schema-data.ts'
import { SiamError, invalidArgument } from '../errors.ts'
import type { LoaderSpec } from '../native/addon.ts'
import { type IndexCacheMode, indexCacheModes } from './cache-folder.ts'
import type { DatasetParams } from './source.ts'

/** The part of a configuration that this folder reads; {@link loadConfig}'s result fits. */
export interface DataConfig {
  readonly train?: {
    readonly track?: {
      readonly data?: unknown
      /** For `accumulate_batches` alone. */
      readonly optim?: { readonly optimizer?: { readonly SGD?: Readonly<Record<string, unknown>> } }
    }
  }
}

export interface DatasetSetting {
  name: string
  configPath: string
  params: DatasetParams
  /** Share of the samples, all shares add up to 1. */
  ratio: number
  maxDiff: number
}

export interface DataSettings {
  datasets: DatasetSetting[]
  /** Of one rank. */
  batchSize: number
  /** Iterations of an epoch: floor(nr_image_per_epoch / (minibatch × accumulate_batches)). */
  numIterations: number
  /** num_iterations × accumulate_batches × batchSize × ranks. */
  samplesPerEpoch: number
  /** Of one rank, where there are several. */
  numWorkers: number
  seed: number
  queueBatches: number
  strict: boolean
  /** Threads that read frames ahead, at most; 0: none. */
  readAhead: number
  /** Bound on the memory of frames that are kept; 0: none are. */
  cacheBytes: number
  /** fast: frames of crops that are at least twice coarser than their pixels are decoded smaller, not exactly. */
  decode: 'exact' | 'fast'
  indexCache: IndexCacheMode
  /** Folder of packs that stand for the frames; '': none. */
  pack: string
  negativePairRatio: number
  symmetricWindow: boolean
  filter: LoaderSpec['filter']
  crop: LoaderSpec['crop']
  target: LoaderSpec['target']
}

type Mapping = Readonly<Record<string, unknown>>
const root = 'train.track.data'

/**
 * Reads and checks `train.track.data`.
 *
 * `target.score_size` is computed from the sizes, as in the original: floor((x_size − z_size)/stride) + 1 − 2·num_conv3x3.
 * The shares `ratio` are scaled to add up to 1. As in the original `minibatch` and `num_workers` are those of all ranks together, each of
 * which takes minibatch // ranks and num_workers // ranks, and an epoch has nr_image_per_epoch // minibatch iterations whatever their number.
 *
 * @throws ERR_CONFIG with the dotted path of the wrong key
 */
export function readDataSettings(config: DataConfig, ranks = 1): DataSettings {
  const data = new Section(mapping(config?.train?.track?.data, root), root)
  const minibatch = data.integer('minibatch', 32, 1)
  const batchSize = Math.floor(minibatch / ranks)
  if (batchSize === 0) throw new SiamError('ERR_CONFIG', `${root}.minibatch is ${minibatch}, which ${ranks} ranks cannot share`, { hint: 'it is that of all ranks together: at least one pair for each' })
  const imagesPerEpoch = data.integer('nr_image_per_epoch', 150000, 0)
  const accumulated = accumulatedBatches(config)
  const numIterations = Math.floor(imagesPerEpoch / (minibatch * accumulated))
  if (numIterations === 0) {
    const several = accumulated === 1 ? '' : `, of which ${accumulated} (accumulate_batches) make an iteration`
    throw new SiamError('ERR_CONFIG', `An epoch would have 0 iterations: ${root}.nr_image_per_epoch is ${imagesPerEpoch} and ${root}.minibatch is ${minibatch}${several}`, {
      hint: 'nr_image_per_epoch must be at least minibatch × accumulate_batches',
    })
  }
  const sampler = data.section('sampler')
  sampler.oneOf('name', 'TrackPairSampler', ['TrackPairSampler'])
  const pairs = sampler.section('TrackPairSampler')
  const crop = readCrop(data.section('transformer'))
  const target = readTarget(data, crop)
  return {
    datasets: readDatasets(sampler.section('submodules').section('dataset')),
    batchSize,
    numIterations,
    // Whole iterations: an epoch begins with its sample 0, also where the batches of the last one do not divide by accumulate_batches.
    samplesPerEpoch: numIterations * accumulated * batchSize * ranks,
    numWorkers: Math.floor(data.integer('num_workers', 4, 0) / ranks),
    seed: data.integer('seed', 0, 0),
    queueBatches: data.integer('queue_batches', 4, 1),
    strict: data.boolean('strict', false),
    readAhead: data.integer('read_ahead', 32, 0, maxReadAhead),
    cacheBytes: data.byteSize('cache', 0),
    decode: data.oneOf('decode', 'exact', ['exact', 'fast']) as 'exact' | 'fast',
    indexCache: data.oneOf('index_cache', 'user', indexCacheModes) as IndexCacheMode,
    pack: data.text('pack', ''),
    negativePairRatio: pairs.number('negative_pair_ratio', 0, 0, 1),
    symmetricWindow: pairs.boolean('symmetric_window', false),
    filter: readFilter(sampler.section('submodules')),
    crop,
    target,
  }
}

/** Batches of an iteration: `optim.optimizer.SGD.accumulate_batches`, 1 where there is no optimizer. */
function accumulatedBatches(config: DataConfig): number {
  const sgd = config?.train?.track?.optim?.optimizer?.SGD
  return sgd === undefined ? 1 : new Section(sgd, 'train.track.optim.optimizer.SGD').integer('accumulate_batches', 1, 1)
}

function readDatasets(section: Section): DatasetSetting[] {
  const names = section.strings('names', [])
  if (names.length === 0) throw new SiamError('ERR_CONFIG', `Expected at least one data set for ${section.path}.names but it is empty`)
  const datasets = names.map((name, index) => {
    if (names.indexOf(name) !== index) throw new SiamError('ERR_CONFIG', `${section.path}.names lists ${JSON.stringify(name)} twice`)
    const own = section.section(name)
    return { name, configPath: own.path, params: own.values, ratio: own.number('ratio', 1, 0, Infinity), maxDiff: own.integer('max_diff', 100, 0) }
  })
  const sum = datasets.reduce((total, dataset) => total + dataset.ratio, 0)
  if (!(sum > 0)) throw new SiamError('ERR_CONFIG', `The ratios of the data sets in ${section.path} add up to ${sum}; at least one must be above 0`)
  return datasets.filter((dataset) => dataset.ratio > 0).map((dataset) => ({ ...dataset, ratio: dataset.ratio / sum }))
}

function readFilter(submodules: Section): LoaderSpec['filter'] {
  const filter = submodules.section('filter')
  const name = filter.oneOf('name', '', ['TrackPairFilter', ''])
  if (name === '') return null
  const own = filter.section('TrackPairFilter')
  own.oneOf('target_type', 'bbox', ['bbox'])
  return {
    maxAreaRate: own.number('max_area_rate', 0.6, 0, Infinity),
    minAreaRate: own.number('min_area_rate', 0.001, 0, Infinity),
    maxRatio: own.number('max_ratio', 10, 1, Infinity),
    applyAreaLimits: own.boolean('apply_area_limits', false),
  }
}

function readCrop(transformer: Section): LoaderSpec['crop'] {
  const names = transformer.strings('names', ['RandomCropTransformer'])
  if (names.length !== 1 || names[0] !== 'RandomCropTransformer') throw invalidArgument('["RandomCropTransformer"]', `${transformer.path}.names`, names, 'ERR_CONFIG')
  const own = transformer.section('RandomCropTransformer')
  return {
    contextAmount: own.number('context_amount', 0.5, 0, 10),
    maxScale: own.number('max_scale', 0.3, 0, 100),
    maxShift: own.number('max_shift', 0.4, 0, 100),
    maxScaleTemp: own.number('max_scale_temp', 0, 0, 100),
    maxShiftTemp: own.number('max_shift_temp', 0, 0, 100),
    zSize: own.integer('z_size', 127, 8),
    xSize: own.integer('x_size', 303, 8),
  }
}

function readTarget(data: Section, crop: LoaderSpec['crop']): LoaderSpec['target'] {
  const target = data.section('target')
  target.oneOf('name', 'DenseboxTarget', ['DenseboxTarget'])
  const own = target.section('DenseboxTarget')
  const zSize = own.integer('z_size', 127, 8)
  const xSize = own.integer('x_size', 303, 8)
  const totalStride = own.integer('total_stride', 8, 1)
  const numConv3x3 = own.integer('num_conv3x3', 3, 0)
  if (xSize !== crop.xSize || zSize !== crop.zSize) {
    throw new SiamError('ERR_CONFIG', `The crops are ${crop.zSize} and ${crop.xSize} pixels (${root}.transformer.RandomCropTransformer) but the targets are for ${zSize} and ${xSize} (${own.path})`, {
      hint: 'z_size and x_size must be the same in both places',
    })
  }
  const scoreSize = Math.floor((xSize - zSize) / totalStride) + 1 - numConv3x3 * 2
  if (scoreSize < 1) {
    throw new SiamError('ERR_CONFIG', `The score map would have ${scoreSize} cells a side: x_size ${xSize}, z_size ${zSize}, total_stride ${totalStride}, num_conv3x3 ${numConv3x3} at ${own.path}`)
  }
  return { totalStride, scoreSize, xSize, numConv3x3 }
}

/** One mapping of the configuration, with the path that leads to it. */
class Section {
  readonly values: Mapping
  readonly path: string

  constructor(values: Mapping, path: string) {
    this.values = values
    this.path = path
  }

  /** A mapping below; a missing one is an empty one: its keys then have their defaults. */
  section(key: string): Section {
    const path = `${this.path}.${key}`
    return new Section(this.values[key] === undefined ? {} : mapping(this.values[key], path), path)
  }

  number(key: string, fallback: number, min: number, max: number): number {
    const value = this.values[key] ?? fallback
    if (typeof value !== 'number' || Number.isNaN(value) || value < min || value > max) {
      throw invalidArgument(max === Infinity ? `a number of at least ${min}` : `a number from ${min} to ${max}`, `${this.path}.${key}`, value, 'ERR_CONFIG')
    }
    return value
  }

  integer(key: string, fallback: number, min: number, max = Infinity): number {
    const value = this.values[key] ?? fallback
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw invalidArgument(max === Infinity ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`, `${this.path}.${key}`, value, 'ERR_CONFIG')
    }
    return value
  }

  byteSize(key: string, fallback: number): number {
    const bytes = parseByteSize(this.values[key] ?? fallback)
    if (bytes === undefined) throw invalidArgument(byteSizeText, `${this.path}.${key}`, this.values[key], 'ERR_CONFIG')
    return bytes
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.values[key] ?? fallback
    if (typeof value !== 'boolean') throw invalidArgument('true or false', `${this.path}.${key}`, value, 'ERR_CONFIG')
    return value
  }

  text(key: string, fallback: string): string {
    const value = this.values[key] ?? fallback
    if (typeof value !== 'string') throw invalidArgument('text', `${this.path}.${key}`, value, 'ERR_CONFIG')
    return value
  }

  strings(key: string, fallback: readonly string[]): readonly string[] {
    const value = this.values[key] ?? fallback
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw invalidArgument('a list of names', `${this.path}.${key}`, value, 'ERR_CONFIG')
    return value
  }

  oneOf(key: string, fallback: string, allowed: readonly string[]): string {
    const value = this.values[key] ?? fallback
    if (typeof value !== 'string' || !allowed.includes(value)) {
      throw invalidArgument(`one of ${allowed.map((name) => JSON.stringify(name)).join(', ')}`, `${this.path}.${key}`, value, 'ERR_CONFIG')
    }
    return value
  }
}

function mapping(value: unknown, path: string): Mapping {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidArgument('a mapping', path, value, 'ERR_CONFIG')
  return value as Mapping
}
