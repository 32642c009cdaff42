/** Part of the addon's contract (addon.ts): what there is of CUDA. */

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

export interface CudaAddon {
  /** Makes no context on any device. `SIAMFCPP_CUDA=0` in the environment: none is looked for. */
  cudaAvailable(): Promise<CudaInfo>
}
