/**
 * Writing an index as a file; native/data/index_file.cc opens it. docs/data-index.md describes the format.
 */
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import type { Sink } from '../checkpoint/zip-writer.ts'
import { crc32c } from '../monitors/tfevents/crc32c.ts'
import type { IndexSections } from '../native/addon.ts'

/** Raised with every change of the format: a file of another version is not used. */
export const indexFileVersion = 1
export const headerBytes = 512
const alignment = 64
const flagStill = 1
/** Where the table of sections begins; an entry is u64 offset, u64 bytes, u32 crc, u32 0. */
const tableAt = 64
const entryBytes = 24

/** Files and folders that an index was made from, with their states (NativeAddon.fileStates). */
export interface DependencyTable {
  offsets: Uint32Array
  bytes: Uint8Array
  states: Uint8Array
}

export interface IndexFileContents {
  sections: IndexSections
  still: boolean
  emptyStills: number
  dependencies: DependencyTable
  /** JSON. */
  meta: string
}

/**
 * Writes an index whole or not at all (see {@link writeFileAtomically}).
 * @throws ERR_IO
 */
export async function writeIndexFile(file: string, contents: IndexFileContents): Promise<void> {
  const { sections: s, dependencies: d } = contents
  const parts = [s.boxes, s.start, s.rows, s.numbers, s.nameOffsets, s.nameBytes, s.textOffsets, s.textBytes, d.offsets, d.bytes, d.states, new TextEncoder().encode(contents.meta)].map(bytesOf)
  const header = makeHeader(contents, parts)
  await writeFileAtomically(file, async (sink) => {
    await sink(header)
    for (const part of parts) await writePadded(sink, part)
  })
}

function makeHeader(contents: IndexFileContents, parts: readonly Uint8Array[]): Uint8Array {
  const header = new Uint8Array(headerBytes)
  const view = new DataView(header.buffer)
  header.set(new TextEncoder().encode('SIAMIDX\n'))
  view.setUint32(8, indexFileVersion, true)
  view.setUint32(12, contents.still ? flagStill : 0, true)
  view.setBigUint64(24, BigInt(contents.sections.start.length - 1), true)
  view.setBigUint64(32, BigInt(contents.sections.boxes.length / 4), true)
  view.setUint32(40, contents.emptyStills, true)
  view.setUint32(44, parts.length, true)
  let offset = headerBytes
  for (const [i, part] of parts.entries()) {
    const at = tableAt + i * entryBytes
    view.setBigUint64(at, BigInt(offset), true)
    view.setBigUint64(at + 8, BigInt(part.length), true)
    // The zeros behind a section count, so that there is no byte of the file that no checksum covers.
    view.setUint32(at + 16, crc32c(padding(part.length), 0, undefined, crc32c(part)), true)
    offset += part.length + padding(part.length).length
  }
  view.setBigUint64(16, BigInt(offset), true)
  view.setUint32(headerBytes - 4, crc32c(header, 0, headerBytes - 4), true)
  return header
}

async function writePadded(sink: Sink, part: Uint8Array): Promise<void> {
  await sink(part)
  await sink(padding(part.length))
}

function padding(length: number): Uint8Array {
  return new Uint8Array((alignment - (length % alignment)) % alignment)
}

function bytesOf(array: Float32Array | Uint32Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
