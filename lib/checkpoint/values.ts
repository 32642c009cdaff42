/**
 * What a checkpoint holds besides tensors, as plain as TypeScript allows while keeping what Python distinguishes: dict from OrderedDict, list
 * from tuple, 1 from 1.0. A file that is read and written again comes out with the same types, keys and order.
 */
import { CheckpointTensor } from './tensor.ts'
import { SiamError } from '../errors.ts'

export type DictKey = string | number | bigint | boolean | null | PyTuple
export type CheckpointValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CheckpointTensor
  | PyDict
  | PyTuple
  | PyFloat
  | TorchSymbol
  | CheckpointValue[]
  | Set<CheckpointValue>

/** A Python dict, or a collections.OrderedDict. Insertion order is kept. */
export class PyDict extends Map<DictKey, CheckpointValue> {
  /** An OrderedDict, as state dicts are. */
  ordered = false
  /** Attributes set on the object, such as a state dict's `_metadata`. */
  attributes: PyDict | undefined

  static ordered(entries: Iterable<readonly [DictKey, CheckpointValue]> = []): PyDict {
    const dict = new PyDict(entries)
    dict.ordered = true
    return dict
  }

  /** A {@link PyFloat} is stored as its number; that it is a float in Python is remembered. */
  override set(key: DictKey, value: CheckpointValue): this {
    return super.set(key, unwrapFloat(this, key, value))
  }

  /** A dict with a plain object's keys; undefined values are left out. */
  static fromObject(object: Record<string, CheckpointValue | undefined>): PyDict {
    const dict = new PyDict()
    for (const [key, value] of Object.entries(object)) if (value !== undefined) dict.set(key, value)
    return dict
  }
}

/** A Python tuple (or torch.Size): an array that is written as a tuple. */
export class PyTuple extends Array<CheckpointValue> {
  /** Tells the two kinds of arrays apart for the type checker, which compares by structure. */
  get isTuple(): true {
    return true
  }

  static pack(items: Iterable<CheckpointValue>): PyTuple {
    const tuple = new PyTuple()
    let index = 0
    for (const item of items) {
      tuple.push(unwrapFloat(tuple, index, item))
      index++
    }
    return tuple
  }
}

/** A number to be written as a Python float though it is whole: `new PyFloat(1)` is 1.0. Readers yield plain numbers. */
export class PyFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A torch.dtype or a torch.device: `torch.float32`, `cuda:0`. */
export class TorchSymbol {
  readonly kind: 'dtype' | 'device'
  readonly name: string

  constructor(kind: 'dtype' | 'device', name: string) {
    this.kind = kind
    this.name = name
  }
}

// Numbers carry no mark of their own, so the container remembers which of its whole numbers came as floats; see isWrittenAsFloat.
const wholeFloats = new WeakMap<object, Set<unknown>>()

/** Takes a float out of its wrapper and notes in its container that it is one. */
export function unwrapFloat(container: object, key: unknown, value: CheckpointValue): CheckpointValue {
  if (!(value instanceof PyFloat)) return value
  const marks = wholeFloats.get(container)
  if (marks === undefined) wholeFloats.set(container, new Set([key]))
  else marks.add(key)
  return value.value
}

/** @returns whether the number at `key` of a container is a float in Python: fractions are, whole numbers only if they were read as such. */
export function isWrittenAsFloat(container: object | undefined, key: unknown, value: number): boolean {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return true
  return container !== undefined && wholeFloats.get(container)?.has(key) === true
}

/** A member to be put into another container: whole floats are wrapped again, so that they stay floats there. */
export function rewrapFloat(container: object, key: unknown, value: CheckpointValue): CheckpointValue {
  return typeof value === 'number' && wholeFloats.get(container)?.has(key) === true ? new PyFloat(value) : value
}

/** Direct members of a container, with the key that names each; undefined for what is none. */
export function members(value: CheckpointValue): Iterable<readonly [DictKey, CheckpointValue]> | undefined {
  if (value instanceof PyDict) return value.entries()
  if (Array.isArray(value)) return value.entries()
  if (value instanceof Set) return [...value].entries()
  return undefined
}

/** The name of a key in a dotted path. */
export function keyText(key: DictKey): string {
  return Array.isArray(key) ? `(${key.map(String).join(',')})` : String(key)
}

const maxPathChars = 64_000_000

/**
 * Every tensor under a value by its dotted path (`model_state_dict.head.bi`, `optimizer_state_dict.state.0.momentum_buffer`), in order.
 * The value must have passed {@link checkTree} or come from a reader.
 * @throws ERR_CHECKPOINT when two tensors have one path
 */
export function collectTensors(root: CheckpointValue, file?: string): Map<string, CheckpointTensor> {
  const found = new Map<string, CheckpointTensor>()
  let pathChars = 0
  const walk = (value: CheckpointValue, path: string): void => {
    if (value instanceof CheckpointTensor) {
      if (found.has(path)) throw new SiamError('ERR_CHECKPOINT', `two tensors have the path "${path}"`, { file })
      // The text of all paths is bounded: one long key over many tensors would be copied for each.
      pathChars += path.length
      if (pathChars > maxPathChars) throw new SiamError('ERR_CHECKPOINT', `the paths of the tensors have more than ${maxPathChars} characters`, { file })
      found.set(path, value)
      return
    }
    const inside = members(value)
    if (inside === undefined) return
    for (const [key, member] of inside) walk(member, path === '' ? keyText(key) : `${path}.${keyText(key)}`)
  }
  walk(root, '')
  return found
}

export interface TreeLimits {
  maxDepth: number
  /** Nodes of the tree when everything that is referred to twice is counted twice. */
  maxNodes: number
}

export const defaultTreeLimits: TreeLimits = { maxDepth: 64, maxNodes: 4_000_000 }

/**
 * Makes a tree safe to walk by recursion: finite (no container inside of itself), not too deep, and not huge when shared parts are walked
 * once for each reference ("billion laughs"). Each container is visited once.
 * @returns a complaint, or undefined when all is well
 */
export function checkTree(root: CheckpointValue, limits: TreeLimits = defaultTreeLimits): string | undefined {
  if (!isValue(root)) return 'a value of a kind that no checkpoint holds'
  interface Frame {
    container: object
    rest: Iterator<CheckpointValue>
    depth: number
    nodes: number
  }
  const done = new Map<object, { depth: number; nodes: number }>()
  const open = new Set<object>()
  const frames: Frame[] = []
  const enter = (value: CheckpointValue): void => {
    if (members(value) === undefined) return
    const container = value as object
    open.add(container)
    frames.push({ container, rest: childrenOf(value), depth: 1, nodes: 1 })
  }
  enter(root)
  while (frames.length > 0) {
    const frame = frames.at(-1)!
    const next = frame.rest.next()
    if (next.done === true) {
      frames.pop()
      open.delete(frame.container)
      done.set(frame.container, { depth: frame.depth, nodes: frame.nodes })
      const parent = frames.at(-1)
      if (parent !== undefined) {
        parent.depth = Math.max(parent.depth, frame.depth + 1)
        parent.nodes += frame.nodes
      }
    } else {
      const child = next.value
      if (!isValue(child)) return 'a value of a kind that no checkpoint holds'
      const known = typeof child === 'object' && child !== null ? done.get(child) : undefined
      if (known !== undefined) {
        frame.depth = Math.max(frame.depth, known.depth + 1)
        frame.nodes += known.nodes
      } else if (typeof child === 'object' && child !== null && open.has(child)) {
        return 'a container holds itself'
      } else {
        frame.nodes += 1
        enter(child)
      }
    }
    if (frames.length > limits.maxDepth || frame.depth > limits.maxDepth) return `nested deeper than ${limits.maxDepth} levels`
    if (frame.nodes > limits.maxNodes) return `more than ${limits.maxNodes} values when shared parts are counted at each use`
  }
  return undefined
}

function isValue(value: unknown): boolean {
  if (typeof value !== 'object') return value !== undefined && typeof value !== 'function' && typeof value !== 'symbol'
  return (
    value === null || Array.isArray(value) || value instanceof PyDict || value instanceof CheckpointTensor || value instanceof Uint8Array ||
    value instanceof Set || value instanceof PyFloat || value instanceof TorchSymbol
  )
}

function* childrenOf(value: CheckpointValue): Generator<CheckpointValue> {
  for (const [key, member] of members(value) ?? []) {
    if (Array.isArray(key)) yield key
    yield member
  }
  if (value instanceof PyDict && value.attributes !== undefined) yield value.attributes
}
