/** Where each value of a configuration comes from, and the effective configuration as YAML that says so. */
import { stringify } from 'yaml'
import { treeOf, type Config } from './config.ts'
import { embeddedJsonKeys } from './embedded-json.ts'
import type { ConfigNode } from './tree.ts'
import { joinPath } from './tree.ts'

/** `file`: written there; `override`: given on the command line; `default`: neither. */
export type ValueSource = 'file' | 'override' | 'default'

export interface SourcedValue {
  /** Dotted, from the top: train.track.data.minibatch. */
  path: string
  /** A scalar, or a list whole. */
  value: unknown
  source: ValueSource
}

/** Values of `train.track` in their order. Empty for a configuration without that part. */
export function trainSources(config: Config): SourcedValue[] {
  const values: SourcedValue[] = []
  const visit = (value: unknown, path: string, node: ConfigNode | undefined): void => {
    if (isMap(value)) for (const [key, item] of Object.entries(value)) visit(item, joinPath(path, key), childOf(node, key))
    else values.push({ path, value, source: sourceOf(node) })
  }
  visit(config.train?.track ?? {}, 'train.track', childOf(childOf(treeOf(config), 'train'), 'track'))
  return values
}

const commentColumn = 72

/**
 * `train.track` as YAML with every default written out; values that are not the file's own are marked by a comment. {@link loadConfig} reads it
 * again, to the same values.
 */
export function annotatedTrainYaml(config: Config): string {
  const lines: string[] = ['train:', '  track:']
  const print = (value: unknown, key: string, indent: string, node: ConfigNode | undefined): void => {
    const label = `${indent}${stringify(key).trim()}:`
    if (isMap(value)) {
      const entries = Object.entries(value)
      lines.push(entries.length === 0 ? `${label} {}` : label)
      for (const [inner, item] of entries) print(item, inner, `${indent}  `, childOf(node, inner))
      return
    }
    const source = sourceOf(node)
    const mark = source === 'file' ? '' : `# ${source}`
    if (Array.isArray(value) && value.length > 0 && embeddedJsonKeys.has(key)) {
      lines.push(withMark(label, mark), ...value.map((item) => `${indent}- ${stringify(item, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim()}`))
    } else lines.push(withMark(`${label} ${stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0, version: '1.1' }).trim()}`, mark))
  }
  const node = childOf(childOf(treeOf(config), 'train'), 'track')
  for (const [key, value] of Object.entries(config.train?.track ?? {})) print(value, key, '    ', childOf(node, key))
  return `${lines.join('\n')}\n`
}

function withMark(text: string, mark: string): string {
  return mark === '' ? text : `${text.padEnd(commentColumn - 1)} ${mark}`
}

function sourceOf(node: ConfigNode | undefined): ValueSource {
  if (node === undefined) return 'default'
  return node.origin.override === undefined ? 'file' : 'override'
}

function childOf(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  return node?.content.kind === 'map' ? node.content.entries.get(key)?.node : undefined
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
