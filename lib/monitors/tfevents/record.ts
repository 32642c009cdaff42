/**
 * TFRecord framing: length (uint64), masked CRC of the length (uint32), data, masked CRC of the data (uint32), all little endian.
 */
import { maskedCrc32c } from './crc32c.ts'
import type { ByteWriter } from './protobuf.ts'

const headBytes = 12
const tailBytes = 4

/** Appends one record whose data `encode` writes. */
export function appendRecord(out: ByteWriter, encode: (out: ByteWriter) => void): void {
  const start = out.length
  out.reserve(headBytes)
  out.length += headBytes
  encode(out)
  const dataStart = start + headBytes
  const dataLength = out.length - dataStart
  out.bytes.writeBigUInt64LE(BigInt(dataLength), start)
  out.bytes.writeUInt32LE(maskedCrc32c(out.bytes, start, start + 8), start + 8)
  out.reserve(tailBytes)
  out.bytes.writeUInt32LE(maskedCrc32c(out.bytes, dataStart, out.length), out.length)
  out.length += tailBytes
}

/** What {@link readRecord} found at an offset. */
export type RecordResult =
  | { kind: 'record'; data: Buffer; next: number }
  | { kind: 'end' }
  /** The record was not written to its end, or damaged where it is the last one. */
  | { kind: 'torn' }
  | { kind: 'corrupt'; reason: string }

/** Reads the record at `offset` of a whole file's bytes. */
export function readRecord(file: Buffer, offset: number): RecordResult {
  const left = file.length - offset
  if (left === 0) return { kind: 'end' }
  if (left < headBytes) return { kind: 'torn' }
  const length = file.readBigUInt64LE(offset)
  if (file.readUInt32LE(offset + 8) !== maskedCrc32c(file, offset, offset + 8)) {
    // After a power cut a file system may leave a grown file whose last blocks are zeros.
    const zeros = file.subarray(offset).every((byte) => byte === 0)
    return zeros ? { kind: 'torn' } : { kind: 'corrupt', reason: 'the checksum of a record length is wrong' }
  }
  if (length > BigInt(left - headBytes - tailBytes)) return { kind: 'torn' }
  const dataStart = offset + headBytes
  const dataEnd = dataStart + Number(length)
  const next = dataEnd + tailBytes
  if (file.readUInt32LE(dataEnd) !== maskedCrc32c(file, dataStart, dataEnd)) {
    return next === file.length ? { kind: 'torn' } : { kind: 'corrupt', reason: "the checksum of a record's data is wrong" }
  }
  return { kind: 'record', data: file.subarray(dataStart, dataEnd), next }
}
