/** Element types of checkpoints: our names, their sizes, and what torch, safetensors and numpy call them. */
import type { DType } from '../native/addon.ts'

export interface DTypeInfo {
  readonly dtype: DType
  readonly itemBytes: number
  /** Class of the typed storage in `torch` (FloatStorage, …). */
  readonly torchStorage: string
  readonly safetensors: string
}

const table: readonly DTypeInfo[] = [
  { dtype: 'float32', itemBytes: 4, torchStorage: 'FloatStorage', safetensors: 'F32' },
  { dtype: 'float64', itemBytes: 8, torchStorage: 'DoubleStorage', safetensors: 'F64' },
  { dtype: 'float16', itemBytes: 2, torchStorage: 'HalfStorage', safetensors: 'F16' },
  { dtype: 'bfloat16', itemBytes: 2, torchStorage: 'BFloat16Storage', safetensors: 'BF16' },
  { dtype: 'int64', itemBytes: 8, torchStorage: 'LongStorage', safetensors: 'I64' },
  { dtype: 'int32', itemBytes: 4, torchStorage: 'IntStorage', safetensors: 'I32' },
  { dtype: 'int16', itemBytes: 2, torchStorage: 'ShortStorage', safetensors: 'I16' },
  { dtype: 'int8', itemBytes: 1, torchStorage: 'CharStorage', safetensors: 'I8' },
  { dtype: 'uint8', itemBytes: 1, torchStorage: 'ByteStorage', safetensors: 'U8' },
  { dtype: 'bool', itemBytes: 1, torchStorage: 'BoolStorage', safetensors: 'BOOL' },
]

const byDType = new Map<string, DTypeInfo>(table.map((info) => [info.dtype, info]))
const byTorchStorage = new Map(table.map((info) => [info.torchStorage, info]))
const bySafetensors = new Map(table.map((info) => [info.safetensors, info]))

/** @returns sizes and names of one of our element types */
export function dtypeInfo(dtype: DType): DTypeInfo {
  const info = byDType.get(dtype)
  if (info === undefined) throw new TypeError(`unknown dtype ${dtype}`)
  return info
}

/** @returns whether a string is one of our element types' names (torch's own, too: `torch.float32`) */
export function isDType(name: string): name is DType {
  return byDType.has(name)
}

/** @returns the element type of a torch storage class, undefined for those that we lack (complex, quantised) */
export function dtypeOfTorchStorage(className: string): DTypeInfo | undefined {
  return byTorchStorage.get(className)
}

/** @returns the element type of a safetensors name, undefined for those that we lack (F8_E4M3, …) */
export function dtypeOfSafetensors(name: string): DTypeInfo | undefined {
  return bySafetensors.get(name)
}

/** @returns every supported safetensors name, for messages */
export function safetensorsDTypes(): string[] {
  return table.map((info) => info.safetensors)
}
