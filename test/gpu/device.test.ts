/** The bridge to CUDA itself: tensors go to the card and come back, and stages run there. */
import { expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { describeOnGpu } from './helpers/cuda.ts'

describeOnGpu('a tensor', (device) => {
  const addon = loadAddon()
  const values = Float32Array.from({ length: 1000 }, (_, i) => Math.fround(Math.sin(i)))
  const raw = { dtype: 'float32' as const, shape: [10, 100], data: new Uint8Array(values.buffer) }

  it('goes to the card and comes back bit by bit', async () => {
    const tensor = addon.tensorFrom(raw, device)
    expect([tensor.device, tensor.shape, tensor.dtype]).toEqual([device, [10, 100], 'float32'])
    expect(Buffer.from(await tensor.toBytes()).equals(Buffer.from(raw.data))).toBe(true)
    tensor.dispose()
  })

  it('is added up and differentiated there', async () => {
    const one = addon.tensorFrom({ dtype: 'float32', shape: [], data: new Uint8Array(Float32Array.of(1.5).buffer) }, device, { requiresGrad: true })
    const two = addon.tensorFrom({ dtype: 'float32', shape: [], data: new Uint8Array(Float32Array.of(2.25).buffer) }, device)
    const total = await addon.sum([one, two, one])
    expect(total.device).toBe(device)
    expect([...(await addon.readScalars([total, two]))]).toEqual([5.25, 2.25])
    await addon.backward(total)
    expect(new Float32Array((await one.gradient())!.data.slice().buffer)).toEqual(Float32Array.of(2))
  })
})
