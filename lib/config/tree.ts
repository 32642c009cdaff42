/**
 * A configuration as a tree of nodes that know where they were written, so that every error can name its line.
 *
 * An anchor and its aliases are ONE node: whoever changes the node changes it at every place, which is what makes the override
 * `train.track.data.minibatch=8` reach the trainer and the optimizer of a file that writes `&MINIBATCH` once and `*MINIBATCH` twice.
 */
import { SiamError } from '../errors.ts'

export type PlainValue = string | number | boolean | null | PlainValue[] | { [key: string]: PlainValue }

/** Where a node comes from: a line of a file, or the text of an override. */
export interface Origin {
  file?: string
  /** 1-based. */
  line?: number
  override?: string
}

/** `written`: a number as its file has it, which tells 1.0 from 1. */
export type NodeContent =
  | { kind: 'scalar'; value: string | number | boolean | null; block?: BlockSource; written?: string }
  | { kind: 'seq'; items: ConfigNode[] }
  | { kind: 'map'; entries: Map<string, MapEntry> }

export interface MapEntry {
  node: ConfigNode
  /** Where the key stands. */
  origin: Origin
}

/** The source lines of a block scalar (`- >`), to find a line inside it again. */
export interface BlockSource {
  firstLine: number
  lines: string[]
}

export class ConfigNode {
  content: NodeContent
  origin: Origin

  constructor(content: NodeContent, origin: Origin) {
    this.content = content
    this.origin = origin
  }

  /** Takes over what `other` holds; everyone who shares this node sees it. */
  become(other: ConfigNode): void {
    this.content = other.content
    this.origin = other.origin
  }
}

/** More nodes than this after expanding aliases is an attack or an accident, not an experiment. */
const maxNodes = 1_000_000

/**
 * @returns plain data; shared nodes appear at each place
 * @throws ERR_CONFIG when aliases form a cycle or expand without measure
 */
export function toPlain(root: ConfigNode): PlainValue {
  const open = new Set<ConfigNode>()
  let nodes = 0
  const visit = (node: ConfigNode): PlainValue => {
    if (open.has(node)) throw new SiamError('ERR_CONFIG', 'An anchor contains an alias to itself', node.origin)
    if (++nodes > maxNodes) throw new SiamError('ERR_CONFIG', `Aliases expand to more than ${maxNodes} values`, node.origin)
    const { content } = node
    if (content.kind === 'scalar') return content.value
    open.add(node)
    const value =
      content.kind === 'seq'
        ? content.items.map(visit)
        : Object.fromEntries([...content.entries].map(([key, entry]) => [key, visit(entry.node)] as const))
    open.delete(node)
    return value
  }
  return visit(root)
}

/** @returns a tree without lines; objects that appear twice become one shared node, as aliases do. */
export function fromPlain(value: unknown, origin: Origin = {}): ConfigNode {
  const seen = new Map<object, ConfigNode>()
  const visit = (v: unknown, path: string): ConfigNode => {
    if (v === null || typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean') {
      return new ConfigNode({ kind: 'scalar', value: v }, origin)
    }
    if (typeof v !== 'object') {
      throw new SiamError('ERR_CONFIG', `Expected plain data at ${path || 'the top level'} but received a ${typeof v}`)
    }
    const known = seen.get(v)
    if (known !== undefined) return known
    const node = new ConfigNode({ kind: 'seq', items: [] }, origin)
    seen.set(v, node)
    if (Array.isArray(v)) {
      node.content = { kind: 'seq', items: v.map((item, i) => visit(item, joinPath(path, i))) }
    } else {
      const entries = new Map<string, MapEntry>()
      for (const [key, item] of Object.entries(v)) {
        if (item !== undefined) entries.set(key, { node: visit(item, joinPath(path, key)), origin })
      }
      node.content = { kind: 'map', entries }
    }
    return node
  }
  return visit(value, '')
}

/** @returns the deepest existing origin along `path`: the value's, else that of the map it is missing from. */
export function originAt(root: ConfigNode, path: readonly PropertyKey[], prefer: 'value' | 'key' = 'value'): Origin {
  let node = root
  let origin = root.origin
  for (const part of path) {
    const { content } = node
    if (content.kind === 'map') {
      const entry = content.entries.get(String(part))
      if (entry === undefined) return origin
      node = entry.node
      origin = prefer === 'key' ? entry.origin : pointsAt(node.origin, entry.origin)
    } else if (content.kind === 'seq') {
      const item = content.items[Number(part)]
      if (item === undefined) return origin
      node = item
      origin = node.origin
    } else return origin
  }
  return origin
}

/** A value that has no line of its own is reported at its key. */
function pointsAt(value: Origin, key: Origin): Origin {
  return value.line === undefined && value.override === undefined ? key : value
}

export function joinPath(prefix: string, key: PropertyKey): string {
  return prefix === '' ? String(key) : `${prefix}.${String(key)}`
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}
