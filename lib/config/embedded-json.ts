/**
 * The original writes learning-rate phases, parameter groups and freezing steps as JSON inside YAML strings (`- > { "name": … }`).
 * They become ordinary maps of the tree here; a map written as YAML in the same place is as good.
 */
import { SiamError } from '../errors.ts'
import { fromPlain, joinPath } from './tree.ts'
import type { ConfigNode, MapEntry } from './tree.ts'

/** Keys whose lists hold JSON in strings. */
export const embeddedJsonKeys: ReadonlySet<string> = new Set(['lr_policy', 'lr_multiplier', 'schedule'])

/** Decodes every JSON string in the lists of {@link embeddedJsonKeys} below `root`, in place. */
export function decodeAllEmbeddedJson(root: ConfigNode): void {
  const seen = new Set<ConfigNode>()
  const visit = (node: ConfigNode, path: string): void => {
    if (seen.has(node)) return
    seen.add(node)
    const { content } = node
    if (content.kind === 'seq') for (const [i, item] of content.items.entries()) visit(item, joinPath(path, i))
    if (content.kind !== 'map') return
    for (const [key, entry] of content.entries) {
      const at = joinPath(path, key)
      if (embeddedJsonKeys.has(key) && entry.node.content.kind === 'seq') {
        for (const [i, item] of entry.node.content.items.entries()) decodeEmbeddedJson(item, joinPath(at, i))
      }
      visit(entry.node, at)
    }
  }
  visit(root, '')
}

/**
 * Turns a string node that holds a JSON object into a map node; leaves other nodes alone.
 * @throws ERR_CONFIG, at the line inside the block where the JSON breaks
 */
export function decodeEmbeddedJson(node: ConfigNode, path: string): void {
  const { content, origin } = node
  if (content.kind !== 'scalar' || typeof content.value !== 'string') return
  const text = content.value
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const offset = brokenAt(text, cause as Error)
    const line = content.block === undefined ? origin.line : lineInBlock(content.block.firstLine, content.block.lines, offset)
    const near = text.slice(Math.max(0, offset - 12), offset + 18).replace(/\s+/g, ' ').trim()
    throw new SiamError('ERR_CONFIG', `Malformed JSON at ${path}: ${shortReason(cause as Error)}${near === '' ? '' : `, near ${JSON.stringify(near)}`}`, {
      file: origin.file,
      line,
      cause,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SiamError('ERR_CONFIG', `Expected a JSON object at ${path} but received ${text.trim()}`, { file: origin.file, line: origin.line })
  }
  const decoded = fromPlain(value, origin)
  if (content.block !== undefined && decoded.content.kind === 'map') {
    const { firstLine, lines } = content.block
    for (const [key, entry] of decoded.content.entries) {
      const index = lines.findIndex((line) => line.includes(`${JSON.stringify(key)}`))
      if (index >= 0) setLine(entry, firstLine + index)
    }
  }
  node.become(decoded)
}

function setLine(entry: MapEntry, line: number): void {
  entry.origin = { ...entry.origin, line }
  entry.node.origin = { ...entry.node.origin, line }
}

/** Where JSON.parse stopped; V8 says `at position N`, or that the input ended. */
function brokenAt(text: string, error: Error): number {
  const position = /at position (\d+)/.exec(error.message)
  if (position !== null) return Math.min(Number(position[1]), text.trimEnd().length)
  const token = /Unexpected token '?(.+?)'?, /.exec(error.message)?.[1]
  const found = token === undefined ? -1 : text.indexOf(token)
  return found >= 0 ? found : text.trimEnd().length
}

function shortReason(error: Error): string {
  return error.message.replace(/,? ?(?:\.{3})?"[\s\S]*$/, '').replace(/ in JSON at position[\s\S]*$/, '').replace(/\s+/g, ' ')
}

/** Folding joins the stripped lines of a block with one character each, so an offset in the text belongs to a line again. */
function lineInBlock(firstLine: number, lines: readonly string[], offset: number): number {
  let seen = 0
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue // the header: `>` or `|-`
    seen += line.trim().length + 1
    if (offset < seen) return firstLine + i
  }
  const lastFilled = lines.findLastIndex((line, i) => i > 0 && line.trim() !== '')
  return firstLine + Math.max(0, lastFilled)
}
