/** What a configuration plans: the learning rate of every iteration, the groups that scale it, and what is frozen when. */
import { numIterations, requireTrain, trainerParams, type Config } from '../config/index.ts'
import { emaDecayAt } from './ema-decay.ts'
import { frozenAt } from './grad-modifier.ts'
import { divideIntoGroups, type ParameterGroup } from './lr-multiplier.ts'
import { buildLrPolicy } from './lr-policy.ts'

export interface Schedule {
  maxEpoch: number
  numIterations: number
  groups: ParameterGroup[]
  /** From epoch 0 to maxEpoch, without a gap. */
  phases: SchedulePhase[]
  /** Parameters that do not train, at each epoch from 0 to maxEpoch − 1. */
  frozen: string[][]
  /** The base learning rate; a group's is this times its ratio. */
  lrAt(epoch: number, iteration: number): number
  momentum: number
  weightDecay: number
  /** Largest norm and largest element of the gradients; 0: no limit. */
  clipGradNorm: number
  clipGradValue: number
  /** Batches of an iteration, and pairs of a batch. */
  accumulateBatches: number
  minibatch: number
  /** The average of the weights; null where there is none. */
  ema: { decay: number; warmup: number; finalModel: boolean } | null
  /** Decay of the average at an iteration's step, 0 where there is none; a step that a gradient scaler skips is not counted. */
  emaDecayAt(epoch: number, iteration: number): number
}

/** A part of the learning-rate schedule: one entry of `lr_policy`, or what stands in for it. */
export interface SchedulePhase {
  /** The policy's name; `constant` without a policy, `held` past the last one's end. */
  name: string
  /** Half-open range. */
  epochs: [from: number, to: number]
  /** Base rate at the first and the last iteration. */
  from: number
  to: number
  /** The rate grows: a warm-up. */
  rising: boolean
}

/** One bar of a chart: parameters that are frozen over the same epochs. */
export interface FrozenSpan {
  /** The freezing step that decided last, by its name. */
  label: string
  parameters: string[]
  /** Half-open ranges of epochs. */
  epochs: [from: number, to: number][]
}

/**
 * @param parameters names of the model's parameters in its order; without them groups and freezing stay empty
 * @throws ERR_CONFIG when the configuration has no training part, or its schedule cannot be built
 */
export function scheduleOf(config: Config, parameters: readonly string[]): Schedule {
  const { optim } = requireTrain(config)
  const sgd = optim.optimizer.SGD
  const policy = buildLrPolicy(sgd.lr_policy, Math.floor(sgd.nr_image_per_epoch / (sgd.minibatch * sgd.accumulate_batches)))
  const { max_epoch: maxEpoch, minibatch } = trainerParams(config)
  const iterations = numIterations(config)
  const { decay, warmup, final_model: finalModel } = optim.ema
  const steps = freezingSteps(config)
  const lrAt = (epoch: number, iteration: number): number => policy?.getLr(epoch, iteration) ?? sgd.lr
  const lengths = policy?.policies.map(({ epochs }, i) => ({ name: sgd.lr_policy[i]?.name ?? '', epochs })) ?? [{ name: 'constant', epochs: maxEpoch }]
  return {
    maxEpoch,
    numIterations: iterations,
    groups: divideIntoGroups(sgd.lr_multiplier, parameters),
    frozen: Array.from({ length: maxEpoch }, (_, epoch) => frozenAt(steps, parameters, epoch)),
    phases: phasesOf(lengths, maxEpoch, (epoch, last) => lrAt(epoch, last ? iterations - 1 : 0)),
    lrAt,
    momentum: sgd.momentum,
    weightDecay: sgd.weight_decay,
    clipGradNorm: sgd.clip_grad_norm,
    clipGradValue: sgd.clip_grad_value,
    accumulateBatches: sgd.accumulate_batches,
    minibatch,
    ema: decay === 0 ? null : { decay, warmup, finalModel },
    emaDecayAt: (epoch, iteration) => emaDecayAt(epoch * iterations + iteration, decay, warmup),
  }
}

/** @param rateAt the base rate at the first or the last iteration of an epoch */
function phasesOf(lengths: readonly { name: string; epochs: number }[], maxEpoch: number, rateAt: (epoch: number, last: boolean) => number): SchedulePhase[] {
  const phases: SchedulePhase[] = []
  let start = 0
  for (const { name, epochs } of [...lengths, { name: 'held', epochs: Infinity }]) {
    const end = Math.min(maxEpoch, start + epochs)
    if (end > start) {
      const from = rateAt(start, false)
      const to = rateAt(end - 1, true)
      phases.push({ name, epochs: [start, end], from, to, rising: to > from })
    }
    start = end
  }
  return phases
}

/** Only DynamicFreezer has a schedule that can be told in advance; a user's own modifier does what it does. */
function freezingSteps(config: Config) {
  const modifier = requireTrain(config).optim.grad_modifier
  return modifier?.name === 'DynamicFreezer' ? (modifier.DynamicFreezer?.schedule ?? []) : []
}

/** Parameters that share their frozen epochs, first frozen last thawed. */
export function frozenSpans(config: Config, schedule: Schedule, parameters: readonly string[]): FrozenSpan[] {
  const steps = freezingSteps(config)
  const sets = schedule.frozen.map((names) => new Set(names))
  const spans = new Map<string, FrozenSpan>()
  for (const name of parameters) {
    const epochs: [number, number][] = []
    for (const [epoch, set] of sets.entries()) {
      if (!set.has(name)) continue
      const last = epochs.at(-1)
      if (last !== undefined && last[1] === epoch) last[1] = epoch + 1
      else epochs.push([epoch, epoch + 1])
    }
    if (epochs.length === 0) continue
    const step = steps.findLast((s) => frozenAt([s], [name], s.epoch - 1).length + frozenAt([s], [name], s.epoch).length > 0)
    const label = step?.name || 'frozen'
    const key = JSON.stringify([label, epochs])
    const span = spans.get(key)
    if (span === undefined) spans.set(key, { label, parameters: [name], epochs })
    else span.parameters.push(name)
  }
  const frozenFor = (span: FrozenSpan): number => span.epochs.reduce((sum, [from, to]) => sum + to - from, 0)
  return [...spans.values()].sort((a, b) => frozenFor(b) - frozenFor(a))
}

/** The JSON that programs may rely on (design §10). `frozen` has every epoch. */
export interface ScheduleJson {
  max_epoch: number
  num_iterations: number
  lr: [epoch: number, iteration: number, lr: number][]
  groups: { name: string; ratio: number; parameters: string[] }[]
  frozen: Record<string, string[]>
  momentum: number
  weight_decay: number
  /** 0: no limit. */
  clip_grad_norm: number
  clip_grad_value: number
  accumulate_batches: number
  minibatch: number
  ema: { decay: number; warmup: number; final_model: boolean } | null
}

/** Every `every`-th iteration of each epoch, and its last one. */
export function* iterationsOf(schedule: Schedule, every = 1): Generator<[epoch: number, iteration: number]> {
  for (let epoch = 0; epoch < schedule.maxEpoch; epoch++) {
    for (let iteration = 0; iteration < schedule.numIterations; iteration++) {
      if (iteration % every === 0 || iteration === schedule.numIterations - 1) yield [epoch, iteration]
    }
  }
}

export function scheduleJson(schedule: Schedule, every = 1): ScheduleJson {
  return {
    max_epoch: schedule.maxEpoch,
    num_iterations: schedule.numIterations,
    lr: Array.from(iterationsOf(schedule, every), ([epoch, iteration]) => [epoch, iteration, schedule.lrAt(epoch, iteration)]),
    groups: schedule.groups.map(({ name, ratio, parameters }) => ({ name, ratio, parameters })),
    frozen: Object.fromEntries(schedule.frozen.map((names, epoch) => [String(epoch), names])),
    momentum: schedule.momentum,
    weight_decay: schedule.weightDecay,
    clip_grad_norm: schedule.clipGradNorm,
    clip_grad_value: schedule.clipGradValue,
    accumulate_batches: schedule.accumulateBatches,
    minibatch: schedule.minibatch,
    ema: schedule.ema === null ? null : { decay: schedule.ema.decay, warmup: schedule.ema.warmup, final_model: schedule.ema.finalModel },
  }
}
