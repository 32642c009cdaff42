/** Writes zip files of stored entries whose data is aligned to 64 bytes, as torch does, so that readers may map them. */
import { crc32 } from 'node:zlib'
import { Turns, inSlices } from './slices.ts'

/** Where a writer's bytes go, in order. */
export type Sink = (bytes: Uint8Array) => Promise<void>

export interface ZipOptions {
  /** Use 64-bit fields though nothing needs them. */
  forceZip64?: boolean
}

interface Written {
  name: Buffer
  size: number
  crc: number
  offset: number
}

const alignment = 64
const max32 = 0xffffffff
const utf8Flag = 0x0800
/** 1980-01-01, as torch writes: a snapshot's bytes depend on its contents alone. */
const dosDate = 0x21

/** Writes entries one after the other; call {@link finish} at the end. */
export class ZipWriter {
  readonly #sink: Sink
  readonly #forceZip64: boolean
  readonly #entries: Written[] = []
  readonly #turns = new Turns()
  #offset = 0

  constructor(sink: Sink, options: ZipOptions = {}) {
    this.#sink = sink
    this.#forceZip64 = options.forceZip64 ?? false
  }

  /** Adds an entry. The bytes must not change until the promise resolves. */
  async add(entryName: string, data: Uint8Array): Promise<void> {
    let crc = 0
    await inSlices(data, this.#turns, (slice) => {
      crc = crc32(slice, crc)
    })
    const name = Buffer.from(entryName)
    const size = data.length
    const zip64 = this.#forceZip64 || size >= max32
    const fixed = 30 + name.length + (zip64 ? 20 : 0) + 4
    const padding = (alignment - ((this.#offset + fixed) % alignment)) % alignment
    const header = Buffer.alloc(fixed + padding)
    header.writeUInt32LE(0x04034b50, 0)
    header.writeUInt16LE(zip64 ? 45 : 20, 4)
    header.writeUInt16LE(utf8Flag, 6)
    header.writeUInt16LE(dosDate, 12)
    header.writeUInt32LE(crc, 14)
    header.writeUInt32LE(zip64 ? max32 : size, 18)
    header.writeUInt32LE(zip64 ? max32 : size, 22)
    header.writeUInt16LE(name.length, 26)
    header.writeUInt16LE(header.length - 30 - name.length, 28)
    name.copy(header, 30)
    let at = 30 + name.length
    if (zip64) {
      at = header.writeUInt16LE(1, at)
      at = header.writeUInt16LE(16, at)
      at = header.writeBigUInt64LE(BigInt(size), at)
      at = header.writeBigUInt64LE(BigInt(size), at)
    }
    // torch's own field for padding: "FB", filled with Z.
    at = header.writeUInt16LE(0x4246, at)
    at = header.writeUInt16LE(padding, at)
    header.fill('Z', at)
    this.#entries.push({ name, size, crc, offset: this.#offset })
    await this.#write(header)
    await this.#write(data)
  }

  /** Writes the directory. */
  async finish(): Promise<void> {
    const start = this.#offset
    for (const entry of this.#entries) {
      await this.#write(this.#centralEntry(entry))
      await this.#turns.next()
    }
    const size = this.#offset - start
    const count = this.#entries.length
    const zip64 = this.#forceZip64 || start >= max32 || size >= max32 || count >= 0xffff
    if (zip64) {
      const record = Buffer.alloc(56 + 20)
      record.writeUInt32LE(0x06064b50, 0)
      record.writeBigUInt64LE(44n, 4)
      record.writeUInt16LE(45, 12)
      record.writeUInt16LE(45, 14)
      record.writeBigUInt64LE(BigInt(count), 24)
      record.writeBigUInt64LE(BigInt(count), 32)
      record.writeBigUInt64LE(BigInt(size), 40)
      record.writeBigUInt64LE(BigInt(start), 48)
      record.writeUInt32LE(0x07064b50, 56)
      record.writeBigUInt64LE(BigInt(this.#offset), 64)
      record.writeUInt32LE(1, 72)
      await this.#write(record)
    }
    const end = Buffer.alloc(22)
    end.writeUInt32LE(0x06054b50, 0)
    end.writeUInt16LE(zip64 ? 0xffff : count, 8)
    end.writeUInt16LE(zip64 ? 0xffff : count, 10)
    end.writeUInt32LE(zip64 ? max32 : size, 12)
    end.writeUInt32LE(zip64 ? max32 : start, 16)
    await this.#write(end)
  }

  #centralEntry(entry: Written): Buffer {
    const zip64 = this.#forceZip64 || entry.size >= max32 || entry.offset >= max32
    const record = Buffer.alloc(46 + entry.name.length + (zip64 ? 28 : 0))
    record.writeUInt32LE(0x02014b50, 0)
    record.writeUInt16LE(zip64 ? 45 : 20, 4)
    record.writeUInt16LE(zip64 ? 45 : 20, 6)
    record.writeUInt16LE(utf8Flag, 8)
    record.writeUInt16LE(dosDate, 14)
    record.writeUInt32LE(entry.crc, 16)
    record.writeUInt32LE(zip64 ? max32 : entry.size, 20)
    record.writeUInt32LE(zip64 ? max32 : entry.size, 24)
    record.writeUInt16LE(entry.name.length, 28)
    record.writeUInt16LE(zip64 ? 28 : 0, 30)
    record.writeUInt32LE(zip64 ? max32 : entry.offset, 42)
    entry.name.copy(record, 46)
    if (zip64) {
      let at = 46 + entry.name.length
      at = record.writeUInt16LE(1, at)
      at = record.writeUInt16LE(24, at)
      at = record.writeBigUInt64LE(BigInt(entry.size), at)
      at = record.writeBigUInt64LE(BigInt(entry.size), at)
      record.writeBigUInt64LE(BigInt(entry.offset), at)
    }
    return record
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.#sink(bytes)
    this.#offset += bytes.length
  }
}
