/** What {@link loadConfig} returns, and how to read it. */
import { SiamError } from '../errors.ts'
import { trainerDefaults } from './schema-optim.ts'
import type { DataConfig, ModelConfig, OptimConfig, TestTrack, TrainerConfig, TrainerHyperParams, TrainTrack } from './schema.ts'
import { originAt } from './tree.ts'
import type { ConfigNode, Origin } from './tree.ts'

export interface ConfigWarning {
  message: string
  /** Dotted path of the key that it is about. */
  path: string
  file?: string
  /** 1-based. */
  line?: number
}

type DeepReadonly<T> = T extends (infer U)[] ? readonly DeepReadonly<U>[] : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/**
 * An experiment: the keys of its file with the overrides applied and the original's defaults filled in. Frozen.
 * Keys keep the original's snake_case. A part that the file does not have is absent: ask for it with {@link requireTrain} and {@link requireTest}.
 */
export interface Config {
  /** Absolute path of the file, or undefined for a configuration made of an object. */
  readonly file?: string
  readonly train?: { readonly track?: DeepReadonly<TrainTrack> }
  readonly test?: { readonly track?: DeepReadonly<TestTrack> }
  /** The file as it stands with the overrides, without defaults; unknown keys included. */
  readonly raw: DeepReadonly<Record<string, unknown>>
  readonly warnings: readonly ConfigWarning[]
}

/** `train.track` with every section that training needs. */
export type CompleteTrain = DeepReadonly<TrainTrack> & {
  readonly model: DeepReadonly<ModelConfig>
  readonly data: DeepReadonly<DataConfig>
  readonly trainer: DeepReadonly<TrainerConfig>
  readonly optim: DeepReadonly<OptimConfig>
}

const trees = new WeakMap<Config, ConfigNode>()

export function rememberTree(config: Config, tree: ConfigNode): void {
  trees.set(config, tree)
}

/** @returns the tree that a configuration was made of */
export function treeOf(config: Config): ConfigNode | undefined {
  return trees.get(config)
}

/** @returns file and line of a key of `config` (its nearest existing ancestor), as options for a SiamError */
export function whereIs(config: Config, path: string | readonly PropertyKey[]): { file?: string; line?: number } {
  const tree = trees.get(config)
  const parts = typeof path === 'string' ? path.split('.') : path
  const origin: Origin = tree === undefined ? {} : originAt(tree, parts)
  return { file: origin.file ?? (origin.override === undefined ? config.file : undefined), line: origin.line }
}

/**
 * @returns `train.track`, complete
 * @throws ERR_CONFIG naming what the file lacks
 */
export function requireTrain(config: Config): CompleteTrain {
  const track = config.train?.track
  const missing = track === undefined ? 'train.track' : (['model', 'data', 'trainer', 'optim'] as const).filter((key) => track[key] === undefined).map((key) => `train.track.${key}`).join(', ')
  if (missing !== '') {
    throw new SiamError('ERR_CONFIG', `Training needs ${missing}, which this configuration does not have`, { file: config.file })
  }
  return track as CompleteTrain
}

/**
 * @returns `test.track`
 * @throws ERR_CONFIG when the file has no test part
 */
export function requireTest(config: Config): DeepReadonly<TestTrack> {
  const track = config.test?.track
  if (track === undefined) {
    throw new SiamError('ERR_CONFIG', 'Tracking needs test.track, which this configuration does not have', { file: config.file })
  }
  return track
}

/**
 * The hyper-parameters of the component that a section selects: `{ name: 'AlexNet', AlexNet: {…} }` → the inner map.
 * @param path dotted path of the section, for the error
 * @throws ERR_CONFIG when the section selects nothing
 */
export function selected<T extends { readonly name?: string }>(config: Config, section: T, path: string): { name: string; params: Readonly<Record<string, unknown>> } {
  const { name } = section
  if (name === undefined || name === '') {
    throw new SiamError('ERR_CONFIG', `Expected a name at ${path}.name but there is none`, whereIs(config, path))
  }
  return { name, params: ((section as Record<string, unknown>)[name] ?? {}) as Readonly<Record<string, unknown>> }
}

/**
 * The selected trainer's hyper-parameters; a user's own trainer gets RegularTrainer's defaults for the keys that its section leaves out.
 * @throws ERR_CONFIG when the configuration cannot train or names no trainer
 */
export function trainerParams(config: Config): DeepReadonly<TrainerHyperParams> & Readonly<Record<string, unknown>> {
  const { params } = selected(config, requireTrain(config).trainer, 'train.track.trainer')
  return { ...trainerDefaults, ...params }
}

/**
 * Iterations of one epoch: nr_image_per_epoch // minibatch of the trainer, as the original counts them (whatever num_processes is). With
 * `accumulate_batches: K` an iteration takes K minibatches.
 */
export function numIterations(config: Config): number {
  const { nr_image_per_epoch, minibatch } = trainerParams(config)
  return Math.floor(nr_image_per_epoch / (minibatch * requireTrain(config).optim.optimizer.SGD.accumulate_batches))
}

export type { DeepReadonly }
