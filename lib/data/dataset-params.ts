/** Settings of one data set, checked: hand-made configurations do not pass the schema. */
import { invalidArgument } from '../errors.ts'
import type { DatasetContext, DatasetParams } from './source.ts'

/** @throws ERR_CONFIG with the dotted path of the key */
export function textParam(params: DatasetParams, key: string, fallback: string | undefined, context: DatasetContext, expected = 'text'): string {
  const value = params[key] ?? fallback
  if (typeof value !== 'string') throw invalidArgument(expected, `${context.configPath}.${key}`, value, 'ERR_CONFIG')
  return value
}

/** A path that must not be empty. @throws ERR_CONFIG with the dotted path of the key */
export function pathParam(params: DatasetParams, key: string, fallback: string | undefined, context: DatasetContext): string {
  const value = textParam(params, key, fallback, context, 'a path')
  if (value === '') throw invalidArgument('a path', `${context.configPath}.${key}`, value, 'ERR_CONFIG')
  return value
}

/** @throws ERR_CONFIG with the dotted path of the key */
export function booleanParam(params: DatasetParams, key: string, fallback: boolean, context: DatasetContext): boolean {
  const value = params[key] ?? fallback
  if (typeof value !== 'boolean') throw invalidArgument('true or false', `${context.configPath}.${key}`, value, 'ERR_CONFIG')
  return value
}
