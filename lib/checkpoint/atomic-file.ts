/** Files that are there whole or not at all, whatever happens while they are written. */
import { open, readdir, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { threadId } from 'node:worker_threads'
import { SiamError } from '../errors.ts'
import { ioError } from './io-error.ts'
import type { Sink } from './zip-writer.ts'

let written = 0
/** Small pieces (zip headers, short tensors) are gathered up to this many bytes, so that a file of 1,000 entries is not 2,000 calls. */
const gatherBytes = 256 * 1024
const staleMilliseconds = 24 * 3600 * 1000
const hostName = os.hostname().replace(/[^A-Za-z0-9_.]/g, '_')
/** Programs that choose a format by the name need its extension at the end. */
const temporaryName = /\.tmp-([A-Za-z0-9_.]+?)-(\d+)-\d+-\d+(?:\.(?:mp4|webm|mkv|mov|avi|m4v))?$/

/** A name beside a file that {@link removeStaleTemporaries} knows, for what is written there before it is renamed. */
export function temporaryBeside(file: string, extension = ''): string {
  return `${file}.tmp-${hostName}-${process.pid}-${threadId}-${written++}${extension}`
}

/**
 * Writes a file under a temporary name beside it (`NAME.tmp-HOST-PID-…`), makes it durable, and renames it: a reader or a resumed run sees
 * the old file or the new one, never a part. After a failure nothing is left behind; what a killed process left is removed by the next write.
 * @param produce  writes the contents, in order
 * @throws ERR_IO with the path and what to do (disk full, no permission, no folder, …); what `produce` throws itself
 */
export async function writeFileAtomically(file: string, produce: (sink: Sink) => Promise<void>): Promise<void> {
  const folder = path.dirname(file)
  const temporary = temporaryBeside(file)
  let handle: FileHandle | undefined
  let renamed = false
  try {
    await removeStaleTemporaries(folder)
    handle = await open(temporary, 'wx', 0o644)
    const writer = new GatheringWriter(handle)
    await produce((bytes) => writer.write(bytes))
    await writer.flush()
    // Without this the rename could reach the disk before the contents: after a power cut, a whole name on an empty file.
    await handle.sync()
    await handle.close()
    handle = undefined
    await rename(temporary, file)
    renamed = true
    await syncFolder(folder)
  } catch (error) {
    await handle?.close().catch(() => {})
    if (!renamed) await unlink(temporary).catch(() => {})
    if (error instanceof SiamError) throw error
    throw ioError(error, 'write', file)
  }
}

/**
 * Removes temporaries in a folder whose writer is gone: of a process of this machine that no longer runs, or a day old.
 * @returns the files removed
 */
export async function removeStaleTemporaries(folder: string): Promise<string[]> {
  const removed: string[] = []
  for (const name of await readdir(folder)) {
    const match = temporaryName.exec(name)
    if (match === null) continue
    const file = path.join(folder, name)
    const stale = match[1] === hostName && Number(match[2]) !== process.pid ? !isRunning(Number(match[2])) : await isOld(file)
    if (!stale) continue
    // Another process may clean up at the same time, or the file may be someone else's: either way not this write's failure.
    await unlink(file).then(
      () => removed.push(file),
      () => {},
    )
  }
  return removed
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, as another user.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

async function isOld(file: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(file)).mtimeMs > staleMilliseconds
  } catch {
    return false
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some file systems cannot sync a folder; the file is in place all the same.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EPERM' && code !== 'EBADF') throw error
  } finally {
    await handle.close()
  }
}

class GatheringWriter {
  readonly #handle: FileHandle
  readonly #buffer = Buffer.allocUnsafe(gatherBytes)
  #gathered = 0

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#gathered + bytes.length > gatherBytes) await this.flush()
    if (bytes.length >= gatherBytes) return this.#writeAll(bytes)
    this.#buffer.set(bytes, this.#gathered)
    this.#gathered += bytes.length
  }

  async flush(): Promise<void> {
    await this.#writeAll(this.#buffer.subarray(0, this.#gathered))
    this.#gathered = 0
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, Math.min(bytes.length - at, 16 * 1024 * 1024))
      at += bytesWritten
    }
  }
}
