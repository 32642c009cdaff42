/** Where the given golden numbers, frames and configs lie; every test that reads them goes through here. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import path from 'node:path'

const root = path.resolve(fileURLToPath(new URL('../../../shared', import.meta.url)))

/** @returns the absolute path of `../shared/<parts>`; throws with a clear message when it is not there. */
export function shared(...parts: string[]): string {
  const full = path.join(process.env.SIAMFCPP_SHARED ?? root, ...parts)
  if (!existsSync(full)) {
    throw new Error(`test material missing: ${full}. The tests read ../shared beside the checkout (or $SIAMFCPP_SHARED).`)
  }
  return full
}
