/** One hash over many tensors: two runs are bit-identical when theirs are equal. */
import { createHash } from 'node:crypto'
import type { NamedRawTensor } from '../native/addon.ts'
import { Turns, inSlices } from './slices.ts'

/**
 * SHA-256 over the tensors in the order of their names (by UTF-16 code unit), each as a JSON line of name, dtype and shape, then its bytes.
 * The order in which they are given does not matter. The event loop gets its turn every few milliseconds.
 * @returns 64 hexadecimal digits
 */
export async function stateSha256(tensors: Iterable<NamedRawTensor>): Promise<string> {
  const hash = createHash('sha256')
  const turns = new Turns()
  const sorted = [...tensors].toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const { name, dtype, shape, data } of sorted) {
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`)
    await inSlices(data, turns, (slice) => hash.update(slice))
  }
  return hash.digest('hex')
}
