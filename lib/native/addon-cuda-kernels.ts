/** The part of the addon's contract about our own CUDA kernels (native/core/cuda): their switch, and their stages for tests and the bench. */
import type { DType, NativeTensor } from './addon.ts'

export interface CudaKernelReport {
  /** Whether they are wanted: not with SIAMFCPP_CUDA_KERNELS=0 in the environment or after `setCudaKernels(false)`. */
  enabled: boolean
  /** Why they cannot be used, so that libtorch's own compute in their place; '' where they can, or before their first use. */
  failure: string
  /** NVIDIA's run-time compiler: where it is and its version, or why there is none. */
  compiler: { path: string; version: string; why: string }
}

/** One stage of the training step on a device, for the bench. */
export interface CudaKernelTiming {
  stage: 'norm' | 'norm_pool' | 'xcorr' | 'image' | 'image_folded' | 'losses' | 'entry' | 'entry_4' | 'entry_8' | 'entry_folded'
  /** norm, norm_pool: N, C, H, W. xcorr: N, C, H, W, h, w. image, entry: N, 3, H, W. losses: N, S². */
  size: number[]
  dtype: 'float32' | 'float16' | 'bfloat16'
  device: string
  /** Our kernels, or libtorch's operations in their place. */
  kernels: boolean
  repetitions: number
}

export interface CudaKernelAddon {
  /** Of the whole process, from the next stage on. */
  setCudaKernels(enabled: boolean): void
  cudaKernels(): Promise<CudaKernelReport>
  /**
   * Compiles the kernels (of one file, or all) for cards of this compute capability (90: H100), into the user's cache; no card is needed.
   * @returns the variants and the bytes of their code. Rejects with ERR_SETUP without NVRTC, or where one does not compile.
   */
  compileCudaKernels(capability: number, family?: 'batch_norm' | 'norm_pool' | 'average_pool' | 'xcorr' | 'image' | 'losses'): Promise<{ name: string; bytes: number }[]>
  /** A differentiable copy in another dtype and memory format (the same tensor where nothing changes). */
  castTensor(x: NativeTensor, dtype: DType, memoryFormat: 'contiguous' | 'channels_last'): Promise<NativeTensor>
  /**
   * The networks' BatchNorm and ReLU, with the 3×3 maximum of stride 2 behind them where `pool` is given (then `relu` is true).
   * @param state  [C] float32; running statistics are updated in place; offset: the bias that the convolution left out
   */
  normAct(
    x: NativeTensor,
    state: { weight: NativeTensor; bias: NativeTensor; runningMean: NativeTensor; runningVar: NativeTensor; offset?: NativeTensor },
    options: { training: boolean; relu: boolean; pool?: { padding: number; ceil: boolean } },
  ): Promise<NativeTensor>
  /** What a backbone makes of an image [N,3,H,W] before its first layer, channels_last; `fold`: 2×2 pixels as one (native/core/stem_fold.h). */
  prepareImage(backbone: string, image: NativeTensor, dtype: DType, fold: boolean): Promise<NativeTensor>
  /** Seconds of one forward pass, and of forward and backward (null where the stage has no gradient): means over the repetitions between two waits. */
  timeCudaKernel(spec: CudaKernelTiming): Promise<{ forwardSeconds: number; bothSeconds: number | null }>
}
