/**
 * Names, shapes, forward passes, losses, gradients and BatchNorm statistics of AlexNet and TinyConv against the original's numbers.
 * Tolerances: ../shared/golden/README.md, "Recommended tolerances", for both memory formats that the default path may take.
 */
import { describe } from 'vitest'
import { describeForward } from '../helpers/golden-forward.ts'

describe.each(['alexnet', 'tinyconv'] as const)('%s', (name) => {
  describeForward(name)
})
