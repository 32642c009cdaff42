/**
 * The directory of a zip file whose entries are stored, as torch writes them. Every offset and size is checked against the file, entries
 * must not overlap, and nothing is inflated: what comes out are views of the bytes that went in.
 */
import { crc32 } from 'node:zlib'
import { SiamError } from '../errors.ts'
import { corrupt } from './corrupt.ts'
import type { Source } from './corrupt.ts'

export interface ZipEntry {
  readonly name: string
  /** Where its data begins in the file. */
  readonly offset: number
  readonly size: number
  readonly crc32: number
}

const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locator64Signature = 0x07064b50
const centralSignature = 0x02014b50
const localSignature = 0x04034b50
const endBytes = 22
const locatorBytes = 20
const end64Bytes = 56
const centralBytes = 46
const localBytes = 30
const maxEntries = 1_000_000

/** @returns whether the bytes begin as a zip file does */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04
}

/**
 * Reads the central directory.
 * @returns entries by name, in the directory's order
 * @throws ERR_CHECKPOINT with the offset of what is wrong
 */
export function readZipDirectory(source: Source): Map<string, ZipEntry> {
  const reader = new ZipReader(source)
  return reader.entries()
}

/**
 * @param actual  the checksum of the entry's bytes where it is known already
 * @throws ERR_CHECKPOINT when an entry's bytes do not have the checksum that the directory gives
 */
export function verifyEntry(source: Source, entry: ZipEntry, actual = crc32(entryBytes(source, entry))): void {
  if (actual !== entry.crc32) {
    throw corrupt(source.file, entry.offset, `entry "${entry.name}" has the checksum ${hex(actual)} where the directory says ${hex(entry.crc32)}`, 'the file was changed or damaged after it was written')
  }
}

/** An entry as the directory has it, before anything of it was looked for in the file. */
interface CentralEntry {
  readonly name: string
  readonly size: number
  readonly crc32: number
  /** Where its local header begins. */
  readonly local: number
  /** Where the directory says so. */
  readonly at: number
}

/**
 * The entries that a file's directory lists, from the end of the file alone. Nothing is checked against the rest of the file.
 * @param from  the bytes before it are not there yet
 * @returns sizes and places of the local headers; undefined when the directory is not all there, or not in order
 */
export function peekZipDirectory(source: Source, from: number): { size: number; local: number }[] | undefined {
  try {
    return new ZipReader(source).listed(from)
  } catch (error) {
    if (error instanceof SiamError) return undefined
    throw error
  }
}

/** Where the data of the entry whose local header begins at `local` must begin; undefined when no local header is there. */
export function localDataOffset(bytes: Uint8Array, local: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (local + localBytes > bytes.length || view.getUint32(local, true) !== localSignature) return undefined
  return local + localBytes + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
}

/** A view of an entry's data. */
export function entryBytes(source: Source, entry: ZipEntry): Uint8Array {
  return source.bytes.subarray(entry.offset, entry.offset + entry.size)
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

interface Directory {
  offset: number
  size: number
  entries: number
}

class ZipReader {
  readonly #file: string
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(source: Source) {
    this.#file = source.file
    this.#bytes = source.bytes
    this.#view = new DataView(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength)
  }

  entries(): Map<string, ZipEntry> {
    const directory = this.#directory(0)!
    const entries = new Map<string, ZipEntry>()
    for (const { name, size, crc32, local, at } of this.#central(directory)) {
      if (entries.has(name)) throw this.#corrupt(at, `the zip directory names "${name}" twice`)
      entries.set(name, { name, offset: this.#dataOffset(local, size, name, at, directory.offset), size, crc32 })
    }
    this.#refuseOverlaps(entries)
    return entries
  }

  listed(from: number): { size: number; local: number }[] | undefined {
    const directory = this.#directory(from)
    return directory === undefined || directory.offset < from ? undefined : [...this.#central(directory)]
  }

  *#central(directory: Directory): Generator<CentralEntry> {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const end = directory.offset + directory.size
    let at = directory.offset
    for (let i = 0; i < directory.entries; i++) {
      if (at + centralBytes > end || this.#u32(at) !== centralSignature) throw this.#corrupt(at, `entry ${i} of the zip directory is missing`)
      const flags = this.#u16(at + 8)
      const method = this.#u16(at + 10)
      const nameBytes = this.#u16(at + 28)
      const extraBytes = this.#u16(at + 30)
      const commentBytes = this.#u16(at + 32)
      const next = at + centralBytes + nameBytes + extraBytes + commentBytes
      if (next > end) throw this.#corrupt(at, `entry ${i} runs past the end of the zip directory`)
      let name: string
      try {
        name = decoder.decode(this.#bytes.subarray(at + centralBytes, at + centralBytes + nameBytes))
      } catch {
        throw this.#corrupt(at + centralBytes, 'the name of a zip entry is not UTF-8')
      }
      if ((flags & 1) !== 0) throw this.#corrupt(at, `zip entry "${name}" is encrypted`)
      if (method !== 0) throw this.#corrupt(at, `zip entry "${name}" is compressed (method ${method}); torch stores its entries`, 'unpack the file and pack it again without compression')
      const { size, compressed, local } = this.#sizes(at, name, at + centralBytes + nameBytes, extraBytes)
      if (size !== compressed) throw this.#corrupt(at, `zip entry "${name}" is stored but has two sizes, ${compressed} and ${size}`)
      yield { name, size, crc32: this.#u32(at + 16), local, at }
      at = next
    }
  }

  /**
   * Finds the end record (and its 64-bit twin) from the back, where a comment may follow it.
   * @returns undefined when it would have to look before byte `from`
   */
  #directory(from: number): Directory | undefined {
    const length = this.#bytes.length
    for (let at = length - endBytes; at >= Math.max(from, length - endBytes - 0xffff); at--) {
      if (this.#u32(at) !== endSignature || at + endBytes + this.#u16(at + 20) !== length) continue
      let directory: Directory = { entries: this.#u16(at + 10), size: this.#u32(at + 12), offset: this.#u32(at + 16) }
      let limit = at
      const locator = at - locatorBytes
      if (locator >= from && this.#u32(locator) === locator64Signature) {
        const record = this.#u64(locator + 8, 'the place of the zip64 end record')
        if (record < from) return undefined
        if (record + end64Bytes > locator || this.#u32(record) !== end64Signature) throw this.#corrupt(locator, `there is no zip64 end record at byte ${record}`)
        directory = {
          entries: this.#u64(record + 32, 'the number of zip entries'),
          size: this.#u64(record + 40, 'the size of the zip directory'),
          offset: this.#u64(record + 48, 'the place of the zip directory'),
        }
        limit = record
      }
      if (directory.offset + directory.size > limit) {
        throw this.#corrupt(at, `the zip directory is said to lie at ${directory.offset}..${directory.offset + directory.size}, past byte ${limit} where its end record begins`)
      }
      if (directory.entries > maxEntries || directory.entries * centralBytes > directory.size) {
        throw this.#corrupt(at, `${directory.entries} zip entries do not fit into a directory of ${directory.size} bytes`)
      }
      return directory
    }
    if (from > 0) return undefined
    throw this.#corrupt(length, 'the zip file has no end record', 'the file is truncated; use the snapshot before it')
  }

  /** Sizes and place of an entry; 32-bit fields that are all ones have their value in the zip64 extra field, in this order. */
  #sizes(at: number, name: string, extraAt: number, extraBytes: number): { size: number; compressed: number; local: number } {
    const fields = { size: this.#u32(at + 24), compressed: this.#u32(at + 20), local: this.#u32(at + 42) }
    if (fields.size !== 0xffffffff && fields.compressed !== 0xffffffff && fields.local !== 0xffffffff) return fields
    for (let field = extraAt; field + 4 <= extraAt + extraBytes; ) {
      const id = this.#u16(field)
      const bodyEnd = field + 4 + this.#u16(field + 2)
      if (bodyEnd > extraAt + extraBytes) break
      if (id === 1) {
        let from = field + 4
        for (const key of ['size', 'compressed', 'local'] as const) {
          if (fields[key] !== 0xffffffff) continue
          if (from + 8 > bodyEnd) throw this.#corrupt(field, `the zip64 field of "${name}" is too short`)
          fields[key] = this.#u64(from, `the ${key} of zip entry "${name}"`)
          from += 8
        }
        return fields
      }
      field = bodyEnd
    }
    throw this.#corrupt(at, `zip entry "${name}" has 64-bit sizes but no zip64 field`)
  }

  #dataOffset(local: number, size: number, name: string, at: number, directoryOffset: number): number {
    if (local + localBytes > directoryOffset || this.#u32(local) !== localSignature) {
      throw this.#corrupt(at, `zip entry "${name}" is said to lie at byte ${local}, where none begins`)
    }
    const offset = local + localBytes + this.#u16(local + 26) + this.#u16(local + 28)
    if (offset + size > directoryOffset) {
      throw this.#corrupt(at, `zip entry "${name}" (${size} bytes at ${offset}) runs past byte ${directoryOffset} where the zip directory begins`)
    }
    return offset
  }

  #refuseOverlaps(entries: Map<string, ZipEntry>): void {
    const sorted = [...entries.values()].filter((entry) => entry.size > 0).toSorted((a, b) => a.offset - b.offset)
    for (let i = 1; i < sorted.length; i++) {
      const before = sorted[i - 1]!
      const entry = sorted[i]!
      if (before.offset + before.size > entry.offset) throw this.#corrupt(entry.offset, `zip entries "${before.name}" and "${entry.name}" overlap`)
    }
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true)
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true)
  }

  #u64(at: number, what: string): number {
    const value = this.#view.getBigUint64(at, true)
    if (value > BigInt(this.#bytes.length)) throw this.#corrupt(at, `${what} is ${value}, more than the file has bytes (${this.#bytes.length})`)
    return Number(value)
  }

  #corrupt(offset: number, what: string, hint?: string): Error {
    return corrupt(this.#file, offset, what, hint)
  }
}
