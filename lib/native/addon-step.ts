/** Part of the addon's contract (addon.ts): the guarded step (native/core/guarded_sgd.h). */
import type { NativeEma, NativeGradScaler, NativeTensor } from './addon.ts'

export interface StepSpec {
  scaler?: NativeGradScaler | null
  /** Follows the weights after the step. */
  ema?: NativeEma | null
  emaDecay?: number
  emaWarmup?: number
  /** Updates of the average so far. */
  emaUpdates?: number
  /** Limits of the gradients, the value first; 0: none. */
  clipValue?: number
  clipNorm?: number
}

/** What became of a step. */
export interface StepFacts {
  /** A gradient was not finite: parameters, momentum, average and buffers are as they were before the iteration. */
  skipped: boolean
  /** A loss of the iteration's batches was not finite, in this process. */
  lossBad: boolean
  /** What the losses were scaled by; null without a scaler. */
  scale: number | null
}

export interface NativeStepOutcome {
  /** null: a device knows it later, and `flags` and `scale` hold it then. */
  known: StepFacts | null
  /** 1 where the step was skipped, + 2 where a loss was not finite; a scalar. */
  flags: NativeTensor | null
  /** A scalar; null without a scaler. */
  scale: NativeTensor | null
  /** Norm of the gradients before clipping; null without `clipNorm`. */
  gradNorm: NativeTensor | null
}

/** The stages of an iteration that know each other. */
export interface NativeGuardedSteps {
  /** Queued: begins an iteration. Gradients go, and the model's buffers are remembered for a step that will be skipped. */
  zeroGrad(): void
  /**
   * Adds `share` times a loss's gradients, scaled where there is a scaler; NaN where the loss is not finite, so that the step is skipped. Frees
   * the graph; `parts` are handles on values of that graph, which keep them.
   */
  backward(loss: NativeTensor, share: number, scaler: NativeGradScaler | null, parts: NativeTensor[]): Promise<void>
  /** Unscale → clip → step → average, and the scaler's update; all of it undone where a gradient is not finite. */
  step(spec?: StepSpec): Promise<NativeStepOutcome>
}
