/** The switches of CUDA, and one seed's weights on both kinds of device. */
import { afterEach, expect, it } from 'vitest'
import { disposeAll } from '../../lib/engine/model.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'
import { describeOnGpu } from './helpers/cuda.ts'

const usual = { tf32Convolutions: true, tf32Matmuls: false, cudnnBenchmark: false, deterministic: false }

/** cls_pred of the training forward, with what every run draws alike. */
async function scores(device: string): Promise<Float32Array> {
  using model = await tinyModel({ device })
  const batch = tinyBatch(1, 4)
  const predicted = await model.forward(batch)
  const values = (await predicted.cls_pred!.toTypedArray()) as Float32Array
  disposeAll(predicted)
  disposeAll(batch)
  return values
}

function difference(a: Float32Array, b: Float32Array): number {
  const size = Math.max(...b.map(Math.abs))
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / size
}

describeOnGpu('the switches', (device) => {
  const addon = loadAddon()
  afterEach(() => addon.setCudaSettings(usual))

  it('one seed gives the same weights on the CPU and on the device', async () => {
    using here = await tinyModel({ device: 'cpu', seed: 7 })
    using there = await tinyModel({ device, seed: 7 })
    const [a, b] = [await here.stateDict(), await there.stateDict()]
    expect(b.map(({ name }) => name)).toEqual(a.map(({ name }) => name))
    for (const [i, { name, data }] of a.entries()) expect(Buffer.from(data).equals(Buffer.from(b[i]!.data)), name).toBe(true)
  })

  it("without TF32 the network's scores are the CPU's to float32's rounding, with it to TF32's", async () => {
    const expected = await scores('cpu')
    await addon.setCudaSettings({ ...usual, tf32Convolutions: false })
    const exact = difference(await scores(device), expected)
    await addon.setCudaSettings(usual)
    const tf32 = difference(await scores(device), expected)
    // Sums in another order: 2^-24 times the root of some thousand products. TF32 has 10 bits of mantissa: 2^-11.
    expect(exact).toBeLessThan(1e-4)
    expect(tf32).toBeLessThan(3e-2)
    expect(exact).toBeLessThan(tf32)
  })

  it('deterministic gives the same bits every time', async () => {
    await addon.setCudaSettings({ ...usual, deterministic: true })
    expect(Buffer.from((await scores(device)).buffer).equals(Buffer.from((await scores(device)).buffer))).toBe(true)
  })
})
