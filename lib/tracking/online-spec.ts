/**
 * Hyper-parameters of `test.track.pipeline.SiamFCppOnlineTracker` → what the native online classifier takes.
 */
import { onlineDefaults } from '../config/online-defaults.ts'
import type { SiamError } from '../errors.ts'
import type { OnlineActivation, OnlineSpec } from '../native/addon.ts'
import type { TrackerContext } from './registry.ts'
import { badParameter } from './spec.ts'

/** Accepted and not read: they only served debugging, or ways that the original has no code for. docs/online-tracker.md names each. */
export const withoutEffect = ['debug_show', 'online_debug_show', 'att_fc1_reg', 'att_fc2_reg', 'att_init_method', 'CG_optimizer', 'optimizer_step_length', 'optimizer_momentum', 'analyze_convergence'] as const

type Key = Exclude<keyof typeof onlineDefaults, (typeof withoutEffect)[number]>

const isPair = (value: unknown): value is [number, number] => Array.isArray(value) && value.length === 2 && value.every((v) => typeof v === 'number' && Number.isFinite(v))

/** Reads one section; each method names what it expects when the value is something else. */
class Reader {
  readonly #context: TrackerContext
  readonly #values: Readonly<Record<string, unknown>>

  constructor(context: TrackerContext) {
    this.#context = context
    this.#values = { ...onlineDefaults, ...context.params }
  }

  value(key: Key): unknown {
    return this.#values[key]
  }

  bad(key: Key, expected: string): SiamError {
    const value = this.#values[key]
    return badParameter({ ...this.#context, params: { [key]: value } }, key, expected)
  }

  number(key: Key, expected: string, accepts: (value: number) => boolean): number {
    const value = this.#values[key]
    if (typeof value !== 'number' || !accepts(value)) throw this.bad(key, expected)
    return value
  }

  share(key: Key): number {
    return this.number(key, 'a number from 0 to 1', (v) => v >= 0 && v <= 1)
  }

  positive(key: Key): number {
    return this.number(key, 'a number > 0', (v) => v > 0 && Number.isFinite(v))
  }

  nonNegative(key: Key): number {
    return this.number(key, 'a number ≥ 0', (v) => v >= 0 && Number.isFinite(v))
  }

  count(key: Key, least: number, most: number): number {
    return this.number(key, `an integer from ${least} to ${most}`, (v) => Number.isSafeInteger(v) && v >= least && v <= most)
  }

  boolean(key: Key): boolean {
    const value = this.#values[key]
    if (typeof value !== 'boolean') throw this.bad(key, 'true or false')
    return value
  }

  oneOf<const T extends string>(key: Key, names: readonly T[]): T {
    const found = names.find((name) => name === this.#values[key])
    if (found === undefined) throw this.bad(key, `one of ${names.join(', ')}`)
    return found
  }

  /** A list, or false for none, as the original writes it. */
  list(key: Key): readonly unknown[] {
    const value = this.#values[key]
    if (value === false || value === null) return []
    if (!Array.isArray(value)) throw this.bad(key, 'a list, or false')
    return value
  }

  numbers(key: Key, expected: string, accepts: (value: number) => boolean): number[] {
    return this.list(key).map((value) => {
      if (typeof value !== 'number' || !Number.isFinite(value) || !accepts(value)) throw this.bad(key, expected)
      return value
    })
  }

  pairs(key: Key, expected: string, accepts: (value: number) => boolean = () => true): [number, number][] {
    return this.list(key).map((value) => {
      if (!isPair(value) || !value.every(accepts)) throw this.bad(key, expected)
      return [value[0], value[1]]
    })
  }

  /** `name`, or `[mlu, knee]`. */
  activation(key: Key): OnlineActivation {
    const value = this.#values[key]
    const expected = 'none, relu, elu, or [mlu, a number > 0]'
    const [name, knee] = (Array.isArray(value) ? value : [value, undefined]) as [unknown, unknown]
    if (name === 'none' || name === 'relu' || name === 'elu') return { name, knee: 0 }
    if (name !== 'mlu' || typeof knee !== 'number' || !(knee > 0)) throw this.bad(key, expected)
    return { name, knee }
  }
}

/** Conjugate-gradient steps of each Gauss-Newton step. */
function initSteps(read: Reader): number[] {
  if (Array.isArray(read.value('init_CG_iter'))) return read.numbers('init_CG_iter', 'a number of steps, or a list of them', (v) => Number.isSafeInteger(v) && v >= 0 && v <= 1000)
  const steps = read.count('init_CG_iter', 0, 10_000)
  const rounds = read.count('init_GN_iter', 1, 1000)
  return Array.from({ length: rounds }, () => Math.floor(steps / rounds))
}

/** Share of the last direction that an update goes on from; 0 where every update begins anew. */
function forgetFactor(read: Reader): number {
  const rate = read.value('CG_forgetting_rate')
  if (rate === false || rate === 0 || rate === null) return 0
  const learning = read.share('precond_learning_rate')
  if (typeof rate !== 'number' || !(rate > 0)) throw read.bad('CG_forgetting_rate', 'a number > 0, or false')
  return learning >= 1 ? 0 : (1 - learning) ** rate
}

/**
 * @param seed of the classifier's random numbers
 * @throws ERR_CONFIG that names the hyper-parameter, what was expected and what was found
 */
export function onlineSpec(context: TrackerContext, seed: number): OnlineSpec {
  const read = new Reader(context)
  read.oneOf('optimizer', ['GaussNewtonCG'])
  const kernel = read.value('z_kernel_size')
  if (!isPair(kernel) || !kernel.every((v) => Number.isSafeInteger(v) && v >= 1 && v <= 63)) throw read.bad('z_kernel_size', 'two integers from 1 to 63')
  const dropout = read.list('augmentation_dropout')
  const [dropoutSamples = 0, dropoutRate = 0] = dropout as number[]
  if (dropout.length > 0 && !(dropout.length === 2 && Number.isSafeInteger(dropoutSamples) && dropoutSamples >= 0 && dropoutSamples <= 1000 && dropoutRate >= 0 && dropoutRate < 1)) {
    throw read.bad('augmentation_dropout', '[number of samples, rate from 0 to below 1], or false')
  }
  const steps = initSteps(read)
  return {
    seed,
    scoreWeight: read.share('online_score_weight'),
    useProjection: read.boolean('use_projection_matrix'),
    learnProjection: read.boolean('update_projection_matrix'),
    compressedDim: read.count('compressed_dim', 1, 4096),
    pca: read.oneOf('proj_init_method', ['pca', 'randn']) === 'pca',
    projectionReg: read.positive('projection_reg'),
    projectionActivation: read.activation('projection_activation'),
    useAttention: read.boolean('use_attention_layer'),
    channelAttention: read.boolean('channel_attention'),
    spatialAttention: read.oneOf('spatial_attention', ['none', 'pool']) === 'pool',
    attentionActivation: read.activation('att_activation'),
    filterReg: read.positive('filter_reg'),
    kernelRows: kernel[0],
    kernelColumns: kernel[1],
    randomFilter: read.oneOf('filter_init_method', ['randn', 'zeros']) === 'randn',
    responseActivation: read.activation('reponse_activation'),
    featureSide: read.count('raw_fea_size', 2, 1024),
    augmentation: {
      enabled: read.boolean('use_augmentation'),
      expansion: read.number('augmentation_expansion_factor', 'a number from 1 to 4', (v) => v >= 1 && v <= 4),
      randomShift: read.number('augmentation_shift_factor', 'a number from 0 to 1', (v) => v <= 1),
      shifts: read.pairs('augmentation_shift', 'a list of [rows, columns], pixels, or false'),
      relativeShifts: read.pairs('augmentation_relativeshift', 'a list of [rows, columns], in half search images, or false'),
      flip: read.boolean('augmentation_fliplr'),
      blurs: read.pairs('augmentation_blur', 'a list of [rows, columns], pixels > 0 and ≤ 64, or false', (v) => v > 0 && v <= 64),
      scales: read.numbers('augmentation_scale', 'a list of factors from 0.1 to 10, or false', (v) => v >= 0.1 && v <= 10),
      rotations: read.numbers('augmentation_rotate', 'a list of degrees, or false', () => true),
      dropoutSamples,
      dropoutRate,
    },
    learningRate: read.share('precond_learning_rate'),
    initSamplesMinimumWeight: read.share('init_samples_minimum_weight'),
    memorySize: read.count('sample_memory_size', 2, 100_000),
    sigmaFactor: read.positive('output_sigma_factor'),
    initSteps: steps,
    initStepsWithoutProjection: Array.isArray(read.value('init_CG_iter')) ? steps.reduce((sum, count) => sum + count, 0) : read.count('init_CG_iter', 0, 10_000),
    postInitSteps: read.count('post_init_CG_iter', 0, 10_000),
    trainSkipping: read.count('train_skipping', 1, 1_000_000),
    updateSteps: read.count('CG_iter', 0, 10_000),
    fletcherReeves: read.boolean('fletcher_reeves'),
    directionForgetFactor: forgetFactor(read),
    advancedLocalization: read.boolean('advanced_localization'),
    hardNegativeLearningRate: read.share('hard_negative_learning_rate'),
    hardNegativeSteps: read.count('hard_negative_CG_iter', 0, 10_000),
    targetNotFoundThreshold: read.number('target_not_found_threshold', 'a number', Number.isFinite),
    targetNeighborhoodScale: read.nonNegative('target_neighborhood_scale'),
    distractorThreshold: read.nonNegative('distractor_threshold'),
    displacementScale: read.nonNegative('displacement_scale'),
    hardNegativeThreshold: read.nonNegative('hard_negative_threshold'),
  }
}
