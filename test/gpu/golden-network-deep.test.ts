/** GoogLeNet and ShuffleNetV2 on CUDA in float32: outputs, losses, gradients and statistics against the original's numbers. */
import { beforeAll, describe } from 'vitest'
import { describeForward } from '../helpers/golden-forward.ts'
import { describeOnGpu, exactFloat32, gpuSlack } from './helpers/cuda.ts'

describeOnGpu('networks', (device) => {
  beforeAll(exactFloat32)
  describe.each(['googlenet', 'shufflenetv2x0_5', 'shufflenetv2x1_0'] as const)('%s', (name) => {
    describeForward(name, { device, slack: gpuSlack })
  })
})
