/** The table of a pack (docs/packs.md), for tests that look into one or make one: in the product native/data/pack alone reads and writes it. */
import { packRowBytes, packVersion } from '../../lib/data/pack/format.ts'

const magic = 'SIAMPAK\n'

/** Frame coordinate of column (or row) i of the stored picture: origin + step · i. */
export interface PackGridAxis {
  origin: number
  step: number
}

/** What is stored for one frame. */
export interface PackRow {
  /** Of the JPEG's first byte in its shard. */
  offset: number
  /** Bytes of the JPEG; 0: nothing is stored, because the frame was bad. */
  length: number
  /** CRC-32C of the JPEG. */
  crc: number
  shard: number
  frameWidth: number
  frameHeight: number
  /** Truncated mean of the whole original frame, 0xFFrrggbb; 0 where nothing is stored. */
  mean: number
  x: PackGridAxis
  y: PackGridAxis
}

/** @param at  byte where the row begins in `view` */
export function writePackRow(view: DataView, at: number, row: PackRow): void {
  view.setBigUint64(at, BigInt(row.offset), true)
  for (const [i, word] of [row.length, row.crc, row.shard, row.frameWidth, row.frameHeight, row.mean].entries()) view.setUint32(at + 8 + 4 * i, word, true)
  for (const [i, value] of [row.x.origin, row.x.step, row.y.origin, row.y.step].entries()) view.setFloat64(at + 32 + 8 * i, value, true)
}

/** @param at  byte where the row begins in `view` */
export function readPackRow(view: DataView, at: number): PackRow {
  const word = (i: number): number => view.getUint32(at + 8 + 4 * i, true)
  const real = (i: number): number => view.getFloat64(at + 32 + 8 * i, true)
  return {
    offset: Number(view.getBigUint64(at, true)),
    length: word(0),
    crc: word(1),
    shard: word(2),
    frameWidth: word(3),
    frameHeight: word(4),
    mean: word(5),
    x: { origin: real(0), step: real(1) },
    y: { origin: real(2), step: real(3) },
  }
}

/**
 * @param rows     number of rows
 * @param rowsCrc  CRC-32C of all of them, one after the other
 * @param crc32c   of bytes: the caller's, so that this file depends on nothing
 * @returns the table's first {@link packRowBytes} bytes
 */
export function packTableHeader(rows: number, rowsCrc: number, crc32c: (bytes: Uint8Array) => number): Uint8Array {
  const header = new Uint8Array(packRowBytes)
  const view = new DataView(header.buffer)
  header.set(new TextEncoder().encode(magic))
  view.setUint32(8, packVersion, true)
  view.setBigUint64(16, BigInt(rows), true)
  view.setUint32(24, rowsCrc, true)
  view.setUint32(packRowBytes - 4, crc32c(header.subarray(0, packRowBytes - 4)), true)
  return header
}
