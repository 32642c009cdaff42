/**
 * The layout of a pack on disk, shared by what writes packs and what trains from them. docs/packs.md describes it;
 * native/data/pack/pack_file.cc has the same numbers.
 *
 * A pack's folder holds one folder for each data set, named as in the configuration, and in it: the manifest, an index (lib/data/index-file.ts)
 * of the same sequences, frames and boxes in the same order as the data set's own, a table with a row for each frame of that index, and
 * tar files of JPEGs. The paths that the index gives are the members' names in the tars (relative), `SEQUENCE/FRAME.jpg`.
 */
import type { LoaderSpec } from '../../native/addon.ts'

export const packFormat = 'siamfcpp-pack'
/** Raised with every change of the format: a pack of another version is refused. */
export const packVersion = 1
/** Written last: a folder without it is a pack that is not finished. */
export const packManifestFile = 'pack.json'
export const packIndexFile = 'index.siamidx'
export const packTableFile = 'frames.siampak'

/** @returns the file name of shard `number` (0-based): shard-00000.tar */
export function packShardFile(number: number): string {
  return `shard-${String(number).padStart(5, '0')}.tar`
}

/** Matches what {@link packShardFile} gives. */
export const packShardName = /^shard-\d{5,}\.tar$/

/** pack.json. */
export interface PackManifest {
  format: typeof packFormat
  version: number
  /** Version of the package that wrote it. */
  product: string
  /** Which data set, with the settings that it was read with (`train.track.data.sampler.submodules.dataset.NAME`). */
  dataset: { name: string; params: Record<string, unknown> }
  /** The crops that it was made for. */
  crop: LoaderSpec['crop']
  /** Side of the stored square in context sides of the box, before it is clipped to the frame and a margin is added; see {@link contextFactorOf}. */
  contextFactor: number
  /** Stored pixels for each pixel of a crop: a context side has at most density × crop.zSize of them. */
  density: number
  /** JPEG quality, 1 to 100, of pictures that could not be stored without loss. */
  quality: number
  subsampling: '444' | '422' | '420'
  sequences: number
  /** Rows of the table. */
  frames: number
  /** Rows that have a picture; the others' frames were bad. */
  stored: number
  /** Of all shards. */
  bytes: number
  index: { file: string; bytes: number }
  table: { file: string; bytes: number }
  shards: { file: string; bytes: number; entries: number }[]
}

/** Bytes of the table's header and of each of its rows. */
export const packRowBytes = 64
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

/**
 * How far the crops of a training reach: side of the smallest square around a box's centre that holds every crop that can be drawn, in
 * context sides sqrt((w + p)(h + p)), p = context_amount · (w + h).
 */
export function contextFactorOf(crop: LoaderSpec['crop']): number {
  const search = ((1 + crop.maxScale) * (1 + crop.maxShift) * crop.xSize) / crop.zSize
  const template = (1 + crop.maxScaleTemp) * (1 + crop.maxShiftTemp)
  return Math.max(search, template)
}
