/**
 * The online classifier, step by step, beside a float64 reference that takes its derivatives from Python's torch (test/fixtures/online_classifier.py):
 * labels, derivatives, losses of each Gauss-Newton step, what was learned, score maps, findings, weights of the memory.
 */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { OnlineSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { defaultOnlineSpec, smallOnlineSpec } from '../helpers/online-spec.ts'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'

interface Plain {
  shape: number[]
  data: number[]
}
type Tensors = Record<string, Plain>

const fixture = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'online_classifier.py')
const xSize = 20
const scale = 0.4

/** Blobs (row, column, strength) of each frame: found, beside something weaker, lost, beside its like near and far, found for long. */
const one = [5, 5, 1]
const frames = [[one], [one, [9, 9, 0.65]], [], [one, [1, 9, 1]], [one], [one, [9, 9, 1]], [[6, 5, 1]], [one, [1, 1, 0.7]], [[4, 5, 1]], [one], [[5, 6, 1]], [one], [one, [9, 5, 0.9]], [one]]

const cases: [string, Partial<OnlineSpec> & { pca?: boolean }][] = [
  ['as the defaults are', {}],
  ['projected features with activations', { projectionActivation: { name: 'mlu', knee: 0.3 }, attentionActivation: { name: 'elu', knee: 0 }, responseActivation: { name: 'elu', knee: 0 } }],
  ['no attention, an odd map and filter, directions that go on', { useAttention: false, featureSide: 9, kernelRows: 3, kernelColumns: 5, responseActivation: { name: 'relu', knee: 0 }, directionForgetFactor: 0.9, trainSkipping: 1 }],
  ['an odd map with an even filter, Fletcher and Reeves', { featureSide: 9, kernelColumns: 2, fletcherReeves: true, directionForgetFactor: 0.95, responseActivation: { name: 'none', knee: 0 } }],
  ['a projection that stays, attention of cells alone, no share for the first frame', { learnProjection: false, channelAttention: false, initSamplesMinimumWeight: 0, postInitSteps: 2 }],
  ['attention of channels alone, all frames normal', { spatialAttention: false, advancedLocalization: false }],
  ['attention of channels alone behind an activation', { spatialAttention: false, projectionActivation: { name: 'relu', knee: 0 } }],
  ['attention of cells alone', { channelAttention: false }],
  ['attention of cells alone behind an activation, weights of one sample', { channelAttention: false, projectionActivation: { name: 'elu', knee: 0 }, hardNegativeLearningRate: 1 }],
  ['no projection, more samples than places', { useProjection: false, memorySize: 8 }],
  ['principal components', { pca: true, useAttention: false, randomFilter: false }],
]

interface Reference {
  inputs: Tensors
  expected: Tensors
}

const specOf = ({ pca = false, ...changes }: (typeof cases)[number][1]): OnlineSpec => smallOnlineSpec({ ...changes, pca })
let references: Reference[]
beforeAll(async () => {
  await loadAddon().setThreads(1)
  const input = JSON.stringify(cases.map(([, changes]) => ({ spec: specOf(changes), xSize, scale, channels: 6, samples: 5, pca: changes.pca ?? false, frames })))
  const { stdout } = await runProgram(await pythonTorch(), [fixture], { input })
  references = JSON.parse(stdout) as Reference[]
}, 900_000)

async function replay(spec: OnlineSpec, inputs: Tensors, dtype: 'float64' | 'float32'): Promise<Tensors> {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, Tensor.from(dtype === 'float64' ? Float64Array.from(data) : Float32Array.from(data), shape)]),
  )
  const found = await loadAddon().replayOnline(spec, xSize, scale, Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.native])))
  for (const tensor of Object.values(tensors)) tensor.dispose()
  const plain: Tensors = {}
  for (const [name, native] of Object.entries(found)) {
    using tensor = new Tensor(native)
    plain[name] = { shape: [...tensor.shape], data: Array.from((await tensor.toTypedArray()) as Float64Array) }
  }
  return plain
}

/** The largest difference, as a share of the largest value that is expected. */
function difference(found: Plain | undefined, expected: Plain): number {
  if (found === undefined) return Number.NaN
  expect(found.shape).toEqual(expected.shape)
  const largest = Math.max(...expected.data.map(Math.abs), 1e-30)
  return Math.max(...found.data.map((value, i) => Math.abs(value - (expected.data[i] as number)))) / largest
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

describe.each(cases.map(([name, changes], i) => [name, changes, i] as const))('%s', (_, changes, i) => {
  it('is what automatic derivatives in float64 give', async () => {
    const { inputs, expected } = references[i] as Reference
    const found = await replay(specOf(changes), inputs, 'float64')
    for (const [name, tensor] of Object.entries(expected)) expect(difference(found[name], tensor), name).toBeLessThan(1e-8)
  })

  it('is near to it in float32', async () => {
    const { inputs, expected } = references[i] as Reference
    const found = await replay(specOf(changes), inputs, 'float32')
    // One derivative differs by float32's rounding; many steps of conjugate gradients on it by what they make of that.
    for (const [name, tensor] of Object.entries(expected)) {
      if (/^(gradient|normal|labels)/.test(name)) expect(difference(found[name], tensor), name).toBeLessThan(2e-5)
    }
    expect(difference(found.maps, expected.maps as Plain)).toBeLessThan(0.02)
  })
})

it('the frames of these cases give each finding', () => {
  expect(new Set(references[0]?.expected.found?.data)).toEqual(new Set([0, 1, 2, 3]))
})

describe('what is drawn', () => {
  const features = (channels: number): Tensors => ({
    features: { shape: [2, channels, 10, 10], data: Array.from({ length: 200 * channels }, (_, i) => Math.sin(i * 1.7) + 2) },
    shifts: { shape: [2, 2], data: [0, 0, 1, 1] },
    target: { shape: [4], data: [50, 40, 6, 5] },
  })

  it('depends on the seed alone', async () => {
    const spec = smallOnlineSpec({ pca: false, initSteps: [] })
    const first = await replay(spec, features(6), 'float64')
    expect(await replay(spec, features(6), 'float64')).toEqual(first)
    const other = await replay({ ...spec, seed: 6 }, features(6), 'float64')
    for (const name of ['init_filter', 'init_fc1', 'init_fc2', 'init_projection']) expect(other[name], name).not.toEqual(first[name])
  })

  it('has the deviations of the original', async () => {
    const first = await replay(smallOnlineSpec({ pca: false, initSteps: [], compressedDim: 64 }), features(32), 'float64')
    for (const [name, deviation] of [['init_filter', 1 / 1024], ['init_fc1', 1 / 8], ['init_fc2', 1 / 8], ['init_projection', 1 / Math.sqrt(32)]] as const) {
      const { data } = first[name] as Plain
      // Of at least 1024 normal numbers: the mean is within 4 of its own deviations, the deviation within a tenth.
      expect(Math.abs(mean(data)), name).toBeLessThan((4 * deviation) / Math.sqrt(data.length))
      expect(Math.sqrt(mean(data.map((value) => value * value))) / deviation, name).toBeCloseTo(1, 1)
    }
  })

  it('drops channels of the first sample and raises the others', async () => {
    const { augmentation } = defaultOnlineSpec()
    const spec = smallOnlineSpec({ useProjection: false, useAttention: false, initStepsWithoutProjection: 0, memorySize: 100, augmentation: { ...augmentation, dropoutSamples: 60, dropoutRate: 0.2 } })
    const inputs = features(20)
    const { samples } = await replay(spec, inputs, 'float64') as { samples: Plain }
    expect(samples.shape).toEqual([62, 100, 20])
    let dropped = 0
    for (let sample = 2; sample < 62; sample += 1) {
      for (let channel = 0; channel < 20; channel += 1) {
        const factors = Array.from({ length: 100 }, (_, cell) => (samples.data[(sample * 100 + cell) * 20 + channel] as number) / (samples.data[cell * 20 + channel] as number))
        const factor = factors[0] as number
        expect(factors.every((value) => Math.abs(value - factor) < 1e-12)).toBe(true)
        expect([0, 1.25]).toContainEqual(expect.closeTo(factor, 10))
        if (factor === 0) dropped += 1
      }
    }
    expect(dropped / 1200).toBeCloseTo(0.2, 1)
  })

  it('refuses features of another size, more samples than the memory holds, and features that are not finite', async () => {
    await expect(replay(smallOnlineSpec({ featureSide: 12 }), features(6), 'float64')).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/raw_fea_size is 12 but .* 10x10/) })
    await expect(replay(smallOnlineSpec({ memorySize: 2 }), features(6), 'float64')).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/sample_memory_size 2 .* 2 samples/) })
    const broken = features(6)
    ;(broken.features as Plain).data[7] = Number.NaN
    await expect(replay(smallOnlineSpec(), broken, 'float64')).rejects.toMatchObject({ code: 'ERR_NONFINITE' })
  })
})
