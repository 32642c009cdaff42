/** Whether this machine has a GPU that the addon can use, and `describe` for the tests that need one. */
import { describe, it } from 'vitest'
import { loadAddon } from '../../../lib/native/load.ts'

/**
 * SIAMFCPP_TEST_DEVICE=cpu runs the bodies on the CPU, to try them where there is no GPU; what is about CUDA itself fails then.
 */
const wanted = process.env.SIAMFCPP_TEST_DEVICE ?? 'cuda:0'

/** Null where there is a GPU, else why there is none, in the addon's words. */
export const whyNoGpu: string | null = await reason()

async function reason(): Promise<string | null> {
  if (wanted === 'cpu') return null
  const { available, reason: why } = await loadAddon().cudaAvailable()
  return available ? null : why
}

/** @returns the device that the tests use, or null where there is none ({@link whyNoGpu} says why) */
export function cudaDevice(): string | null {
  return whyNoGpu === null ? wanted : null
}

/**
 * `describe` where there is a GPU; elsewhere one skipped test, and a line that says why. The body then does not run, so that it may read
 * big files and build models.
 *
 * Files of test/gpu may run beside each other, a process each, on one GPU. One that fills the card's memory is named `*.alone.test.ts`.
 */
export function describeOnGpu(name: string, body: (device: string) => void): void {
  const device = cudaDevice()
  if (device === null) process.stdout.write(`skipped without a GPU: ${name} (${whyNoGpu})\n`)
  describe.skipIf(device === null)(name, () => {
    if (device === null) it('needs a GPU', () => {})
    else body(device)
  })
}

/**
 * float32 as it is meant: PyTorch lets convolutions use TF32, whose products have 10 bits. Algorithms are chosen by rule, not by measuring, so
 * that a test computes the same in every run. Of the whole process.
 */
export async function exactFloat32(): Promise<void> {
  await loadAddon().setCudaSettings({ tf32Convolutions: false, tf32Matmuls: false, cudnnBenchmark: false, deterministic: false })
}

/** {@link exactFloat32}, by cuDNN's deterministic algorithms: two runs of one program agree bit by bit, wherever libtorch's own kernels do. */
export async function sameInEveryRun(): Promise<void> {
  await loadAddon().setCudaSettings({ tf32Convolutions: false, tf32Matmuls: false, cudnnBenchmark: false, deterministic: true })
}

/**
 * How much more than the CPU's limits (golden/README.md, which came from runs on CPUs) float32 on a GPU may deviate from the golden numbers:
 * sums are in another order, in chunks that are longer than a CPU's vectors are, and cuDNN may take Winograd's algorithm for 3 × 3
 * convolutions, whose transforms cost two to three bits.
 */
export const gpuSlack = 4
