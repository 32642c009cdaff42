/** The tests of one golden architecture: names, shapes, forward passes, losses, gradients and BatchNorm statistics against the original's numbers. */
import { afterAll, describe, expect, it } from 'vitest'
import type { NativeModel } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenJson, goldenTensors, l2, maxAbsDifference, numbers, poolBatch } from './golden.ts'
import { goldenModels, goldenPass, goldenSpec, type GoldenName } from './golden-models.ts'
import { architecture, ruleWeights, ruleWeightsWithStatistics, sha256Of } from './rule-weights.ts'

interface Gradient { l2: number; sum: number; idx: number[]; val: number[] }
interface Golden {
  pool: string
  pool_indices: number[]
  scalars_f32: Record<string, number>
  grads_f32: Record<string, Gradient>
  evalbn_scalars_f32: Record<string, number>
  grads_f64: Record<string, Gradient>
  evalbn_grads_f32: Record<string, Gradient>
  evalbn_grads_f64: Record<string, Gradient>
  true_zero_grad_params: string[]
  bn_after_one_train_forward_f32: Record<string, [sum: number, l2: number]>
  num_batches_tracked: Record<string, number>
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** Every 8th channel, every 4th row and column of [N,C,17,17]: what the golden files hold of corr_fea. */
function subsampled(features: Float32Array, batch: number): Float32Array {
  const side = 17
  const channels = features.length / (batch * side * side)
  const kept: number[] = []
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c += 8) {
      for (let y = 0; y < side; y += 4) for (let x = 0; x < side; x += 4) kept.push(features[((n * channels + c) * side + y) * side + x]!)
    }
  }
  return Float32Array.from(kept)
}

export function describeForward(name: GoldenName): void {
  const { limits } = goldenModels[name]
  const golden = goldenJson<Golden>(`forward_${name}.json`)
  const tensors = goldenTensors(`forward_${name}.safetensors`)
  const wanted = (key: string) => numbers(tensors.get(key)!)
  const batch = poolBatch(`${golden.pool}.safetensors`, golden.pool_indices)
  const weights = ruleWeights(name)

  it('the weight rule gives the recorded bytes', () => {
    const checks = goldenJson<Record<string, { sha256_of_concatenated_little_endian_tensors: string }>>('rule_check.json')
    expect(sha256Of(weights)).toBe(checks[name]!.sha256_of_concatenated_little_endian_tensors)
  })

  describe.each(['contiguous', 'channels_last'] as const)('%s', (memoryFormat) => {
    let model: NativeModel
    const ready = loadAddon().createModel(goldenSpec(name, { memoryFormat })).then((made) => (model = made))
    afterAll(() => model.dispose())

    it('names, shapes, dtypes and their order are the original\'s', async () => {
      await ready
      const described = model.describe()
      expect(described.map(({ name: entry, shape, dtype }) => [entry, shape, dtype])).toEqual(architecture(name).state_dict)
      expect(described.filter(({ kind }) => kind === 'parameter').map(({ name: entry }) => entry)).toEqual(architecture(name).parameters_in_order)
    })

    it('state dict survives a round trip bit by bit', async () => {
      await ready
      await model.loadStateDict(weights)
      expect(sha256Of(await model.stateDict())).toBe(sha256Of(weights))
    })

    it('eval mode: scores, logits, boxes, correlation features, losses and gradients', async () => {
      await ready
      await model.loadStateDict(ruleWeightsWithStatistics(name))
      model.setTraining(false)
      const result = await goldenPass(model, name, batch)
      expect(maxAbsDifference(result.cls, wanted('evalbn.cls'))).toBeLessThan(limits.evalLogits)
      expect(maxAbsDifference(result.ctr, wanted('evalbn.ctr'))).toBeLessThan(limits.evalLogits)
      expect(maxAbsDifference(result.box, wanted('evalbn.box'))).toBeLessThan(limits.evalBox)
      expect(maxAbsDifference(result.cls.map(sigmoid), wanted('eval.cls_prob'))).toBeLessThan(limits.probability)
      expect(maxAbsDifference(result.ctr.map(sigmoid), wanted('eval.ctr_prob'))).toBeLessThan(limits.probability)
      expect(maxAbsDifference(result.cls.map((logit, i) => sigmoid(logit) * sigmoid(result.ctr[i]!)), wanted('eval.score'))).toBeLessThan(limits.probability)
      compareFeatures(subsampled(result.corrFea, golden.pool_indices.length), wanted('eval.corr_fea_sub'))
      for (const key of ['loss.cls', 'loss.ctr', 'loss.reg', 'extra.iou']) {
        expect(relative(result.values[key]!, golden.evalbn_scalars_f32[key]!), key).toBeLessThan(limits.loss)
      }
      await compareGradients(model, golden.evalbn_grads_f32, golden.evalbn_grads_f64, [], () => limits.evalGradient)
    })

    it('training mode: logits, boxes, losses, gradients and running statistics', async () => {
      await ready
      await model.loadStateDict(weights)
      await resetGradients(model)
      model.setTraining(true)
      const result = await goldenPass(model, name, batch)
      expect(maxAbsDifference(result.cls, wanted('train.cls'))).toBeLessThan(limits.trainLogits)
      expect(maxAbsDifference(result.ctr, wanted('train.ctr'))).toBeLessThan(limits.trainLogits)
      expect(maxAbsDifference(result.box, wanted('train.box'))).toBeLessThan(limits.trainBox)
      compareFeatures(subsampled(result.corrFea, golden.pool_indices.length), wanted('train.corr_fea_sub'))
      for (const key of ['loss.cls', 'loss.ctr', 'loss.reg', 'extra.iou']) {
        expect(relative(result.values[key]!, golden.scalars_f32[key]!), key).toBeLessThan(limits.loss)
      }
      const limitOf = (parameter: string): number => (parameter === 'basemodel.conv1.conv.weight' ? limits.conv1Gradient : limits.gradient)
      await compareGradients(model, golden.grads_f32, golden.grads_f64, golden.true_zero_grad_params, limitOf)
      const state = new Map((await model.stateDict()).map((tensor) => [tensor.name, tensor]))
      for (const [key, [, norm]] of Object.entries(golden.bn_after_one_train_forward_f32)) {
        expect(relative(l2(numbers(state.get(key)!)), norm), key).toBeLessThan(limits.statistics)
      }
      for (const [key, count] of Object.entries(golden.num_batches_tracked)) expect(numbers(state.get(key)!)[0], key).toBe(count)
    })
  })
}

const relative = (value: number, expected: number): number => Math.abs(value - expected) / Math.abs(expected)

/** Relative to the largest value: 5e-5, five times the README's noise of two threads (1e-5). */
function compareFeatures(features: Float32Array, expected: ArrayLike<number>): void {
  const largest = Math.max(...Array.from(expected, Math.abs))
  expect(maxAbsDifference(features, expected) / largest, 'corr_fea').toBeLessThan(5e-5)
}

/** zero_grad through an optimizer over all parameters. */
async function resetGradients(model: NativeModel): Promise<void> {
  const parameters = model.describe().filter(({ kind }) => kind === 'parameter').map(({ name }) => name)
  const sgd = loadAddon().createSgd(model, [{ parameters, lr: 0, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false }])
  sgd.zeroGrad()
  await sgd.gradNorm()
  sgd.dispose()
}

/**
 * Each parameter within its limit, and the median over all within twice the median by which the original's float32 run differs from its
 * float64 run, which is the 4e-4 that golden/README.md gives in brackets: the noise of two float32 runs (rounding alone: 1e-5, below which
 * nothing is asked).
 */
async function compareGradients(model: NativeModel, golden: Record<string, Gradient>, exact: Record<string, Gradient>, zero: string[], limit: (parameter: string) => number): Promise<void> {
  const names = Object.keys(golden)
  const gradients = await model.gradients(names)
  const largest = Math.max(...Object.values(golden).map((gradient) => gradient.l2))
  const deviations: number[] = []
  const noise: number[] = []
  names.forEach((parameter, i) => {
    const gradient = gradients[i]
    expect(gradient, `${parameter} has a gradient`).not.toBeNull()
    const values = numbers(gradient!)
    const expected = golden[parameter]!
    if (zero.includes(parameter)) {
      expect(l2(values), `${parameter} (mathematically zero)`).toBeLessThan(1e-4 * largest)
      return
    }
    deviations.push(relative(l2(values), expected.l2))
    noise.push(relative(expected.l2, exact[parameter]!.l2))
    expect(deviations.at(-1), parameter).toBeLessThan(limit(parameter))
    expected.idx.forEach((index, k) => {
      expect(Math.abs(values[index]! - expected.val[k]!) / expected.l2, `${parameter}[${index}]`).toBeLessThan(limit(parameter))
    })
  })
  expect(medianOf(deviations), 'median over the parameters').toBeLessThan(Math.max(1e-5, 2 * medianOf(noise)))
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
