import { SiamError } from '../errors.ts'

/** Where a reader is: the file's name for messages and the bytes' place in it. */
export interface Source {
  /** For messages only. */
  readonly file: string
  /** The whole file. Every view that a reader hands out lies in it. */
  readonly bytes: Uint8Array
}

/** The one form of a reader's complaint: `at byte N: <what>`. */
export function corrupt(file: string, offset: number, what: string, hint?: string): SiamError {
  return new SiamError('ERR_CHECKPOINT', `at byte ${offset}: ${what}`, { file, hint })
}
