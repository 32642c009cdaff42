/** The first convolution over a folded image is the first convolution. */
import { afterEach, describe, expect, it } from 'vitest'
import { modelSpec } from '../../bench/lib/native-step.ts'
import type { BackboneSpec, NativeModel, NativeTensor, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'

const addon = loadAddon()
const before = process.env.SIAMFCPP_STEM_FOLD
afterEach(() => {
  if (before === undefined) delete process.env.SIAMFCPP_STEM_FOLD
  else process.env.SIAMFCPP_STEM_FOLD = before
})

async function modelWith(fold: '0' | 'always', backbone: BackboneSpec['name']): Promise<NativeModel> {
  process.env.SIAMFCPP_STEM_FOLD = fold
  return addon.createModel(modelSpec(backbone, { precision: 'fp32', memoryFormat: 'channels_last' }))
}

function image(side: number): NativeTensor {
  const data = Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * 2654435761) >>> 24)
  return addon.tensorFrom({ dtype: 'uint8', shape: [1, 3, side, side], data }, 'cpu')
}

const floats = ({ data }: RawTensor): Float32Array => new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4)

function distance(a: RawTensor | null, b: RawTensor | null): number {
  if (a === null || b === null) throw new Error('a gradient is missing')
  let [difference, norm] = [0, 0]
  const [x, y] = [floats(a), floats(b)]
  for (const [i, value] of x.entries()) {
    difference += (value - y[i]!) ** 2
    norm += value ** 2
  }
  expect(norm).toBeGreaterThan(0)
  return Math.sqrt(difference / norm)
}

describe.each([
  ['AlexNet', 'basemodel.conv1.conv.weight'],
  ['TinyConv', 'basemodel.conv1.conv.weight'],
  ['Inception3', 'basemodel.Conv2d_1a_3x3.conv.weight'],
] as const)('%s', (backbone, first) => {
  it('gives the same predictions and the same gradient of the first weights', async () => {
    const seen: { out: RawTensor; gradient: RawTensor | null }[] = []
    for (const fold of ['0', 'always'] as const) {
      const model = await modelWith(fold, backbone)
      // Running statistics and no ReLU flips from batch statistics: what differs is the first convolution alone.
      model.setTraining(false)
      const [z, x] = [image(127), image(303)]
      const predicted = await model.forward(z, x)
      const { shape } = predicted.box_pred!
      const out: RawTensor = { dtype: 'float32', shape, data: await predicted.box_pred!.toBytes() }
      const seed = addon.tensorFrom({ dtype: 'float32', shape, data: new Uint8Array(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)).buffer) }, 'cpu')
      await addon.backward(predicted.box_pred!, seed)
      const [gradient] = await model.gradients([first])
      seen.push({ out, gradient: gradient ?? null })
      for (const tensor of [z, x, seed, ...Object.values(predicted)]) tensor.dispose()
      model.dispose()
    }
    // Sums of up to 363 products in another order; an activation at a ReLU's edge may fall on its other side.
    expect(distance(seen[0]!.out, seen[1]!.out)).toBeLessThan(1e-5)
    expect(distance(seen[0]!.gradient, seen[1]!.gradient)).toBeLessThan(2e-3)
  }, 240_000)
})
