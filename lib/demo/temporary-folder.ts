/**
 * The one folder that a demo server writes to. It is there for as long as the server is; of a server that was killed, until the next one starts.
 */
import { existsSync, lstatSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { lockBy } from '../lock-folder.ts'

export interface TemporaryFolder {
  path: string
  remove: () => Promise<void>
}

const prefix = 'siamtrain-demo-'
const lockOf = (folder: string): string => `${folder}.lock`

/** @throws ERR_IO */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  await removeAbandoned()
  let folder: string
  try {
    // mkdtemp makes it readable by this user alone.
    folder = await mkdtemp(path.join(tmpdir(), prefix))
  } catch (cause) {
    throw new SiamError('ERR_IO', `no folder for uploads can be made: ${cause instanceof Error ? cause.message : String(cause)}`, { file: tmpdir(), hint: 'TMPDIR chooses another place', cause })
  }
  // Beside the folder: all that is in it is uploads.
  const lock = lockBy(lockOf(folder), folder, 'using this folder')
  // process.exit() and uncaught errors leave no time for promises.
  const atExit = (): void => {
    for (const each of [folder, lockOf(folder)]) rmSync(each, { recursive: true, force: true })
  }
  process.once('exit', atExit)
  return {
    path: folder,
    remove: async () => {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      lock[Symbol.dispose]()
      process.off('exit', atExit)
    },
  }
}

/** Uploads are gigabytes: those of servers that were killed go, which nobody's lock says. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names.filter((each) => each.startsWith(prefix) && !each.endsWith('.lock'))) {
    const folder = path.join(tmpdir(), name)
    try {
      const info = lstatSync(folder)
      // Only this user's own, and no link to elsewhere.
      if (!info.isDirectory() || info.uid !== process.getuid?.() || !existsSync(lockOf(folder))) continue
      using _lock = lockBy(lockOf(folder), folder, 'using this folder')
      await rm(folder, { recursive: true, force: true })
    } catch {
      // In use, or going just now.
    }
  }
}
