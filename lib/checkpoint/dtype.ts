/** Element types of checkpoints: our names, their sizes, and what torch, safetensors and numpy call them. */
import type { DType } from '../native/addon.ts'

/** What a checkpoint may hold besides what the addon computes with: such tensors are read, shown, converted and written, but no model takes them. */
type KeptDType = 'uint16' | 'uint32' | 'uint64' | 'complex64' | 'complex128' | 'float8_e4m3fn' | 'float8_e5m2'
export type CheckpointDType = DType | KeptDType

export interface DTypeInfo {
  readonly dtype: CheckpointDType
  readonly itemBytes: number
  /** Class of the typed storage in `torch` (FloatStorage, …); null for types younger than torch's untyped storages. */
  readonly torchStorage: string | null
  /** null where the format has no such type. */
  readonly safetensors: string | null
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

const kept: readonly DTypeInfo[] = [
  { dtype: 'uint16', itemBytes: 2, torchStorage: null, safetensors: 'U16' },
  { dtype: 'uint32', itemBytes: 4, torchStorage: null, safetensors: 'U32' },
  { dtype: 'uint64', itemBytes: 8, torchStorage: null, safetensors: 'U64' },
  { dtype: 'complex64', itemBytes: 8, torchStorage: 'ComplexFloatStorage', safetensors: 'C64' },
  { dtype: 'complex128', itemBytes: 16, torchStorage: 'ComplexDoubleStorage', safetensors: null },
  { dtype: 'float8_e4m3fn', itemBytes: 1, torchStorage: null, safetensors: 'F8_E4M3' },
  { dtype: 'float8_e5m2', itemBytes: 1, torchStorage: null, safetensors: 'F8_E5M2' },
]
const all = [...table, ...kept]
const computed = new Set<string>(table.map((info) => info.dtype))

const byDType = new Map<string, DTypeInfo>(all.map((info) => [info.dtype, info]))
const byTorchStorage = new Map(all.map((info) => [info.torchStorage, info]))
const bySafetensors = new Map(all.map((info) => [info.safetensors, info]))

/** @returns sizes and names of one of our element types */
export function dtypeInfo(dtype: CheckpointDType): DTypeInfo {
  const info = byDType.get(dtype)
  if (info === undefined) throw new TypeError(`unknown dtype ${dtype}`)
  return info
}

/** @returns whether a string is one of our element types' names (torch's own, too: `torch.float32`) */
export function isDType(name: string): name is CheckpointDType {
  return byDType.has(name)
}

/** @returns whether the addon has tensors of this type */
export function isComputed(dtype: CheckpointDType): dtype is DType {
  return computed.has(dtype)
}

/** @returns the element type of a torch storage class, undefined for those that we lack (quantised) */
export function dtypeOfTorchStorage(className: string): DTypeInfo | undefined {
  return byTorchStorage.get(className)
}

/** @returns the element type of a safetensors name, undefined for those that we lack (F4, …) */
export function dtypeOfSafetensors(name: string): DTypeInfo | undefined {
  return bySafetensors.get(name)
}

/** @returns every supported safetensors name, for messages */
export function safetensorsDTypes(): string[] {
  return all.flatMap((info) => info.safetensors ?? [])
}
