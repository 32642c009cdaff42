/**
 * What a snapshot holds. The first three entries are the original's, so that its Python loads our files and we load its:
 * `epoch` (the last complete one), `model_state_dict`, `optimizer_state_dict`. All that an exact resume needs besides is in
 * `siamfcpp_native`, and in `ema_state_dict` where the run averages its weights; the original passes over both.
 */
import { CheckpointTensor, emaStateKey, emaStateOf, modelStateOf, PyDict, PyFloat, type Checkpoint } from '../checkpoint/index.ts'
import { SiamError } from '../errors.ts'
import type { GradScalerState, NamedRawTensor } from '../native/addon.ts'
import type { NonFiniteCounts } from './nonfinite.ts'

/** Raised when a section written by this version cannot be read by older ones. */
const sectionFormat = 1
const sectionKey = 'siamfcpp_native'

/** Where a run stands. */
export interface RunPosition {
  /** The last complete epoch; −1 before the first is complete. */
  epoch: number
  /** Iterations done of the epoch after that one; 0 at an epoch's end. */
  iteration: number
}

/** A pack that a run was trained from. */
export interface SnapshotPack {
  dataset: string
  /** CRC-32C of its table. */
  crc: number
  density: number
}

/** Our own section: everything else that an exact resume needs. */
export interface RunState extends RunPosition {
  /** The first sample that has not been trained on; null where the data has no cursor (a user's own iterable). */
  sampler: { epoch: number; sample: number } | null
  seed: number
  /** SHA-256 of the effective configuration; '' where the parts were put together by hand. */
  configSha256: string
  /** The packs that it was trained from, empty: frames. Absent where the data does not say, and in snapshots of older versions. */
  packs?: SnapshotPack[]
  /** Base learning rate of the last step. */
  lr: number
  gradScaler: GradScalerState | null
  /** Updates of the average in `ema_state_dict`; absent where the run keeps none. */
  ema?: { updates: number }
  /** Skipped iterations; absent where there were none. */
  nonfinite?: NonFiniteCounts
  /** State of torch's CPU generator. */
  rngState: Uint8Array
  /** Threads of libtorch's team: sums are only bit-equal with the same number. */
  threads: number
  /** Processes that trained together; absent: one. Nothing else in here depends on their number. */
  ranks?: number
  numIterations: number
  packageVersion: string
  libtorchVersion: string
}

export interface SnapshotContents {
  epoch: number
  modelState: Map<string, CheckpointTensor>
  /** Absent in final_model.pkl and in bare weight files. */
  optimizerState: PyDict | null
  /** The moving average of the weights; null where the run kept none. */
  emaState: Map<string, CheckpointTensor> | null
  /** null for a snapshot that the original wrote. */
  run: RunState | null
}

function stateDictOf(entries: readonly NamedRawTensor[]): PyDict {
  return PyDict.ordered(entries.map((entry) => [entry.name, CheckpointTensor.fromRaw(entry)]))
}

/** `{ model_state_dict }`: what final_model.pkl holds, as the original's. */
export function composeWeights(modelState: readonly NamedRawTensor[]): PyDict {
  return PyDict.fromObject({ model_state_dict: stateDictOf(modelState) })
}

/**
 * The object that epoch-N.pkl holds.
 * @param emaState the average of a run that keeps one; its key is not there otherwise
 */
export function composeSnapshot(modelState: readonly NamedRawTensor[], optimizerState: PyDict, run: RunState, emaState: readonly NamedRawTensor[] | null = null): PyDict {
  const { sampler, gradScaler, ema } = run
  return PyDict.fromObject({
    epoch: run.epoch,
    model_state_dict: stateDictOf(modelState),
    optimizer_state_dict: optimizerState,
    ...(emaState === null ? {} : { [emaStateKey]: stateDictOf(emaState) }),
    [sectionKey]: PyDict.fromObject({
      format: sectionFormat,
      package_version: run.packageVersion,
      libtorch_version: run.libtorchVersion,
      epoch: run.epoch,
      iteration: run.iteration,
      num_iterations: run.numIterations,
      sampler: sampler === null ? null : PyDict.fromObject({ epoch: sampler.epoch, sample: sampler.sample }),
      seed: run.seed,
      config_sha256: run.configSha256,
      ...(run.packs === undefined
        ? {}
        : { packs: PyDict.fromObject(Object.fromEntries(run.packs.map(({ dataset, crc, density }) => [dataset, PyDict.fromObject({ crc, density: new PyFloat(density) })]))) }),
      lr: new PyFloat(run.lr),
      grad_scaler:
        gradScaler === null
          ? null
          : PyDict.fromObject({
              scale: new PyFloat(gradScaler.scale),
              growth_factor: new PyFloat(gradScaler.growth_factor),
              backoff_factor: new PyFloat(gradScaler.backoff_factor),
              growth_interval: gradScaler.growth_interval,
              _growth_tracker: gradScaler._growth_tracker,
            }),
      ...(ema === undefined ? {} : { ema: PyDict.fromObject({ updates: ema.updates }) }),
      ...(run.nonfinite === undefined
        ? {}
        : { nonfinite: PyDict.fromObject({ skipped: run.nonfinite.skipped, scale_skips: run.nonfinite.scaleSkips, in_a_row: run.nonfinite.inARow }) }),
      rng_state: CheckpointTensor.fromRaw({ dtype: 'uint8', shape: [run.rngState.byteLength], data: run.rngState }),
      threads: run.threads,
      ...(run.ranks === undefined ? {} : { ranks: run.ranks }),
    }),
  })
}

/** Reads typed members of a dict; each complaint names the file and the key. */
class Fields {
  readonly dict: PyDict
  readonly where: string
  readonly file: string

  constructor(dict: PyDict, where: string, file: string) {
    this.dict = dict
    this.where = where
    this.file = file
  }

  #wrong(key: string, expected: string): SiamError {
    return new SiamError('ERR_CHECKPOINT', `${this.where}${key} is ${this.dict.has(key) ? 'not' : 'missing; expected'} ${expected}`, { file: this.file })
  }

  names(): string[] {
    return [...this.dict.keys()].map(String)
  }

  number(key: string): number {
    const value = this.dict.get(key)
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(key, 'a finite number')
    return value
  }

  integer(key: string, min: number): number {
    const value = this.dict.get(key)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) throw this.#wrong(key, `an integer ≥ ${min}`)
    return value
  }

  string(key: string): string {
    const value = this.dict.get(key)
    if (typeof value !== 'string') throw this.#wrong(key, 'a string')
    return value
  }

  optionalFields(key: string): Fields | null {
    const value = this.dict.get(key)
    if (value === null) return null
    if (!(value instanceof PyDict)) throw this.#wrong(key, 'a dict or None')
    return new Fields(value, `${this.where}${key}.`, this.file)
  }

  bytes(key: string): Uint8Array {
    const value = this.dict.get(key)
    if (!(value instanceof CheckpointTensor) || value.dtype !== 'uint8') throw this.#wrong(key, 'a uint8 tensor')
    return value.contiguousBytes()
  }
}

function readPack(packs: Fields, dataset: string): SnapshotPack {
  const fields = packs.optionalFields(dataset)
  return { dataset, crc: fields?.integer('crc', 0) ?? 0, density: fields?.number('density') ?? 0 }
}

function readRun(dict: PyDict, file: string): RunState {
  const fields = new Fields(dict, `${sectionKey}.`, file)
  const format = fields.integer('format', 1)
  if (format > sectionFormat) {
    throw new SiamError('ERR_CHECKPOINT', `this snapshot's ${sectionKey} section is of format ${format}, this version reads up to ${sectionFormat}`, {
      file,
      hint: 'use the version of siamfcpp-native that wrote it',
    })
  }
  const sampler = fields.optionalFields('sampler')
  const scaler = fields.optionalFields('grad_scaler')
  const packs = dict.has('packs') ? fields.optionalFields('packs') : null
  const ema = dict.has('ema') ? fields.optionalFields('ema') : null
  const nonfinite = dict.has('nonfinite') ? fields.optionalFields('nonfinite') : null
  return {
    epoch: fields.integer('epoch', -1),
    iteration: fields.integer('iteration', 0),
    numIterations: fields.integer('num_iterations', 1),
    sampler: sampler === null ? null : { epoch: sampler.integer('epoch', 0), sample: sampler.integer('sample', 0) },
    seed: fields.integer('seed', 0),
    configSha256: fields.string('config_sha256'),
    ...(packs === null ? {} : { packs: packs.names().map((dataset) => readPack(packs, dataset)) }),
    lr: fields.number('lr'),
    gradScaler:
      scaler === null
        ? null
        : {
            scale: scaler.number('scale'),
            growth_factor: scaler.number('growth_factor'),
            backoff_factor: scaler.number('backoff_factor'),
            growth_interval: scaler.integer('growth_interval', 1),
            _growth_tracker: scaler.integer('_growth_tracker', 0),
          },
    ...(ema === null ? {} : { ema: { updates: ema.integer('updates', 0) } }),
    ...(nonfinite === null
      ? {}
      : { nonfinite: { skipped: nonfinite.integer('skipped', 0), scaleSkips: nonfinite.integer('scale_skips', 0), inARow: nonfinite.integer('in_a_row', 0) } }),
    rngState: fields.bytes('rng_state'),
    threads: fields.integer('threads', 0),
    ...(dict.has('ranks') ? { ranks: fields.integer('ranks', 1) } : {}),
    packageVersion: fields.string('package_version'),
    libtorchVersion: fields.string('libtorch_version'),
  }
}

/**
 * @param checkpoint ours, the original's, or a file of weights alone
 * @throws ERR_CHECKPOINT when it is no snapshot
 */
export function readSnapshot(checkpoint: Checkpoint): SnapshotContents {
  const { root, file } = checkpoint
  const modelState = modelStateOf(checkpoint)
  const dict = root instanceof PyDict ? root : new PyDict()
  const optimizer = dict.get('optimizer_state_dict')
  if (optimizer !== undefined && !(optimizer instanceof PyDict)) throw new SiamError('ERR_CHECKPOINT', 'optimizer_state_dict is no dict', { file })
  const section = dict.get(sectionKey)
  if (section !== undefined && !(section instanceof PyDict)) throw new SiamError('ERR_CHECKPOINT', `${sectionKey} is no dict`, { file })
  return {
    epoch: dict.has('epoch') ? new Fields(dict, '', file).integer('epoch', -1) : -1,
    modelState,
    optimizerState: optimizer ?? null,
    emaState: dict.has(emaStateKey) ? emaStateOf(checkpoint) : null,
    run: section === undefined ? null : readRun(section, file),
  }
}
