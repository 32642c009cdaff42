/** Long work over bytes in short slices, so that the event loop gets its turn in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A slice takes well under a millisecond for a checksum and a few for a hash. */
const sliceBytes = 1024 * 1024
const turnMilliseconds = 3

/** Gives the event loop its turn when the work since the last one has taken more than 3 ms. */
export class Turns {
  #since = performance.now()

  async next(): Promise<void> {
    if (performance.now() - this.#since < turnMilliseconds) return
    await nextTurn()
    this.#since = performance.now()
  }
}

/** Calls `work` with each slice of the bytes in order. */
export async function inSlices(bytes: Uint8Array, turns: Turns, work: (slice: Uint8Array) => void): Promise<void> {
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    work(bytes.subarray(at, at + sliceBytes))
    await turns.next()
  }
}
