/** A file's bytes in memory, once, as fast as the machine gives them. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import os from 'node:os'
import { SiamError } from '../errors.ts'
import { corrupt } from './corrupt.ts'
import { ioError } from './io-error.ts'

/** A read call takes this much: little enough that other work of the thread pool comes in between, and that a follower gets its share early. */
const pieceBytes = 4 * 1024 * 1024
/**
 * Read calls at a time. Half the cost of reading into fresh memory is the kernel's first touch of each page, which then is spread over the
 * cores (200 MB on two: 66 ms, where one call after the other takes 112).
 */
const readsAtATime = 4
/** What tells one format from another. */
const headBytes = 16

/** Sees a file while it is still being read; must not throw. */
export interface Follower {
  /** The end of the file is there: bytes[from, bytes.length). Called once, before any {@link prefix}. */
  tail(bytes: Uint8Array, from: number): void
  /** Its beginning is there up to `end`, which grows. */
  prefix(bytes: Uint8Array, end: number): void
}

/**
 * Reads a regular file whole. What is allocated is the file's size and nothing else.
 * @param checkHead  sees the first 16 bytes (or all of a shorter file) before the rest is read; may throw
 * @param follower   works on what has been read while the rest comes
 * @throws ERR_IO when the file cannot be read or is larger than the machine's memory, ERR_CHECKPOINT when it is no regular file or shrinks
 */
export async function readFileBytes(file: string, checkHead: (head: Uint8Array) => void, follower?: Follower): Promise<Uint8Array> {
  let handle: FileHandle | undefined
  try {
    // Without O_NONBLOCK a named pipe would be waited for, possibly for ever, before it can be refused.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = await handle.stat()
    if (!stat.isFile()) throw new SiamError('ERR_CHECKPOINT', 'not a regular file', { file })
    const head = Buffer.alloc(Math.min(headBytes, stat.size))
    await readPiece(handle, file, head, 0, head.length)
    checkHead(head)
    const memory = memoryBytes()
    if (stat.size > memory) throw new SiamError('ERR_IO', `the file has ${stat.size} bytes, more than this machine's memory (${memory})`, { file, hint: 'read it on a larger machine' })
    // Uninitialised memory is safe here: a short read below is an error, so no byte of it is ever looked at unread.
    const bytes = Buffer.allocUnsafeSlow(stat.size)
    await readAll(handle, file, bytes, follower)
    return bytes
  } catch (error) {
    if (error instanceof SiamError) throw error
    throw ioError(error, 'read', file)
  } finally {
    await handle?.close()
  }
}

/** What a process may have: the machine's memory, or less in a container. */
function memoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem()
}

async function readAll(handle: FileHandle, file: string, bytes: Buffer, follower: Follower | undefined): Promise<void> {
  const pieces = Math.ceil(bytes.length / pieceBytes)
  const done = new Uint8Array(pieces)
  let next = 0
  let whole = 0
  let tailSeen = false
  // Only a follower needs the end first.
  const order = (i: number): number => (follower === undefined ? i : i === 0 ? pieces - 1 : i - 1)

  const start = (): Promise<number> | undefined => {
    if (next === pieces) return undefined
    const piece = order(next++)
    const at = piece * pieceBytes
    return readPiece(handle, file, bytes, at, Math.min(bytes.length, at + pieceBytes)).then(() => piece)
  }
  const oneAfterTheOther = async (): Promise<void> => {
    for (let running = start(); running !== undefined; ) {
      const piece = await running
      // The next read begins before the follower works, so that both go on at the same time.
      running = start()
      done[piece] = 1
      while (done[whole] === 1) whole++
      if (follower === undefined) continue
      if (!tailSeen && piece === pieces - 1) {
        tailSeen = true
        follower.tail(bytes, piece * pieceBytes)
      }
      if (tailSeen) follower.prefix(bytes, Math.min(bytes.length, whole * pieceBytes))
    }
  }
  // All of them end before the handle is closed, also when one fails.
  const results = await Promise.allSettled(Array.from({ length: Math.min(readsAtATime, pieces) }, oneAfterTheOther))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function readPiece(handle: FileHandle, file: string, bytes: Buffer, from: number, to: number): Promise<void> {
  for (let at = from; at < to; ) {
    const { bytesRead } = await handle.read(bytes, at, to - at, at)
    if (bytesRead === 0) throw corrupt(file, at, `the file ended where ${bytes.length} bytes were expected: it was changed while it was read`)
    at += bytesRead
  }
}
