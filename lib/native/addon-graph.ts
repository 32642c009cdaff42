/** Part of the addon's contract (addon.ts): CUDA graphs, and the library that they come from. */
import type { NativeGradScaler, NativeModel, NativeSgd, NativeTensor } from './addon.ts'

export interface CudaExtensionInfo {
  available: boolean
  /** Where it is, or should be. */
  path: string
  /** Why it is not available, and what to do about it; empty where the machine has no GPU to open it for. */
  reason: string
  /** NCCL's version, 22809 for 2.28.9; 0: without NCCL. */
  nccl: number
}

/** A step, from the batch to the complete gradients, as one CUDA graph. What is done between begin() and end() is captured, not computed. */
export interface NativeStepGraph {
  /** Drops an older capture and all gradients, and begins one. @returns copies of the batch, from which the step must be computed */
  begin(batch: NativeTensor[]): Promise<NativeTensor[]>
  /** @param results tensors of the step whose values replay() returns. Rejects when something was done that cannot be captured */
  end(results: NativeTensor[]): Promise<void>
  /** Ends a capture of which something failed. */
  abandon(): Promise<void>
  /**
   * Computes the captured step for this batch: gradients are complete then, as after a backward.
   * @returns the results' values in the order of end(); null, and nothing was done, when the graph does not fit any more: another shape or
   *   dtype, other parameters are trained, a switch was changed
   */
  replay(batch: NativeTensor[]): Promise<NativeTensor[] | null>
  readonly disposed: boolean
  dispose(): void
}

export interface GraphAddon {
  /** What there is of siamfcpp_cuda.so. */
  cudaExtension(): Promise<CudaExtensionInfo>
  /** Rejects with ERR_DEVICE without CUDA, ERR_SETUP without siamfcpp_cuda.so. */
  createStepGraph(model: NativeModel, optimizer: NativeSgd, scaler: NativeGradScaler | null): Promise<NativeStepGraph>
}
