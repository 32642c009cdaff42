/**
 * What libtorch and CUDA say when a device fails, as errors that tell what to do: pure functions of their text.
 *
 * A CUDA kernel's failure is reported at some later call, and leaves the process without its device: no later call on it succeeds.
 */
import { SiamError, type ErrorCode, type SiamErrorOptions } from '../errors.ts'

/** Numbers of an allocation that failed, in bytes; those that the text lacks are absent. */
export interface OutOfMemory {
  device?: string
  wanted?: number
  allocated?: number
  reserved?: number
  free?: number
  total?: number
}

const units: Readonly<Record<string, number>> = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }
const size = String.raw`([\d.]+) (bytes|KiB|MiB|GiB)`

function bytesOf(text: string, pattern: string): number | undefined {
  const match = new RegExp(pattern.replace('SIZE', size)).exec(text)
  return match === null ? undefined : Math.round(Number(match[1]) * (units[match[2] as string] as number))
}

/** Reads what libtorch's CUDA allocator says; null for another text. */
export function parseOutOfMemory(text: string): OutOfMemory | null {
  if (!/CUDA out of memory/.test(text)) return null
  const allocated = bytesOf(text, 'Of the allocated memory SIZE is allocated by PyTorch')
  const kept = bytesOf(text, 'and SIZE is reserved by PyTorch but unallocated')
  const index = /\bGPU (\d+)/.exec(text)?.[1]
  return {
    device: index === undefined ? undefined : `cuda:${index}`,
    wanted: bytesOf(text, 'Tried to allocate SIZE'),
    allocated,
    reserved: allocated === undefined || kept === undefined ? undefined : allocated + kept,
    free: bytesOf(text, 'of which SIZE is free'),
    total: bytesOf(text, 'total capacity of SIZE'),
  }
}

/** Such as '20.0 MiB'. */
export function binarySize(bytes: number): string {
  const unit = (['GiB', 'MiB', 'KiB'] as const).find((name) => bytes >= (units[name] as number))
  return unit === undefined ? `${bytes} bytes` : `${(bytes / (units[unit] as number)).toFixed(1)} ${unit}`
}

const makeSmaller = 'take a smaller minibatch (accumulate_batches keeps what a step learns from), 16-bit arithmetic (model.precision: bf16, or amp: true), or end other processes on the device (nvidia-smi shows them)'
const startAgain = 'the process has lost its device: start it again with --resume latest; CUDA_LAUNCH_BLOCKING=1 makes the message name the operation that failed, and nvidia-smi and dmesg show a card that is ill'

const busy = 'another process holds the device for itself, or it is being reset: nvidia-smi shows its processes and its compute mode'

/**
 * @param code     what the addon made of the failure
 * @param message  with the operation in front, `forward: CUDA error: …`
 * @returns the error to throw: ERR_DEVICE_OOM with its numbers, ERR_DEVICE for a device that failed, or the same as it came
 */
export function deviceError(code: ErrorCode, message: string, options: SiamErrorOptions = {}): SiamError {
  const [, operation = '', text = message] = /^((?!CUDA|cuDNN)[\w. ]+: )(.*)$/s.exec(message) ?? []
  const memory = parseOutOfMemory(text)
  if (memory !== null) {
    const fact = (bytes: number | undefined, what: string): string[] => (bytes === undefined ? [] : [`${binarySize(bytes)} ${what}`])
    const facts = [
      ...fact(memory.wanted, 'were wanted'),
      ...fact(memory.allocated, 'are in tensors'),
      ...fact(memory.reserved, 'are reserved by this process'),
      ...fact(memory.free, `are free${memory.total === undefined ? '' : ` of ${binarySize(memory.total)}`}`),
    ]
    return new SiamError('ERR_DEVICE_OOM', `${operation}${memory.device ?? 'the device'} has no memory left${facts.length === 0 ? '' : `: ${facts.join(', ')}`}`, { hint: makeSmaller, ...options })
  }
  if (/CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED|CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED/.test(text)) {
    return new SiamError('ERR_DEVICE_OOM', `${operation}the device has no memory left: ${firstLine(text)}`, { hint: makeSmaller, ...options })
  }
  if (/\bCUDA error: |\bcuDNN error: |\bCUDNN_STATUS_|\bCUBLAS_STATUS_|\bNVML_|No CUDA GPUs are available/.test(text) && code !== 'ERR_DEVICE_OOM') {
    return new SiamError('ERR_DEVICE', `${operation}${firstLine(text)}`, { hint: /busy or unavailable/.test(text) ? busy : startAgain, ...options })
  }
  return new SiamError(code, message, options)
}

/** CUDA's messages go on with advice for who builds PyTorch. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0] as string
}

/** Adds what the trainer knows to an error about memory; any other error as it came. */
export function withBatchSize(error: unknown, pairs: number): unknown {
  if (!(error instanceof SiamError) || error.code !== 'ERR_DEVICE_OOM') return error
  return new SiamError(error.code, `${error.message}; the batch has ${pairs} pairs`, { file: error.file, line: error.line, hint: error.hint, cause: error })
}
