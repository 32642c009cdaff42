/** A whole forward and backward pass with our CUDA kernels and with libtorch's operations in their place. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LossSpec, ModelSpec, NativeTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { floatsOf } from '../helpers/norm-reference.ts'
import { tinySpec } from '../helpers/tiny-model.ts'
import { describeOnGpu, exactFloat32 } from './helpers/cuda.ts'

const addon = loadAddon()
afterAll(() => addon.setCudaKernels(true))

const lossSpecs: LossSpec[] = [
  { type: 'FocalLoss', weight: 1, alpha: 0.75, gamma: 2, ignoreLabel: -1 },
  { type: 'SigmoidCrossEntropyCenterness', weight: 1 },
  { type: 'IOULoss', weight: 3 },
]

function bytes(count: number, seed: number): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

interface StepResult {
  losses: Float64Array
  gradients: Map<string, Float32Array>
  buffers: Map<string, Float32Array>
}

async function step(spec: ModelSpec, kernels: boolean, batch = 4): Promise<StepResult> {
  addon.setCudaKernels(kernels)
  const { scoreSize, xSize } = spec.head
  const model = await addon.createModel(spec)
  model.setTraining(true)
  const image = (side: number, seed: number): NativeTensor => addon.tensorFrom({ dtype: 'uint8', shape: [batch, 3, side, side], data: bytes(batch * 3 * side * side, seed) }, spec.device)
  const floats = (last: number, value: (i: number) => number): NativeTensor => {
    const data = Float32Array.from({ length: batch * scoreSize ** 2 * last }, (_, i) => value(i))
    return addon.tensorFrom({ dtype: 'float32', shape: [batch, scoreSize ** 2, last], data: new Uint8Array(data.buffer) }, spec.device)
  }
  const predicted = await model.forward(image(127, 1), image(xSize, 2))
  const inputs = {
    ...predicted,
    cls_gt: floats(1, (i) => [0, 0, 1, -1][i % 4]!),
    ctr_gt: floats(1, (i) => (i % 4 === 2 ? 0.25 + (i % 3) / 4 : 0)),
    box_gt: floats(4, (i) => (i % 4 < 2 ? xSize / 3 : (2 * xSize) / 3) + (i % 11)),
  }
  const values: NativeTensor[] = []
  for (const lossSpec of lossSpecs) values.push((await addon.createLoss(lossSpec).forward(inputs)).loss)
  await addon.backward(await addon.sum(values))
  const parameters = model.describe().filter(({ kind }) => kind === 'parameter').map(({ name }) => name)
  const gradients = await model.gradients(parameters)
  const state = await model.stateDict()
  const result = {
    losses: await addon.readScalars(values),
    gradients: new Map(parameters.map((name, i) => [name, floatsOf(gradients[i]!.data)] as const)),
    buffers: new Map(state.filter(({ name }) => name.includes('running_')).map(({ name, data }) => [name, floatsOf(data)] as const)),
  }
  model.dispose()
  return result
}

/** ‖a − b‖ / ‖b‖ over all entries together. */
function distance(a: Map<string, Float32Array>, b: Map<string, Float32Array>): number {
  let [difference, size] = [0, 0]
  for (const [name, expected] of b) {
    const actual = a.get(name)!
    for (let i = 0; i < expected.length; i++) {
      difference += (actual[i]! - expected[i]!) ** 2
      size += expected[i]! ** 2
    }
  }
  return Math.sqrt(difference / size)
}

const alexNet: Partial<ModelSpec> = {
  backbone: { name: 'AlexNet' },
  headWidth: 256,
  head: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth: 256, convWeightStd: 0.01, inputSizeAdapt: false },
}

/** Relative distances of the two ways' losses, gradients and statistics from what float32 on the CPU gives. */
interface Distances {
  losses: number
  gradients: number
  buffers: number
}

function distancesOf(result: StepResult, exact: StepResult): Distances {
  return {
    losses: Math.max(...Array.from(exact.losses, (loss, i) => Math.abs(result.losses[i]! / loss - 1))),
    gradients: distance(result.gradients, exact.gradients),
    buffers: distance(result.buffers, exact.buffers),
  }
}

describeOnGpu('a step with our CUDA kernels', (device) => {
  beforeAll(exactFloat32)

  // A network of random weights amplifies what its first layers round: by how much is seen in libtorch's own operations, and ours may be no further
  // from float32 on the CPU than half as much again. `floor`: where both are near, chance decides which is nearer.
  const cases = (['TinyConv', 'AlexNet'] as const).flatMap((name) => [
    { name, precision: 'fp32' as const, floor: { losses: 2e-5, gradients: 5e-3, buffers: 1e-5 } },
    { name, precision: 'bf16' as const, floor: { losses: 1e-2, gradients: 0.05, buffers: 1e-2 } },
    { name, precision: 'fp16' as const, floor: { losses: 2e-3, gradients: 0.02, buffers: 2e-3 } },
  ])
  it.each(cases)('$name, $precision: as near to float32 as libtorch’s', async ({ name, precision, floor }) => {
    const spec = tinySpec({ ...(name === 'AlexNet' ? alexNet : {}), device, precision, memoryFormat: 'channels_last' })
    const ours = await step(spec, true)
    expect(await addon.cudaKernels()).toMatchObject({ enabled: true, failure: '' })
    const torch = await step(spec, false)
    const exact = await step({ ...spec, device: 'cpu', precision: 'fp32' }, false)
    expect([...ours.losses].every(Number.isFinite)).toBe(true)
    const [own, theirs] = [distancesOf(ours, exact), distancesOf(torch, exact)]
    process.stdout.write(`${name} ${precision}: ours ${JSON.stringify(own)}, libtorch's ${JSON.stringify(theirs)}\n`)
    for (const key of ['losses', 'gradients', 'buffers'] as const) expect(own[key], key).toBeLessThan(Math.max(floor[key], 1.5 * theirs[key]))
  })
})
