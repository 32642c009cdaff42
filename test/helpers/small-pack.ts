/**
 * Packs made in plain TypeScript, independently of `siamtrain data pack`: of any index, with every property in the test's hand. For a few
 * hundred small frames.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type DatasetIndex, SectionsBuilder } from '../../lib/data/compact-index.ts'
import { writeIndexFile } from '../../lib/data/index-file.ts'
import { nameFromPattern } from '../../lib/data/frames.ts'
import { type PackManifest, contextFactorOf, packFormat, packIndexFile, packManifestFile, packRowBytes, packShardFile, packTableFile, packVersion } from '../../lib/data/pack/format.ts'
import { type PackRow, packTableHeader, writePackRow } from './pack-table.ts'
import { crc32c } from '../../lib/monitors/tfevents/crc32c.ts'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { type Frame, readFrame } from './pixels.ts'

export interface SmallPackOptions {
  params?: Record<string, unknown>
  crop?: LoaderSpec['crop']
  /** Stored pixels for each of a crop's; Infinity: never reduced. */
  density?: number
  quality?: number
  /** Pixels around the square that crops reach. */
  margin?: number
  /** Corners of unreduced pictures are multiples of this, so that blocks of the frames stay blocks. Default: 1. */
  snap?: number
  /** 'whole': each frame's own file is its picture. */
  pictures?: 'cut' | 'whole'
  /** Pictures of a shard. */
  shardEntries?: number
  /** Rows (of the whole table) that are stored as bad frames. */
  bad?: readonly number[]
}

export const defaultCrop: LoaderSpec['crop'] = { contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 }

interface Picture {
  jpeg: Uint8Array
  x: PackRow['x']
  y: PackRow['y']
}

/**
 * Writes DIR/NAME.
 * @returns its manifest
 */
export async function writeSmallPack(dir: string, index: DatasetIndex, options: SmallPackOptions = {}): Promise<PackManifest> {
  const { crop = defaultCrop, density = 1, quality = 95, margin = 24, params = {}, shardEntries = 7, bad = [], pictures = 'cut', snap = 1 } = options
  const out = path.join(dir, index.name)
  mkdirSync(out, { recursive: true })
  const table = new Uint8Array(index.frames * packRowBytes)
  const view = new DataView(table.buffer)
  const shards: { file: string; parts: Uint8Array[]; bytes: number; entries: number }[] = []
  const sections = new SectionsBuilder()
  const { sequences, sequenceStart: start, boxes } = index
  for (let s = 0; s < sequences; s += 1) {
    const [first, count] = [start[s]!, start[s + 1]! - start[s]!]
    const files = framesOf(index, s)
    for (let k = 0; k < count; k += 1) {
      if (bad.includes(first + k)) continue
      const file = files[index.still ? 0 : k]!
      const frame = readFrame(file)
      const picture = pictures === 'whole' ? whole(readFileSync(file)) : cut(frame, [...boxes.subarray((first + k) * 4, (first + k) * 4 + 4)], { crop, density, quality, margin, snap })
      if ((shards.at(-1)?.entries ?? shardEntries) >= shardEntries) shards.push({ file: packShardFile(shards.length), parts: [], bytes: 0, entries: 0 })
      const shard = shards.at(-1)!
      const member = tarMember(`s${s}/${String(k).padStart(6, '0')}.jpg`, picture.jpeg)
      const row: PackRow = { offset: shard.bytes + 512, length: picture.jpeg.length, crc: crc32c(picture.jpeg), shard: shards.length - 1, frameWidth: frame.width, frameHeight: frame.height, mean: meanOf(frame), x: picture.x, y: picture.y }
      writePackRow(view, (first + k) * packRowBytes, row)
      shard.parts.push(member)
      shard.bytes += member.length
      shard.entries += 1
    }
    sections.append(`s${s}`, index.still ? { names: ['000000.jpg'] } : { pattern: '%06d.jpg', first: 0 }, boxes.slice(first * 4, (first + count) * 4))
  }
  for (const shard of shards) {
    shard.parts.push(new Uint8Array(1024))
    shard.bytes += 1024
    writeFileSync(path.join(out, shard.file), Buffer.concat(shard.parts))
  }
  writeFileSync(path.join(out, packTableFile), Buffer.concat([packTableHeader(index.frames, crc32c(table), (bytes) => crc32c(bytes)), table]))
  const none = { offsets: new Uint32Array([0]), bytes: new Uint8Array(0), states: new Uint8Array(0) }
  await writeIndexFile(path.join(out, packIndexFile), { sections: sections.take(), still: index.still, emptyStills: index.emptyStills, dependencies: none, meta: '{}' })
  const manifest: PackManifest = {
    format: packFormat, version: packVersion, product: 'test', dataset: { name: index.name, params }, crop, contextFactor: contextFactorOf(crop), density: Math.min(density, 1e6), quality, subsampling: '444',
    sequences, frames: index.frames, stored: index.frames - bad.length, bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    index: { file: packIndexFile, bytes: readFileSync(path.join(out, packIndexFile)).length },
    table: { file: packTableFile, bytes: packRowBytes + table.length },
    shards: shards.map(({ file, bytes, entries }) => ({ file, bytes, entries })),
  }
  writeFileSync(path.join(out, packManifestFile), JSON.stringify(manifest, null, 2))
  return manifest
}

function framesOf(index: DatasetIndex, s: number): string[] {
  const [count, names] = [index.still ? 1 : index.sequenceStart[s + 1]! - index.sequenceStart[s]!, index.frameNames[s]]
  const pattern = { pattern: index.framePatterns[s]!, first: index.firstNumbers[s]!, count }
  return Array.from({ length: count }, (_, k) => path.join(index.sequenceDirs[s]!, names?.[k] ?? nameFromPattern(pattern, k)))
}

function whole(jpeg: Uint8Array): Picture {
  return { jpeg, x: { origin: 0, step: 1 }, y: { origin: 0, step: 1 } }
}

function cut(frame: Frame, [x1, y1, x2, y2]: number[], options: { crop: LoaderSpec['crop']; density: number; quality: number; margin: number; snap: number }): Picture {
  const { crop, density, quality, margin, snap } = options
  const [w, h] = [x2! - x1! + 1, y2! - y1! + 1]
  const side = Math.sqrt((w + crop.contextAmount * (w + h)) * (h + crop.contextAmount * (w + h)))
  const step = Math.max(1, side / (density * crop.zSize))
  const reach = (contextFactorOf(crop) * side) / 2 + margin * step
  const axis = (centre: number, extent: number): { from: number; to: number } => ({ from: Math.max(0, Math.floor((centre - reach) / snap) * snap), to: Math.min(extent, Math.ceil(centre + reach) + 1) })
  const [x, y] = [axis((x1! + x2!) / 2, frame.width), axis((y1! + y2!) / 2, frame.height)]
  const [columns, rows] = [reduced(x, step), reduced(y, step)]
  const pixels = areaMean(frame, columns, rows)
  const jpeg = loadAddon().encodeJpeg(pixels, columns.count, rows.count, { quality, subsampling: '444', format: 'bgr', restartRows: 1 })
  const grid = ({ from, step: s }: Reduced): PackRow['x'] => ({ origin: from + (s - 1) / 2, step: s })
  return { jpeg, x: grid(columns), y: grid(rows) }
}

interface Reduced {
  from: number
  step: number
  count: number
}

function reduced({ from, to }: { from: number; to: number }, step: number): Reduced {
  const count = step === 1 ? to - from : Math.max(1, Math.round((to - from) / step))
  return { from, count, step: (to - from) / count }
}

/** Each pixel is the mean of the frame's pixels that it covers, by area. */
function areaMean(frame: Frame, columns: Reduced, rows: Reduced): Uint8Array {
  const out = new Uint8Array(columns.count * rows.count * 3)
  for (let j = 0; j < rows.count; j += 1) {
    for (let i = 0; i < columns.count; i += 1) {
      const sums = [0, 0, 0]
      let total = 0
      forCovered(rows, j, (y, wy) =>
        forCovered(columns, i, (x, wx) => {
          for (let c = 0; c < 3; c += 1) sums[c]! += frame.data[(Math.min(y, frame.height - 1) * frame.width + Math.min(x, frame.width - 1)) * 3 + c]! * wx * wy
          total += wx * wy
        }))
      for (let c = 0; c < 3; c += 1) out[(j * columns.count + i) * 3 + c] = Math.round(sums[c]! / total)
    }
  }
  return out
}

function forCovered({ from, step }: Reduced, i: number, take: (at: number, weight: number) => void): void {
  const [begin, end] = [from + i * step, from + (i + 1) * step]
  for (let at = Math.floor(begin + 1e-9); at < end - 1e-9; at += 1) take(at, Math.min(end, at + 1) - Math.max(begin, at))
}

function meanOf({ data, width, height }: Frame): number {
  const sums = [0, 0, 0]
  for (let i = 0; i < data.length; i += 1) sums[i % 3]! += data[i]!
  const [b, g, r] = sums.map((sum) => Math.floor(sum / (width * height)))
  return (0xff000000 | (r! << 16) | (g! << 8) | b!) >>> 0
}

/** A ustar header, the file, and zeros up to a multiple of 512. */
function tarMember(name: string, bytes: Uint8Array): Uint8Array {
  const member = Buffer.alloc(512 + Math.ceil(bytes.length / 512) * 512)
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`
  member.write(name, 0)
  for (const [text, at] of [[octal(0o644, 7), 100], [octal(0, 7), 108], [octal(0, 7), 116], [octal(bytes.length, 11), 124], [octal(0, 11), 136], ['        0', 148], ['ustar\x0000', 257]] as const) member.write(text, at, 'latin1')
  member.write(`${octal(member.subarray(0, 512).reduce((sum, byte) => sum + byte, 0), 6)} `, 148, 'latin1')
  member.set(bytes, 512)
  return member
}
