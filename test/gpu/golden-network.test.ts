/** AlexNet and TinyConv on CUDA in float32: outputs, losses, gradients and statistics against the original's numbers. */
import { beforeAll, describe } from 'vitest'
import { describeForward } from '../helpers/golden-forward.ts'
import { describeOnGpu, exactFloat32, gpuSlack } from './helpers/cuda.ts'

describeOnGpu('networks', (device) => {
  beforeAll(exactFloat32)
  describe.each(['alexnet', 'tinyconv'] as const)('%s', (name) => {
    describeForward(name, { device, slack: gpuSlack })
  })
})
