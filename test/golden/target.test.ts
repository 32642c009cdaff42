/** DenseboxTarget against the original's: cls and box exactly, centerness within 1e-6 (golden README). */
import { describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenTensors, row, tensorOf } from '../helpers/golden-tensors.ts'

const addon = loadAddon()
const golden = goldenTensors('densebox_targets.safetensors')

describe.each([
  ['x303', 303],
  ['x289', 289],
])('%s', (key, xSize) => {
  const boxes = tensorOf(golden, `${key}.boxes`, Float32Array)
  const spec = { totalStride: 8, scoreSize: 17, xSize, numConv3x3: 3 }

  it.each(Array.from({ length: 25 }, (_, i) => i))('box %i, positive and negative pair', (i) => {
    for (const negative of [false, true]) {
      const got = addon.denseboxTarget(row(boxes, i), spec, negative)
      const cls = row(tensorOf(golden, `${key}.cls${negative ? '_negative_pair' : ''}`, Int8Array), i)
      const ctr = row(tensorOf(golden, `${key}.ctr`, Float32Array), i)
      expect(Array.from(got.cls)).toEqual(Array.from(cls))
      expect(got.box).toEqual(row(tensorOf(golden, `${key}.box`, Float32Array), i))
      expect(Math.max(...ctr.map((value, k) => Math.abs(value - (got.ctr[k] as number))))).toBeLessThan(1e-6)
    }
  })
})

it('tells that a box has four numbers', () => {
  expect(() => addon.denseboxTarget(new Float32Array(3), { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3 }, false)).toThrow(/4 numbers/)
})
