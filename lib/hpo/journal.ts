/**
 * The journal of a search: a first line that says which search it is, then a line of JSON for each trial that was scored, made durable
 * before the next step. A search that is started again takes from it what was done.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { ioError } from '../checkpoint/io-error.ts'
import { SiamError } from '../errors.ts'
import type { ParameterValue } from './space.ts'

/** What a score is, for readers. */
export interface MainScore {
  id: string
  title: string
  digits: number
}

export interface JournalEntry {
  /** 0 for the first share of the sequences; always 0 in a random search. */
  rung: number
  trial: number
  values: readonly ParameterValue[]
  /** How many sequences it was scored on. */
  sequences: number
  /** null where the tracker gave no numbers with these values. */
  score: number | null
  /** What the score is; absent with an error. */
  main?: MainScore
  /** All scores of the evaluation; null for what is not a number. */
  scores: Readonly<Record<string, number | null>>
  error?: string
}

/** What makes two searches the same one: words → value. */
export type SearchIdentity = Readonly<Record<string, unknown>>

export class Journal {
  readonly #file: string
  readonly #handle: FileHandle
  /** One line at a time, whichever trial ends first. */
  #last: Promise<void> = Promise.resolve()

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /**
   * Opens a journal, or begins one. What a killed process left of a line is cut off.
   * @returns the entries that are there already
   * @throws ERR_ARGUMENT when it is of another search, ERR_DATA with file and line when it is damaged or no journal, ERR_IO
   */
  static async open(file: string, identity: SearchIdentity): Promise<{ journal: Journal; entries: JournalEntry[] }> {
    const head = `${JSON.stringify({ siamtrain_hpo: 1, ...identity })}\n`
    let there: Buffer
    try {
      there = await readFile(file).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return Buffer.alloc(0)
        throw error
      })
    } catch (error) {
      throw ioError(error, 'read', file)
    }
    const whole = there.subarray(0, there.lastIndexOf(10) + 1)
    const lines = whole.toString('utf8').split('\n').slice(0, -1)
    // Without its first line whole, nothing was done yet: unless it is someone else's file.
    if (lines.length === 0 && !head.startsWith(there.toString('utf8'))) throw notOurs(file)
    if (lines.length > 0) checkHead(file, lines[0] as string, head)
    const entries = lines.slice(1).map((line, i) => parseEntry(file, line, i + 2))
    try {
      const handle = await open(file, 'a+', 0o644)
      const journal = new Journal(file, handle)
      if (whole.length < there.length) await handle.truncate(whole.length)
      if (lines.length === 0) {
        await journal.#append(head)
        await syncFolder(path.dirname(file))
      }
      return { journal, entries }
    } catch (error) {
      throw error instanceof SiamError ? error : ioError(error, 'write', file)
    }
  }

  /** Adds an entry; it is on the disk when the promise resolves. @throws ERR_IO */
  add(entry: JournalEntry): Promise<void> {
    this.#last = this.#last.then(() => this.#append(`${JSON.stringify(entry)}\n`))
    return this.#last
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {})
    await this.#handle.close()
  }

  async #append(line: string): Promise<void> {
    try {
      await this.#handle.appendFile(line)
      await this.#handle.sync()
    } catch (error) {
      throw ioError(error, 'write', this.#file)
    }
  }
}

function notOurs(file: string, line = 1): SiamError {
  return new SiamError('ERR_DATA', 'Expected the journal of a search for hyper-parameters but this is none', { file, line, hint: 'choose another folder (--out), or remove the file' })
}

function checkHead(file: string, line: string, head: string): void {
  if (`${line}\n` === head) return
  const [was, is] = [parse(line), JSON.parse(head) as Record<string, unknown>]
  if (was?.['siamtrain_hpo'] !== 1) throw notOurs(file)
  const other = [...new Set([...Object.keys(is), ...Object.keys(was)])].filter((key) => JSON.stringify(was[key]) !== JSON.stringify(is[key]))
  const said = other.map((key) => `${key} was ${brief(was[key])} and is ${brief(is[key])}`)
  throw new SiamError('ERR_ARGUMENT', `the journal is of another search: ${said.join('; ')}`, { file, hint: 'choose another folder (--out), or begin anew (--fresh)' })
}

function parseEntry(file: string, line: string, number: number): JournalEntry {
  const entry = parse(line)
  const whole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  const fine =
    entry !== undefined && whole(entry['rung']) && whole(entry['trial']) && whole(entry['sequences']) && Array.isArray(entry['values']) && (entry['score'] === null || typeof entry['score'] === 'number') && typeof entry['scores'] === 'object' && (entry['main'] === undefined || isMain(entry['main']))
  if (!fine) throw new SiamError('ERR_DATA', 'the journal is damaged: a line in the middle is not what was written there', { file, line: number, hint: 'remove that line to have its trial run again' })
  return entry as unknown as JournalEntry
}

function isMain(value: unknown): boolean {
  const { id, title, digits } = (value ?? {}) as Partial<MainScore>
  return typeof id === 'string' && typeof title === 'string' && Number.isInteger(digits) && (digits as number) >= 0 && (digits as number) <= 20
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'not there'
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  // Some file systems cannot sync a folder; the file is in place all the same.
  await handle.sync().catch(() => {})
  await handle.close()
}
