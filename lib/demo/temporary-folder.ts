/**
 * The one folder that a demo server writes to. It is there for as long as the server is.
 */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SiamError } from '../errors.ts'

export interface TemporaryFolder {
  path: string
  remove: () => Promise<void>
}

/** @throws ERR_IO */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  let folder: string
  try {
    // mkdtemp makes it readable by this user alone.
    folder = await mkdtemp(path.join(tmpdir(), 'siamtrain-demo-'))
  } catch (cause) {
    throw new SiamError('ERR_IO', `no folder for uploads can be made: ${cause instanceof Error ? cause.message : String(cause)}`, { file: tmpdir(), hint: 'TMPDIR chooses another place', cause })
  }
  // process.exit() and uncaught errors leave no time for promises.
  const atExit = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', atExit)
  return {
    path: folder,
    remove: async () => {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      process.off('exit', atExit)
    },
  }
}
