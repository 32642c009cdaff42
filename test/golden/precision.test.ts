/** The precisions of tracking: what bf16 and int8 may cost on real frames, and when a tracker takes its model's weights. */
import { beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import { overlap } from '../../lib/evaluation/overlap.ts'
import type { NamedRawTensor, TrackPrecision } from '../../lib/native/addon.ts'
import type { Box } from '../../lib/tracking/siamfcpp-tracker.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'
import { ruleWeightsWithStatistics } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'

const bagFrame = (i: number): string => shared('data', 'vot-bag', `${String(i).padStart(8, '0')}.jpg`)
const firstBox: Box = [312.642, 146.888, 106.131, 96.414]
const weights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
const frames = 196

let tiny: Config
beforeAll(async () => {
  tiny = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'))
})

/** Boxes of the closed loop over frames [2, last]. */
async function follow(precision: TrackPrecision, last = frames): Promise<Box[]> {
  using tracker = await buildSiamFCpp(tiny, { weights: weights(), precision, threads: 1 })
  await tracker.init(bagFrame(1), firstBox)
  const boxes: Box[] = []
  for (let i = 2; i <= last; i += 1) boxes.push((await tracker.update(bagFrame(i))).box)
  return boxes
}

const meanOverlapOf = (a: readonly Box[], b: readonly Box[]): number => a.reduce((sum, box, i) => sum + overlap(box, b[i] as Box), 0) / a.length

describe('trained TinyConv over the bag sequence, closed loop', () => {
  let exact: Box[]
  beforeAll(async () => {
    exact = await follow('fp32')
  }, 120_000)

  it.each([
    ['bf16', 0.98],
    ['int8', 0.95],
  ] as const)('%s stays within a mean overlap of %f of fp32', async (precision, least) => {
    const boxes = await follow(precision)
    expect(boxes.length).toBe(frames - 1)
    const mean = meanOverlapOf(boxes, exact)
    expect(mean).toBeGreaterThan(least)
    // Not the float32 path under another name.
    expect(boxes).not.toEqual(exact)
  }, 120_000)

  it.each(['fp32', 'bf16', 'int8'] as const)('%s gives the same boxes again, and after another target', async (precision) => {
    using tracker = await buildSiamFCpp(tiny, { weights: weights(), precision, threads: 1 })
    const run = async (): Promise<Box[]> => {
      await tracker.init(bagFrame(1), firstBox)
      return [(await tracker.update(bagFrame(2))).box, (await tracker.update(bagFrame(3))).box]
    }
    const first = await run()
    await tracker.init(bagFrame(100), [200, 100, 60, 80])
    await tracker.update(bagFrame(101))
    expect(await run()).toEqual(first)
  })
})

/** A weight of a convolution as bfloat16 has it, to nearest. */
function roundedToBfloat16(entry: NamedRawTensor): NamedRawTensor {
  if (entry.shape.length !== 4) return entry
  const bits = new Uint32Array(new Uint8Array(entry.data).buffer)
  for (const [i, value] of bits.entries()) bits[i] = ((value + 0x7fff + ((value >>> 16) & 1)) & 0xffff0000) >>> 0
  return { ...entry, data: new Uint8Array(bits.buffer) }
}

/** A weight of a convolution as bytes with a scale for each output. */
function roundedToBytes(entry: NamedRawTensor): NamedRawTensor {
  if (entry.shape.length !== 4) return entry
  const values = new Float32Array(new Uint8Array(entry.data).buffer)
  const size = values.length / (entry.shape[0] as number)
  for (let at = 0; at < values.length; at += size) {
    const kernel = values.subarray(at, at + size)
    const scale = kernel.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
    for (const [i, value] of kernel.entries()) kernel[i] = Math.round(value / scale) * scale
  }
  return { ...entry, data: new Uint8Array(values.buffer) }
}

/** Pearson's. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, value) => sum + value, 0) / x.length
  const [ma, mb] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i += 1) {
    const [da, db] = [(a[i] as number) - ma, (b[i] as number) - mb]
    ab += da * db
    aa += da * da
    bb += db * db
  }
  return ab / Math.sqrt(aa * bb)
}

describe.each([
  ['alexnet', 'siamfcpp_alexnet-trn.yaml'],
  ['googlenet', 'siamfcpp_googlenet-trn.yaml'],
  ['shufflenetv2x0_5', 'siamfcpp_shufflenetv2x0_5-trn.yaml'],
] as const)('%s with weights by the rule', (name, yaml) => {
  it('makes nearly the score map of fp32 in 16 and in 8 bits', async () => {
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', yaml))
    using model = await buildModel(config, { part: 'test', pretrained: false })
    // A random network's sizes overflow unless si is small.
    const calm = (tensor: NamedRawTensor): NamedRawTensor => (tensor.name === 'head.si' ? { ...tensor, data: new Uint8Array(Float32Array.of(0.01).buffer) } : tensor)
    await model.loadStateDict(ruleWeightsWithStatistics(name).map(calm))
    const state = await model.stateDict()
    const rounding = { bfloat16: roundedToBfloat16, bytes: roundedToBytes }
    const maps: Partial<Record<TrackPrecision | keyof typeof rounding, ArrayLike<number>>> = {}
    for (const name of ['bfloat16', 'bytes', 'fp32', 'bf16', 'int8'] as const) {
      const rounds = name === 'bfloat16' || name === 'bytes'
      const precision = rounds ? 'fp32' : name
      await model.loadStateDict(rounds ? state.map(rounding[name]) : state)
      using tracker = await buildSiamFCpp(config, { model, precision, threads: 1 })
      await tracker.init(bagFrame(1), firstBox)
      await tracker.update(bagFrame(5), { prior: firstBox })
      const tensors = await tracker.debug()
      maps[name] = (await tensors.score?.toTypedArray()) as Float32Array
      for (const tensor of Object.values(tensors)) tensor.dispose()
    }
    const { bfloat16 = [], bytes = [], fp32 = [], bf16 = [], int8 = [] } = maps
    // So deep a network with random weights makes much of little: what rounding the weights alone does to float32 is the measure. The
    // correlation falls with the square of the error.
    const lost = (map: ArrayLike<number>): number => 1 - correlation(map, fp32)
    expect(lost(bf16), `weights alone ${lost(bfloat16)}`).toBeLessThan(9 * lost(bfloat16))
    expect(lost(int8), `weights alone ${lost(bytes)}`).toBeLessThan(9 * lost(bytes))
    expect(bf16).not.toEqual(fp32)
    expect(int8).not.toEqual(bf16)
  }, 120_000)
})

describe("a model's weights", () => {
  it.each(['fp32', 'int8'] as const)('are taken at init(), in %s: what they become later counts for the next target', async (precision) => {
    using model = await buildModel(tiny, { part: 'test', pretrained: false, seed: 3 })
    using tracker = await buildSiamFCpp(tiny, { model, precision })
    await tracker.init(bagFrame(1), firstBox)
    const before = await tracker.updateWithDetails(bagFrame(2), { prior: firstBox })
    const state = await model.stateDict()
    await model.loadStateDict(state.map((entry) => (entry.name === 'head.bi' ? { ...entry, data: new Uint8Array(Float32Array.of(1).buffer) } : entry)))
    expect(await tracker.updateWithDetails(bagFrame(2), { prior: firstBox })).toEqual(before)
    await tracker.init(bagFrame(1), firstBox)
    const after = await tracker.updateWithDetails(bagFrame(2), { prior: firstBox })
    expect(after.boxInCrop[2]).toBeGreaterThan(before.boxInCrop[2] * 2)
  })
})

describe('precision', () => {
  it('is one that there is', async () => {
    await expect(buildSiamFCpp(tiny, { weights: weights(), precision: 'fp8' as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/'fp32', 'bf16', 'fp16' or 'int8'/) })
  })

  it('is one that the device has', async () => {
    await expect(buildSiamFCpp(tiny, { weights: weights(), precision: 'fp16' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/fp16 runs on a GPU/), hint: expect.stringMatching(/bf16 and int8/) })
    await expect(buildSiamFCpp(tiny, { weights: weights(), precision: 'int8', device: 'cuda' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/int8 runs on the CPU, not on cuda/), hint: expect.stringMatching(/fp16/) })
    await expect(buildSiamFCpp(tiny, { weights: weights(), device: 'gpu' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/'cpu', 'cuda' or 'cuda:N'/) })
  })
})

describe.each(['fp32', 'bf16', 'int8'] as const)('%s with numbers that are none', (precision) => {
  const values = (entry: NamedRawTensor, change: (value: number) => number): NamedRawTensor => ({ ...entry, data: new Uint8Array(new Float32Array(new Uint8Array(entry.data).buffer).map(change).buffer) })
  it.each([
    ['a weight is NaN', 'c_x.conv.weight', () => Number.NaN],
    // Finite, and their scale is not.
    ['a variance is below zero', 'basemodel.conv2a.bn.running_var', () => -1],
    ['weights are so large that sums overflow', 'basemodel.conv3a.conv.weight', (value: number) => Math.sign(value) * 3e38],
  ] as const)('says so where %s, and tracks again with good ones', async (_what, name, change) => {
    using model = await buildModel(tiny, { part: 'test', pretrained: false, seed: 3 })
    const state = await model.stateDict()
    expect(state.map((entry) => entry.name)).toContain(name)
    await model.loadStateDict(state.map((entry) => (entry.name === name ? values(entry, change) : entry)))
    using tracker = await buildSiamFCpp(tiny, { model, precision, threads: 1 })
    await tracker.init(bagFrame(1), firstBox)
    await expect(tracker.update(bagFrame(2))).rejects.toMatchObject({ code: 'ERR_NONFINITE' })
    await model.loadStateDict(state)
    await tracker.init(bagFrame(1), firstBox)
    expect((await tracker.update(bagFrame(2))).box.every(Number.isFinite)).toBe(true)
  })
})

it.each(['fp32', 'bf16', 'int8'] as const)('%s: a frame of one colour, a tiny target and grey pixels', async (precision) => {
  using tracker = await buildSiamFCpp(tiny, { weights: weights(), precision, threads: 1 })
  const plain = (level: number, channels = 3) => ({ data: new Uint8Array(80 * 60 * channels).fill(level), width: 80, height: 60, channels, format: 'bgr' as const })
  for (const level of [0, 255]) {
    await tracker.init(plain(level), [30, 20, 1, 1])
    const { box, score } = await tracker.update(plain(level))
    expect([...box, score].every(Number.isFinite)).toBe(true)
    await tracker.init(plain(level, 1), [30, 20, 1, 1])
    expect((await tracker.update(plain(level, 1))).box).toEqual(box)
    // What was not there in the first frame saturates.
    expect((await tracker.update(plain(255 - level))).box.every(Number.isFinite)).toBe(true)
  }
})
