/** What libtorch says of a device that failed, as our errors. The texts are libtorch 2.11's (CUDACachingAllocator, CUDAException, Exceptions.h). */
import { describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { binarySize, deviceError, parseOutOfMemory, withBatchSize } from '../../lib/native/device-errors.ts'

const outOfMemory =
  'CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.62 GiB is free. Process 71 has 30.00 GiB memory in use. ' +
  'Including non-PyTorch memory, this process has 47.48 GiB memory in use. Of the allocated memory 46.00 GiB is allocated by PyTorch, and 512.00 MiB is reserved by PyTorch but unallocated. ' +
  'If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.'

describe('no memory left', () => {
  it('is told with its numbers and what to do', () => {
    const error = deviceError('ERR_DEVICE_OOM', `forward: ${outOfMemory}`)
    expect(error.code).toBe('ERR_DEVICE_OOM')
    expect(error.message).toBe('forward: cuda:0 has no memory left: 2.3 GiB were wanted, 46.0 GiB are in tensors, 46.5 GiB are reserved by this process, 1.6 GiB are free of 79.1 GiB')
    for (const word of ['smaller minibatch', 'accumulate_batches', 'amp: true', 'other processes']) expect(error.hint).toContain(word)
  })

  it('every number is read', () => {
    expect(parseOutOfMemory(outOfMemory)).toEqual({ device: 'cuda:0', wanted: 2.25 * 2 ** 30, allocated: 46 * 2 ** 30, reserved: 46.5 * 2 ** 30, free: Math.round(1.62 * 2 ** 30), total: Math.round(79.11 * 2 ** 30) })
  })

  it('a text without numbers says what it can', () => {
    expect(parseOutOfMemory('CUDA out of memory. Tried to allocate more than 1EB memory.')).toEqual({})
    expect(deviceError('ERR_DEVICE_OOM', 'toDevice: CUDA out of memory. Tried to allocate more than 1EB memory.').message).toBe('toDevice: the device has no memory left')
  })

  it.each([
    ['ERR_TORCH', 'forward: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call'],
    ['ERR_TORCH', 'backward: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`'],
    ['ERR_DEVICE_OOM', 'forward: CUDA error: out of memory'],
  ] as const)('also where a library of CUDA says it: %s %s', (code, text) => {
    expect(deviceError(code, text)).toMatchObject({ code: 'ERR_DEVICE_OOM', message: expect.stringMatching(/^(forward|backward): the device has no memory left: CUDA error: [^\n]*$/) })
  })

  it("the host's is left as it is", () => {
    const text = "forward: [enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    expect(deviceError('ERR_DEVICE_OOM', text)).toMatchObject({ code: 'ERR_DEVICE_OOM', message: text, hint: undefined })
  })

  it('the trainer adds the batch', () => {
    const error = deviceError('ERR_DEVICE_OOM', `forward: ${outOfMemory}`)
    expect(withBatchSize(error, 128)).toMatchObject({ code: 'ERR_DEVICE_OOM', message: `${error.message}; the batch has 128 pairs`, hint: error.hint, cause: error })
    const other = new SiamError('ERR_SHAPE', 'no')
    expect(withBatchSize(other, 128)).toBe(other)
  })
})

describe('a device that failed', () => {
  it.each([
    'CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress\' in https://docs.nvidia.com\nCUDA kernel errors might be asynchronously reported',
    'CUDA error: device-side assert triggered\nCUDA kernel errors might be',
    'CUDA error: uncorrectable ECC error encountered',
    'cuDNN error: CUDNN_STATUS_EXECUTION_FAILED',
    'CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`',
    'No CUDA GPUs are available',
  ])('%s', (text) => {
    const error = deviceError('ERR_TORCH', `readScalars: ${text}`)
    expect(error).toMatchObject({ code: 'ERR_DEVICE', message: `readScalars: ${text.split('\n')[0]}` })
    for (const word of ['--resume latest', 'CUDA_LAUNCH_BLOCKING=1', 'nvidia-smi']) expect(error.hint).toContain(word)
  })

  it('a device that another process holds for itself', () => {
    expect(deviceError('ERR_TORCH', 'createModel: CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel errors')).toMatchObject({ code: 'ERR_DEVICE', hint: expect.stringContaining('another process holds the device') })
  })

  it('a text without an operation', () => {
    expect(deviceError('ERR_TORCH', 'CUDA error: out of memory').code).toBe('ERR_DEVICE_OOM')
    expect(deviceError('ERR_TORCH', 'CUDA error: unknown error')).toMatchObject({ code: 'ERR_DEVICE', message: 'CUDA error: unknown error' })
  })

  it('other errors come as they are', () => {
    expect(deviceError('ERR_TORCH', 'forward: The size of tensor a (3) must match', { file: 'a.pt' })).toMatchObject({ code: 'ERR_TORCH', message: 'forward: The size of tensor a (3) must match', file: 'a.pt', hint: undefined })
    expect(deviceError('ERR_SHAPE', 'x').code).toBe('ERR_SHAPE')
  })
})

it('sizes', () => {
  expect([0, 1023, 1024, 1.5 * 2 ** 20, 2 ** 30].map(binarySize)).toEqual(['0 bytes', '1023 bytes', '1.0 KiB', '1.5 MiB', '1.0 GiB'])
})
