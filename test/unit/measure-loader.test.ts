/** The wait for a full queue ends also where it never gets full. */
import { describe, expect, it } from 'vitest'
import type { Dataloader } from '../../lib/data/dataloader.ts'
import { queueFull } from '../../lib/data/measure-loader.ts'
import { SiamError } from '../../lib/errors.ts'
import type { LoaderStats } from '../../lib/native/addon.ts'

type Waited = Pick<Dataloader, 'next' | 'queueBatches' | 'stats'>

/** A loader whose counts change each time they are asked for; the last ones stay. */
function loader(counts: Partial<LoaderStats>[]): Waited & { looks: number } {
  return {
    queueBatches: 2,
    looks: 0,
    stats() {
      return { queueDepthBatches: 0, failedThreads: 0, ...counts[Math.min(this.looks++, counts.length - 1)] } as LoaderStats
    },
    next: () => Promise.reject(new SiamError('ERR_INTERNAL', 'a loader thread failed: std::bad_alloc')),
  }
}

describe('queueFull', () => {
  it('waits until as many batches are ready as are made ahead', async () => {
    const filling = loader([{}, { queueDepthBatches: 1 }, { queueDepthBatches: 1 }, { queueDepthBatches: 2 }])
    await queueFull(filling, undefined)
    expect(filling.looks).toBe(4)
  })

  it("throws the loader's error once its threads have ended, instead of waiting for ever", async () => {
    await expect(queueFull(loader([{}, { queueDepthBatches: 1, failedThreads: 1 }]), undefined)).rejects.toMatchObject({ code: 'ERR_INTERNAL', message: 'a loader thread failed: std::bad_alloc' })
  })

  it("ends with the signal's reason", async () => {
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 10)
    await expect(queueFull(loader([{}]), abort.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })
})
