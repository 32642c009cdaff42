/** A device that runs full says so with its numbers, and the process goes on with it. */
import { expect, it } from 'vitest'
import { toDevice } from '../../lib/engine/to-device.ts'
import { disposeAll } from '../../lib/engine/model.ts'
import { loadAddon } from '../../lib/native/load.ts'
import type { Tensor } from '../../lib/native/tensor.ts'
import { tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'
import { describeOnGpu } from './helpers/cuda.ts'

describeOnGpu('a device without memory', (device) => {
  it('ERR_DEVICE_OOM has the numbers, and a smaller step works afterwards', async () => {
    using model = await tinyModel({ device })
    const host = tinyBatch(1, 1024)
    const batch = await toDevice(host, device)
    disposeAll(host)
    // Graphs that nobody lets go of: each holds its activations.
    const held: Tensor[] = []
    let failure: unknown
    try {
      for (let i = 0; i < 200; i++) {
        held.push(await totalLoss(model, batch))
        await loadAddon().readScalars([held.at(-1)!.native])
      }
    } catch (error) {
      failure = error
    }
    expect(failure).toMatchObject({
      code: 'ERR_DEVICE_OOM',
      message: expect.stringMatching(/cuda:0 has no memory left: [\d.]+ [KMG]iB were wanted, [\d.]+ GiB are in tensors, [\d.]+ GiB are reserved by this process, [\d.]+ \S+ are free of [\d.]+ GiB/),
      hint: expect.stringContaining('smaller minibatch'),
    })
    expect(held.length).toBeGreaterThan(0)
    disposeAll(held)
    disposeAll(batch)
    await loadAddon().releaseDeviceMemory()
    const small = await toDevice(tinyBatch(2, 2), device)
    const total = await totalLoss(model, small)
    await total.backward()
    expect(await total.item()).toBeGreaterThan(0)
    total.dispose()
    disposeAll(small)
  })
})
