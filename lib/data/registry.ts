/**
 * Data sets by the name that the YAML's `dataset.names` uses. Users add their own with {@link registerDataset}.
 */
import { SiamError, invalidArgument } from '../errors.ts'
import { Registry, nearestName } from '../registry.ts'
import { openCocoVideo } from './coco-video.ts'
import { openCoco } from './coco.ts'
import { openDet } from './det.ts'
import { openGot10k, openGot10kFixed } from './got10k.ts'
import { openImageFolder } from './image-folder.ts'
import { openLasot } from './lasot.ts'
import type { DatasetContext, DatasetParams, DatasetSource, SequenceIterable } from './source.ts'
import { openTrackingNet } from './trackingnet.ts'
import { openVid } from './vid.ts'

export type DatasetFactory = (params: DatasetParams, context: DatasetContext) => DatasetSource | Promise<DatasetSource>
export type DatasetClass = new (params: DatasetParams, context: DatasetContext) => DatasetSource

/**
 * A text that is another one when the data set would give other sequences: a version, a hash of its sources. Called before a cached index
 * is used.
 */
export type DatasetFingerprint = (params: DatasetParams, context: Pick<DatasetContext, 'name' | 'cwd' | 'configPath'>) => string | Promise<string>

export interface RegisterDatasetOptions {
  /** With it the data set's index is cached (`index_cache`); without it the annotations are read at every start. */
  fingerprint?: DatasetFingerprint
}

const registered = new Map<string, DatasetFingerprint | undefined>()
const datasets = new Registry<DatasetFactory | DatasetClass>('data set')
datasets.register('GOT10kDataset', openGot10k)
datasets.register('GOT10kDatasetFixed', openGot10kFixed)
datasets.register('COCODataset', openCoco)
datasets.register('DETDataset', openDet)
datasets.register('LaSOTDataset', openLasot)
datasets.register('TrackingNetDataset', openTrackingNet)
datasets.register('ImageFolderDataset', openImageFolder)
datasets.register('CocoVideoDataset', openCocoVideo)
datasets.register('VIDDataset', openVid)

/**
 * Makes a data set known under a name, for `train.track.data.sampler.submodules.dataset.names`.
 *
 * @param name     what the YAML calls it; its settings stand under the same name
 * @param dataset  a function `(params, context) => source`, or a class whose instances are sources; a source is an iterable (sync or
 *                 async) of {@link SequenceRecord}s, or has a method `sequences()` that returns one
 * @param options  `fingerprint` lets the index be cached
 * @throws ERR_ARGUMENT for an empty name, one that is taken by something else, or something that is no function
 */
export function registerDataset(name: string, dataset: DatasetFactory | DatasetClass, options: RegisterDatasetOptions = {}): void {
  if (typeof dataset !== 'function') throw invalidArgument('a function or a class', 'dataset', dataset)
  if (options.fingerprint !== undefined && typeof options.fingerprint !== 'function') throw invalidArgument('a function', 'options.fingerprint', options.fingerprint)
  datasets.register(name, dataset)
  registered.set(name, options.fingerprint)
}

/**
 * How a data set's cached index is told to hold.
 * @returns undefined for one of ours, which names what it depends on; null for a registered one without a fingerprint: not to be cached
 * @throws ERR_DATA when the fingerprint is no text; what it throws itself
 */
export async function datasetFingerprint(params: DatasetParams, context: Pick<DatasetContext, 'name' | 'cwd' | 'configPath'>): Promise<string | null | undefined> {
  if (!registered.has(context.name)) return undefined
  const fingerprint = await registered.get(context.name)?.(params, context)
  if (fingerprint === undefined && registered.get(context.name) === undefined) return null
  if (typeof fingerprint !== 'string') throw invalidArgument('a text', `the fingerprint of the data set ${context.name}`, fingerprint, 'ERR_DATA')
  return fingerprint
}

/** Names that a YAML may use now, sorted. */
export function datasetNames(): string[] {
  return datasets.names()
}

/**
 * Opens a registered data set.
 * @returns its sequences, to be iterated once
 * @throws ERR_CONFIG for an unknown name, ERR_DATA for a source that cannot be iterated
 */
export async function openDataset(params: DatasetParams, context: DatasetContext): Promise<SequenceIterable> {
  if (!datasets.has(context.name)) {
    const nearest = nearestName(context.name, datasetNames())
    throw new SiamError('ERR_CONFIG', `Unknown data set ${JSON.stringify(context.name)} at ${context.configPath}`, {
      hint: `${nearest === undefined ? '' : `did you mean ${JSON.stringify(nearest)}? `}known: ${datasetNames().join(', ')}; registerDataset() adds more`,
    })
  }
  const dataset = datasets.get(context.name)
  const source = isClass(dataset) ? new dataset(params, context) : await (dataset as DatasetFactory)(params, context)
  const sequences = hasSequences(source) ? await source.sequences() : source
  if (!isIterable(sequences)) {
    throw new SiamError('ERR_DATA', `Data set ${JSON.stringify(context.name)}: expected an iterable of sequences, or an object with sequences(), but its factory returned ${describeType(source)}`)
  }
  return sequences
}

function hasSequences(source: DatasetSource): source is { sequences(): SequenceIterable | Promise<SequenceIterable> } {
  return typeof source === 'object' && source !== null && 'sequences' in source && typeof source.sequences === 'function'
}

function isIterable(value: unknown): value is SequenceIterable {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
}

/** `class` syntax can only be told from a function by its source text or by what its prototype holds. */
function isClass(value: DatasetFactory | DatasetClass): value is DatasetClass {
  if (/^class\b/.test(Function.prototype.toString.call(value))) return true
  if (isGeneratorFunction(value)) return false
  const prototype: unknown = value.prototype
  return typeof prototype === 'object' && prototype !== null && ('sequences' in prototype || Symbol.iterator in prototype || Symbol.asyncIterator in prototype)
}

/** A generator function's prototype is iterable too, yet it is called without `new`. */
function isGeneratorFunction(value: unknown): boolean {
  return /^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(value))
}

function describeType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
