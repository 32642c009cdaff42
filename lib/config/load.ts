/** From a file (or an object) and overrides to a checked configuration. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { z } from 'zod'
import { invalidArgument, SiamError } from '../errors.ts'
import { nearestName } from '../registry.ts'
import { checkConfig } from './check.ts'
import { rememberTree } from './config.ts'
import type { Config, ConfigWarning } from './config.ts'
import { decodeAllEmbeddedJson } from './embedded-json.ts'
import { renameOlderNames } from './older-names.ts'
import { applyOverrides } from './overrides.ts'
import { configSchema } from './schema.ts'
import { fromPlain, originAt, pathText, toPlain } from './tree.ts'
import type { ConfigNode, PlainValue } from './tree.ts'
import { addSelectedSections, describeValue, unknownKeys } from './unknown-keys.ts'
import { readYaml } from './yaml-reader.ts'

export interface LoadConfigOptions {
  /** Called for each warning; without it they go to process.emitWarning. They are in `config.warnings` either way. */
  onWarning?: (warning: ConfigWarning) => void
}

/**
 * Loads an experiment.
 *
 * @param source    path of a YAML file (the original's load unmodified), or the same keys as an object
 * @param overrides `dotted.path=value`, applied in order; see docs/configuration.md for how they meet anchors
 * @returns the effective configuration, frozen
 * @throws ERR_CONFIG for malformed YAML or JSON, a wrong type, an unknown component, a regular expression that is none, or numbers that
 *   cannot train (a batch or an epoch of 0); ERR_IO when the file cannot be read. Unknown keys are warnings.
 */
export async function loadConfig(source: string | object, overrides: readonly string[] = [], options: LoadConfigOptions = {}): Promise<Config> {
  if (!Array.isArray(overrides) || overrides.some((o) => typeof o !== 'string')) {
    throw invalidArgument('a list of dotted.key=value strings', 'overrides', overrides)
  }
  const warnings: ConfigWarning[] = []
  let file: string | undefined
  let root: ConfigNode
  if (typeof source === 'string') {
    file = path.resolve(source)
    const result = readYaml(await readText(file), file)
    root = result.root
    for (const w of result.warnings) warnings.push({ ...w, path: '', file })
  } else if (typeof source === 'object' && source !== null && !Array.isArray(source)) {
    root = fromPlain(source)
  } else throw invalidArgument('the path of a YAML file or an object', 'source', source)

  decodeAllEmbeddedJson(root)
  renameOlderNames(root, warnings)
  applyOverrides(root, overrides)
  decodeAllEmbeddedJson(root)
  renameOlderNames(root, warnings) // an override may use an older name too

  const raw = toPlain(root) as Record<string, PlainValue>
  const parsed = parse(root, raw, warnings)
  const config: Config = { ...(file === undefined ? {} : { file }), ...parsed, raw, warnings }
  checkConfig(config, root, warnings)
  warnings.sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0)
  deepFreeze(config)
  rememberTree(config, root)
  for (const warning of warnings) report(warning, options)
  return config
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') throw new SiamError('ERR_CONFIG', 'No such configuration file', { file, cause })
    throw new SiamError('ERR_IO', `The configuration could not be read: ${(cause as Error).message}`, { file, cause })
  }
}

function parse(root: ConfigNode, raw: Record<string, PlainValue>, warnings: ConfigWarning[]): Pick<Config, 'train' | 'test'> {
  const known = structuredClone(raw)
  addSelectedSections(known)
  const first = configSchema.safeParse(known)
  let result: z.ZodSafeParseResult<z.output<typeof configSchema>> = first
  const kept: { path: PropertyKey[]; value: unknown }[] = []
  if (!first.success) {
    // Unknown keys are only warned about: take them out and look again. Sections of a user's own components are put back afterwards.
    for (const unknown of unknownKeys(first.error.issues, raw)) {
      if (unknown.keep) kept.push({ path: unknown.path, value: unknown.value })
      else {
        const origin = originAt(root, unknown.path, 'key')
        const nearest = nearestName(String(unknown.path.at(-1)), unknown.candidates)
        // A map that an anchor shares has its mistake once, wherever it is used.
        const told = warnings.some((w) => w.line !== undefined && w.line === origin.line && w.path.endsWith(`.${String(unknown.path.at(-1))}`))
        if (!told) warnings.push({
          message: `unknown key ${pathText(unknown.path)} is ignored${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
          path: pathText(unknown.path),
          file: origin.file,
          line: origin.line,
        })
      }
      remove(known, unknown.path)
    }
    result = configSchema.safeParse(known)
    if (!result.success) throw schemaError(result.error.issues, root, raw)
  }
  const data = result.data as z.output<typeof configSchema>
  for (const { path: at, value } of kept) put(data as Record<string, unknown>, at, value)
  for (const part of ['train', 'test'] as const) {
    if (data[part]?.vos !== undefined) {
      const origin = originAt(root, [part, 'vos'], 'key')
      warnings.push({ message: `${part}.vos is ignored: video object segmentation is not part of this product`, path: `${part}.vos`, file: origin.file, line: origin.line })
    }
  }
  return { ...pick('train', data.train), ...pick('test', data.test) }
}

function pick<K extends 'train' | 'test', T>(part: K, value: { track?: T } | undefined): { [P in K]?: { track?: T } } {
  const result: { [P in K]?: { track?: T } } = {}
  if (value !== undefined) result[part] = value.track === undefined ? {} : { track: value.track }
  return result
}

/** The first wrong value becomes the error; how many more there are is said. */
function schemaError(issues: readonly z.core.$ZodIssue[], root: ConfigNode, raw: PlainValue): SiamError {
  const located = issues.map((issue) => ({ issue, origin: originAt(root, issue.path) }))
  located.sort((a, b) => (a.origin.line ?? Infinity) - (b.origin.line ?? Infinity))
  const { issue, origin } = located[0] as (typeof located)[number]
  const value = at(raw, issue.path)
  const where = pathText(issue.path)
  const nearest = issue.code === 'invalid_value' && typeof value === 'string' ? nearestName(value, issue.values.map(String)) : undefined
  const more = issues.length === 1 ? '' : ` (and ${issues.length - 1} more)`
  const what = value === undefined ? 'nothing is there' : `received ${describeValue(value)}`
  const override = origin.override === undefined ? '' : `, from the override ${JSON.stringify(origin.override)}`
  return new SiamError('ERR_CONFIG', `Expected ${issue.message} for ${where || 'the configuration'} but ${what}${override}${more}`, {
    file: origin.file,
    line: origin.line,
    hint: nearest === undefined ? undefined : `did you mean ${JSON.stringify(nearest)}?`,
  })
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let v = value
  for (const part of path) {
    if (typeof v !== 'object' || v === null) return undefined
    v = (v as Record<PropertyKey, unknown>)[part]
  }
  return v
}

function remove(value: unknown, path: readonly PropertyKey[]): void {
  const parent = at(value, path.slice(0, -1))
  if (typeof parent === 'object' && parent !== null) delete (parent as Record<PropertyKey, unknown>)[path.at(-1) as PropertyKey]
}

function put(value: Record<string, unknown>, path: readonly PropertyKey[], item: unknown): void {
  const parent = at(value, path.slice(0, -1))
  if (typeof parent === 'object' && parent !== null) (parent as Record<PropertyKey, unknown>)[path.at(-1) as PropertyKey] = item
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const item of Object.values(value)) deepFreeze(item)
}

/** `file:line: message`, the form in which a warning is shown. */
export function warningText(warning: ConfigWarning): string {
  const where = warning.file === undefined ? '' : `${warning.file}${warning.line === undefined ? '' : `:${warning.line}`}: `
  return where + warning.message
}

function report(warning: ConfigWarning, options: LoadConfigOptions): void {
  if (options.onWarning !== undefined) options.onWarning(warning)
  else process.emitWarning(warningText(warning), 'SiamConfigWarning')
}

