/** Writing checkpoints: torch's zip format, its legacy format, and safetensors. */
import { SiamError } from '../errors.ts'
import { dtypeInfo } from './dtype.ts'
import { pickle } from './pickle-writer.ts'
import { describeStructure, structureKey } from './safetensors-structure.ts'
import { CheckpointTensor } from './tensor.ts'
import { legacyMagic, legacyProtocol } from './torch-legacy-reader.ts'
import { PyDict, checkTree, collectTensors } from './values.ts'
import type { CheckpointValue } from './values.ts'
import { ZipWriter } from './zip-writer.ts'
import type { Sink, ZipOptions } from './zip-writer.ts'

/**
 * Writes a value as torch.save does, so that torch.load opens it, with weights_only=True too.
 * Work is done in slices of a few milliseconds; the tensors must not change until the promise resolves.
 * @param name  the folder inside of the zip file, in torch the file's name without its extension
 * @throws ERR_ARGUMENT when the value has no Python form; whatever the sink throws
 */
export async function writeTorchZip(value: CheckpointValue, sink: Sink, name = 'archive', options: ZipOptions = {}): Promise<void> {
  const { bytes, storages } = pickle(value)
  const zip = new ZipWriter(sink, options)
  const text = (content: string): Uint8Array => Buffer.from(content)
  await zip.add(`${name}/data.pkl`, bytes)
  await zip.add(`${name}/.format_version`, text('1'))
  await zip.add(`${name}/.storage_alignment`, text('64'))
  await zip.add(`${name}/byteorder`, text('little'))
  for (const [key, storage] of storages.entries()) await zip.add(`${name}/data/${key}`, storage.bytes)
  await zip.add(`${name}/version`, text('3\n'))
  await zip.finish()
}

/**
 * Writes a value as torch.save did before 1.6, for programs that old; every later torch.load opens it, too.
 * @throws ERR_ARGUMENT when the value has no Python form; whatever the sink throws
 */
export async function writeTorchLegacy(value: CheckpointValue, sink: Sink): Promise<void> {
  const { bytes, storages } = pickle(value, { legacy: true })
  for (const [name, { dtype }] of collectTensors(value)) {
    // torch.save writes them there, but no torch.load reads them.
    if (dtypeInfo(dtype).torchStorage === null) throw new SiamError('ERR_ARGUMENT', `torch's legacy format cannot hold the ${dtype} tensor ${JSON.stringify(name)}`, { hint: 'write the zip format' })
  }
  const system = PyDict.fromObject({
    protocol_version: legacyProtocol,
    little_endian: true,
    type_sizes: PyDict.fromObject({ short: 2, int: 4, long: 4 }),
  })
  const keys = [...storages.keys()].map(String)
  for (const part of [legacyMagic, legacyProtocol, system]) await sink(pickle(part).bytes)
  await sink(bytes)
  await sink(pickle(keys).bytes)
  for (const storage of storages) {
    await sink(new Uint8Array(BigInt64Array.of(BigInt(storage.numel)).buffer))
    if (storage.numel > 0) await sink(storage.bytes)
  }
}

/**
 * Writes a value as safetensors: its tensors under their dotted paths. What else there is, and the order, goes into the metadata, from which
 * our reader restores it; a flat table of tensors in the format's own order needs none.
 * @throws ERR_ARGUMENT when the value cannot be written; whatever the sink throws
 */
export async function writeSafetensors(value: CheckpointValue, sink: Sink, metadata: ReadonlyMap<string, string> = new Map()): Promise<void> {
  const complaint = checkTree(value)
  if (complaint !== undefined) throw new SiamError('ERR_ARGUMENT', `a checkpoint cannot hold this value: ${complaint}`)
  const tensors = collectTensors(value)
  // Widest elements first, as the reference writes them: so each tensor is aligned to its element, though the format allows no padding.
  const names = [...tensors.keys()].toSorted((a, b) => dtypeInfo(tensors.get(b)!.dtype).itemBytes - dtypeInfo(tensors.get(a)!.dtype).itemBytes)
  const extra = new Map(metadata)
  extra.delete(structureKey)
  if (!isPlainTable(value, names)) extra.set(structureKey, describeStructure(value))

  const entries: [string, unknown][] = extra.size === 0 ? [] : [['__metadata__', Object.fromEntries(extra)]]
  let at = 0
  for (const name of names) {
    if (name === '__metadata__') throw new SiamError('ERR_ARGUMENT', 'a safetensors file cannot hold a tensor named "__metadata__"')
    const tensor = tensors.get(name)!
    const { itemBytes, safetensors } = dtypeInfo(tensor.dtype)
    if (safetensors === null) throw new SiamError('ERR_ARGUMENT', `a safetensors file cannot hold the ${tensor.dtype} tensor ${JSON.stringify(name)}`, { hint: 'write a torch file' })
    const size = tensor.numel * itemBytes
    entries.push([name, { dtype: safetensors, shape: tensor.shape, data_offsets: [at, at + size] }])
    at += size
  }
  // Written by hand: an object would put names that look like numbers first.
  const json = `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`
  const text = Buffer.from(json)
  const head = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8), 0)
  text.copy(head, 8)
  await sink(head)
  for (const name of names) {
    const bytes = tensors.get(name)!.contiguousBytes()
    if (bytes.length > 0) await sink(bytes)
  }
}

function isPlainTable(value: CheckpointValue, names: string[]): boolean {
  if (!(value instanceof PyDict) || !value.ordered || value.attributes !== undefined) return false
  const keys = [...value.keys()]
  return keys.length === names.length && keys.every((key, i) => key === names[i] && isPlainTensor(value.get(key)))
}

function isPlainTensor(value: CheckpointValue | undefined): boolean {
  return value instanceof CheckpointTensor && !value.isParameter && !value.requiresGrad
}
