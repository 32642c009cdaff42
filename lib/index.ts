/**
 * The public API: everything that `import … from 'siamfcpp-native'` gives. Exports only.
 */
export { effectiveConfigYaml, loadConfig } from './config/index.ts'
export type { Config, ConfigWarning, LoadConfigOptions } from './config/index.ts'

export { buildDataloader, makeSyntheticDataset, registerDataset, trainingDataKeys } from './data/index.ts'
export type { Dataloader, DataloaderOptions, DatasetClass, DatasetContext, DatasetFactory, DatasetFingerprint, DatasetParams, DatasetSource, FramePattern, RegisterDatasetOptions, SequenceRecord, SynthOptions, SynthReport, TrainingData } from './data/index.ts'

export { buildLosses, buildModel, buildOptimizer, buildTrainer, registerTrainer } from './engine/builders.ts'
export type { ModelOptions, TrainerBuildOptions } from './engine/builders.ts'
export { DynamicFreezer, GradModifier, registerGradModifier } from './engine/grad-modifier.ts'
export type { FreezableModel, GradModifierClass, GradModifierParams } from './engine/grad-modifier.ts'
export { GradScaler } from './engine/grad-scaler.ts'
export type { GradScalerOptions } from './engine/grad-scaler.ts'
export { Loss } from './engine/losses.ts'
export type { TensorDict, TrainableLoss } from './engine/losses.ts'
export { registerLrPolicy } from './engine/lr-policy.ts'
export type { LrPolicy, LrPolicyFactory } from './engine/lr-policy.ts'
export { Model } from './engine/model.ts'
export type { StateTable } from './engine/model.ts'
export { Optimizer } from './engine/optimizer.ts'
export type { GradientModifier, LrSchedule, OptimizerOptions } from './engine/optimizer.ts'
export { RegularTrainer } from './engine/regular-trainer.ts'
export { createProgress } from './engine/progress.ts'
export type { ProgressBar, ProgressOptions } from './engine/progress.ts'
export { timed, Timer } from './engine/timer.ts'
export type { TimerOptions } from './engine/timer.ts'
export { TrainerBase } from './engine/trainer-base.ts'
export type { TrainerClass, TrainerOptions, TrainerState, TrainOptions } from './engine/trainer-base.ts'
export type { DataPosition, ResumableBatches, TrainableModel, TrainableOptimizer, TrainingBatches } from './engine/trainer-types.ts'
export { saveWeights } from './engine/weights.ts'

export { buildMonitors, Monitor, registerMonitor, TensorboardLogger, TextInfo } from './monitors/index.ts'
export type { EngineData, EngineState, HyperParams, MonitorClass } from './monitors/index.ts'

export { Tensor } from './native/tensor.ts'
export type { TensorArray, TensorOptions } from './native/tensor.ts'
export type { DType, LossSpec, ModelSpec, NamedRawTensor, ParameterInfo, RawTensor, SkippedSample } from './native/addon.ts'

export { buildTracker, SiamFCppTracker, trackSequence } from './tracking/index.ts'
export type { Box, Frame, PixelFrame, RunOptions, SequenceStep, TrackerOptions, TrackResult } from './tracking/index.ts'
export { meanOverlap, overlap } from './evaluation/overlap.ts'
export type { Bound, Rect } from './evaluation/overlap.ts'

export { SiamError } from './errors.ts'
export type { ErrorCode, SiamErrorOptions } from './errors.ts'
