/** Depthwise cross-correlation against its definition, forward and backward, and its refusals. */
import { describe, expect, it } from 'vitest'
import type { RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { xcorrReference, type XcorrSizes } from '../helpers/xcorr-reference.ts'

const addon = loadAddon()

function pseudoRandom(shape: number[], seed: number): { raw: RawTensor; values: Float32Array } {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
  let state = seed
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    values[i] = state / 2 ** 31 - 1
  }
  return { raw: { dtype: 'float32', shape, data: new Uint8Array(values.buffer) }, values }
}

function expectClose(actual: Float32Array, expected: Float64Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  let worst = 0
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!))
  expect(worst).toBeLessThan(tolerance)
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer)

// Sizes of the tracker (22² over 4², 26² over 4²), odd ones, widths below and beyond one SIMD register, kernels as large as the image.
const cases: XcorrSizes[] = [
  { n: 2, c: 19, h: 26, w: 26, kh: 4, kw: 4 },
  { n: 1, c: 33, h: 7, w: 40, kh: 3, kw: 5 },
  { n: 3, c: 16, h: 5, w: 5, kh: 5, kw: 5 },
  { n: 1, c: 1, h: 9, w: 3, kh: 1, kw: 1 },
]

describe.each(cases)('$n×$c×$h×$w with $kh×$kw', (sizes) => {
  const { n, c, h, w, kh, kw } = sizes
  const x = pseudoRandom([n, c, h, w], 1)
  const k = pseudoRandom([n, c, kh, kw], 2)
  const weight = pseudoRandom([n, c, h - kh + 1, w - kw + 1], 3)
  const expected = xcorrReference(sizes, x.values, k.values, weight.values)
  // float32 sums of at most h·w terms of at most 1: 1e-6 × √terms × a margin of 8
  const tolerance = 8e-6 * Math.sqrt(h * w)

  it.each(['contiguous', 'channels_last'] as const)('%s', async (format) => {
    const xHandle = addon.tensorFrom(x.raw, 'cpu', { requiresGrad: true, memoryFormat: format })
    const kHandle = addon.tensorFrom(k.raw, 'cpu', { requiresGrad: true, memoryFormat: format })
    const out = await addon.xcorrDepthwise(xHandle, kHandle)
    expectClose(floats(await out.toBytes()), expected.out, tolerance)
    await addon.backward(out, addon.tensorFrom(weight.raw, 'cpu'))
    expectClose(floats((await xHandle.gradient())!.data), expected.dx, tolerance)
    expectClose(floats((await kHandle.gradient())!.data), expected.dk, tolerance)
  })

  it('without gradients, through handles', async () => {
    const out = await addon.xcorrDepthwise(addon.tensorFrom(x.raw, 'cpu'), addon.tensorFrom(k.raw, 'cpu'))
    expect(out.shape).toEqual([n, c, h - kh + 1, w - kw + 1])
    expectClose(floats(await out.toBytes()), expected.out, tolerance)
  })
})

it('refuses what does not fit', async () => {
  const make = (shape: number[]) => addon.tensorFrom(pseudoRandom(shape, 4).raw, 'cpu')
  for (const [x, k] of [[[1, 4, 5, 5], [1, 3, 2, 2]], [[2, 4, 5, 5], [1, 4, 2, 2]], [[1, 4, 3, 5], [1, 4, 4, 2]], [[4, 5, 5], [4, 2, 2]]] as const) {
    await expect(addon.xcorrDepthwise(make([...x]), make([...k]))).rejects.toMatchObject({ code: 'ERR_SHAPE' })
  }
})
