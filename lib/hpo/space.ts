/**
 * The ranges of a search, from the original's YAML: `NAME_hpo_range` beside where NAME stands in the configuration, below `test.track`.
 *
 * As the original reads them: two numbers of which one has a point are the ends of a uniform distribution; two integers give the integers
 * from the first up to, but without, the second; one value or more than two are a choice; an empty list is as if it were not there.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ioError } from '../checkpoint/io-error.ts'
import type { ConfigWarning } from '../config/index.ts'
import { renameOlderNames } from '../config/older-names.ts'
import { readYaml } from '../config/yaml-reader.ts'
import type { ConfigNode, Origin } from '../config/tree.ts'
import { SiamError } from '../errors.ts'

export type ParameterValue = number | string | boolean

export type ParameterRange = { kind: 'uniform'; low: number; high: number } | { kind: 'integer'; low: number; high: number } | { kind: 'choice'; choices: readonly ParameterValue[] }

export interface SearchParameter {
  /** Keys below `test.track`: pipeline, SiamFCppTracker, test_lr. */
  path: readonly string[]
  range: ParameterRange
  /** Where the range stands. */
  origin: Origin
}

export interface SearchSpace {
  file: string
  /** Folder of results, where the file names one. */
  expSave: string | undefined
  /** In the order of the file; one at least. */
  parameters: readonly SearchParameter[]
  /** Keys that stand twice, older names. */
  warnings: readonly ConfigWarning[]
}

const suffix = '_hpo_range'
/** Keys that the original's files have beside the ranges; the first has no meaning in either program. */
const otherKeys = ['exp_name', 'exp_save']

/** The parameter's name as the original's tables have it: pipeline/SiamFCppTracker/test_lr. */
export const columnName = ({ path: keys }: SearchParameter): string => keys.join('/')

/** The parameter as a key of the configuration. */
export const configKey = ({ path: keys }: SearchParameter): string => ['test', 'track', ...keys].join('.')

/**
 * Reads the ranges of a search.
 * @throws ERR_CONFIG with file and line for what is no range, a key that means nothing here, or nothing to search; ERR_IO when the file
 *   cannot be read
 */
export async function readSearchSpace(file: string): Promise<SearchSpace> {
  const full = path.resolve(file)
  let text: string
  try {
    text = await readFile(full, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new SiamError('ERR_CONFIG', 'No such file of ranges', { file: full, cause: error })
    throw ioError(error, 'read', full)
  }
  return parseSearchSpace(text.replace(/^\uFEFF/, ''), full)
}

/** As {@link readSearchSpace}, from text. */
export function parseSearchSpace(text: string, file: string): SearchSpace {
  const { root, warnings: odd } = readYaml(text, file)
  const warnings: ConfigWarning[] = odd.map((warning) => ({ ...warning, path: '', file }))
  renameOlderNames(root, warnings)
  const track = below(below(root, 'test', '', file), 'track', 'test', file)
  const parameters: SearchParameter[] = []
  let expSave: string | undefined
  for (const [key, { node, origin }] of entriesOf(track, 'test.track', { file })) {
    if (key === 'exp_save' && node.content.kind === 'scalar' && typeof node.content.value === 'string' && node.content.value !== '') expSave = node.content.value
    if (!otherKeys.includes(key)) collect(key, node, origin, [], parameters)
  }
  if (parameters.length === 0) {
    throw new SiamError('ERR_CONFIG', 'Expected a range to search (NAME_hpo_range: [low, high]) below test.track but there is none', { file, line: track.origin.line })
  }
  return { file, expSave, parameters, warnings }
}

function below(node: ConfigNode, key: string, at: string, file: string): ConfigNode {
  const entries = entriesOf(node, at, { file })
  for (const [other, { origin }] of entries) {
    if (other !== key) throw new SiamError('ERR_CONFIG', `Expected nothing but ${key} ${at === '' ? 'at the top' : `in ${at}`} of a file of ranges but received ${other}`, origin)
  }
  const found = entries.get(key)
  if (found === undefined) throw new SiamError('ERR_CONFIG', `Expected test.track in a file of ranges but ${at === '' ? '' : `${at}.`}${key} is not there`, { file, line: node.origin.line ?? 1 })
  return found.node
}

function entriesOf(node: ConfigNode, at: string, fallback: Origin): Map<string, { node: ConfigNode; origin: Origin }> {
  if (node.content.kind === 'map') return node.content.entries
  throw new SiamError('ERR_CONFIG', `Expected a map at ${at || 'the top'} but received ${shown(node)}`, { ...fallback, ...node.origin })
}

function collect(key: string, node: ConfigNode, origin: Origin, above: readonly string[], found: SearchParameter[]): void {
  if (key.endsWith(suffix)) {
    const keys = [...above, key.slice(0, -suffix.length)]
    const range = rangeOf(node, ['test.track', ...above, key].join('.'), origin)
    if (range !== undefined) found.push({ path: keys, range, origin })
  } else if (node.content.kind === 'map') {
    for (const [inner, entry] of node.content.entries) collect(inner, entry.node, entry.origin, [...above, key], found)
  } else {
    throw new SiamError('ERR_CONFIG', `Expected only ranges (NAME${suffix}) below test.track but received ${['test.track', ...above, key].join('.')}`, { ...origin, hint: `${key}${suffix}: [low, high] searches it; to set it, give ${['test.track', ...above, key].join('.')}=VALUE in the call` })
  }
}

function rangeOf(node: ConfigNode, at: string, origin: Origin): ParameterRange | undefined {
  const place = { ...origin, ...(node.origin.line === undefined ? {} : { line: node.origin.line }) }
  if (node.content.kind !== 'seq') throw new SiamError('ERR_CONFIG', `Expected a list, [low, high], for ${at} but received ${shown(node)}`, place)
  const { items } = node.content
  if (items.length === 0) return undefined
  if (items.length !== 2) return { kind: 'choice', choices: items.map((item) => choiceOf(item, at, place)) }
  const [low, high] = items.map((item) => {
    const value = item.content.kind === 'scalar' ? item.content.value : undefined
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new SiamError('ERR_CONFIG', `Expected two numbers, [low, high], for ${at} but received ${shown(item)}`, place)
    return { value, integer: item.content.kind === 'scalar' && /^[-+]?(?:0x[\da-f_]+|[\d_]+)$/i.test(item.content.written ?? '') }
  }) as [{ value: number; integer: boolean }, { value: number; integer: boolean }]
  if (low.value > high.value) throw new SiamError('ERR_CONFIG', `Expected [low, high] for ${at} but ${low.value} is above ${high.value}`, place)
  if (!low.integer || !high.integer) return { kind: 'uniform', low: low.value, high: high.value }
  if (low.value === high.value) {
    throw new SiamError('ERR_CONFIG', `There is no integer to draw for ${at}: of two integers the upper end does not belong to the range`, { ...place, hint: `[${low.value}, ${low.value + 1}] draws ${low.value}` })
  }
  return { kind: 'integer', low: low.value, high: high.value }
}

function choiceOf(item: ConfigNode, at: string, place: Origin): ParameterValue {
  const value = item.content.kind === 'scalar' ? item.content.value : null
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) {
    throw new SiamError('ERR_CONFIG', `Expected numbers, names or booleans to choose from for ${at} but received ${shown(item)}`, place)
  }
  return value
}

function shown({ content }: ConfigNode): string {
  return content.kind === 'map' ? 'a map' : content.kind === 'seq' ? `a list of ${content.items.length}` : JSON.stringify(content.value) ?? 'nothing'
}
