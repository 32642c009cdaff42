/**
 * Learning-rate policies: pure functions of (epoch, iteration) in double precision, composed one after the other.
 *
 * A schedule that is asked for an epoch past its end holds its last learning rate. (The original starts its last phase again there, so
 * that a finished run that is resumed trains at the highest rate.) `epochs` tells whether a schedule is over.
 *
 * Parity: test/golden/lr-policy.
 */
import type { LrPhase } from '../config/schema.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import { Registry } from '../registry.ts'
import { cos, exp, log } from './precise-math.ts'

/** A learning rate for every iteration of a number of epochs. */
export interface LrPolicy {
  /** Epochs that it covers. */
  readonly epochs: number
  /**
   * @param epoch     0-based, inside this policy; past its end the last learning rate is meant
   * @param iteration 0-based, inside the epoch
   */
  getLr(epoch: number, iteration: number): number
}

/** Makes a policy of one entry of the YAML's `lr_policy`. */
export type LrPolicyFactory = (phase: Readonly<LrPhase>, numIterations: number) => LrPolicy

const lrPolicies = new Registry<LrPolicyFactory>('learning-rate policy')

/**
 * Adds a policy that `lr_policy` entries may name.
 * @param name    what the entry's "name" says
 * @param factory gets the decoded entry and the number of iterations of an epoch
 * @throws ERR_ARGUMENT when the name is taken
 */
export function registerLrPolicy(name: string, factory: LrPolicyFactory): void {
  if (typeof factory !== 'function') throw invalidArgument('a function', 'factory', factory)
  lrPolicies.register(name, factory)
}

/** Names that `lr_policy` entries may use. */
export function lrPolicyNames(): string[] {
  return lrPolicies.names()
}

/** How a rate goes from start to end: lr = post(pre(start) + (pre(end) − pre(start)) · curve(progress)). */
interface Transition {
  pre: (lr: number) => number
  curve: (progress: number) => number
  post: (value: number) => number
}

const identity = (x: number): number => x

const transitions: Record<'LinearLR' | 'ExponentialLR' | 'CosineLR', Transition> = {
  LinearLR: { pre: identity, curve: identity, post: identity },
  ExponentialLR: { pre: log, curve: identity, post: exp },
  CosineLR: { pre: identity, curve: (x) => (1 - cos(x * Math.PI)) / 2, post: identity },
}

/** A rate that moves from `startLr` towards `endLr`, which the iteration after the last one would reach. */
class TransitionLr implements LrPolicy {
  readonly epochs: number
  readonly #startLr: number
  readonly #endLr: number
  readonly #numIterations: number
  readonly #transition: Transition

  constructor(transition: Transition, phase: Readonly<LrPhase>, numIterations: number) {
    this.#startLr = numberOf(phase, 'start_lr', 0)
    this.#endLr = numberOf(phase, 'end_lr', 0)
    if (this.#startLr < 0 || this.#endLr < 0) throw invalidArgument('numbers ≥ 0', `start_lr and end_lr of ${phase.name}`, [this.#startLr, this.#endLr], 'ERR_CONFIG')
    this.epochs = numberOf(phase, 'max_epoch', 1)
    if (!Number.isSafeInteger(this.epochs) || this.epochs < 1) throw invalidArgument('a positive integer', `max_epoch of ${phase.name}`, phase.max_epoch, 'ERR_CONFIG')
    if (transition.pre === log && !(this.#startLr > 0 && this.#endLr > 0)) {
      throw invalidArgument('numbers > 0', `start_lr and end_lr of ${phase.name}`, [this.#startLr, this.#endLr], 'ERR_CONFIG')
    }
    this.#numIterations = numIterations
    this.#transition = transition
  }

  getLr(epoch: number, iteration: number): number {
    const over = epoch >= this.epochs
    const e = over ? this.epochs - 1 : epoch
    const i = over ? this.#numIterations - 1 : iteration
    const { pre, curve, post } = this.#transition
    const start = pre(this.#startLr)
    const end = pre(this.#endLr)
    // The order of operations is the original's, so that the doubles are the same.
    return post(start + (end - start) * curve((e * this.#numIterations + i) / (this.epochs * this.#numIterations)))
  }
}

/** Constant stages: `lr_stages: [[10, 0.1], [40, 0.01]]` is 0.1 before epoch 10, 0.01 before epoch 40. */
class MultiStageLr implements LrPolicy {
  readonly epochs: number
  readonly #stages: readonly (readonly [number, number])[]

  constructor(phase: Readonly<LrPhase>) {
    const stages = phase.lr_stages
    // The original takes any epochs; a stage that ends before its predecessor, or where it does, would never be reached.
    const good =
      Array.isArray(stages) && stages.length > 0 && stages.every((s, i) => Array.isArray(s) && s.length === 2 && Number.isSafeInteger(s[0]) && s[0] > (stages[i - 1]?.[0] ?? 0) && Number.isFinite(s[1]) && s[1] >= 0)
    if (!good) throw invalidArgument('a list of [epoch, lr] pairs, the epochs rising from 1, the rates ≥ 0,', 'lr_stages of MultiStageLR', stages, 'ERR_CONFIG')
    this.#stages = stages as [number, number][]
    this.epochs = (this.#stages.at(-1) as readonly [number, number])[0]
  }

  getLr(epoch: number): number {
    const stage = this.#stages.find(([end]) => epoch < end) ?? (this.#stages.at(-1) as readonly [number, number])
    return stage[1]
  }
}

/** Policies one after the other. */
export class ListLr implements LrPolicy {
  readonly policies: readonly LrPolicy[]
  readonly epochs: number

  /** @throws ERR_CONFIG when there is none */
  constructor(policies: readonly LrPolicy[]) {
    if (policies.length === 0) throw new SiamError('ERR_CONFIG', 'Expected at least one learning-rate policy but there is none')
    this.policies = policies
    this.epochs = policies.reduce((sum, policy) => sum + policy.epochs, 0)
  }

  /** @returns the learning rate of the policy that covers the epoch; past the end, the last one's last */
  getLr(epoch: number, iteration: number): number {
    if (!(epoch >= 0) || !(iteration >= 0)) throw invalidArgument('numbers ≥ 0', 'epoch and iteration', [epoch, iteration])
    let inside = epoch
    for (const [i, policy] of this.policies.entries()) {
      if (inside < policy.epochs || i === this.policies.length - 1) return policy.getLr(inside, iteration)
      inside -= policy.epochs
    }
    throw new SiamError('ERR_INTERNAL', 'a list of learning-rate policies without a last one')
  }
}

function numberOf(phase: Readonly<LrPhase>, key: string, fallback: number): number {
  const value = phase[key] ?? fallback
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidArgument('a number', `${key} of ${phase.name}`, value, 'ERR_CONFIG')
  return value
}

for (const [name, transition] of Object.entries(transitions)) {
  registerLrPolicy(name, (phase, numIterations) => new TransitionLr(transition, phase, numIterations))
}
registerLrPolicy('MultiStageLR', (phase) => new MultiStageLr(phase))

/**
 * Builds the schedule of an optimizer.
 *
 * @param phases        decoded entries of `lr_policy`, in order
 * @param numIterations iterations of an epoch, a positive integer
 * @returns the schedule, or undefined for no phases at all (the optimizer's own `lr` then stays as it is)
 * @throws ERR_CONFIG for an unknown policy name or numbers that make no schedule
 */
export function buildLrPolicy(phases: readonly Readonly<LrPhase>[], numIterations: number): ListLr | undefined {
  if (!Number.isSafeInteger(numIterations) || numIterations < 1) throw invalidArgument('a positive integer', 'numIterations', numIterations)
  if (phases.length === 0) return undefined
  return new ListLr(phases.map((phase) => lrPolicies.get(phase.name)(phase, numIterations)))
}
