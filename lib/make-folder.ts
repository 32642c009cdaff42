/** Making a folder and those above it. */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * As `mkdirSync(dir, { recursive: true })`, which never returns where the file system answers ENOENT for a folder that it refuses to make
 * (/proc, automounted places): here that is an error.
 * @throws the system's error
 */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(dir).isDirectory()) return
    const parent = path.dirname(dir)
    if (code !== 'ENOENT' || parent === dir || existsSync(parent)) throw error
    makeFolder(parent)
    makeFolder(dir)
  }
}
