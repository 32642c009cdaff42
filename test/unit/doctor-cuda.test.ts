/** The lines about CUDA in `siamtrain doctor`, from given facts. */
import { describe, expect, it } from 'vitest'
import { cudaRows, doctorCuda } from '../../lib/cli/doctor-cuda.ts'
import type { CudaInfo } from '../../lib/native/addon-cuda.ts'

const h100: CudaInfo = {
  available: true,
  reason: '',
  driver: '580.65.06',
  driverCuda: 13000,
  runtimeCuda: 13000,
  cudnn: 91900,
  devices: [
    { name: 'NVIDIA H100 80GB HBM3', computeCapability: '9.0', multiprocessors: 132, totalBytes: 79.1 * 2 ** 30, freeBytes: 78.5 * 2 ** 30 },
    { name: 'Tesla V100', computeCapability: '7.0', multiprocessors: 80, totalBytes: 16 * 2 ** 30, freeBytes: null },
  ],
}

describe('doctor on a GPU', () => {
  it('names libraries, driver and each card with its memory and its arithmetic', () => {
    expect(cudaRows(doctorCuda(h100))).toEqual([
      ['cuda', "libtorch's is 13.0; cuDNN 9.19.0; driver 580.65.06, for CUDA up to 13.0"],
      ['  cuda:0', 'NVIDIA H100 80GB HBM3: 79.1 GiB, 78.5 GiB free; compute capability 9.0, 132 multiprocessors; fp16, bf16, TF32'],
      ['  cuda:1', 'Tesla V100: 16.0 GiB; compute capability 7.0, 80 multiprocessors; fp16; neither bf16 nor TF32'],
    ])
  })

  it('keeps every fact for programs', () => {
    expect(doctorCuda(h100).devices.map(({ name, tf32, bf16 }) => [name, tf32, bf16])).toEqual([['NVIDIA H100 80GB HBM3', true, true], ['Tesla V100', false, false]])
    expect(doctorCuda(h100)).toMatchObject({ available: true, driver: '580.65.06', driverCuda: 13000, runtimeCuda: 13000, cudnn: 91900 })
  })
})

describe('doctor without a usable GPU', () => {
  const none: CudaInfo = { available: false, reason: 'there is no NVIDIA driver (libcuda.so.1)', driver: null, driverCuda: 0, runtimeCuda: 0, cudnn: 0, devices: [] }

  it('gives the reason', () => {
    expect(cudaRows(doctorCuda(none))).toEqual([['cuda', 'not available: there is no NVIDIA driver (libcuda.so.1)']])
  })

  it('and what is known of the driver', () => {
    const old = { ...none, reason: 'update the driver', driver: '535.1', driverCuda: 12020, runtimeCuda: 13000 }
    expect(cudaRows(doctorCuda(old))).toEqual([['cuda', "not available: update the driver  (libtorch's is 13.0; driver 535.1, for CUDA up to 12.2)"]])
  })
})
