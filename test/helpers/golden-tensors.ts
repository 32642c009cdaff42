/** Reads the golden safetensors files, without the product's own reader (which has tests of its own). */
import { readFileSync } from 'node:fs'
import { shared } from './shared.ts'

export type GoldenArray = Uint8Array | Int8Array | Float32Array

export interface GoldenTensor<A extends GoldenArray = GoldenArray> {
  shape: number[]
  data: A
}

const arrays = { U8: Uint8Array, I8: Int8Array, F32: Float32Array } as const

/** @returns all tensors of `golden/<name>`; aligned copies, little endian as on every machine that we run on */
export function goldenTensors(name: string): Map<string, GoldenTensor> {
  const file = readFileSync(shared('golden', name))
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  const tensors = new Map<string, GoldenTensor>()
  for (const [key, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (key === '__metadata__') continue
    const TypedArray = arrays[dtype as keyof typeof arrays]
    if (TypedArray === undefined) throw new Error(`${name}: ${key} has dtype ${dtype}, which this helper does not read`)
    const bytes = file.buffer.slice(file.byteOffset + 8 + headerBytes + offsets[0], file.byteOffset + 8 + headerBytes + offsets[1])
    tensors.set(key, { shape, data: new TypedArray(bytes) })
  }
  return tensors
}

/** Row `index` of a tensor's first dimension. */
export function row<A extends GoldenArray>(tensor: GoldenTensor<A>, index: number): A {
  const size = tensor.shape.slice(1).reduce((a, b) => a * b, 1)
  return tensor.data.subarray(index * size, (index + 1) * size) as A
}

/** A tensor that must be there, as the array class that it must have. */
export function tensorOf<A extends GoldenArray>(tensors: Map<string, GoldenTensor>, name: string, type: new (length: number) => A): GoldenTensor<A> {
  const tensor = tensors.get(name)
  if (tensor === undefined || !(tensor.data instanceof type)) throw new Error(`no ${type.name} tensor ${name}`)
  return tensor as GoldenTensor<A>
}
