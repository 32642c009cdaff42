/**
 * The layout of a pack on disk, shared by what writes packs and what trains from them. docs/packs.md describes it;
 * native/data/pack reads and writes the table, and has the same numbers.
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

/**
 * How far the crops of a training reach: side of the smallest square around a box's centre that holds every crop that can be drawn, in
 * context sides sqrt((w + p)(h + p)), p = context_amount · (w + h).
 */
export function contextFactorOf(crop: LoaderSpec['crop']): number {
  const search = ((1 + crop.maxScale) * (1 + crop.maxShift) * crop.xSize) / crop.zSize
  const template = (1 + crop.maxScaleTemp) * (1 + crop.maxShiftTemp)
  return Math.max(search, template)
}
