/** What the types cannot say: numbers that fit together, names that exist, expressions that compile. */
import { SiamError } from '../errors.ts'
import { compilePythonRegex } from './python-regex.ts'
import type { Config, ConfigWarning } from './config.ts'
import type { ModelConfig, OptimConfig, TrainerConfig, TrainTrack } from './schema.ts'
import type { DeepReadonly } from './config.ts'
import { originAt } from './tree.ts'
import type { ConfigNode, Origin } from './tree.ts'

type Path = readonly (string | number)[]

class Checker {
  readonly #root: ConfigNode
  readonly #warnings: ConfigWarning[]

  constructor(root: ConfigNode, warnings: ConfigWarning[]) {
    this.#root = root
    this.#warnings = warnings
  }

  fail(path: Path, message: string, hint?: string, cause?: unknown): never {
    const origin: Origin = originAt(this.#root, path)
    const override = origin.override === undefined ? '' : `, from the override ${JSON.stringify(origin.override)}`
    throw new SiamError('ERR_CONFIG', message + override, { file: origin.file, line: origin.line, hint, cause })
  }

  warn(path: Path, message: string): void {
    const origin = originAt(this.#root, path)
    this.#warnings.push({ message, path: path.join('.'), file: origin.file, line: origin.line })
  }

  regex(path: Path, pattern: string): void {
    try {
      compilePythonRegex(pattern)
    } catch (cause) {
      this.fail(path, `${(cause as Error).message} (${path.join('.')})`, undefined, cause)
    }
  }
}

/**
 * @param root     the tree that `config` was made of, for the lines
 * @param warnings where what is odd but works is added
 * @throws ERR_CONFIG for what cannot train
 */
export function checkConfig(config: Config, root: ConfigNode, warnings: ConfigWarning[]): void {
  const checker = new Checker(root, warnings)
  for (const part of ['train', 'test'] as const) {
    const model = config[part]?.track?.model
    if (model !== undefined) checkModel(checker, [part, 'track', 'model'], model)
  }
  const track = config.train?.track
  const accumulated = track?.optim?.optimizer.SGD.accumulate_batches ?? 1
  if (track?.data !== undefined) checkEpoch(checker, ['train', 'track', 'data'], track.data, accumulated)
  if (track?.trainer !== undefined) checkTrainer(checker, track.trainer, accumulated)
  if (track?.optim !== undefined) checkOptim(checker, track.optim)
  if (track !== undefined) checkTogether(checker, track)
}

function checkModel(checker: Checker, path: Path, model: DeepReadonly<ModelConfig>): void {
  for (const part of ['backbone', 'task_head', 'task_model'] as const) {
    if (model[part].name === undefined) checker.fail([...path, part], `Expected a name at ${[...path, part].join('.')}.name but there is none`)
  }
  if (model.backbone.name === 'TorchScript' && (model.backbone.TorchScript?.path ?? '') === '') {
    const at = [...path, 'backbone', 'TorchScript', 'path']
    checker.fail(at, `Expected the path of a TorchScript file for ${at.join('.')} but there is none`)
  }
  const head = model.task_head.DenseboxHead
  if (head.head_conv_bn.length < head.num_conv3x3) {
    const at = [...path, 'task_head', 'DenseboxHead', 'head_conv_bn']
    checker.fail(at, `Expected one of true and false for each of the ${head.num_conv3x3} convolutions (num_conv3x3) at ${at.join('.')} but received ${head.head_conv_bn.length}`)
  }
  const labels = model.losses.names.map((name) => model.losses[name]?.name ?? name)
  const twice = labels.find((label, i) => labels.indexOf(label) !== i)
  if (twice !== undefined) checker.warn([...path, 'losses', 'names'], `two losses are called ${JSON.stringify(twice)}; only the last one is trained and logged under that name`)
}

function checkTrainer(checker: Checker, trainer: DeepReadonly<TrainerConfig>, accumulated: number): void {
  const path = ['train', 'track', 'trainer']
  if (trainer.name === undefined || trainer.name === '') checker.fail(path, 'Expected a name at train.track.trainer.name but there is none')
  const params = trainer.name === 'DistributedRegularTrainer' ? trainer.DistributedRegularTrainer : trainer.RegularTrainer
  if (params !== undefined && (trainer.name === 'RegularTrainer' || trainer.name === 'DistributedRegularTrainer')) {
    checkEpoch(checker, [...path, trainer.name], params, accumulated)
  }
}

/** An epoch must have at least one iteration. */
function checkEpoch(checker: Checker, path: Path, params: { readonly minibatch: number; readonly nr_image_per_epoch: number }, accumulated: number): void {
  const { minibatch, nr_image_per_epoch } = params
  if (Math.floor(nr_image_per_epoch / (minibatch * accumulated)) > 0) return
  const at = [...path, 'nr_image_per_epoch']
  const wanted = accumulated === 1 ? `one minibatch (${minibatch})` : `${accumulated} minibatches (accumulate_batches) of ${minibatch}`
  checker.fail(at, `An epoch of 0 iterations: ${at.join('.')} is ${nr_image_per_epoch}, expected at least ${wanted}`)
}

function checkOptim(checker: Checker, optim: DeepReadonly<OptimConfig>): void {
  const sgd = optim.optimizer.SGD
  const path = ['train', 'track', 'optim', 'optimizer', 'SGD']
  checkEpoch(checker, path, sgd, sgd.accumulate_batches)
  for (const [i, phase] of sgd.lr_policy.entries()) checkLrPhase(checker, [...path, 'lr_policy', i], phase)
  for (const [i, group] of sgd.lr_multiplier.entries()) checker.regex([...path, 'lr_multiplier', i, 'regex'], group.regex)
  for (const [i, step] of (optim.grad_modifier?.DynamicFreezer?.schedule ?? []).entries()) {
    checker.regex(['train', 'track', 'optim', 'grad_modifier', 'DynamicFreezer', 'schedule', i, 'regex'], step.regex)
  }
}

const transitionPolicies = new Set(['LinearLR', 'CosineLR', 'ExponentialLR'])

/** The built-in policies' numbers; a user's own policy checks its own when it is built. */
function checkLrPhase(checker: Checker, path: Path, phase: Readonly<Record<string, unknown>>): void {
  const expect = (key: string, expected: string, good: boolean): void => {
    const at = [...path, key]
    if (!good) checker.fail(at, `Expected ${expected} for ${at.join('.')} but received ${JSON.stringify(phase[key]) ?? 'nothing'}`)
  }
  const numberAt = (key: string): boolean => phase[key] === undefined || (typeof phase[key] === 'number' && Number.isFinite(phase[key]))
  if (transitionPolicies.has(phase.name as string)) {
    const positiveRates = phase.name === 'ExponentialLR'
    for (const key of ['start_lr', 'end_lr']) {
      const rate = (phase[key] ?? 0) as number
      if (positiveRates) expect(key, 'a number > 0', numberAt(key) && rate > 0)
      else expect(key, numberAt(key) ? 'a number ≥ 0' : 'a number', numberAt(key) && rate >= 0)
    }
    expect('max_epoch', 'a positive integer', phase.max_epoch === undefined || (Number.isSafeInteger(phase.max_epoch) && (phase.max_epoch as number) > 0))
  } else if (phase.name === 'MultiStageLR') {
    const stages = phase.lr_stages
    const good =
      Array.isArray(stages) && stages.length > 0 && stages.every((s, i) => Array.isArray(s) && s.length === 2 && Number.isSafeInteger(s[0]) && s[0] > (stages[i - 1]?.[0] ?? 0) && Number.isFinite(s[1]) && s[1] >= 0)
    expect('lr_stages', 'a list of [epoch, lr] pairs, the epochs rising from 1, the rates ≥ 0,', good)
  }
}

/** Epochs that the built-in policies plan, or undefined when a user's own is among them. */
function plannedEpochs(phases: readonly Readonly<Record<string, unknown>>[]): number | undefined {
  let sum = 0
  for (const phase of phases) {
    if (transitionPolicies.has(phase.name as string)) sum += (phase.max_epoch as number | undefined) ?? 1
    else if (phase.name === 'MultiStageLR') sum += (phase.lr_stages as [number, number][]).at(-1)?.[0] ?? 0
    else return undefined
  }
  return sum
}

/** Numbers that the original repeats in several sections and expects to be the same. */
function checkTogether(checker: Checker, track: DeepReadonly<TrainTrack>): void {
  const { data, optim, trainer, model } = track
  const trainerName = trainer?.name
  const params = trainerName === 'RegularTrainer' || trainerName === 'DistributedRegularTrainer' ? trainer?.[trainerName] : undefined
  const sgd = optim?.optimizer.SGD
  for (const key of ['minibatch', 'nr_image_per_epoch'] as const) {
    const values: [Path, number][] = []
    if (data !== undefined) values.push([['train', 'track', 'data', key], data[key]])
    if (params !== undefined) values.push([['train', 'track', 'trainer', trainerName as string, key], params[key]])
    if (sgd !== undefined) values.push([['train', 'track', 'optim', 'optimizer', 'SGD', key], sgd[key]])
    const [first, ...others] = values
    for (const [path, value] of others) {
      if (first !== undefined && value !== first[1]) checker.warn(path, `${path.join('.')} is ${value} but ${first[0].join('.')} is ${first[1]}; they are meant to be equal`)
    }
  }
  const planned = sgd === undefined || sgd.lr_policy.length === 0 ? undefined : plannedEpochs(sgd.lr_policy)
  if (params !== undefined && planned !== undefined && planned < params.max_epoch) {
    checker.warn(['train', 'track', 'optim', 'optimizer', 'SGD', 'lr_policy'], `lr_policy plans ${planned} epochs but max_epoch is ${params.max_epoch}; the last learning rate is held after that`)
  }
  if (model === undefined || data === undefined) return
  const head = model.task_head.DenseboxHead
  const target = data.target.DenseboxTarget
  const xSizes: [Path, number][] = [
    [['train', 'track', 'data', 'transformer', 'RandomCropTransformer', 'x_size'], data.transformer.RandomCropTransformer.x_size],
    [['train', 'track', 'data', 'target', 'DenseboxTarget', 'x_size'], target.x_size],
  ]
  for (const [path, value] of xSizes) {
    if (value !== head.x_size) checker.warn(path, `${path.join('.')} is ${value} but train.track.model.task_head.DenseboxHead.x_size is ${head.x_size}; they are meant to be equal`)
  }
  // The original computes the target's map size and ignores what the file says about it.
  const scoreSize = Math.floor((target.x_size - target.z_size) / target.total_stride) + 1 - 2 * target.num_conv3x3
  if (scoreSize !== head.score_size) {
    const at = ['train', 'track', 'model', 'task_head', 'DenseboxHead', 'score_size']
    checker.warn(at, `${at.join('.')} is ${head.score_size} but the target's sizes make a map of ${scoreSize}`)
  }
}
