/**
 * Field types of the schema. Each says in its own words what it expects, so that an error can read
 * `Expected a positive integer for train.track.data.minibatch but received "many" of type string`.
 */
import { z } from 'zod'
import { byteSizeText, parseByteSize } from './byte-size.ts'

/**
 * The original evaluates strings as Python literals (yacs), so that "0.5", '1e-6' and "True" are what they look like.
 * Strings stay strings where the field is text.
 */
function fromPythonNumber(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const text = value.trim()
  return /^[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text.replaceAll('_', '')) : value
}

function fromPythonBoolean(value: unknown): unknown {
  return value === 'True' ? true : value === 'False' ? false : value
}

export function numeric(expected: string, accepts: (value: number) => boolean) {
  return z.preprocess(fromPythonNumber, z.number({ error: expected }).refine(accepts, { error: expected }))
}

export const number = () => numeric('a number', () => true)
export const nonNegative = () => numeric('a number ≥ 0', (v) => v >= 0)
export const positive = () => numeric('a number > 0', (v) => v > 0)
export const fraction = () => numeric('a number from 0 to 1', (v) => v >= 0 && v <= 1)
export const integer = () => numeric('an integer', Number.isSafeInteger)
export const positiveInteger = () => numeric('a positive integer', (v) => Number.isSafeInteger(v) && v >= 1)
export const nonNegativeInteger = () => numeric('an integer ≥ 0', (v) => Number.isSafeInteger(v) && v >= 0)
export const boolean = () => z.preprocess(fromPythonBoolean, z.boolean({ error: 'true or false' }))

/** `8G` and the like, as a number of bytes. */
export const byteSize = () => z.preprocess((v) => parseByteSize(v) ?? v, z.number({ error: byteSizeText }).refine(Number.isSafeInteger, { error: byteSizeText }).refine((v) => v >= 0, { error: byteSizeText }))

/** Text; a bare YAML number where text is meant (`exp_name: 2024`) is taken as it was written. */
export const text = () => z.preprocess((v) => (typeof v === 'number' ? String(v) : v), z.string({ error: 'text' }))

export function oneOf<const T extends readonly [string, ...string[]]>(names: T) {
  return z.enum(names, { error: names.length === 1 ? JSON.stringify(names[0]) : `one of ${names.join(', ')}` })
}

/** A list; one bare value is not taken as a list of one, as it is not in the original. */
export function listOf<T extends z.ZodType>(item: T, expected: string) {
  return z.array(item, { error: expected })
}

/** Anything at all: sections that this version carries along without reading them. */
export const anything = () => z.unknown()

/** A map with exactly these keys (others are warned about); `Key:` with nothing behind it is an empty map. */
export function section<T extends z.ZodRawShape>(shape: T) {
  return z.preprocess((v) => (v === null ? {} : v), z.strictObject(shape, { error: 'a map' }))
}

type Widened<V> = V extends number ? number : V extends boolean ? boolean : V extends string ? string : V extends readonly unknown[] ? unknown[] : Record<string, unknown>

/**
 * Fields out of a table of defaults, as the original declares them (`default_hyper_params`): the type of each default is the type of the key.
 */
export function fieldsOf<T extends Record<string, unknown>>(defaults: T): { [K in keyof T]: z.ZodDefault<z.ZodType<Widened<T[K]>>> } {
  const shape: Record<string, z.ZodType> = {}
  for (const [key, value] of Object.entries(defaults)) {
    const field =
      typeof value === 'number' ? number()
      : typeof value === 'boolean' ? boolean()
      : typeof value === 'string' ? text()
      : Array.isArray(value) ? z.array(z.unknown(), { error: 'a list' })
      : z.record(z.string(), z.unknown(), { error: 'a map' })
    shape[key] = (field as z.ZodType).default(value)
  }
  return shape as { [K in keyof T]: z.ZodDefault<z.ZodType<Widened<T[K]>>> }
}
