/**
 * torch.save's format before 1.6: pickles of a magic number, a protocol version, facts about the machine, the value, and the keys of its
 * storages; then each storage as a 64-bit number of elements and its bytes.
 */
import { corrupt } from './corrupt.ts'
import type { Source } from './corrupt.ts'
import { dtypeInfo } from './dtype.ts'
import { readPickle } from './pickle-reader.ts'
import type { PickleLimits } from './pickle-reader.ts'
import { Refusal } from './pickle-values.ts'
import type { StorageLoader } from './pickle-values.ts'
import { CheckpointStorage } from './tensor.ts'
import { PyDict } from './values.ts'
import type { CheckpointValue } from './values.ts'

export const legacyMagic = 0x1950a86a20f9469cfc6cn
export const legacyProtocol = 1001
/** PROTO 2, LONG1 of ten bytes, the magic number, STOP: as every torch of that time wrote it. */
const magicBytes = Uint8Array.from([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19])

/** @returns whether the bytes begin as a legacy torch file does */
export function looksLikeTorchLegacy(bytes: Uint8Array): boolean {
  return bytes.length >= magicBytes.length && magicBytes.every((byte, i) => bytes[i] === byte)
}

/**
 * Reads a legacy torch file; the tensors are views of its bytes.
 * @throws ERR_CHECKPOINT with the offset of what is wrong
 */
export function readTorchLegacy(source: Source, options: { limits?: PickleLimits } = {}): CheckpointValue {
  const { bytes, file } = source
  let at = 0
  const storages = new Map<string, CheckpointStorage>()
  const next = (load: StorageLoader | null): CheckpointValue => {
    const { value, end } = readPickle({ file, bytes, start: at, end: bytes.length, base: 0, fileBytes: bytes.length }, load, options.limits)
    at = end
    return value
  }
  if (next(null) !== legacyMagic) throw corrupt(file, 0, 'the magic number of a legacy torch file is missing')
  const protocolAt = at
  const protocol = next(null)
  if (protocol !== legacyProtocol) throw corrupt(file, protocolAt, `legacy torch protocol ${typeof protocol === 'number' ? protocol : 'of another type'} where ${legacyProtocol} is known`)
  const systemAt = at
  const system = next(null)
  if (system instanceof PyDict && system.get('little_endian') === false) throw corrupt(file, systemAt, 'the file was written on a big-endian machine, which is not supported')

  const value = next(({ key, dtype, numel, view }) => {
    const root = storages.get(key)
    if (root === undefined) {
      if (numel * dtypeInfo(dtype).itemBytes > bytes.length - at) throw new Refusal(`storage ${JSON.stringify(key.slice(0, 100))} of ${numel} ${dtype} is larger than the rest of the file`)
      storages.set(key, new CheckpointStorage(dtype, numel, undefined))
    } else if (root.dtype !== dtype || root.numel !== numel) {
      throw new Refusal(`storage ${JSON.stringify(key)} is ${root.numel} ${root.dtype} here and ${numel} ${dtype} there`)
    }
    const whole = storages.get(key)!
    if (view === null) return whole
    if (view.offset + view.numel > whole.numel) throw new Refusal(`a view of elements ${view.offset}..${view.offset + view.numel} of a storage of ${whole.numel}`)
    return new CheckpointStorage(dtype, view.numel, undefined, whole, view.offset)
  })

  const keysAt = at
  const keys = next(null)
  if (!Array.isArray(keys)) throw corrupt(file, keysAt, 'the list of storage keys is missing')
  for (const key of keys) {
    if (typeof key !== 'string' && typeof key !== 'number') throw corrupt(file, keysAt, 'a storage key is neither a string nor a number')
    const storage = storages.get(String(key))
    if (storage === undefined || storage.filled) throw corrupt(file, keysAt, `storage key ${JSON.stringify(String(key).slice(0, 100))} is ${storage === undefined ? 'not used by any tensor' : 'listed twice'}`)
    at = fillStorage(source, at, storage)
  }
  for (const [key, storage] of storages) if (!storage.filled) throw corrupt(file, keysAt, `storage ${JSON.stringify(key.slice(0, 100))} is not in the list of storages`)
  if (at !== bytes.length) throw corrupt(file, at, `${bytes.length - at} bytes after the last storage`)
  return value
}

function fillStorage(source: Source, at: number, storage: CheckpointStorage): number {
  const { bytes, file } = source
  const size = storage.numel * dtypeInfo(storage.dtype).itemBytes
  if (at + 8 + size > bytes.length) throw corrupt(file, at, `a storage of ${size} bytes where ${Math.max(0, bytes.length - at - 8)} are left`, 'the file is truncated; use the snapshot before it')
  const numel = new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true)
  if (numel !== BigInt(storage.numel)) throw corrupt(file, at, `a storage of ${numel} elements where the tensors say ${storage.numel}`)
  storage.fill(bytes.subarray(at + 8, at + 8 + size))
  return at + 8 + size
}
