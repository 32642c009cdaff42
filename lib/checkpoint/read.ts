/** Reading checkpoints of any format into one form. */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { SiamError } from '../errors.ts'
import { ioError } from './io-error.ts'
import { corrupt } from './corrupt.ts'
import { defaultPickleLimits } from './pickle-reader.ts'
import type { PickleLimits } from './pickle-reader.ts'
import { looksLikeSafetensors, readSafetensors } from './safetensors-reader.ts'
import { restoreStructure } from './safetensors-structure.ts'
import type { CheckpointTensor } from './tensor.ts'
import { looksLikeTorchLegacy, readTorchLegacy } from './torch-legacy-reader.ts'
import { readTorchZip } from './torch-zip-reader.ts'
import { collectTensors } from './values.ts'
import type { CheckpointValue } from './values.ts'
import { looksLikeZip } from './zip-reader.ts'

export type CheckpointFormat = 'torch-zip' | 'torch-legacy' | 'safetensors'

export interface ReadOptions extends Partial<PickleLimits> {
  /** Compare the checksum of every zip entry, too: finds damage that leaves the structure whole. Other formats carry no checksums. */
  verify?: boolean
}

export class Checkpoint {
  readonly format: CheckpointFormat
  /** The file that it came from, for messages. */
  readonly file: string
  readonly root: CheckpointValue
  /** The string metadata of a safetensors file. */
  readonly metadata: ReadonlyMap<string, string>

  constructor(format: CheckpointFormat, file: string, root: CheckpointValue, metadata: ReadonlyMap<string, string> = new Map()) {
    this.format = format
    this.file = file
    this.root = root
    this.metadata = metadata
  }

  /** Every tensor by its dotted path, in the file's order: `model_state_dict.head.bi`. @throws ERR_CHECKPOINT when two have one path */
  tensors(): Map<string, CheckpointTensor> {
    return collectTensors(this.root, this.file)
  }
}

/**
 * Reads a checkpoint that is in memory. The tensors are views of `bytes`: no copy is made.
 * @param file its name, for messages
 * @throws ERR_CHECKPOINT with the file and the offset of what is wrong
 */
export function parseCheckpoint(bytes: Uint8Array, file: string, options: ReadOptions = {}): Checkpoint {
  const source = { file, bytes }
  const limits: PickleLimits = {
    maxObjects: options.maxObjects ?? defaultPickleLimits.maxObjects,
    maxDepth: options.maxDepth ?? defaultPickleLimits.maxDepth,
    maxNodes: options.maxNodes ?? defaultPickleLimits.maxNodes,
  }
  if (looksLikeZip(bytes)) return new Checkpoint('torch-zip', file, readTorchZip(source, { verify: options.verify, limits }))
  if (looksLikeTorchLegacy(bytes)) return new Checkpoint('torch-legacy', file, readTorchLegacy(source, { limits }))
  if (looksLikeSafetensors(bytes)) {
    const { tensors, metadata } = readSafetensors(source)
    return new Checkpoint('safetensors', file, restoreStructure(tensors, metadata, file), metadata)
  }
  throw corrupt(file, 0, bytes.length === 0 ? 'the file is empty' : 'the file is none of: torch zip, legacy torch pickle, safetensors', 'see docs/checkpoints.md')
}

/**
 * Reads a checkpoint file: its bytes once into memory, and views of them.
 * @throws ERR_IO when the file cannot be read, ERR_CHECKPOINT when it is not a checkpoint that we know
 */
export async function readCheckpoint(file: string, options: ReadOptions = {}): Promise<Checkpoint> {
  return parseCheckpoint(await readWhole(file), file, options)
}

/** Bytes a read call takes: the kernel's own limit is 2 GiB, and a smaller piece lets other work of the thread pool in between. */
const pieceBytes = 64 * 1024 * 1024

async function readWhole(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, 'r')
    const stat = await handle.stat()
    if (!stat.isFile()) throw new SiamError('ERR_CHECKPOINT', 'not a regular file', { file })
    // Uninitialised memory is safe here: a short read below is an error, so no byte of it is ever looked at unread.
    const bytes = Buffer.allocUnsafeSlow(stat.size)
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(pieceBytes, bytes.length - at), at)
      if (bytesRead === 0) throw corrupt(file, at, `the file ended where ${bytes.length} bytes were expected: it was changed while it was read`)
      at += bytesRead
    }
    return bytes
  } catch (error) {
    if (error instanceof SiamError) throw error
    throw ioError(error, 'read', file)
  } finally {
    await handle?.close()
  }
}
