/** Specs of the online classifier for tests: the original's defaults, on a small scale where asked. */
import type { OnlineSpec } from '../../lib/native/addon.ts'

const none = { name: 'none', knee: 0 } as const

/** What a configuration without a section gives. */
export function defaultOnlineSpec(changes: Partial<OnlineSpec> = {}): OnlineSpec {
  return {
    seed: 12345,
    scoreWeight: 0.5,
    useProjection: true,
    learnProjection: true,
    compressedDim: 128,
    pca: true,
    projectionReg: 1e-4,
    projectionActivation: none,
    useAttention: true,
    channelAttention: true,
    spatialAttention: true,
    attentionActivation: { name: 'relu', knee: 0 },
    filterReg: 0.1,
    kernelRows: 4,
    kernelColumns: 4,
    randomFilter: true,
    responseActivation: { name: 'mlu', knee: 0.05 },
    featureSide: 26,
    augmentation: {
      enabled: true,
      expansion: 2,
      randomShift: 1 / 3,
      shifts: [],
      relativeShifts: [[0.6, 0.6], [-0.6, 0.6], [0.6, -0.6], [-0.6, -0.6]],
      flip: true,
      blurs: [[2, 0.2], [0.2, 2], [3, 1], [1, 3], [2, 2]],
      scales: [],
      rotations: [5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60],
      dropoutSamples: 7,
      dropoutRate: 0.2,
    },
    learningRate: 0.01,
    initSamplesMinimumWeight: 0.25,
    memorySize: 250,
    sigmaFactor: 0.25,
    initSteps: [10, 10, 10, 10, 10, 10],
    initStepsWithoutProjection: 60,
    postInitSteps: 0,
    trainSkipping: 10,
    updateSteps: 5,
    fletcherReeves: false,
    directionForgetFactor: 0,
    advancedLocalization: true,
    hardNegativeLearningRate: 0.02,
    hardNegativeSteps: 5,
    targetNotFoundThreshold: 0.25,
    targetNeighborhoodScale: 2.2,
    distractorThreshold: 0.8,
    displacementScale: 0.8,
    hardNegativeThreshold: 0.5,
    ...changes,
  }
}

/** Ten cells a side, few channels, no dropout: what a reference in Python can be compared with in a second. */
export function smallOnlineSpec(changes: Partial<OnlineSpec> = {}): OnlineSpec {
  const all = defaultOnlineSpec()
  return {
    ...all,
    compressedDim: 4,
    featureSide: 10,
    augmentation: { ...all.augmentation, dropoutSamples: 0 },
    memorySize: 12,
    sigmaFactor: 0.6,
    // Few steps, and a well-conditioned problem: each step of conjugate gradients multiplies rounding by more than the condition's root.
    initSteps: [3, 3],
    projectionReg: 1e-2,
    initStepsWithoutProjection: 7,
    trainSkipping: 3,
    updateSteps: 3,
    hardNegativeSteps: 2,
    ...changes,
  }
}
