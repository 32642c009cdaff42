/** The effective configuration as YAML, which {@link loadConfig} (and the original) reads again. */
import { Document, isMap, isSeq, visit } from 'yaml'
import type { Config } from './config.ts'
import { embeddedJsonKeys } from './embedded-json.ts'

/**
 * @returns YAML with every key and default written out. Learning-rate phases, groups and freezing steps are written as the original wants
 *   them: JSON in strings.
 */
export function effectiveConfigYaml(config: Config): string {
  const plain = { ...(config.test === undefined ? {} : { test: config.test }), ...(config.train === undefined ? {} : { train: config.train }) }
  const doc = new Document(encodeJson(plain), { version: '1.1', aliasDuplicateObjects: false })
  // A directive line would be all that the version adds to the text.
  doc.directives = undefined as never
  visit(doc, {
    Collection: (_, node) => {
      // Lists of numbers and names read better on one line.
      if (isSeq(node) && node.items.every((item) => !isMap(item) && !isSeq(item)) && JSON.stringify(node).length < 100) node.flow = true
    },
  })
  return doc.toString({ lineWidth: 0 })
}

function encodeJson(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => (embeddedJsonKeys.has(key) && typeof item === 'object' ? JSON.stringify(item) : encodeJson(item)))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, encodeJson(v, k)]))
}
