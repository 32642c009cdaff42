/**
 * torch.optim.SGD's state dict, which knows parameters by number, and ours, which knows them by name. The numbers follow the order of the
 * groups: the first group's parameters first (QUIRKS 21: the backbone, then the rest), so the groups' names are the key to both.
 */
import { SiamError } from '../errors.ts'
import type { NamedRawTensor } from '../native/addon.ts'
import { CheckpointTensor } from './tensor.ts'
import { PyDict, PyFloat } from './values.ts'
import type { CheckpointValue } from './values.ts'

/** Settings of one parameter group, with torch's names. */
export interface SgdGroupState {
  lr: number
  momentum: number
  dampening: number
  weight_decay: number
  nesterov: boolean
}

export interface NamedOptimizerState {
  /**
   * Momentum buffers by parameter name, in the order of the state dict: in torch that in which they were made. A parameter that has not been
   * stepped yet has none.
   */
  momentumBuffers: NamedRawTensor[]
  groups: SgdGroupState[]
}

/**
 * Reads the optimizer state of a snapshot by parameter name. As in torch, the place in the groups decides, not the number itself.
 * @param groups  names of the parameters of each group, in the optimizer's order
 * @throws ERR_CHECKPOINT when the groups do not fit or something is not as torch writes it
 */
export function optimizerStateToNamed(state: CheckpointValue, groups: readonly (readonly string[])[], file?: string): NamedOptimizerState {
  const fail = (what: string): never => {
    throw new SiamError('ERR_CHECKPOINT', `optimizer_state_dict: ${what}`, { file, hint: 'the snapshot is of another model or another optimizer configuration' })
  }
  if (!(state instanceof PyDict)) return fail('Expected a dict')
  const saved = state.get('param_groups')
  const buffers = state.get('state')
  if (!Array.isArray(saved) || !(buffers instanceof PyDict)) return fail('Expected "state" (a dict) and "param_groups" (a list)')
  if (saved.length !== groups.length) return fail(`it has ${saved.length} parameter groups where the optimizer has ${groups.length}`)

  const named: NamedOptimizerState = { momentumBuffers: [], groups: [] }
  const used = new Set<unknown>()
  const place = new Map([...buffers.keys()].map((id, i) => [id, i]))
  const found: { place: number; buffer: NamedRawTensor }[] = []
  for (const [i, names] of groups.entries()) {
    const group = saved[i]
    if (!(group instanceof PyDict)) return fail(`group ${i} is no dict`)
    const ids = group.get('params')
    if (!Array.isArray(ids) || ids.length !== names.length) return fail(`group ${i} has ${Array.isArray(ids) ? ids.length : 'no'} parameters where the optimizer has ${names.length}`)
    const number = (key: string, otherwise?: number): number => {
      const value = group.get(key) ?? otherwise
      return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : fail(`group ${i} has no number "${key}" of 0 or more`)
    }
    named.groups.push({
      lr: number('lr'),
      momentum: number('momentum', 0),
      dampening: number('dampening', 0),
      weight_decay: number('weight_decay', 0),
      nesterov: group.get('nesterov') === true,
    })
    for (const [j, name] of names.entries()) {
      const id = ids[j]!
      if ((typeof id !== 'number' && typeof id !== 'string') || used.has(id)) return fail(`group ${i} names parameter ${String(id).slice(0, 40)} twice or oddly`)
      used.add(id)
      const entry = buffers.get(id)
      if (entry === undefined) continue
      if (!(entry instanceof PyDict)) return fail(`the state of parameter ${id} is no dict`)
      const buffer = entry.get('momentum_buffer')
      if (buffer === undefined || buffer === null) continue
      if (!(buffer instanceof CheckpointTensor)) return fail(`the momentum_buffer of parameter ${id} is no tensor`)
      found.push({ place: place.get(id)!, buffer: { name, ...buffer.toRaw() } })
    }
  }
  for (const id of buffers.keys()) if (!used.has(id)) return fail(`it has state for parameter ${String(id).slice(0, 40)}, which is in no group`)
  named.momentumBuffers = found.toSorted((a, b) => a.place - b.place).map(({ buffer }) => buffer)
  return named
}

/**
 * The optimizer state as torch.optim.SGD.state_dict() gives it, keys in its order.
 * @param state   momentum buffers by name, in the order to write them, and each group's settings
 * @param groups  names of the parameters of each group, in the optimizer's order
 * @throws ERR_ARGUMENT when the two do not fit together
 */
export function namedToOptimizerState(state: NamedOptimizerState, groups: readonly (readonly string[])[]): PyDict {
  if (state.groups.length !== groups.length) throw new SiamError('ERR_ARGUMENT', `Expected settings for ${groups.length} parameter groups but received ${state.groups.length}`)
  const idOf = new Map<string, number>()
  const paramGroups: CheckpointValue[] = []
  let id = 0
  for (const [i, names] of groups.entries()) {
    const settings = state.groups[i]!
    const ids: CheckpointValue[] = []
    for (const name of names) {
      idOf.set(name, id)
      ids.push(id++)
    }
    paramGroups.push(
      PyDict.fromObject({
        lr: new PyFloat(settings.lr),
        momentum: new PyFloat(settings.momentum),
        dampening: settings.dampening,
        weight_decay: new PyFloat(settings.weight_decay),
        nesterov: settings.nesterov,
        maximize: false,
        foreach: null,
        differentiable: false,
        fused: null,
        params: ids,
      }),
    )
  }
  const strays = state.momentumBuffers.filter(({ name }) => !idOf.has(name)).map(({ name }) => name)
  if (strays.length > 0) throw new SiamError('ERR_ARGUMENT', `a momentum buffer belongs to no parameter group: ${strays.slice(0, 3).join(', ')}`)
  const byId = new PyDict()
  for (const buffer of state.momentumBuffers) byId.set(idOf.get(buffer.name)!, PyDict.fromObject({ momentum_buffer: CheckpointTensor.fromRaw(buffer) }))
  return PyDict.fromObject({ state: byId, param_groups: paramGroups })
}
