/** The five golden architectures and the losses on CUDA in float32: outputs, losses, gradients and statistics against the original's numbers. */
import { beforeAll, describe } from 'vitest'
import { describeForward } from '../helpers/golden-forward.ts'
import { describeLosses } from '../helpers/golden-losses.ts'
import { describeOnGpu, exactFloat32, gpuSlack } from './helpers/cuda.ts'

describeOnGpu('losses', (device) => {
  describeLosses({ device, slack: 2 })
})

describeOnGpu('networks', (device) => {
  beforeAll(exactFloat32)
  describe.each(['alexnet', 'tinyconv', 'googlenet', 'shufflenetv2x0_5', 'shufflenetv2x1_0'] as const)('%s', (name) => {
    describeForward(name, { device, slack: gpuSlack })
  })
})
