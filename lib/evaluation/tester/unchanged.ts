/** Notices that a file is replaced or written to while a run depends on it. */
import { stat } from 'node:fs/promises'
import { SiamError } from '../../errors.ts'

/**
 * @param what  as errors name it, in the plural
 * @returns a check that the file is still the one it was @throws (both) ERR_IO when it cannot be read, (the check) ERR_IO when it changed
 */
export async function unchanged(file: string, what: string): Promise<() => Promise<void>> {
  const before = await stampOf(file, what)
  return async () => {
    if ((await stampOf(file, what)) !== before) throw new SiamError('ERR_IO', `${what} were changed while the run went on: results of two kinds would be mixed`, { file, hint: 'let whatever writes the file come to its end, and call again' })
  }
}

async function stampOf(file: string, what: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch (cause) {
    throw new SiamError('ERR_IO', `${what} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
  }
}
