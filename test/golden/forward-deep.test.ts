/**
 * The same for GoogLeNet and ShuffleNetV2, whose gradients' noise is discrete (an activation on the other side of a ReLU or a max pool):
 * the limits of single parameters are wide, that of the median over all is narrow.
 */
import { beforeAll, describe } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { describeForward } from '../helpers/golden-forward.ts'

// One thread: two that wait for each other are slower than it where other processes want the cores as well.
beforeAll(async () => {
  await loadAddon().setThreads(1)
})

describe.each(['googlenet', 'shufflenetv2x0_5', 'shufflenetv2x1_0'] as const)('%s', (name) => {
  describeForward(name)
})
