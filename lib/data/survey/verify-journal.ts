/**
 * What a verification has done so far, one JSON line a sequence, so that a stopped one goes on where it was. A line of a sequence that
 * changed since (folder or annotations touched) does not count.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import { makeFolder } from '../../make-folder.ts'
import type { DataProblem } from '../problems.ts'

export interface VerifiedSequence {
  dataset: string
  sequence: string
  /** Changes when the sequence's folder or annotations do. */
  stamp: string
  frames: number
  bytes: number
  problems: DataProblem[]
}

const format = 'siamfcpp-verify-1'

export class VerifyJournal {
  readonly #file: string | undefined
  readonly #done = new Map<string, VerifiedSequence>()
  #handle: number | undefined

  /**
   * @param file  undefined: nothing is kept
   * @param subject  what is verified; a journal about something else is not used
   * @param fresh  true: forget what is there
   * @throws ERR_IO when the file cannot be written
   */
  constructor(file: string | undefined, subject: string, fresh: boolean) {
    this.#file = file
    if (file === undefined) return
    const lines = fresh ? [] : readLines(file)
    const header = JSON.stringify({ format, subject })
    const goesOn = lines[0] === header
    for (const line of goesOn ? lines.slice(1) : []) {
      const entry = parse(line)
      if (entry !== undefined) this.#done.set(keyOf(entry), entry)
    }
    try {
      makeFolder(path.dirname(file))
      // Written anew: the last line may be half of one, when the machine went down.
      this.#handle = openSync(file, 'w')
      writeSync(this.#handle, `${[header, ...Array.from(this.#done.values(), (entry) => JSON.stringify(entry))].join('\n')}\n`)
    } catch (error) {
      throw new SiamError('ERR_IO', `the journal of the verification cannot be written: ${(error as Error).message}`, { file, cause: error, hint: '--report FILE keeps it beside FILE' })
    }
  }

  /** What an earlier run found about a sequence that has not changed since. */
  known(sequence: { dataset: string; sequence: string; stamp: string }): VerifiedSequence | undefined {
    const entry = this.#done.get(keyOf(sequence))
    return entry?.stamp === sequence.stamp ? entry : undefined
  }

  add(entry: VerifiedSequence): void {
    if (this.#handle !== undefined) writeSync(this.#handle, `${JSON.stringify(entry)}\n`)
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle)
    this.#handle = undefined
  }

  /** The verification is complete: the next one starts anew. */
  remove(): void {
    this.close()
    if (this.#file !== undefined) rmSync(this.#file, { force: true })
  }
}

function keyOf({ dataset, sequence }: { dataset: string; sequence: string }): string {
  return `${dataset}\0${sequence}`
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

function parse(line: string): VerifiedSequence | undefined {
  try {
    const entry = JSON.parse(line) as VerifiedSequence
    const whole = typeof entry.dataset === 'string' && typeof entry.sequence === 'string' && typeof entry.stamp === 'string' && Number.isInteger(entry.frames) && Number.isInteger(entry.bytes) && Array.isArray(entry.problems)
    return whole ? entry : undefined
  } catch {
    return undefined
  }
}
