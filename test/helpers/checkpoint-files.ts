/** Small checkpoint files in memory for tests. */
import { parseCheckpoint } from '../../lib/checkpoint/read.ts'
import type { Checkpoint, ReadOptions } from '../../lib/checkpoint/read.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict, PyFloat, PyTuple } from '../../lib/checkpoint/values.ts'
import type { CheckpointValue } from '../../lib/checkpoint/values.ts'
import { writeSafetensors, writeTorchLegacy, writeTorchZip } from '../../lib/checkpoint/write.ts'
import type { ZipOptions } from '../../lib/checkpoint/zip-writer.ts'

export async function zipBytes(value: CheckpointValue, options: ZipOptions = {}): Promise<Buffer> {
  const chunks: Buffer[] = []
  await writeTorchZip(value, async (bytes) => void chunks.push(Buffer.from(bytes)), 'archive', options)
  return Buffer.concat(chunks)
}

export async function legacyBytes(value: CheckpointValue): Promise<Buffer> {
  const chunks: Buffer[] = []
  await writeTorchLegacy(value, async (bytes) => void chunks.push(Buffer.from(bytes)))
  return Buffer.concat(chunks)
}

export async function safetensorsBytes(value: CheckpointValue): Promise<Buffer> {
  const chunks: Buffer[] = []
  await writeSafetensors(value, async (bytes) => void chunks.push(Buffer.from(bytes)))
  return Buffer.concat(chunks)
}

export function floats(values: number[], shape = [values.length]): CheckpointTensor {
  return CheckpointTensor.fromRaw({ dtype: 'float32', shape, data: new Uint8Array(Float32Array.from(values).buffer) })
}

/** A snapshot's structure with small tensors. */
export function smallSnapshot(): PyDict {
  const model = PyDict.ordered([
    ['conv.weight', floats([1, 2, 3, 4, 5, 6], [2, 3])],
    ['conv.bias', floats([0.5])],
    ['bn.num_batches_tracked', CheckpointTensor.fromRaw({ dtype: 'int64', shape: [], data: new Uint8Array(BigInt64Array.of(7n).buffer) })],
  ])
  model.attributes = PyDict.fromObject({ _metadata: PyDict.ordered([['', PyDict.fromObject({ version: 1 })]]) })
  const state = new PyDict([[0, PyDict.fromObject({ momentum_buffer: floats([9, 8, 7, 6, 5, 4], [2, 3]) })]])
  const group = PyDict.fromObject({ lr: new PyFloat(1), momentum: 0.9, dampening: 0, nesterov: false, foreach: null, params: [0, 1], betas: PyTuple.pack([0.9, new PyFloat(2)]) })
  return PyDict.fromObject({
    epoch: 3,
    model_state_dict: model,
    optimizer_state_dict: PyDict.fromObject({ state, param_groups: [group] }),
    big: 2n ** 70n,
    name: 'né\u{1f600}',
  })
}

export function parse(bytes: Uint8Array, options?: ReadOptions): Checkpoint {
  return parseCheckpoint(bytes, 'test.pkl', options)
}

/** A torch zip whose data.pkl is given, made by swapping the pickle of a proper one. */
export async function zipOfPickle(pickle: Uint8Array, storages: Uint8Array[] = []): Promise<Buffer> {
  const { ZipWriter } = await import('../../lib/checkpoint/zip-writer.ts')
  const chunks: Buffer[] = []
  const zip = new ZipWriter(async (bytes) => void chunks.push(Buffer.from(bytes)))
  await zip.add('archive/data.pkl', pickle)
  for (const [i, bytes] of storages.entries()) await zip.add(`archive/data/${i}`, bytes)
  await zip.finish()
  return Buffer.concat(chunks)
}

/** Pickle instructions from text and numbers: `asm(0x80, 2, 'ccollections\nOrderedDict\n', …)`; text as latin1. */
export function asm(...parts: (number | string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))))
}
