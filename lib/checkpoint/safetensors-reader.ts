/** The safetensors format: a 64-bit length, a JSON header with names, types, shapes and offsets, and the bytes. */
import { corrupt } from './corrupt.ts'
import type { Source } from './corrupt.ts'
import { dtypeOfSafetensors, safetensorsDTypes } from './dtype.ts'
import { CheckpointStorage, CheckpointTensor } from './tensor.ts'
import { PyDict } from './values.ts'

/** Room for more than 100,000 tensors; the reference allows 100 MB, which JSON.parse would unfold to gigabytes. */
const maxHeaderBytes = 16 * 1024 * 1024

/** @returns whether the bytes can be a safetensors file: a length that fits, then a JSON object */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length >= 10 && bytes[8] === 0x7b
}

/**
 * Reads a safetensors file; the tensors are views of its bytes.
 * @returns tensors in the order of their bytes in the file, which is the order that they were written in, and the `__metadata__` strings
 * @throws ERR_CHECKPOINT with the offset of what is wrong
 */
export function readSafetensors(source: Source): { tensors: PyDict; metadata: Map<string, string> } {
  const { bytes, file } = source
  if (bytes.length < 8) throw corrupt(file, 0, `a safetensors file of ${bytes.length} bytes, too short for its length field`)
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (headerBytes > BigInt(Math.min(maxHeaderBytes, bytes.length - 8))) throw corrupt(file, 0, `a header of ${headerBytes} bytes does not fit into a file of ${bytes.length} (nor into the ${maxHeaderBytes} that this reads)`)
  const dataStart = 8 + Number(headerBytes)
  const dataBytes = bytes.length - dataStart
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)))
  } catch (cause) {
    throw corrupt(file, 8, `the header is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (!isObject(header)) throw corrupt(file, 8, 'the header is no JSON object')

  const metadata = new Map<string, string>()
  const found: { name: string; start: number; end: number; tensor: CheckpointTensor }[] = []
  for (const [name, entry] of Object.entries(header)) {
    if (!isObject(entry)) throw corrupt(file, 8, `header entry ${quote(name)} is no object`)
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') throw corrupt(file, 8, `metadata ${quote(key)} is no string`)
        metadata.set(key, value)
      }
      continue
    }
    const complain = (what: string): never => {
      throw corrupt(file, 8, `tensor ${quote(name)}: ${what}`)
    }
    const info = typeof entry.dtype === 'string' ? dtypeOfSafetensors(entry.dtype) : undefined
    if (info === undefined) return complain(`dtype ${quote(String(entry.dtype))} is not supported (${safetensorsDTypes().join(', ')} are)`)
    const shape = wholeNumbers(entry.shape) ?? complain('the shape is no list of whole numbers')
    const offsets = wholeNumbers(entry.data_offsets) ?? complain('data_offsets is no list of whole numbers')
    const [start, end] = offsets as [number, number]
    if (offsets.length !== 2 || start > end || end > dataBytes) complain(`data_offsets [${offsets.join(', ')}] do not lie in the ${dataBytes} bytes of data`)
    const numel = shape.reduce((product, size) => product * size, 1)
    if (numel * info.itemBytes !== end - start) complain(`shape [${shape.join(', ')}] of ${info.safetensors} needs ${numel * info.itemBytes} bytes but data_offsets span ${end - start}`)
    found.push({ name, start, end, tensor: new CheckpointTensor(new CheckpointStorage(info.dtype, numel, bytes.subarray(dataStart + start, dataStart + end)), shape) })
  }

  found.sort((a, b) => a.start - b.start || a.end - b.end)
  let at = 0
  for (const { name, start, end } of found) {
    // Neither holes nor overlaps, as the format demands: what no tensor owns could hide anything.
    if (start !== at) throw corrupt(file, dataStart + at, `tensor ${quote(name)} begins at data byte ${start} where ${at} is next (${start < at ? 'an overlap' : 'a hole'})`)
    at = end
  }
  if (at !== dataBytes) throw corrupt(file, dataStart + at, `${dataBytes - at} bytes of data belong to no tensor`)
  return { tensors: PyDict.ordered(found.map(({ name, tensor }) => [name, tensor] as const)), metadata }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wholeNumbers(value: unknown): number[] | undefined {
  if (!Array.isArray(value) || value.length > 64 || !value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0)) return undefined
  return value as number[]
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
