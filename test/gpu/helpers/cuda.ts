/** Whether this machine has a GPU that the addon can use, and `describe` for the tests that need one. */
import { describe, it } from 'vitest'
import { loadAddon } from '../../../lib/native/load.ts'

/** Null where there is a GPU, else why there is none, in the addon's words. */
export const whyNoGpu: string | null = await reason()

async function reason(): Promise<string | null> {
  const { available, reason: why } = await loadAddon().cudaAvailable()
  return available ? null : why
}

/** @returns the device that the tests use, or null where there is none ({@link whyNoGpu} says why) */
export function cudaDevice(): 'cuda:0' | null {
  return whyNoGpu === null ? 'cuda:0' : null
}

/**
 * `describe` where there is a GPU; elsewhere one skipped test, and a line that says why. The body then does not run, so that it may read
 * big files and build models.
 *
 * Files of test/gpu may run beside each other, a process each, on one GPU. One that fills the card's memory is named `*.alone.test.ts`.
 */
export function describeOnGpu(name: string, body: (device: 'cuda:0') => void): void {
  const device = cudaDevice()
  if (device === null) process.stdout.write(`skipped without a GPU: ${name} (${whyNoGpu})\n`)
  describe.skipIf(device === null)(name, () => {
    if (device === null) it('needs a GPU', () => {})
    else body(device)
  })
}
