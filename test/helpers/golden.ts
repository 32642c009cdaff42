/** Reads golden/*.safetensors into raw tensors and compares with tolerances. */
import { readFileSync } from 'node:fs'
import type { DType, NamedRawTensor, RawTensor } from '../../lib/native/addon.ts'
import { shared } from './shared.ts'

const dtypes: Record<string, DType> = { F32: 'float32', F64: 'float64', I64: 'int64', I32: 'int32', I8: 'int8', U8: 'uint8', BOOL: 'bool' }

/** A reader of its own, so that a fault of lib/checkpoint cannot hide in a golden test. */
export function goldenTensors(file: string): Map<string, NamedRawTensor> {
  const bytes = readFileSync(shared('golden', file))
  const headerBytes = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  const tensors = new Map<string, NamedRawTensor>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const dtype = dtypes[entry.dtype]
    if (dtype === undefined) throw new Error(`${file}: dtype ${entry.dtype} of ${name}`)
    const [start, end] = entry.data_offsets
    tensors.set(name, { name, dtype, shape: entry.shape, data: new Uint8Array(bytes.subarray(8 + headerBytes + start, 8 + headerBytes + end)) })
  }
  return tensors
}

export function goldenJson<T>(file: string): T {
  return JSON.parse(readFileSync(shared('golden', file), 'utf8')) as T
}

/** The elements as numbers. */
export function numbers(raw: RawTensor): Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array {
  const copy = raw.data.slice().buffer
  switch (raw.dtype) {
    case 'float32': return new Float32Array(copy)
    case 'float64': return new Float64Array(copy)
    case 'int32': return new Int32Array(copy)
    case 'int8': return new Int8Array(copy)
    case 'uint8': return new Uint8Array(copy)
    case 'int64': return Float64Array.from(new BigInt64Array(copy), Number)
    default: throw new Error(`numbers() of ${raw.dtype}`)
  }
}

export function asFloat32(raw: RawTensor, shape = raw.shape): RawTensor {
  return { dtype: 'float32', shape, data: new Uint8Array(Float32Array.from(numbers(raw)).buffer) }
}

/** Rows [indices] of the first dimension. */
export function rowsOf(raw: RawTensor, indices: number[]): RawTensor {
  const size = raw.data.byteLength / raw.shape[0]!
  const data = new Uint8Array(size * indices.length)
  indices.forEach((index, i) => data.set(raw.data.subarray(index * size, (index + 1) * size), i * size))
  return { dtype: raw.dtype, shape: [indices.length, ...raw.shape.slice(1)], data }
}

/** HWC images [N,H,W,C] → [N,C,H,W]. */
export function toPlanar(raw: RawTensor): RawTensor {
  const [n, h, w, c] = raw.shape as [number, number, number, number]
  const data = new Uint8Array(raw.data.length)
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < h * w; p++) {
      for (let k = 0; k < c; k++) data[(i * c + k) * h * w + p] = raw.data[(i * h * w + p) * c + k]!
    }
  }
  return { dtype: 'uint8', shape: [n, c, h, w], data }
}

export function maxAbsDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`lengths differ: ${a.length} and ${b.length}`)
  let max = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= max)) max = difference // NaN becomes the result and fails every comparison
  }
  return max
}

export function l2(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  return Math.sqrt(sum)
}

/** The pool's pairs as the data dictionary that the model and the losses take. */
export function poolBatch(file: string, indices: number[]): Record<string, RawTensor> {
  const pool = goldenTensors(file)
  const pick = (name: string): RawTensor => rowsOf(pool.get(name)!, indices)
  const column = (name: string): RawTensor => asFloat32(pick(name), [indices.length, pool.get(name)!.shape[1]!, 1])
  return { im_z: toPlanar(pick('im_z')), im_x: toPlanar(pick('im_x')), cls_gt: column('cls_gt'), ctr_gt: column('ctr_gt'), box_gt: pick('box_gt') }
}
