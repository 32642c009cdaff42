/** What the loader takes: 8 threads, batches of 32, a queue of 4, frames of 1920×1080, slow enough that they are read ahead. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runWithLoader, withLoader } from '../helpers/loader-process.ts'
import { type Box, indexOf, loaderSpec, writeFrames } from '../helpers/loader-spec.ts'

const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-memory-'))
/** Crops around them mostly leave the frame, so that frames are decoded whole. */
const boxes: Box[][] = [Array.from({ length: 6 }, (_, k) => [20 + 300 * k, 30, 220 + 300 * k, 330] as Box)]
beforeAll(() => writeFrames(root, boxes, () => [1920, 1080]))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe.skipIf(process.platform !== 'linux')('a loader at work', () => {
  it('takes less than 400 MB', () => {
    const spec = loaderSpec([indexOf(root, boxes)], { threads: 8, batchSize: 32, queueBatches: 4, readAheadThreads: 32, readDelayMicroseconds: 5000, rememberMeans: false, samplesPerEpoch: 10_000 })
    const { status, stdout, stderr } = runWithLoader(
      spec,
      // The loader of `withLoader` is closed at once; the one that is measured is made between the two readings.
      `import { readFileSync } from 'node:fs'
      const megabytes = (key) => Number(new RegExp(key + ':\\\\s*(\\\\d+) kB').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1000
      ${withLoader(`await loader.close()
      const before = megabytes('VmRSS')
      const other = loadAddon().createLoader(spec)
      let held = {}
      for (let b = 0; b < 3; b++) {
        const { tensors } = await other.next()
        for (const tensor of Object.values(held)) tensor.dispose()
        held = tensors
      }
      while (other.stats().queueDepthBatches < 4) await new Promise((resolve) => setTimeout(resolve, 5))
      console.log(JSON.stringify({ above: megabytes('VmHWM') - before, stats: other.stats() }))
      await other.close()`)}`,
      180_000,
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { above, stats } = JSON.parse(stdout) as { above: number; stats: Record<string, number> }
    expect(stats).toMatchObject({ threads: 8, batches: 3, queueDepthBatches: 4 })
    expect(stats['wholeDecodes']).toBeGreaterThan(100)
    expect(stats['readAheadFrames']).toBeGreaterThan(100)
    // Six batches of 10.4 MB are the least that it can be: what is queued, held, and being made.
    expect(above).toBeGreaterThan(50)
    expect(above).toBeLessThan(400)
  }, 200_000)
})
