/** Packs of tiny data sets, and looking into them. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { type PackManifest, packRowBytes } from '../../lib/data/pack/format.ts'
import { type PackRow, readPackRow } from './pack-table.ts'
import { type PackOptions, type PackReport, makePacks } from '../../lib/data/pack/write-pack.ts'
import { readDataSettings } from '../../lib/data/settings.ts'

export const testCrop = { contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 }

/** `train.track.data` for a data set; `names` other than GOT10kDataset need their own settings in `more`. */
export function packSettings(root: string, more: Record<string, unknown> = {}): ReturnType<typeof readDataSettings> {
  const dataset = { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: root, subset: 'train', check_integrity: false }, ...more }
  return readDataSettings({ train: { track: { data: { index_cache: 'none', sampler: { submodules: { dataset } } } } } })
}

/** Packs GOT-10k-like data of `root` into `out`, on two threads and in shards of 20 kB unless told. */
export function packTiny(root: string, out: string, options: Partial<PackOptions> = {}, more: Record<string, unknown> = {}): Promise<PackReport> {
  return makePacks(packSettings(root, more), { out, workers: 2, shardBytes: 20_000, ...options })
}

export const manifestOf = (dir: string): PackManifest => JSON.parse(readFileSync(path.join(dir, 'pack.json'), 'utf8')) as PackManifest

export function rowsOf(dir: string): PackRow[] {
  const bytes = readFileSync(path.join(dir, 'frames.siampak'))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / packRowBytes - 1 }, (_, i) => readPackRow(view, (i + 1) * packRowBytes))
}

/** The JPEG of a row. */
export function pictureOf(dir: string, row: PackRow): Uint8Array {
  return readFileSync(path.join(dir, manifestOf(dir).shards[row.shard]!.file)).subarray(row.offset, row.offset + row.length)
}

/** Every file below a folder with its bytes. */
export function bytesOfFolder(dir: string): Map<string, Buffer> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(path.join(dir, name)).isFile())
  return new Map(names.sort().map((name) => [name, readFileSync(path.join(dir, name))]))
}

/** Names of the files that differ, or are in one of the folders only. */
export function differingFiles(a: string, b: string): string[] {
  const [left, right] = [bytesOfFolder(a), bytesOfFolder(b)]
  return [...new Set([...left.keys(), ...right.keys()])].filter((name) => !left.get(name)?.equals(right.get(name) ?? Buffer.alloc(0)))
}
