/**
 * The one folder that a demo server writes to. It is there for as long as the server is; of a server that was killed, until the next one starts.
 */
import { existsSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { lockBy, lockFileName, lockFolder } from '../lock-folder.ts'

export interface TemporaryFolder {
  path: string
  remove: () => Promise<void>
}

const prefix = 'siamtrain-demo-'

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
  const lock = locked(folder)
  // process.exit() and uncaught errors leave no time for promises.
  const atExit = (): void => rmSync(folder, { recursive: true, force: true })
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

/** The lock gets its name when it is taken: without that name the folder is new rather than abandoned. */
function locked(folder: string): Disposable {
  const early = path.join(folder, `${lockFileName}-new`)
  const lock = lockBy(early, folder, 'using this folder')
  renameSync(early, path.join(folder, lockFileName))
  return lock
}

/** Uploads are gigabytes: those of servers that were killed go, which nobody's lock says. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const folder = path.join(tmpdir(), name)
    try {
      const info = lstatSync(folder)
      // Only this user's own, and no link to elsewhere.
      if (!info.isDirectory() || info.uid !== process.getuid?.() || !existsSync(path.join(folder, lockFileName))) continue
      using _lock = lockFolder(folder, 'using this folder')
      await rm(folder, { recursive: true, force: true })
    } catch {
      // In use, or going just now.
    }
  }
}
