/** What `siamtrain doctor` says about CUDA: pure functions of the facts. */
import type { CudaDeviceInfo, CudaInfo } from '../native/addon-cuda.ts'

export interface DoctorDevice extends CudaDeviceInfo {
  /** Tensor cores take float32 products with 10 bits of mantissa. */
  tf32: boolean
  /** Tensor cores take bfloat16. */
  bf16: boolean
}

export interface DoctorCuda extends Omit<CudaInfo, 'devices'> {
  devices: DoctorDevice[]
}

/** Both came with Ampere, compute capability 8.0. */
const firstWithBoth = 8

export function doctorCuda(info: CudaInfo): DoctorCuda {
  return {
    ...info,
    devices: info.devices.map((device) => {
      const modern = Number.parseInt(device.computeCapability, 10) >= firstWithBoth
      return { ...device, tf32: modern, bf16: modern }
    }),
  }
}

/** 13000 → 13.0 */
export const cudaVersion = (version: number): string => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`

/** 91900 → 9.19.0 */
export const cudnnVersion = (version: number): string => `${Math.floor(version / 10000)}.${Math.floor((version % 10000) / 100)}.${version % 100}`

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`

/** Rows of the text: what they are called, and what there is. */
export function cudaRows(cuda: DoctorCuda): [name: string, text: string][] {
  const known = [
    ...(cuda.runtimeCuda > 0 ? [`libtorch's is ${cudaVersion(cuda.runtimeCuda)}`] : []),
    ...(cuda.cudnn > 0 ? [`cuDNN ${cudnnVersion(cuda.cudnn)}`] : []),
    ...(cuda.driver === null && cuda.driverCuda === 0 ? [] : [`driver ${cuda.driver ?? 'of an unknown version'}${cuda.driverCuda > 0 ? `, for CUDA up to ${cudaVersion(cuda.driverCuda)}` : ''}`]),
  ].join('; ')
  if (!cuda.available) return [['cuda', `not available: ${cuda.reason}${known === '' ? '' : `  (${known})`}`]]
  return [
    ['cuda', known],
    ...cuda.devices.map(({ name, computeCapability, multiprocessors, totalBytes, freeBytes, tf32, bf16 }, index): [string, string] => {
      const free = freeBytes === null ? '' : `, ${gibibytes(freeBytes)} free`
      const arithmetic = tf32 && bf16 ? 'fp16, bf16, TF32' : 'fp16; neither bf16 nor TF32'
      return [`  cuda:${index}`, `${name}: ${gibibytes(totalBytes)}${free}; compute capability ${computeCapability}, ${multiprocessors} multiprocessors; ${arithmetic}`]
    }),
  ]
}
