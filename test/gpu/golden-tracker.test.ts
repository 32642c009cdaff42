/** The tracker on CUDA in float32, on the bag's frames, against the original's boxes. */
import { beforeAll } from 'vitest'
import { describeGoldenTracker } from '../helpers/golden-tracker.ts'
import { describeOnGpu, exactFloat32, gpuSlack } from './helpers/cuda.ts'

describeOnGpu('tracking', (device) => {
  beforeAll(exactFloat32)
  describeGoldenTracker({ device, slack: gpuSlack })
})
