/** The losses on CUDA in float32 against the original's values and gradients. */
import { describeLosses } from '../helpers/golden-losses.ts'
import { describeOnGpu } from './helpers/cuda.ts'

// Twice the CPU's limits: exp and log of the device are exact to 2 ulp, not to 1.
describeOnGpu('losses', (device) => {
  describeLosses({ device, slack: 2 })
})
