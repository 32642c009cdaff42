/**
 * Overrides on top of a file: `dotted.path=value`, the value read as YAML.
 *
 * The rule for anchors: an anchor and its aliases are one value, so an override of any of these places changes all of them.
 * Nothing behind the `=` is the empty text where text is now, and YAML's null elsewhere.
 * A path that does not exist yet is made; a number addresses an element of a list (`…lr_policy.0.end_lr=0.04`).
 */
import { SiamError } from '../errors.ts'
import { decodeEmbeddedJson } from './embedded-json.ts'
import { ConfigNode, joinPath } from './tree.ts'
import { readYamlValue } from './yaml-reader.ts'

/**
 * Applies overrides in order; of two for one place the later wins.
 * @throws ERR_CONFIG for text that is not `path=value`, a value that is not YAML, or a path through something that is no map or list
 */
export function applyOverrides(root: ConfigNode, overrides: readonly string[]): void {
  for (const text of overrides) applyOverride(root, text)
}

function applyOverride(root: ConfigNode, text: string): void {
  const equals = text.indexOf('=')
  const path = text.slice(0, equals).trim()
  if (equals <= 0 || path === '' || path.split('.').some((part) => part === '')) {
    throw new SiamError('ERR_CONFIG', `Expected an override of the form dotted.key=value but received ${JSON.stringify(text)}`)
  }
  const written = text.slice(equals + 1).trim()
  let value: ConfigNode
  try {
    value = readYamlValue(written)
  } catch (cause) {
    throw new SiamError('ERR_CONFIG', `The value of the override ${JSON.stringify(text)} is not YAML: ${(cause as Error).message}`, { cause })
  }
  markOverride(value, text)
  const parts = path.split('.')
  let node = root
  let walked = ''
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1
    const next = child(node, part, walked, text)
    walked = joinPath(walked, part)
    if (next === undefined) {
      // Only maps are grown; child() has refused everything else.
      const made = last ? value : new ConfigNode({ kind: 'map', entries: new Map() }, { override: text })
      if (node.content.kind === 'map') node.content.entries.set(part, { node: made, origin: { override: text } })
      node = made
    } else if (last) {
      if (written === '' && next.content.kind === 'scalar' && typeof next.content.value === 'string') value.content = { kind: 'scalar', value: '' }
      next.become(value)
    } else node = next
  }
}

/** @returns the node at `key` of `node`, or undefined where a map lacks it */
function child(node: ConfigNode, key: string, walked: string, override: string): ConfigNode | undefined {
  if (node.content.kind === 'scalar') {
    // `TextInfo:` with nothing behind it is an empty map that YAML reads as null; a list element may be JSON in a string.
    if (node.content.value === null) node.content = { kind: 'map', entries: new Map() }
    else if (typeof node.content.value === 'string') decodeEmbeddedJson(node, walked)
  }
  const { content } = node
  if (content.kind === 'map') return content.entries.get(key)?.node
  if (content.kind === 'seq') {
    const item = /^\d+$/.test(key) ? content.items[Number(key)] : undefined
    if (item !== undefined) return item
    throw new SiamError('ERR_CONFIG', `The override ${JSON.stringify(override)}: ${walked} is a list of ${content.items.length}, which has no element ${JSON.stringify(key)}`)
  }
  throw new SiamError('ERR_CONFIG', `The override ${JSON.stringify(override)}: ${walked} is ${JSON.stringify(content.value)}, which has no key ${JSON.stringify(key)}`)
}

function markOverride(node: ConfigNode, override: string): void {
  node.origin = { override }
  if (node.content.kind === 'seq') for (const item of node.content.items) markOverride(item, override)
  if (node.content.kind === 'map') {
    for (const entry of node.content.entries.values()) {
      entry.origin = { override }
      markOverride(entry.node, override)
    }
  }
}
