/**
 * Names, shapes, forward passes, losses, gradients and BatchNorm statistics of AlexNet and TinyConv against the original's numbers.
 * Tolerances: ../shared/golden/README.md, "Recommended tolerances", for every precision and memory format that the default path may take.
 */
import { afterAll, describe, expect, it } from 'vitest'
import type { ModelSpec, NativeModel, NativeTensor, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenJson, goldenTensors, l2, maxAbsDifference, numbers, poolBatch } from '../helpers/golden.ts'
import { architecture, ruleWeights, ruleWeightsWithStatistics, sha256Of } from '../helpers/rule-weights.ts'

const addon = loadAddon()

interface Gradient { l2: number; sum: number; idx: number[]; val: number[] }
interface Golden {
  pool: string
  pool_indices: number[]
  scalars_f32: Record<string, number>
  grads_f32: Record<string, Gradient>
  evalbn_scalars_f32: Record<string, number>
  evalbn_grads_f32: Record<string, Gradient>
  true_zero_grad_params: string[]
  bn_after_one_train_forward_f32: Record<string, [sum: number, l2: number]>
  num_batches_tracked: Record<string, number>
}

const architectures = {
  alexnet: { backbone: 'AlexNet', headWidth: 256, logits: 3e-4, box: 2e-2, loss: 5e-6, conv1Gradient: 5e-3, gradient: 5e-3, evalGradient: 2e-4, statistics: 1e-5 },
  tinyconv: { backbone: 'TinyConv', headWidth: 64, logits: 1e-4, box: 5e-3, loss: 5e-6, conv1Gradient: 2e-3, gradient: 2e-3, evalGradient: 2e-5, statistics: 1e-5 },
} as const

function spec(name: keyof typeof architectures, memoryFormat: ModelSpec['memoryFormat']): ModelSpec {
  const { backbone, headWidth } = architectures[name]
  return {
    backbone: { name: backbone },
    head: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth, convWeightStd: 1e-4, inputSizeAdapt: false },
    headWidth, convWeightStd: 0.01, corrFeaOutput: false, precision: 'fp32', memoryFormat, device: 'cpu', seed: 0,
  }
}

async function read(tensor: NativeTensor): Promise<Float32Array> {
  const bytes = await tensor.toBytes()
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

const losses = {
  cls: addon.createLoss({ type: 'FocalLoss', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 }),
  ctr: addon.createLoss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }),
  reg: addon.createLoss({ type: 'IOULoss', weight: 3 }),
}
const retina = addon.createLoss({ type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 })

/** One forward pass with losses and backward; the values by the golden file's names. */
async function pass(model: NativeModel, name: keyof typeof architectures, batch: Record<string, RawTensor>) {
  const tensors = Object.fromEntries(Object.entries(batch).map(([key, raw]) => [key, addon.tensorFrom(raw, 'cpu')]))
  const predictions = await model.forward(tensors.im_z!, tensors.im_x!)
  const inputs = { ...predictions, cls_gt: tensors.cls_gt!, ctr_gt: tensors.ctr_gt!, box_gt: tensors.box_gt! }
  const used = { ...losses, cls: name === 'tinyconv' ? retina : losses.cls }
  const values: Record<string, number> = {}
  const parts: NativeTensor[] = []
  for (const [key, loss] of Object.entries(used)) {
    const { loss: value, extras } = await loss.forward(inputs)
    parts.push(value)
    const [scalar, iou] = await addon.readScalars([value, ...Object.values(extras)])
    values[`loss.${key}`] = scalar!
    if (iou !== undefined) values['extra.iou'] = iou
  }
  await addon.backward(await addon.sum(parts))
  return { values, cls: await read(predictions.cls_pred!), ctr: await read(predictions.ctr_pred!), box: await read(predictions.box_pred!) }
}

describe.each(Object.keys(architectures) as (keyof typeof architectures)[])('%s', (name) => {
  const limits = architectures[name]
  const golden = goldenJson<Golden>(`forward_${name}.json`)
  const tensors = goldenTensors(`forward_${name}.safetensors`)
  const batch = poolBatch(`${golden.pool}.safetensors`, golden.pool_indices)

  it('the weight rule gives the recorded bytes', () => {
    const checks = goldenJson<Record<string, { sha256_of_concatenated_little_endian_tensors: string }>>('rule_check.json')
    expect(sha256Of(ruleWeights(name))).toBe(checks[name]!.sha256_of_concatenated_little_endian_tensors)
  })

  describe.each(['contiguous', 'channels_last'] as const)('%s', (memoryFormat) => {
    let model: NativeModel
    const ready = addon.createModel(spec(name, memoryFormat)).then((made) => (model = made))
    afterAll(() => model.dispose())

    it('names, shapes, dtypes and their order are the original\'s', async () => {
      await ready
      const described = model.describe()
      expect(described.map(({ name: entry, shape, dtype }) => [entry, shape, dtype])).toEqual(architecture(name).state_dict)
      expect(described.filter(({ kind }) => kind === 'parameter').map(({ name: entry }) => entry)).toEqual(architecture(name).parameters_in_order)
    })

    it('state dict survives a round trip bit by bit', async () => {
      await ready
      const weights = ruleWeights(name)
      await model.loadStateDict(weights)
      expect(sha256Of(await model.stateDict())).toBe(sha256Of(weights))
    })

    it('eval mode: logits, boxes, losses and gradients', async () => {
      await ready
      await model.loadStateDict(ruleWeightsWithStatistics(name))
      model.setTraining(false)
      const result = await pass(model, name, batch)
      expect(maxAbsDifference(result.cls, numbers(tensors.get('evalbn.cls')!))).toBeLessThan(limits.logits)
      expect(maxAbsDifference(result.ctr, numbers(tensors.get('evalbn.ctr')!))).toBeLessThan(limits.logits)
      expect(maxAbsDifference(result.box, numbers(tensors.get('evalbn.box')!))).toBeLessThan(limits.box)
      for (const [key, expected] of Object.entries(golden.evalbn_scalars_f32)) {
        if (result.values[key] !== undefined) expect(Math.abs(result.values[key] - expected) / expected, key).toBeLessThan(limits.loss)
      }
      await compareGradients(model, golden.evalbn_grads_f32, [], () => limits.evalGradient)
    })

    it('training mode: logits, boxes, losses, gradients and running statistics', async () => {
      await ready
      await model.loadStateDict(ruleWeights(name))
      await resetGradients(model)
      model.setTraining(true)
      const result = await pass(model, name, batch)
      expect(maxAbsDifference(result.cls, numbers(tensors.get('train.cls')!))).toBeLessThan(limits.logits)
      expect(maxAbsDifference(result.ctr, numbers(tensors.get('train.ctr')!))).toBeLessThan(limits.logits)
      expect(maxAbsDifference(result.box, numbers(tensors.get('train.box')!))).toBeLessThan(limits.box)
      for (const key of ['loss.cls', 'loss.ctr', 'loss.reg', 'extra.iou']) {
        expect(Math.abs(result.values[key]! - golden.scalars_f32[key]!) / golden.scalars_f32[key]!, key).toBeLessThan(limits.loss)
      }
      await compareGradients(model, golden.grads_f32, golden.true_zero_grad_params, (parameter) => (parameter === 'basemodel.conv1.conv.weight' ? limits.conv1Gradient : limits.gradient))
      const state = new Map((await model.stateDict()).map((tensor) => [tensor.name, tensor]))
      for (const [key, [, norm]] of Object.entries(golden.bn_after_one_train_forward_f32)) {
        expect(Math.abs(l2(numbers(state.get(key)!)) - norm) / norm, key).toBeLessThan(limits.statistics)
      }
      for (const [key, count] of Object.entries(golden.num_batches_tracked)) expect(numbers(state.get(key)!)[0], key).toBe(count)
    })
  })
})

/** zero_grad through an optimizer over all parameters. */
async function resetGradients(model: NativeModel): Promise<void> {
  const parameters = model.describe().filter(({ kind }) => kind === 'parameter').map(({ name }) => name)
  const sgd = addon.createSgd(model, [{ parameters, lr: 0, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false }])
  sgd.zeroGrad()
  await sgd.gradNorm()
  sgd.dispose()
}

async function compareGradients(model: NativeModel, golden: Record<string, Gradient>, zero: string[], limit: (parameter: string) => number): Promise<void> {
  const names = Object.keys(golden)
  const gradients = await model.gradients(names)
  const largest = Math.max(...Object.values(golden).map((gradient) => gradient.l2))
  names.forEach((parameter, i) => {
    const gradient = gradients[i]
    expect(gradient, `${parameter} has a gradient`).not.toBeNull()
    const values = numbers(gradient!)
    const expected = golden[parameter]!
    if (zero.includes(parameter)) {
      expect(l2(values), `${parameter} (mathematically zero)`).toBeLessThan(1e-4 * largest)
      return
    }
    expect(Math.abs(l2(values) - expected.l2) / expected.l2, parameter).toBeLessThan(limit(parameter))
    expected.idx.forEach((index, k) => {
      expect(Math.abs(values[index]! - expected.val[k]!) / expected.l2, `${parameter}[${index}]`).toBeLessThan(limit(parameter))
    })
  })
}
