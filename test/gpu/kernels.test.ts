/**
 * Our CUDA kernels, each against its definition in float64 (small, odd sizes) and against libtorch's operations on the card (the networks' sizes).
 *
 * Bounds: inputs are exact in every dtype and sums are float32 or better, so float32 results are within some of its last places (5e-6 of the
 * largest), float16 and bfloat16 results within half a place of their own (6e-4, 5e-3).
 */
import { afterAll, describe, expect, it } from 'vitest'
import type { DType, NativeTensor, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { floatsOf, normReference, normValues, rawFloats, relativeDifference, sixtyFourths, type NormProblem } from '../helpers/norm-reference.ts'
import { gradientOfNorm, runNorm } from '../helpers/norm-run.ts'
import { xcorrReference } from '../helpers/xcorr-reference.ts'
import { describeOnGpu } from './helpers/cuda.ts'

const addon = loadAddon()
const dtypes: [DType, number][] = [['float32', 5e-6], ['float16', 6e-4], ['bfloat16', 5e-3]]
afterAll(() => addon.setCudaKernels(true))

/** The same with our kernels and without. */
async function both<T>(work: () => Promise<T>): Promise<{ ours: T; torch: T }> {
  addon.setCudaKernels(true)
  const ours = await work()
  addon.setCudaKernels(false)
  const torch = await work()
  addon.setCudaKernels(true)
  return { ours, torch }
}

/** Kernels that quietly fell back would pass every comparison. */
async function expectInUse(): Promise<void> {
  const { enabled, failure, compiler } = await addon.cudaKernels()
  expect({ enabled, failure, why: compiler.why }).toEqual({ enabled: true, failure: '', why: '' })
}

const read = async (tensor: NativeTensor): Promise<Float32Array> => floatsOf(await tensor.toBytes())
const gradient = async (tensor: NativeTensor): Promise<Float32Array> => floatsOf((await tensor.gradient())!.data)

describeOnGpu('BatchNorm, ReLU and pooling', (device) => {
  const problems: [string, NormProblem][] = [
    ['96 channels', { size: [3, 96, 11, 9], training: true, relu: true }],
    ['without ReLU', { size: [2, 256, 7, 5], training: true, relu: false }],
    ['one channel', { size: [4, 1, 17, 17], training: true, relu: false }],
    ['58 channels', { size: [2, 58, 6, 7], training: true, relu: true }],
    ['1000 channels', { size: [2, 1000, 3, 3], training: true, relu: true }],
    ['eval', { size: [2, 24, 6, 7], training: false, relu: true }],
    ['pooled', { size: [2, 96, 11, 9], training: true, relu: true, pool: { padding: 0, ceil: true } }],
    ['pooled, a window cut at the border', { size: [2, 8, 12, 10], training: true, relu: true, pool: { padding: 0, ceil: true } }],
    ['pooled with padding, 6 channels', { size: [2, 6, 9, 12], training: true, relu: true, pool: { padding: 1, ceil: false } }],
    ['pooled, eval', { size: [1, 32, 9, 9], training: false, relu: true, pool: { padding: 0, ceil: false } }],
  ]
  describe.each(dtypes)('%s', (dtype, bound) => {
    it.each(problems)('%s: as the definition', async (_, problem) => {
      const values = normValues(problem)
      const expected = normReference(problem, values, gradientOfNorm(problem))
      const actual = await runNorm(problem, values, device, dtype)
      expect(relativeDifference(actual.y, expected.y)).toBeLessThan(bound)
      expect(relativeDifference(actual.dx, expected.dx)).toBeLessThan(bound)
      // Float32 whatever the dtype: x and dy are exact, and nothing is rounded before they are summed.
      for (const name of ['dWeight', 'dBias', 'runningMean', 'runningVar'] as const) expect(relativeDifference(actual[name], expected[name]), name).toBeLessThan(5e-6)
      expect(actual.dOffset.every((value) => value === 0)).toBe(true)
      await expectInUse()
    })
  })

  it('gives the same bits twice', async () => {
    const problem: NormProblem = { size: [8, 96, 73, 73], training: true, relu: true, pool: { padding: 0, ceil: true } }
    const [first, second] = [await runNorm(problem, normValues(problem), device, 'float16'), await runNorm(problem, normValues(problem), device, 'float16')]
    expect(second).toEqual(first)
  })

  it('agrees with libtorch on many rows', async () => {
    const problem: NormProblem = { size: [16, 96, 147, 147], training: true, relu: true }
    const { ours, torch } = await both(() => runNorm(problem, normValues(problem), device, 'float32'))
    for (const name of ['y', 'dx', 'dWeight', 'dBias', 'runningMean', 'runningVar'] as const) expect(relativeDifference(ours[name], torch[name]), name).toBeLessThan(2e-5)
  })

  it('leaves the running statistics of a channel with a NaN', async () => {
    const problem: NormProblem = { size: [2, 16, 5, 5], training: true, relu: true }
    const values = normValues(problem)
    values.x[3 * 25 + 7] = Number.NaN
    const { runningMean, runningVar, y } = await runNorm(problem, values, device, 'float16')
    expect(runningMean[3]).toBe(values.runningMean[3])
    expect(runningVar[3]).toBe(values.runningVar[3])
    expect(runningMean[4]).not.toBe(values.runningMean[4])
    expect([...runningMean, ...runningVar].every(Number.isFinite)).toBe(true)
    expect(y.some(Number.isNaN)).toBe(true)
  })
})

describeOnGpu('depthwise correlation', (device) => {
  const sizes = [
    { n: 3, c: 70, h: 26, w: 26, kh: 4, kw: 4 },
    { n: 1, c: 33, h: 9, w: 14, kh: 3, kw: 5 },
    { n: 2, c: 256, h: 22, w: 22, kh: 6, kw: 6 },
    { n: 2, c: 8, h: 5, w: 5, kh: 5, kw: 5 },
    { n: 1, c: 4, h: 12, w: 11, kh: 9, kw: 9 },  // too large a template for our kernels: libtorch's
  ]
  const cases = dtypes.flatMap(([dtype, bound]) => sizes.flatMap((size) => (['channels_last', 'contiguous'] as const).map((format) => ({ dtype, bound, format, ...size }))))
  it.each(cases)('$n×$c, $h×$w over $kh×$kw, $dtype, $format: as the definition', async ({ dtype, bound, format, ...size }) => {
    const { n, c, h, w, kh, kw } = size
    const [x, k, g] = [sixtyFourths(n * c * h * w, 3), sixtyFourths(n * c * kh * kw, 4), sixtyFourths(n * c * (h - kh + 1) * (w - kw + 1), 5)]
    const expected = xcorrReference(size, x, k, g)
    const [left, right] = [addon.tensorFrom(rawFloats(x, [n, c, h, w]), device, { requiresGrad: true }), addon.tensorFrom(rawFloats(k, [n, c, kh, kw]), device, { requiresGrad: true })]
    const out = await addon.xcorrDepthwise(await addon.castTensor(left, dtype, format), await addon.castTensor(right, dtype, format))
    const wide = await addon.castTensor(out, 'float32', 'contiguous')
    expect(relativeDifference(await read(wide), expected.out)).toBeLessThan(bound)
    await addon.backward(wide, addon.tensorFrom(rawFloats(g, wide.shape), device))
    expect(relativeDifference(await gradient(left), expected.dx)).toBeLessThan(bound)
    expect(relativeDifference(await gradient(right), expected.dk)).toBeLessThan(bound)
    await expectInUse()
  })
})

describeOnGpu('images', (device) => {
  const [n, side] = [2, 33]
  const bytes = new Uint8Array(n * 3 * side * side).map((_, i) => (i * 37 + (i >> 5)) % 256)
  const folded = (backbone: string): boolean[] => (backbone.startsWith('ShuffleNet') ? [false] : [false, true])
  const cases = ['AlexNet', 'Inception3', 'ShuffleNetV2_x0_5'].flatMap((backbone) => dtypes.flatMap(([dtype]) => folded(backbone).map((fold) => ({ backbone, dtype, fold }))))
  it.each(cases)('$backbone, $dtype, folded: $fold: as libtorch makes them', async ({ backbone, dtype, fold }) => {
    const image = addon.tensorFrom({ dtype: 'uint8', shape: [n, 3, side, side], data: bytes }, device)
    const { ours, torch } = await both(async () => {
      const prepared = await addon.prepareImage(backbone, image, dtype, fold)
      expect([prepared.shape, prepared.dtype]).toEqual([fold ? [n, 16, 17, 17] : [n, 3, side, side], dtype])
      return read(await addon.castTensor(prepared, 'float32', 'contiguous'))
    })
    // Libtorch multiplies by a reciprocal where we divide: a last place of float32, which may round to another neighbour in 16 bits.
    expect(relativeDifference(ours, torch)).toBeLessThan(dtype === 'float32' ? 1e-6 : dtype === 'float16' ? 1e-3 : 8e-3)
  })
})

describeOnGpu('losses', (device) => {
  const [n, places] = [7, 289]
  const label = sixtyFourths(n * places, 8).map((value) => (value < -1 ? -1 : value < 1.5 ? 0 : 1))
  const centre = sixtyFourths(n * places, 9).map((value, i) => (label[i] === 1 ? Math.abs(value) / 4 : 0))
  const target = Float32Array.from({ length: n * places * 4 }, (_, i) => 100 + (i % 4 < 2 ? 0 : 60) + ((i * 7) % 13))
  const box = sixtyFourths(n * places * 4, 10).map((value, i) => target[i]! + 8 * value)
  const at = (values: Float32Array, last: number): RawTensor => rawFloats(values, [n, places, last])
  const cases = [
    { name: 'FocalLoss', spec: { type: 'FocalLoss', weight: 1.5, alpha: 0.75, gamma: 2, ignoreLabel: -1 }, predicted: 'cls_pred' },
    { name: 'FocalLoss, gamma 0, no alpha', spec: { type: 'FocalLoss', weight: 1, alpha: -1, gamma: 0, ignoreLabel: -1 }, predicted: 'cls_pred' },
    { name: 'FocalLoss, gamma 1.5', spec: { type: 'FocalLoss', weight: 1, alpha: 0.25, gamma: 1.5, ignoreLabel: -1 }, predicted: 'cls_pred' },
    { name: 'SigmoidCrossEntropyRetina', spec: { type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.75, gamma: 2, ignoreLabel: -1 }, predicted: 'cls_pred' },
    { name: 'SigmoidCrossEntropyRetina, gamma 0', spec: { type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.5, gamma: 0, ignoreLabel: -1 }, predicted: 'cls_pred' },
    { name: 'SigmoidCrossEntropyCenterness', spec: { type: 'SigmoidCrossEntropyCenterness', weight: 1 }, predicted: 'ctr_pred' },
    { name: 'IOULoss', spec: { type: 'IOULoss', weight: 3 }, predicted: 'box_pred' },
  ] as const
  it.each(cases)('$name: value within 1e-6 and gradient within 1e-5 of libtorch’s', async ({ spec, predicted }) => {
    using loss = { native: addon.createLoss(spec), [Symbol.dispose]() { this.native.dispose() } }
    const { ours, torch } = await both(async () => {
      const inputs: Record<string, NativeTensor> = {}
      for (const [name, raw] of Object.entries({ cls_pred: at(sixtyFourths(n * places, 11), 1), ctr_pred: at(sixtyFourths(n * places, 12), 1), box_pred: at(box, 4), cls_gt: at(label, 1), ctr_gt: at(centre, 1), box_gt: at(target, 4) })) {
        inputs[name] = addon.tensorFrom(raw, device, { requiresGrad: name === predicted })
      }
      const { loss: value, extras } = await loss.native.forward(inputs)
      const numbers = await addon.readScalars([value, ...Object.values(extras)])
      await addon.backward(value)
      return { numbers, gradient: await gradient(inputs[predicted]!) }
    })
    for (let i = 0; i < torch.numbers.length; i++) expect(Math.abs(ours.numbers[i]! / torch.numbers[i]! - 1)).toBeLessThan(1e-6)
    expect(relativeDifference(ours.gradient, torch.gradient)).toBeLessThan(1e-5)
    expect(torch.gradient.some((value) => value !== 0)).toBe(true)
    await expectInUse()
  })
})
