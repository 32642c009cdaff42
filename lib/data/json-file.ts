/** JSON annotation files: read whole, with errors that name the file, the line of a syntax error, and the path of a wrong value. */
import { readFile } from 'node:fs/promises'
import { SiamError } from '../errors.ts'
import { errorCode } from './files.ts'

export type Json = Readonly<Record<string, unknown>>

/** @throws ERR_DATA when the file is missing, too large for one string (512 MiB) or no JSON object */
export async function readJsonObject(file: string, hint: string): Promise<Json> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).replace(/^\ufeff/, '')
  } catch (error) {
    const code = errorCode(error)
    const message = code === 'ENOENT' ? 'the annotation file is missing' : code === 'ERR_STRING_TOO_LONG' || code === 'ERR_FS_FILE_TOO_LARGE' ? 'the annotation file is larger than 512 MiB: split it' : `the annotation file cannot be read (${code})`
    throw new SiamError('ERR_DATA', message, { file, hint, cause: error })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new SiamError('ERR_DATA', `it is not JSON: ${message}`, { file, line: lineOfSyntaxError(text, message), hint, cause: error })
  }
  if (!isObject(value)) throw new SiamError('ERR_DATA', `expected an object but found ${describeJson(value)}`, { file, hint })
  return value
}

function lineOfSyntaxError(text: string, message: string): number {
  const position = /at position (\d+)/.exec(message)?.[1]
  const before = text.slice(0, position === undefined ? text.length : Number(position))
  return before.split('\n').length
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value as a message shows it: short. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
