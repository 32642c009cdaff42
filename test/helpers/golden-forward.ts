/** The tests of one golden architecture: names, shapes, forward passes, losses, gradients and BatchNorm statistics against the original's numbers. */
import { afterAll, describe, expect, it } from 'vitest'
import type { NativeModel } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenJson, goldenTensors, l2, maxAbsDifference, numbers, poolBatch } from './golden.ts'
import { goldenModels, goldenPass, goldenSpec, type GoldenName } from './golden-models.ts'
import { Nearness } from './nearness.ts'
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

/** Where the network runs, and how much more than on the CPU it may deviate there. */
export interface OnDevice {
  device: string
  /** Every numeric limit times this. Default 1. */
  slack?: number
}

export function describeForward(name: GoldenName, { device, slack = 1 }: OnDevice = { device: 'cpu' }): void {
  const { limits } = goldenModels[name]
  const near = new Nearness()
  const below = (quantity: string, value: number, limit: number, detail?: string): void => near.below(quantity, value, slack * limit, detail)
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
    const ready = loadAddon().createModel(goldenSpec(name, { memoryFormat, device })).then((made) => (model = made))
    afterAll(() => {
      model.dispose()
      if (device !== 'cpu') near.print(`${name} ${memoryFormat} on ${device}`)
    })

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
      const result = await goldenPass(model, name, batch, device)
      below('logits', maxAbsDifference(result.cls, wanted('evalbn.cls')), limits.evalLogits, 'cls')
      below('logits', maxAbsDifference(result.ctr, wanted('evalbn.ctr')), limits.evalLogits, 'ctr')
      below('box', maxAbsDifference(result.box, wanted('evalbn.box')), limits.evalBox)
      below('probability', maxAbsDifference(result.cls.map(sigmoid), wanted('eval.cls_prob')), limits.probability, 'cls_prob')
      below('probability', maxAbsDifference(result.ctr.map(sigmoid), wanted('eval.ctr_prob')), limits.probability, 'ctr_prob')
      below('probability', maxAbsDifference(result.cls.map((logit, i) => sigmoid(logit) * sigmoid(result.ctr[i]!)), wanted('eval.score')), limits.probability, 'score')
      compareFeatures(subsampled(result.corrFea, golden.pool_indices.length), wanted('eval.corr_fea_sub'), below)
      for (const key of ['loss.cls', 'loss.ctr', 'loss.reg', 'extra.iou']) {
        below('loss', relative(result.values[key]!, golden.evalbn_scalars_f32[key]!), limits.loss, key)
      }
      await compareGradients(model, { golden: golden.evalbn_grads_f32, exact: golden.evalbn_grads_f64, zero: [], limit: () => limits.evalGradient, below })
    })

    it('training mode: logits, boxes, losses, gradients and running statistics', async () => {
      await ready
      await model.loadStateDict(weights)
      await resetGradients(model)
      model.setTraining(true)
      const result = await goldenPass(model, name, batch, device)
      below('train logits', maxAbsDifference(result.cls, wanted('train.cls')), limits.trainLogits, 'cls')
      below('train logits', maxAbsDifference(result.ctr, wanted('train.ctr')), limits.trainLogits, 'ctr')
      below('train box', maxAbsDifference(result.box, wanted('train.box')), limits.trainBox)
      compareFeatures(subsampled(result.corrFea, golden.pool_indices.length), wanted('train.corr_fea_sub'), below)
      for (const key of ['loss.cls', 'loss.ctr', 'loss.reg', 'extra.iou']) {
        below('loss', relative(result.values[key]!, golden.scalars_f32[key]!), limits.loss, key)
      }
      const limitOf = (parameter: string): number => (parameter === 'basemodel.conv1.conv.weight' ? limits.conv1Gradient : limits.gradient)
      await compareGradients(model, { golden: golden.grads_f32, exact: golden.grads_f64, zero: golden.true_zero_grad_params, limit: limitOf, below })
      const state = new Map((await model.stateDict()).map((tensor) => [tensor.name, tensor]))
      for (const [key, [, norm]] of Object.entries(golden.bn_after_one_train_forward_f32)) {
        below('statistics', relative(l2(numbers(state.get(key)!)), norm), limits.statistics, key)
      }
      for (const [key, count] of Object.entries(golden.num_batches_tracked)) expect(numbers(state.get(key)!)[0], key).toBe(count)
    })
  })
}

type Below = (quantity: string, value: number, limit: number, detail?: string) => void

interface GradientComparison {
  golden: Record<string, Gradient>
  exact: Record<string, Gradient>
  /** Parameters whose gradient is mathematically zero. */
  zero: string[]
  limit: (parameter: string) => number
  below: Below
}

const relative = (value: number, expected: number): number => Math.abs(value - expected) / Math.abs(expected)

/** Relative to the largest value: 5e-5, five times the README's noise of two threads (1e-5). */
function compareFeatures(features: Float32Array, expected: ArrayLike<number>, below: Below): void {
  const largest = Math.max(...Array.from(expected, Math.abs))
  below('corr_fea', maxAbsDifference(features, expected) / largest, 5e-5)
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
async function compareGradients(model: NativeModel, { golden, exact, zero, limit, below }: GradientComparison): Promise<void> {
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
      below('zero gradient', l2(values), 1e-4 * largest, `${parameter} (mathematically zero)`)
      return
    }
    deviations.push(relative(l2(values), expected.l2))
    noise.push(relative(expected.l2, exact[parameter]!.l2))
    below('gradient', deviations.at(-1)!, limit(parameter), parameter)
    expected.idx.forEach((index, k) => {
      below('gradient', Math.abs(values[index]! - expected.val[k]!) / expected.l2, limit(parameter), `${parameter}[${index}]`)
    })
  })
  below('median gradient', medianOf(deviations), Math.max(1e-5, 2 * medianOf(noise)), 'median over the parameters')
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
