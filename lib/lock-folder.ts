/** One writer a folder or file: a lock that ends with its process, however that ends. */
import { closeSync, fstatSync, openSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { ioError } from './checkpoint/io-error.ts'
import { SiamError } from './errors.ts'
import { loadAddon } from './native/load.ts'

export const lockFileName = '.lock'

/**
 * Takes the lock of a folder.
 * @param doing what the other process that has it does, for the error
 * @returns `Symbol.dispose` gives it back and removes its file
 * @throws ERR_IO when another process has it, or the file cannot be made
 */
export function lockFolder(dir: string, doing: string): Disposable {
  return lockBy(path.join(dir, lockFileName), dir, doing)
}

/** As {@link lockFolder}, by a lock file of any name, which is made; `what` it stands for is named in the error. */
export function lockBy(file: string, what: string, doing: string): Disposable {
  for (;;) {
    let descriptor: number
    try {
      descriptor = openSync(file, 'a', 0o644)
    } catch (error) {
      throw ioError(error, 'write', file)
    }
    if (!loadAddon().lockFile(descriptor)) {
      closeSync(descriptor)
      throw new SiamError('ERR_IO', `another process is ${doing}`, { file: what, hint: 'wait for it, or choose another folder' })
    }
    // The one who had it may have removed the file after we opened it: then others cannot see our lock.
    if (statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino) {
      return {
        [Symbol.dispose]: () => {
          rmSync(file, { force: true })
          closeSync(descriptor)
        },
      }
    }
    closeSync(descriptor)
  }
}
