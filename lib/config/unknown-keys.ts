/** Which keys of a file the schema does not know, and which of them belong to a user's own components. */
import { z } from 'zod'
import { configSchema } from './schema.ts'

export interface UnknownKey {
  path: PropertyKey[]
  value: unknown
  /** Names that the schema has in the same place, for "did you mean". */
  candidates: string[]
  /** true: the section of a component that `name` or `names` beside it selects, or a range for hyper-parameter search: carried along. */
  keep: boolean
}

/** Places where a user's own code may add a component, so that a section under its name is no mistake. */
const openSections = new Set(['train.track.trainer', 'train.track.trainer.monitors', 'train.track.data.sampler.submodules.dataset', 'train.track.optim.grad_modifier', 'test.track.pipeline'])

/** @param issues what the strict schema said about `raw` */
export function unknownKeys(issues: readonly z.core.$ZodIssue[], raw: unknown): UnknownKey[] {
  const found: UnknownKey[] = []
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    const holder = lookUp(raw, issue.path)
    const candidates = shapeKeys(issue.path)
    for (const key of issue.keys) {
      found.push({ path: [...issue.path, key], value: holder[key], candidates, keep: isOwnComponent(issue.path, holder, key, candidates) })
    }
  }
  return found
}

function isOwnComponent(path: readonly PropertyKey[], holder: Record<string, unknown>, key: string, candidates: readonly string[]): boolean {
  if (openSections.has(path.join('.'))) {
    const { name, names } = holder
    if (name === key || (Array.isArray(names) && names.includes(key))) return true
  }
  // test.track.pipeline.SiamFCppTracker.test_lr_hpo_range: [0.50, 0.58]
  return path[2] === 'pipeline' && key.endsWith('_hpo_range') && candidates.includes(key.slice(0, -'_hpo_range'.length))
}

/**
 * Gives every selected component of `raw` a section, in place: `backbone: { name: AlexNet }` means AlexNet with its defaults.
 */
export function addSelectedSections(raw: unknown, path: readonly PropertyKey[] = []): void {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return
  const holder = raw as Record<string, unknown>
  const chosen = [holder.name, ...(Array.isArray(holder.names) ? (holder.names as unknown[]) : [])]
  const known = chosen.some((c) => typeof c === 'string') ? shapeKeys(path) : []
  for (const name of chosen) {
    if (typeof name === 'string' && known.includes(name) && holder[name] === undefined) holder[name] = {}
  }
  for (const [key, value] of Object.entries(holder)) addSelectedSections(value, [...path, key])
}

function lookUp(value: unknown, path: readonly PropertyKey[]): Record<string, unknown> {
  let v = value
  for (const part of path) v = typeof v === 'object' && v !== null ? (v as Record<PropertyKey, unknown>)[part] : undefined
  return typeof v === 'object' && v !== null ? (v as Record<string, unknown>) : {}
}

/** Keys that the schema has at `path`. */
function shapeKeys(path: readonly PropertyKey[]): string[] {
  let schema: unknown = unwrap(configSchema)
  for (const part of path) {
    if (schema instanceof z.ZodObject) schema = unwrap((schema.shape as Record<PropertyKey, unknown>)[part])
    else if (schema instanceof z.ZodArray) schema = unwrap(schema.element)
    else return []
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function unwrap(schema: unknown): unknown {
  let s = schema
  while (true) {
    if (s instanceof z.ZodOptional || s instanceof z.ZodDefault || s instanceof z.ZodPrefault) s = s.unwrap()
    else if (s instanceof z.ZodPipe) s = s.out
    else return s
  }
}

/** `"eight" of type string`, shortened; a list or map is not quoted in full. */
export function describeValue(value: unknown): string {
  const type = value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value === 'object' ? 'map' : typeof value
  if (value === null) return 'null'
  const text = JSON.stringify(value) ?? String(value)
  return `${text.length > 80 ? `${text.slice(0, 77)}…` : text} of type ${type}`
}
