/**
 * The optimizer that a trainer drives: native SGD with parameter groups, the learning-rate schedule, the gradient modifier, the gradient
 * scaler, clipping, the average of the weights, and the original's optimizer_state_dict.
 */
import { namedToOptimizerState, optimizerStateToNamed, type PyDict, type SgdGroupState } from '../checkpoint/index.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { NativeSgd } from '../native/addon.ts'
import type { StepFacts } from '../native/addon-step.ts'
import { Tensor } from '../native/tensor.ts'
import type { Ema } from './ema.ts'
import type { GradScaler } from './grad-scaler.ts'
import type { TensorDict } from './losses.ts'
import type { ParameterGroup } from './lr-multiplier.ts'
import type { Model } from './model.ts'

/** The base learning rate at each place of the run; lib/engine/lr-policy.ts makes one from the YAML's `lr_policy`. */
export interface LrSchedule {
  getLr(epoch: number, iteration: number): number
}

/** Changes gradients, or which parameters have any: DynamicFreezer, or a user's own. */
export interface GradientModifier {
  /** @param iteration absent at the start of an epoch, else the iteration whose gradients are complete and not yet applied */
  modifyGrad(epoch: number, iteration?: number): void | Promise<void>
}

export interface OptimizerOptions {
  /** Base learning rate where there is no schedule. */
  lr?: number
  momentum?: number
  /** L2 decay, on every parameter as in the original (BatchNorm's and biases included). */
  weightDecay?: number
  dampening?: number
  nesterov?: boolean
  schedule?: LrSchedule | null
  /** In the order of the groups' ids in optimizer_state_dict; by default one group with all parameters. */
  groups?: readonly ParameterGroup[]
  gradModifier?: GradientModifier | null
  gradScaler?: GradScaler | null
  /** Largest total L2 norm of the gradients; larger ones are scaled down before the step. 0 (default): no limit. */
  clipGradNorm?: number
  /** Largest absolute value of a gradient's element, applied before clipGradNorm. 0 (default): no limit. */
  clipGradValue?: number
  /** Batches whose mean gradient a trainer steps with; an iteration is that many batches. Default 1. */
  accumulateBatches?: number
  /** Moving average of the weights, updated after each step; the optimizer disposes it with itself. */
  ema?: Ema | null
  /** @internal The CPU tells what became of a step late, as a device does: for tests. */
  deferOutcomes?: boolean
}

/** What became of a step, or the scalars that will hold it: `flags`, and `scale` where there is a scaler. */
export interface StepOutcome {
  known: StepFacts | null
  pending: TensorDict
}

function checkGroups(groups: readonly ParameterGroup[], known: readonly string[]): void {
  const owner = new Map<string, string>()
  const names = new Set(known)
  for (const { name, ratio, parameters } of groups) {
    if (typeof ratio !== 'number' || !Number.isFinite(ratio) || ratio < 0) throw invalidArgument('a number ≥ 0', `the ratio of parameter group ${name}`, ratio, 'ERR_CONFIG')
    for (const parameter of parameters) {
      if (!names.has(parameter)) throw new SiamError('ERR_CONFIG', `parameter group ${name}: the model has no parameter ${JSON.stringify(parameter)}`)
      const other = owner.get(parameter)
      if (other !== undefined) throw new SiamError('ERR_CONFIG', `parameter ${parameter} is in two parameter groups, ${other} and ${name}`)
      owner.set(parameter, name)
    }
  }
  if (owner.size === 0) throw new SiamError('ERR_CONFIG', 'no parameter group has any parameter: nothing would be trained')
}

export class Optimizer implements Disposable {
  readonly model: Model
  readonly groups: readonly ParameterGroup[]
  readonly schedulePolicy: LrSchedule | null
  readonly gradModifier: GradientModifier | null
  readonly gradScaler: GradScaler | null
  readonly clipGradNorm: number
  readonly clipGradValue: number
  readonly accumulateBatches: number
  readonly ema: Ema | null
  readonly #rule: Readonly<Omit<SgdGroupState, 'lr'>>
  readonly #sgd: NativeSgd
  /** What each group steps with: the base rate times its ratio, or what a snapshot had until the schedule sets it. */
  #groupLrs: number[]
  /** Parameters in the order in which their momentum was made, so that a state dict that is loaded and saved again stays the same. */
  #momentumOrder: string[] = []
  #baseLr: number
  #disposed = false
  /** Norm of the last step's gradients before they were clipped. */
  #gradNorm: Tensor | null = null
  #outcome: StepOutcome | null = null

  /** @throws ERR_ARGUMENT or ERR_CONFIG for numbers out of range, unknown parameters, or a parameter in two groups */
  constructor(model: Model, options: OptimizerOptions = {}) {
    const { lr = 0.1, momentum = 0.9, weightDecay = 0.00005, dampening = 0, nesterov = false, clipGradNorm = 0, clipGradValue = 0, accumulateBatches = 1 } = options
    for (const [name, value] of Object.entries({ lr, momentum, weight_decay: weightDecay, dampening, clip_grad_norm: clipGradNorm, clip_grad_value: clipGradValue })) {
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw invalidArgument('a number ≥ 0', name, value, 'ERR_CONFIG')
    }
    if (nesterov && (momentum <= 0 || dampening !== 0)) throw new SiamError('ERR_CONFIG', 'nesterov needs a momentum above 0 and a dampening of 0')
    if (!Number.isSafeInteger(accumulateBatches) || accumulateBatches < 1) throw invalidArgument('an integer ≥ 1', 'accumulate_batches', accumulateBatches, 'ERR_CONFIG')
    this.model = model
    this.groups = options.groups ?? [{ name: 'all', ratio: 1, parameters: model.parameterNames() }]
    checkGroups(this.groups, model.parameterNames())
    this.schedulePolicy = options.schedule ?? null
    this.gradModifier = options.gradModifier ?? null
    this.gradScaler = options.gradScaler ?? null
    this.clipGradNorm = clipGradNorm
    this.clipGradValue = clipGradValue
    this.accumulateBatches = accumulateBatches
    this.ema = options.ema ?? null
    this.#rule = { momentum, weight_decay: weightDecay, dampening, nesterov }
    this.#baseLr = lr
    this.#groupLrs = this.groups.map(({ ratio }) => lr * ratio)
    this.#sgd = loadAddon().createSgd(
      model.native,
      this.groups.map(({ ratio, parameters }) => ({ parameters: [...parameters], lr: lr * ratio, momentum, weightDecay, dampening, nesterov })),
      { deferred: options.deferOutcomes === true },
    )
  }

  /** @internal the addon's handle. @throws ERR_DISPOSED */
  get native(): NativeSgd {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this Optimizer was used after dispose()')
    return this.#sgd
  }

  /** The base learning rate that is set now; a group's is this times its ratio. */
  get lr(): number {
    return this.#baseLr
  }

  /** Sets the learning rate of (epoch, iteration) for the next step. @returns what monitors show: { lr }, the base one */
  schedule(epoch: number, iteration: number): { lr: number } {
    const lr = this.schedulePolicy?.getLr(epoch, iteration) ?? this.#baseLr
    if (!Number.isFinite(lr)) throw new SiamError('ERR_CONFIG', `the learning rate of epoch ${epoch}, iteration ${iteration} is ${lr}`)
    this.#setLr(lr)
    return { lr }
  }

  #setLr(lr: number): void {
    this.#baseLr = lr
    this.#setGroupLrs(this.groups.map(({ ratio }) => lr * ratio))
  }

  #setGroupLrs(lrs: number[]): void {
    this.#groupLrs = lrs
    for (const [i, lr] of lrs.entries()) this.native.setLr(i, lr)
  }

  zeroGrad(): void {
    this.native.zeroGrad()
  }

  /** Runs the gradient modifier: with the epoch alone at an epoch's start, with the iteration between backward and step. */
  async modifyGrad(epoch: number, iteration?: number): Promise<void> {
    await this.gradModifier?.modifyGrad(epoch, iteration)
  }

  /**
   * The backward pass of an iteration's loss: adds `share` of its gradients, scaled where there is a scaler. The gradients of a loss that is NaN
   * or infinite become NaN, so that step() is skipped, in all processes that reduce them.
   * @param loss  one element; its graph is freed, the value stays readable
   * @param share of this batch in the step: 1 / K where K batches make it. Default 1
   * @param parts values of the same graph (losses, extras) that will be read later: what else the graph holds is freed
   */
  async backward(loss: Tensor, share = 1, parts: readonly Tensor[] = []): Promise<void> {
    await this.native.backward(loss.native, share, this.gradScaler?.native ?? null, parts.map(({ native }) => native))
  }

  /**
   * One step: gradients are unscaled (where there is a scaler), clipped (value, then norm), applied; then the average of the weights follows.
   *
   * Where a gradient is not finite the step is skipped, and the iteration since zeroGrad() is as if it had not been: weights, momentum, average
   * and running statistics stay bit by bit. Only the scaler lowers its scale.
   * @returns whether it stepped; null on a device, which tells later ({@link takeOutcome}): nothing waits for it here
   */
  async step(): Promise<boolean | null> {
    const { native, gradScaler, ema, clipGradNorm: clipNorm, clipGradValue: clipValue } = this
    this.#dropLast()
    ema?.begin()
    const average = ema === null ? {} : { ema: ema.native, emaDecay: ema.decay, emaWarmup: ema.warmup, emaUpdates: ema.updates }
    const { known, flags, scale, gradNorm } = await native.step({ scaler: gradScaler?.native ?? null, clipNorm, clipValue, ...average })
    const norm = gradNorm === null ? null : new Tensor(gradNorm)
    if (known?.skipped === true) norm?.dispose()
    else {
      this.#gradNorm = norm
      ema?.count(1)
    }
    this.#outcome = { known, pending: flags === null ? {} : { flags: new Tensor(flags), ...(scale === null ? {} : { scale: new Tensor(scale) }) } }
    return known === null ? null : !known.skipped
  }

  /**
   * What became of the last step; null at a second call. Where it is not known yet, `pending` has the scalars that hold it: read them together
   * with the losses, give them to {@link settle}, and dispose them.
   */
  takeOutcome(): StepOutcome | null {
    const outcome = this.#outcome
    this.#outcome = null
    return outcome
  }

  /** Takes note of an outcome that was pending. @param values of its scalars */
  settle(values: Readonly<Record<string, number>>): StepFacts {
    const { flags = 0, scale } = values
    const facts = { skipped: flags % 2 === 1, lossBad: flags >= 2, scale: scale ?? null }
    if (facts.skipped) this.ema?.count(-1)
    return facts
  }

  #dropLast(): void {
    this.#gradNorm?.dispose()
    this.#gradNorm = null
    for (const tensor of Object.values(this.#outcome?.pending ?? {})) tensor.dispose()
    this.#outcome = null
  }

  /**
   * Scalars of the last step that are worth watching: with clipGradNorm `{ grad_norm }`, the norm before clipping. Nothing after a step that is
   * known to have been skipped, or at a second call. The caller disposes them.
   */
  takeExtras(): TensorDict {
    const norm = this.#gradNorm
    this.#gradNorm = null
    return norm === null ? {} : { grad_norm: norm }
  }

  /** Total L2 norm of the gradients. */
  async gradNorm(): Promise<number> {
    return this.native.gradNorm()
  }

  /** As torch.optim.SGD.state_dict(): ids count through the groups, momentum_buffer by id, where one was made. */
  async stateDict(): Promise<PyDict> {
    const buffers = new Map((await this.native.momentumBuffers()).map((buffer) => [buffer.name, buffer]))
    this.#momentumOrder = [...new Set([...this.#momentumOrder, ...buffers.keys()])].filter((name) => buffers.has(name))
    const momentumBuffers = this.#momentumOrder.map((name) => buffers.get(name)!)
    const groups = this.#groupLrs.map((lr) => ({ ...this.#rule, lr }))
    return namedToOptimizerState({ momentumBuffers, groups }, this.#groupNames)
  }

  /**
   * Takes momentum buffers and learning rates from a state dict of ours, of the original, or of torch.optim.SGD over the same groups. Momentum,
   * decay and the schedule stay those of this optimizer; the schedule sets the rates anew before the next step.
   * @throws ERR_CHECKPOINT when groups, ids or shapes are not those of this model; nothing is changed then
   */
  async loadStateDict(state: PyDict, file?: string): Promise<void> {
    const { momentumBuffers, groups } = optimizerStateToNamed(state, this.#groupNames, file)
    const shapes = new Map(this.model.describe().map(({ name, shape }) => [name, shape]))
    for (const { name, shape } of momentumBuffers) {
      const expected = shapes.get(name) ?? []
      if (shape.join() === expected.join()) continue
      throw new SiamError('ERR_CHECKPOINT', `the momentum of ${name} has shape [${shape.join(', ')}], the parameter [${expected.join(', ')}]`, { file })
    }
    await this.native.loadMomentumBuffers(momentumBuffers)
    this.#momentumOrder = momentumBuffers.map(({ name }) => name)
    this.#setGroupLrs(groups.map(({ lr }) => lr))
    // The base rate is that of a group of ratio 1, where there is one: a division could miss it by a bit.
    const plain = Math.max(0, this.groups.findIndex(({ ratio }) => ratio === 1))
    const { ratio } = this.groups[plain]!
    if (ratio > 0) this.#baseLr = groups[plain]!.lr / ratio
  }

  get #groupNames(): (readonly string[])[] {
    return this.groups.map(({ parameters }) => parameters)
  }

  /** Frees the momentum buffers, the scaler and the average; the model stays. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#dropLast()
    this.ema?.dispose()
    this.gradScaler?.dispose()
    this.#sgd.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
