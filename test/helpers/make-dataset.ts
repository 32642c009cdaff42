/** Tiny data sets in GOT-10k's layout for tests, and every kind of damage to them. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../lib/native/load.ts'

export interface TinyOptions {
  sequences?: number
  frames?: number
  width?: number
  height?: number
  split?: 'train' | 'val'
  /** 'real': decodable frames, made by the addon; 'none': files that no one decodes, for tests of the annotations alone. */
  jpeg?: 'real' | 'none'
}

/** A folder that `afterAll(() => removeFolder(dir))` takes away. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(path.join(tmpdir(), `siamfcpp-${name}-`))
}

export function removeFolder(dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

/** The folder of a tiny set's sequence s (0-based). */
export function sequenceDir(root: string, s: number, split = 'train'): string {
  return path.join(root, split, `seq_${String(s + 1).padStart(3, '0')}`)
}

export function frameFile(root: string, s: number, k: number, split = 'train'): string {
  return path.join(sequenceDir(root, s, split), `${String(k + 1).padStart(8, '0')}.jpg`)
}

/** Box of frame k of sequence s: a square of 40 pixels that wanders. */
export function tinyBox(s: number, k: number): [number, number, number, number] {
  return [20 + 7 * s + 3 * k, 15 + 5 * s + 2 * k, 40, 40]
}

/** Writes ROOT/SPLIT with list.txt, frames and groundtruth.txt. Returns root. */
export function makeTinyDataset(root: string, options: TinyOptions = {}): string {
  const { sequences = 3, frames = 6, width = 160, height = 120, split = 'train', jpeg = 'real' } = options
  const names: string[] = []
  for (let s = 0; s < sequences; s += 1) {
    const dir = sequenceDir(root, s, split)
    mkdirSync(dir, { recursive: true })
    names.push(path.basename(dir))
    const lines: string[] = []
    for (let k = 0; k < frames; k += 1) {
      const box = tinyBox(s, k)
      lines.push(box.map((value) => value.toFixed(4)).join(','))
      writeFileSync(frameFile(root, s, k, split), jpeg === 'real' ? tinyJpeg(width, height, s, k) : 'never decoded')
    }
    writeFileSync(path.join(dir, 'groundtruth.txt'), `${lines.join('\n')}\n`)
  }
  mkdirSync(path.join(root, split), { recursive: true })
  writeFileSync(path.join(root, split, 'list.txt'), names.map((name) => `${name}\n`).join(''))
  return root
}

/** A striped square, of a colour for each sequence, over a checked ground. */
export function tinyJpeg(width: number, height: number, s: number, k: number): Uint8Array {
  const [x1, y1, w, h] = tinyBox(s, k)
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const inside = x >= x1 && x < x1 + w && y >= y1 && y < y1 + h
      const ground = 60 + 40 * ((Math.floor(x / 16) + Math.floor(y / 16)) % 2) + ((x * 7 + y * 13) % 9)
      const stripe = Math.floor((x - x1 + y - y1) / 6) % 2 === 0 ? 230 : 30
      const at = (y * width + x) * 3
      for (let c = 0; c < 3; c += 1) pixels[at + c] = inside ? (c === s % 3 ? stripe : 255 - stripe) : ground
    }
  }
  return loadAddon().encodeJpeg(pixels, width, height, { quality: 90, subsampling: '444', format: 'rgb' })
}

function editGroundTruth(root: string, s: number, edit: (lines: string[]) => string[]): void {
  const file = path.join(sequenceDir(root, s), 'groundtruth.txt')
  writeFileSync(file, edit(readFileSync(file, 'utf8').trimEnd().split('\n')).map((line) => `${line}\n`).join(''))
}

/** Each kind of bad input of a data set, done to sequence s (and frame k where it is about one). */
export const damage = {
  shortGroundTruth: (root: string, s: number): void => editGroundTruth(root, s, (lines) => lines.slice(0, -2)),
  longGroundTruth: (root: string, s: number): void => appendFileSync(path.join(sequenceDir(root, s), 'groundtruth.txt'), '1,2,3,4\n'),
  noGroundTruth: (root: string, s: number): void => rmSync(path.join(sequenceDir(root, s), 'groundtruth.txt')),
  noFrames: (root: string, s: number, frames: number): void => {
    for (let k = 0; k < frames; k += 1) rmSync(frameFile(root, s, k))
  },
  noFolder: (root: string, s: number): void => removeFolder(sequenceDir(root, s)),
  /** Replaces line k + 1 of groundtruth.txt. */
  line: (root: string, s: number, k: number, line: string): void => editGroundTruth(root, s, (lines) => lines.with(k, line)),
  truncatedJpeg: (root: string, s: number, k: number): void => truncateSync(frameFile(root, s, k), Math.floor(readFileSync(frameFile(root, s, k)).length * 0.4)),
  textNamedJpg: (root: string, s: number, k: number): void => writeFileSync(frameFile(root, s, k), 'this is not a picture\n'),
  danglingLink: (root: string, s: number, k: number): void => {
    rmSync(frameFile(root, s, k))
    symlinkSync('/nowhere/frame.jpg', frameFile(root, s, k))
  },
  /** A picture of another size than its neighbours, which their boxes do not fit. */
  otherSize: (root: string, s: number, k: number): void => writeFileSync(frameFile(root, s, k), tinyJpeg(16, 12, s, k)),
} as const
