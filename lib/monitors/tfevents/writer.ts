/**
 * Writes TensorBoard event files. Stands on its own: nothing here knows about training.
 *
 * What could go wrong, and what holds against it:
 * - The process is killed: everything up to the last flush is in the file; a write cut off leaves an incomplete last record, which readers
 *   pass over. A process that ends by itself or by an uncaught error writes the rest in its exit handler.
 * - The disk is full: the part of a record that did fit is cut off again, the bytes stay in memory, the caller gets ERR_IO, and a later
 *   flush() tries again at the same place. So a file never holds a broken record in its middle.
 * - A run restarts within the second, or on a machine whose clock is behind: TensorBoard reads the files of a folder in the order of their
 *   names and purges accordingly, so a new file's name is made to sort behind those that are there.
 */
import { close as closeFd, ftruncate, ftruncateSync, open as openFd, write as writeFd, writeSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { invalidArgument, SiamError } from '../../errors.ts'
import { ByteWriter, encodeFileVersion, encodeScalar, encodeSessionStart } from './protobuf.ts'
import { appendRecord } from './record.ts'

const openFile = promisify(openFd)
const closeFile = promisify(closeFd)
const truncateFile = promisify(ftruncate)
const writeFile = promisify(writeFd) as (fd: number, buffer: Buffer, offset: number, length: number, position: number) => Promise<{ bytesWritten: number }>

export interface EventFileWriterOptions {
  /** The step that a resumed run starts at: TensorBoard then drops what earlier files of the folder hold for it and later steps. */
  purgeStep?: number
  /** End of the file's name. */
  suffix?: string
  /** Most seconds that a value waits in memory before it is written (10). */
  flushIntervalSeconds?: number
}

/** Bytes in memory that start a write before the interval is over. */
const flushBytes = 256 * 1024

/** Writers with a file open; what they hold in memory is written when the process ends. */
const openWriters = new Set<EventFileWriter>()
let exitHandlerInstalled = false
let nextUid = 0

/** Appends scalars to an event file of its own. */
export class EventFileWriter implements AsyncDisposable {
  /** Path of the file. */
  readonly file: string
  readonly #fd: number
  readonly #intervalMs: number
  #filling = new ByteWriter()
  /** Bytes that are being written, or whose write failed. */
  #writing: Buffer | undefined
  /** Where the next byte goes: the length of what is safely in the file. */
  #position = 0
  #timer: NodeJS.Timeout | undefined
  #tail: Promise<void> = Promise.resolve()
  /** Why a write in the background failed; thrown at the next call. */
  #failure: SiamError | undefined
  #closing: Promise<void> | undefined

  private constructor(file: string, fd: number, intervalMs: number) {
    this.file = file
    this.#fd = fd
    this.#intervalMs = intervalMs
    openWriters.add(this)
    if (!exitHandlerInstalled) {
      exitHandlerInstalled = true
      process.on('exit', () => {
        for (const writer of openWriters) writer.#drainAtExit()
      })
    }
  }

  /**
   * Creates the folder if need be and in it a new file `events.out.tfevents.<seconds>.<host>.<pid>.<n><suffix>`.
   * @throws ERR_IO when that is not possible, ERR_ARGUMENT for a purgeStep that is no whole number
   */
  static async open(dir: string, options: EventFileWriterOptions = {}): Promise<EventFileWriter> {
    const { purgeStep, suffix = '', flushIntervalSeconds = 10 } = options
    if (typeof dir !== 'string' || dir === '') throw invalidArgument('a folder', 'dir', dir)
    if (purgeStep !== undefined) checkStep(purgeStep, 'purgeStep')
    if (!(flushIntervalSeconds > 0)) throw invalidArgument('a number > 0', 'flushIntervalSeconds', flushIntervalSeconds)
    const { file, fd } = await createFile(dir, suffix)
    const writer = new EventFileWriter(file, fd, Math.min(flushIntervalSeconds * 1000, 2 ** 31 - 1))
    const wallTime = Date.now() / 1000
    appendRecord(writer.#filling, (out) => encodeFileVersion(out, wallTime, 0, 'brain.Event:2', 'siamfcpp-native'))
    if (purgeStep !== undefined) {
      appendRecord(writer.#filling, (out) => encodeFileVersion(out, wallTime, purgeStep, 'brain.Event:2'))
      appendRecord(writer.#filling, (out) => encodeSessionStart(out, wallTime, purgeStep))
    }
    try {
      await writer.flush()
    } catch (error) {
      await writer.close().catch(() => {}) // the first failure is the one to report
      throw error
    }
    return writer
  }

  /**
   * Notes a value; it reaches the file with the next flush.
   * @param tag       'training_losses/cls': slashes group tags in TensorBoard
   * @param value     rounded to float32
   * @param wallTime  seconds since 1970; now by default
   * @throws ERR_ARGUMENT for a bad step or value or a closed writer; ERR_IO when an earlier write failed (the value is not kept then)
   */
  addScalar(tag: string, value: number, step: number, wallTime: number = Date.now() / 1000): void {
    if (typeof tag !== 'string') throw invalidArgument('a string', 'tag', tag)
    if (typeof value !== 'number') throw invalidArgument('a number', `the value of ${tag}`, value)
    checkStep(step, 'step')
    this.#checkOpen()
    if (this.#failure !== undefined) throw this.#failure
    appendRecord(this.#filling, (out) => encodeScalar(out, wallTime, step, tag, value))
    if (this.#filling.length >= flushBytes) this.#flushInBackground()
    else this.#timer ??= setTimeout(() => this.#flushInBackground(), this.#intervalMs).unref()
  }

  /** Writes all that was added. After a failure it tries again from where the file is whole. @throws ERR_IO */
  async flush(): Promise<void> {
    this.#checkOpen()
    await this.#enqueueDrain()
  }

  /** Writes the rest and closes the file. Later calls return the same promise. @throws ERR_IO when the rest could not be written */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#enqueueDrain()
    } finally {
      openWriters.delete(this)
      await closeFile(this.#fd)
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new SiamError('ERR_DISPOSED', 'The event file writer is closed', { file: this.file })
  }

  #flushInBackground(): void {
    this.#enqueueDrain().catch(() => {}) // kept in #failure, which the next call throws
  }

  #enqueueDrain(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const drained = this.#tail.then(() => this.#drain())
    this.#tail = drained.catch(() => {})
    return drained
  }

  /** Runs one at a time, by #tail: positions are only right in order. */
  async #drain(): Promise<void> {
    try {
      for (let bytes = this.#nextBytes(); bytes !== undefined; bytes = this.#nextBytes()) {
        let done = 0
        while (done < bytes.length) {
          const { bytesWritten } = await writeFile(this.#fd, bytes, done, bytes.length - done, this.#position + done)
          done += bytesWritten
        }
        this.#position += bytes.length
        this.#writing = undefined
      }
      this.#failure = undefined
    } catch (error) {
      await truncateFile(this.#fd, this.#position).catch(() => {}) // where it cannot be cut, readers stop at the torn record
      this.#failure = fileError('write the event file', this.file, error)
      throw this.#failure
    }
  }

  #nextBytes(): Buffer | undefined {
    if (this.#writing === undefined && this.#filling.length > 0) {
      this.#writing = this.#filling.bytes.subarray(0, this.#filling.length)
      this.#filling = new ByteWriter()
    }
    return this.#writing
  }

  // Only synchronous calls run now. A write that libuv has under way is repeated: the same bytes at the same place.
  #drainAtExit(): void {
    try {
      for (let bytes = this.#nextBytes(); bytes !== undefined; bytes = this.#nextBytes()) {
        for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#position + done)
        this.#position += bytes.length
        this.#writing = undefined
      }
    } catch {
      try {
        ftruncateSync(this.#fd, this.#position)
      } catch {
        // Nobody is left to tell, and a reader stops at the torn record.
      }
    }
  }
}

function checkStep(step: number, name: string): void {
  if (!Number.isSafeInteger(step)) throw invalidArgument('a whole number', name, step)
}

async function createFile(dir: string, suffix: string): Promise<{ file: string; fd: number }> {
  let present: string[]
  try {
    await mkdir(dir, { recursive: true })
    present = await readdir(dir)
  } catch (error) {
    throw fileError('create the folder for event files', dir, error)
  }
  const last = present.filter((name) => name.includes('tfevents')).sort().at(-1)
  const lastSeconds = Number(/tfevents\.(\d{10})\./.exec(last ?? '')?.[1] ?? -1)
  for (;;) {
    let seconds = Math.floor(Date.now() / 1000)
    const nameAt = (at: number): string => `events.out.tfevents.${at.toString().padStart(10, '0')}.${os.hostname()}.${process.pid}.${nextUid}${suffix}`
    if (last !== undefined && nameAt(seconds) <= last) seconds = Math.max(seconds, lastSeconds + 1)
    const file = path.join(dir, nameAt(seconds))
    nextUid++
    try {
      return { file, fd: await openFile(file, 'wx', 0o666) }
    } catch (error) {
      // A worker thread has the same process id and counts on its own.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError('create the event file', file, error)
    }
  }
}

const remedies: Record<string, string> = {
  ENOSPC: 'free space on the disk',
  EDQUOT: 'the quota is used up: free space',
  EACCES: 'the folder needs write permission, or choose another one',
  EPERM: 'the folder needs write permission, or choose another one',
  EROFS: 'the file system is read-only: choose another folder',
  ENOTDIR: 'a part of the path is a file: choose another folder',
  EEXIST: 'a file is where the folder should be: choose another folder',
  EMFILE: 'too many files are open',
}

/** ERR_IO that says what could not be done, why, and what helps. */
export function fileError(what: string, file: string, error: unknown): SiamError {
  const { code, message } = error as NodeJS.ErrnoException
  return new SiamError('ERR_IO', `Cannot ${what}: ${message}`, { file, hint: remedies[code ?? ''], cause: error })
}
