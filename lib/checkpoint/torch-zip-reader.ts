/** torch.save's format since 1.6: a zip file with `<name>/data.pkl`, its storages as `<name>/data/<key>`, stored. */
import { corrupt } from './corrupt.ts'
import type { Source } from './corrupt.ts'
import { dtypeInfo } from './dtype.ts'
import { readPickle } from './pickle-reader.ts'
import type { PickleLimits } from './pickle-reader.ts'
import { Refusal } from './pickle-values.ts'
import { CheckpointStorage } from './tensor.ts'
import type { CheckpointValue } from './values.ts'
import type { ZipChecksums } from './zip-checksums.ts'
import { entryBytes, readZipDirectory, verifyEntry } from './zip-reader.ts'

/**
 * Reads a torch zip file; the tensors are views of its bytes.
 * @param options.verify     also compare every entry's checksum
 * @param options.checksums  those that are known already; the others are computed (reads their bytes once)
 * @throws ERR_CHECKPOINT with the offset of what is wrong
 */
export function readTorchZip(source: Source, options: { verify?: boolean; checksums?: ZipChecksums; limits?: PickleLimits } = {}): CheckpointValue {
  const entries = readZipDirectory(source)
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name))
  if (pickles.length !== 1) {
    const named = [...entries.keys()].slice(0, 5).join(', ')
    throw corrupt(source.file, 0, `a zip file with ${pickles.length} entries */data.pkl where torch writes one (it has ${named || 'nothing'})`)
  }
  const pickle = entries.get(pickles[0]!)!
  const prefix = pickle.name.slice(0, -'data.pkl'.length)
  if (entries.has(`${prefix}constants.pkl`)) throw corrupt(source.file, 0, 'a TorchScript module, not a checkpoint', 'save its state_dict() with torch.save')
  const byteOrder = entries.get(`${prefix}byteorder`)
  if (byteOrder !== undefined) {
    const order = Buffer.from(entryBytes(source, byteOrder).subarray(0, 20)).toString('latin1')
    if (order !== 'little') throw corrupt(source.file, byteOrder.offset, `the byte order is ${JSON.stringify(order)}, only "little" is supported`)
  }
  if (options.verify === true) for (const entry of entries.values()) verifyEntry(source, entry, options.checksums?.of(entry))

  const storages = new Map<string, CheckpointStorage>()
  const { value, end } = readPickle(
    { file: source.file, bytes: source.bytes, start: pickle.offset, end: pickle.offset + pickle.size, base: 0, fileBytes: source.bytes.length },
    ({ key, dtype, numel }) => {
      const known = storages.get(key)
      if (known !== undefined) {
        if (known.dtype !== dtype || known.numel !== numel) throw new Refusal(`storage ${JSON.stringify(key)} is ${known.numel} ${known.dtype} here and ${numel} ${dtype} there`)
        return known
      }
      const entry = entries.get(`${prefix}data/${key}`)
      if (entry === undefined) throw new Refusal(`there is no zip entry for storage ${JSON.stringify(key.slice(0, 100))}`)
      const bytes = numel * dtypeInfo(dtype).itemBytes
      if (entry.size !== bytes) throw new Refusal(`storage ${JSON.stringify(key)} has ${entry.size} bytes where ${numel} ${dtype} need ${bytes}`)
      const storage = new CheckpointStorage(dtype, numel, entryBytes(source, entry))
      storages.set(key, storage)
      return storage
    },
    options.limits,
  )
  if (end !== pickle.offset + pickle.size) throw corrupt(source.file, end, 'there is something after the end of data.pkl')
  return value
}
