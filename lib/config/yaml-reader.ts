/**
 * YAML text → tree, read as PyYAML (YAML 1.1) reads it, because that is what the original's files were written for.
 *
 * Differences of PyYAML from the `yaml` package's 1.1 mode that are bridged here: the last of duplicate keys wins; `y` and `n` are strings;
 * dates stay strings. One difference of PyYAML from common sense is not followed: it reads `1e-6` as a string, which the original then
 * evaluates to a number; here it is a number at once.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Node, Pair, ScalarTag, Tags, YAMLMap } from 'yaml'
import { SiamError } from '../errors.ts'
import { ConfigNode } from './tree.ts'
import type { BlockSource, MapEntry } from './tree.ts'

export interface ReadWarning {
  message: string
  line?: number
}

export interface ReadResult {
  root: ConfigNode
  warnings: ReadWarning[]
}

/** Tags whose YAML 1.1 reading would turn a plain name into something that is not configuration. */
const unwantedTags = new Set(['tag:yaml.org,2002:timestamp', 'tag:yaml.org,2002:binary', 'tag:yaml.org,2002:omap', 'tag:yaml.org,2002:pairs', 'tag:yaml.org,2002:set'])

/** PyYAML's own pattern for booleans; the YAML 1.1 draft also has `y` and `n`. */
const pyTrue = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/
const pyFalse = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/

function pyYamlTags(tags: Tags): Tags {
  return tags
    .filter((tag) => typeof tag === 'string' || !unwantedTags.has(tag.tag))
    .map((tag): Tags[number] => {
      if (typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:bool' || tag.collection !== undefined) return tag
      const booleans: ScalarTag = { ...tag, test: String(tag.test).includes('rue') ? pyTrue : pyFalse }
      return booleans
    })
}

/**
 * @param text YAML
 * @param file its name, for messages
 * @throws ERR_CONFIG with file and line when the text is not YAML, or is not one map
 */
export function readYaml(text: string, file?: string): ReadResult {
  const lineCounter = new LineCounter()
  const doc = parseDocument(text, {
    version: '1.1',
    merge: true,
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter,
    customTags: pyYamlTags,
  })
  const lineOf = (offset: number | undefined): number | undefined => (offset === undefined ? undefined : lineCounter.linePos(offset).line)
  const error = doc.errors[0]
  if (error !== undefined) {
    throw new SiamError('ERR_CONFIG', `Malformed YAML: ${error.message.replace(/\s+/g, ' ')}`, { file, line: lineOf(error.pos[0]), cause: error })
  }
  const warnings: ReadWarning[] = doc.warnings.map((w) => ({ message: w.message.replace(/\s+/g, ' '), line: lineOf(w.pos[0]) }))
  const known = new Map<Node, ConfigNode>()
  const originOf = (node: Node | null | undefined) => ({ file, line: lineOf(node?.range?.[0]) })

  const visit = (node: Node | null | undefined): ConfigNode => {
    if (isAlias(node)) {
      const target = node.resolve(doc)
      if (target === undefined) {
        throw new SiamError('ERR_CONFIG', `The alias *${node.source} has no anchor before it`, originOf(node))
      }
      return visit(target)
    }
    if (node === null || node === undefined) return new ConfigNode({ kind: 'scalar', value: null }, {})
    const seen = known.get(node)
    if (seen !== undefined) return seen
    const result = new ConfigNode({ kind: 'scalar', value: null }, originOf(node))
    known.set(node, result)
    if (isMap(node)) result.content = { kind: 'map', entries: readMap(node) }
    else if (isSeq(node)) result.content = { kind: 'seq', items: node.items.map((item) => visit(item as Node | null)) }
    else if (isScalar(node)) {
      const value = node.value
      if (typeof value === 'bigint') result.content = { kind: 'scalar', value: Number(value) }
      else if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
        result.content = { kind: 'scalar', value, block: blockSource(node, text, lineOf), written: typeof value === 'number' ? node.source : undefined }
      } else throw new SiamError('ERR_CONFIG', `Expected text, a number or a boolean but received ${String(value)}`, originOf(node))
    }
    return result
  }

  const readMap = (map: YAMLMap): Map<string, MapEntry> => {
    const entries = new Map<string, MapEntry>()
    const own = new Set<string>()
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      const plainKey = isScalar(pair.key) ? pair.key.value : pair.key
      // The package stands a symbol for the merge key.
      if (plainKey === '<<' || (typeof plainKey === 'symbol' && plainKey.description === '<<')) {
        // A merged key gives way to one that the map has itself, wherever that stands.
        const target = visit(pair.value)
        const sources = target.content.kind === 'seq' ? target.content.items : [target]
        for (const source of sources) {
          if (source.content.kind !== 'map') throw new SiamError('ERR_CONFIG', 'Expected a map to merge (<<)', originOf(pair.key))
          for (const [k, entry] of source.content.entries) if (!entries.has(k)) entries.set(k, entry)
        }
        continue
      }
      const key = String(plainKey)
      if (own.has(key)) {
        warnings.push({ message: `the key ${JSON.stringify(key)} stands twice in one map; the last one wins`, line: lineOf(pair.key?.range?.[0]) })
      }
      own.add(key)
      entries.set(key, { node: visit(pair.value), origin: originOf(pair.key) })
    }
    return entries
  }

  const root = visit(doc.contents as Node | null)
  if (root.content.kind !== 'map') {
    throw new SiamError('ERR_CONFIG', `Expected a map (test:, train:) at the top level but received ${doc.contents === null ? 'an empty file' : `a ${root.content.kind}`}`, {
      file,
      line: root.origin.line ?? 1,
    })
  }
  return { root, warnings }
}

/** Reads one value, as the right side of an override: `8`, `[a, b]`, `{x: 1}`, `True`, text. */
export function readYamlValue(text: string): ConfigNode {
  const { root } = readYaml(`value: ${text.includes('\n') ? JSON.stringify(text) : text}`)
  return root.content.kind === 'map' ? (root.content.entries.get('value') as MapEntry).node : root
}

function blockSource(node: { type?: string; range?: [number, number, number] | null }, text: string, lineOf: (offset: number) => number | undefined): BlockSource | undefined {
  if ((node.type !== 'BLOCK_FOLDED' && node.type !== 'BLOCK_LITERAL') || !node.range) return undefined
  const lines = text.slice(node.range[0], node.range[1]).split('\n')
  return { firstLine: lineOf(node.range[0]) ?? 1, lines }
}
