/** Part of the addon's contract (addon.ts): what there is of CUDA, how it computes, and how long it takes. */

export interface CudaDeviceInfo {
  name: string
  /** Such as '9.0'. */
  computeCapability: string
  multiprocessors: number
  totalBytes: number
  /** For all processes together; null where the driver's NVML is not there. */
  freeBytes: number | null
}

export interface CudaInfo {
  available: boolean
  /** Why not, and what to do about it; empty when it is. */
  reason: string
  /** The driver's version, such as '580.65.06'. */
  driver: string | null
  /** The newest CUDA that the driver knows, 13000 for 13.0; 0 without a driver. */
  driverCuda: number
  /** The CUDA that libtorch was built with; 0 where its library is not open. */
  runtimeCuda: number
  /** 91900 for 9.19.0; 0 where it is not open. */
  cudnn: number
  /** In the order that 'cuda:N' counts them in. */
  devices: CudaDeviceInfo[]
}

/** What libtorch's allocator holds of one device. */
export interface DeviceMemory {
  /** Such as 'cuda:0'. */
  device: string
  /** Bytes in tensors, now and at most since the last reset. */
  allocatedBytes: number
  allocatedPeakBytes: number
  /** Bytes taken from the device: those of tensors, and what is kept for the next ones. */
  reservedBytes: number
  reservedPeakBytes: number
  /** Allocations that only succeeded after kept memory was given back: a sign that the device is nearly full. */
  retries: number
}

/** How CUDA's libraries compute; of the whole process. */
export interface CudaSettings {
  tf32Convolutions: boolean
  tf32Matmuls: boolean
  /** No effect with `deterministic`. */
  cudnnBenchmark: boolean
  deterministic: boolean
}

/** Time that a device spends on stages. begin, end and drop are queued; nothing waits but take(). */
export interface NativeDeviceClock {
  begin(stage: string): void
  end(): void
  /** Seconds by stage since the last take() or drop(). Waits until the device has come past the last of them. */
  take(): Promise<Record<string, number>>
  drop(): void
  dispose(): void
}

/** What a device spent on all runs of one kernel (or kind of copy). */
export interface KernelTime {
  name: string
  count: number
  seconds: number
}

export interface CudaAddon {
  /** Begins to record what devices do, by libtorch's profiler; everything is slower meanwhile. Throws ERR_ARGUMENT while one is being taken, in any environment. */
  startProfile(): Promise<void>
  /** The slowest first; nothing where no device worked. Rejects with ERR_ARGUMENT unless a profile is being taken. */
  stopProfile(): Promise<KernelTime[]>
  /** Makes no context on any device. `SIAMFCPP_CUDA=0` in the environment: none is looked for. */
  cudaAvailable(): Promise<CudaInfo>
  cudaSettings(): Promise<CudaSettings>
  setCudaSettings(settings: CudaSettings): Promise<void>
  /** Gives memory that is kept for the next tensors back to the devices. */
  releaseDeviceMemory(): Promise<void>
  /** @throws ERR_DEVICE for the CPU, or a device that is not there */
  createDeviceClock(device: string): NativeDeviceClock
  /** What {@link cudaAvailable} says of the loader's message about a library, for tests. */
  explainCudaLibrary(error: string, library: string): string
}
