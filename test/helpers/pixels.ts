/** Frames and comparisons of pixels for tests. */
import { readFileSync } from 'node:fs'
import { PNG } from 'pngjs'
import { loadAddon } from '../../lib/native/load.ts'

export interface Frame {
  data: Uint8Array
  width: number
  height: number
}

/** BGR pixels of a JPEG (through the addon) or PNG file. */
export function readFrame(file: string): Frame {
  const bytes = readFileSync(file)
  if (file.endsWith('.jpg')) {
    const { data, width, height } = loadAddon().decodeJpeg(bytes)
    return { data, width, height }
  }
  const { data: rgba, width, height } = PNG.sync.read(bytes)
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i += 1) {
    data[3 * i] = rgba[4 * i + 2] ?? 0
    data[3 * i + 1] = rgba[4 * i + 1] ?? 0
    data[3 * i + 2] = rgba[4 * i] ?? 0
  }
  return { data, width, height }
}

/** How two arrays of levels differ: the largest difference, and the shares of values that differ at all and by more than one level. */
export function levelDifferences(a: ArrayLike<number>, b: ArrayLike<number>): { max: number; differing: number; overOne: number } {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`)
  let [max, differing, overOne] = [0, 0, 0]
  for (let i = 0; i < a.length; i += 1) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0))
    if (difference > 0) differing += 1
    if (difference > 1) overOne += 1
    if (difference > max) max = difference
  }
  return { max, differing: differing / a.length, overOne: overOne / a.length }
}

/** A picture with edges and gradients that no two seeds share: BGR. */
export function testPicture(width: number, height: number, seed: number): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let c = 0; c < 3; c += 1) {
        const blocks = (((x + seed * 5) / 11) | 0) ^ (((y + seed * 3) / 7) | 0)
        data[(y * width + x) * 3 + c] = (x * (c + 1) + y * (3 - c) + seed * 41 + blocks * 23) & 255
      }
    }
  }
  return data
}
