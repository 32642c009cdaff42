/**
 * What may be done to gradients during training. The one of the original freezes layers by a schedule of epochs.
 */
import { compilePythonRegex } from '../config/python-regex.ts'
import type { FreezeStep } from '../config/schema.ts'
import { invalidArgument } from '../errors.ts'
import { Registry } from '../registry.ts'

/** What a modifier may do to a model; {@link import('./optimizer.ts') the optimizer} hands its model over as this. */
export interface FreezableModel {
  /** Names of the parameters (no buffers), in the model's order. */
  parameterNames(): string[]
  setRequiresGrad(names: string[], requiresGrad: boolean): void
}

export type GradModifierParams = Readonly<Record<string, unknown>>

/**
 * Base class. The trainer calls `modifyGrad(epoch)` at the start of an epoch and `modifyGrad(epoch, iteration)` between the backward pass
 * and the step of each iteration.
 */
export abstract class GradModifier {
  protected readonly model: FreezableModel
  protected readonly params: GradModifierParams

  /** @param params what the YAML has under the modifier's name */
  constructor(model: FreezableModel, params: GradModifierParams = {}) {
    this.model = model
    this.params = params
  }

  /**
   * @param epoch     0-based
   * @param iteration 0-based; absent at the start of an epoch
   */
  abstract modifyGrad(epoch: number, iteration?: number): void | Promise<void>
}

export type GradModifierClass = new (model: FreezableModel, params: GradModifierParams) => GradModifier

const gradModifiers = new Registry<GradModifierClass>('grad modifier')

/**
 * Adds a modifier that `grad_modifier.name` may select.
 * @throws ERR_ARGUMENT when the name is taken, or the class has no modifyGrad
 */
export function registerGradModifier<T extends GradModifierClass>(name: string, modifier: T): T {
  if (typeof modifier !== 'function' || typeof (modifier.prototype as Partial<GradModifier>)?.modifyGrad !== 'function') {
    throw invalidArgument('a class with modifyGrad(epoch, iteration?)', 'modifier', modifier)
  }
  gradModifiers.register(name, modifier)
  return modifier
}

/** Names that `grad_modifier.name` may have. */
export function gradModifierNames(): string[] {
  return gradModifiers.names()
}

/**
 * @param section `train.track.optim.grad_modifier`; absent, or with an empty name: no modifier
 * @throws ERR_CONFIG for an unknown name
 */
export function buildGradModifier(section: { readonly name?: string; readonly [key: string]: unknown } | undefined, model: FreezableModel): GradModifier | undefined {
  if (section === undefined || section.name === undefined || section.name === '') return undefined
  const modifier = gradModifiers.get(section.name)
  return new modifier(model, (section[section.name] ?? {}) as GradModifierParams)
}

/** One step of a freezing schedule that is in force, on the names that it is about. */
export interface FreezeAction {
  parameters: string[]
  requiresGrad: boolean
}

/**
 * The steps of a schedule at an epoch, in order; later ones override earlier ones.
 *
 * A step with `freezed: true` freezes its parameters from `epoch` on and trains them before; one with `freezed: false` does the opposite.
 * Only gradients stop: the running statistics of a BatchNorm inside a frozen layer go on, as in the original.
 *
 * @param schedule   decoded entries
 * @param parameters names of the model's parameters
 */
export function freezeActionsAt(schedule: readonly Readonly<FreezeStep>[], parameters: readonly string[], epoch: number): FreezeAction[] {
  return schedule.map(({ regex, epoch: start, freezed }) => {
    const expression = compilePythonRegex(regex)
    return { parameters: parameters.filter((name) => expression.test(name)), requiresGrad: epoch >= start !== freezed }
  })
}

/** @returns names of the parameters that do not train at `epoch`, in the model's order */
export function frozenAt(schedule: readonly Readonly<FreezeStep>[], parameters: readonly string[], epoch: number): string[] {
  const frozen = new Set<string>()
  for (const action of freezeActionsAt(schedule, parameters, epoch)) {
    for (const name of action.parameters) {
      if (action.requiresGrad) frozen.delete(name)
      else frozen.add(name)
    }
  }
  return parameters.filter((name) => frozen.has(name))
}

/** Freezes and thaws parameters at the start of epochs, by the schedule in the YAML. */
export class DynamicFreezer extends GradModifier {
  readonly schedule: readonly Readonly<FreezeStep>[]

  constructor(model: FreezableModel, params: GradModifierParams = {}) {
    super(model, params)
    const schedule = params.schedule ?? []
    if (!Array.isArray(schedule)) throw invalidArgument('a list of freezing steps', 'schedule of DynamicFreezer', schedule, 'ERR_CONFIG')
    this.schedule = schedule as FreezeStep[]
    for (const step of this.schedule) compilePythonRegex(step.regex)
  }

  /** Does its work at the start of an epoch; inside an epoch nothing changes. */
  override modifyGrad(epoch: number, iteration?: number): void {
    if (iteration !== undefined && iteration >= 0) return
    for (const { parameters, requiresGrad } of freezeActionsAt(this.schedule, this.model.parameterNames(), epoch)) {
      if (parameters.length > 0) this.model.setRequiresGrad(parameters, requiresGrad)
    }
  }

  /** @returns names of the parameters that this schedule keeps from training at `epoch` */
  frozenAt(epoch: number): string[] {
    return frozenAt(this.schedule, this.model.parameterNames(), epoch)
  }
}

registerGradModifier('DynamicFreezer', DynamicFreezer)
