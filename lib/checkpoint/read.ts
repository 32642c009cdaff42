/** Reading checkpoints of any format into one form. */
import { corrupt } from './corrupt.ts'
import { readFileBytes } from './file-bytes.ts'
import { defaultPickleLimits } from './pickle-reader.ts'
import type { PickleLimits } from './pickle-reader.ts'
import { looksLikeSafetensors, readSafetensors } from './safetensors-reader.ts'
import { restoreStructure } from './safetensors-structure.ts'
import type { CheckpointTensor } from './tensor.ts'
import { looksLikeTorchLegacy, readTorchLegacy } from './torch-legacy-reader.ts'
import { readTorchZip } from './torch-zip-reader.ts'
import { collectTensors } from './values.ts'
import type { CheckpointValue } from './values.ts'
import { ZipChecksums } from './zip-checksums.ts'
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
  return parse(bytes, file, options)
}

function parse(bytes: Uint8Array, file: string, options: ReadOptions, checksums?: ZipChecksums): Checkpoint {
  const source = { file, bytes }
  const limits: PickleLimits = {
    maxObjects: options.maxObjects ?? defaultPickleLimits.maxObjects,
    maxDepth: options.maxDepth ?? defaultPickleLimits.maxDepth,
    maxNodes: options.maxNodes ?? defaultPickleLimits.maxNodes,
  }
  switch (formatOf(bytes, file)) {
    case 'torch-zip':
      return new Checkpoint('torch-zip', file, readTorchZip(source, { verify: options.verify, checksums, limits }))
    case 'torch-legacy':
      return new Checkpoint('torch-legacy', file, readTorchLegacy(source, { limits }))
    case 'safetensors': {
      const { tensors, metadata } = readSafetensors(source)
      return new Checkpoint('safetensors', file, restoreStructure(tensors, metadata, file), metadata)
    }
  }
}

/** The format by a file's first bytes. @throws ERR_CHECKPOINT when they are of none */
function formatOf(head: Uint8Array, file: string): CheckpointFormat {
  if (looksLikeZip(head)) return 'torch-zip'
  if (looksLikeTorchLegacy(head)) return 'torch-legacy'
  if (looksLikeSafetensors(head)) return 'safetensors'
  throw corrupt(file, 0, head.length === 0 ? 'the file is empty' : 'the file is none of: torch zip, legacy torch pickle, safetensors', 'see docs/checkpoints.md')
}

/**
 * Reads a checkpoint file: its bytes once into memory, and views of them. A file that does not begin as a checkpoint is not read further.
 * @throws ERR_IO when the file cannot be read, ERR_CHECKPOINT when it is not a checkpoint that we know
 */
export async function readCheckpoint(file: string, options: ReadOptions = {}): Promise<Checkpoint> {
  const checksums = options.verify === true ? new ZipChecksums(file) : undefined
  const bytes = await readFileBytes(file, (head) => void formatOf(head, file), checksums)
  return parse(bytes, file, options, checksums)
}
