/** Frames of the reference figures' sizes, made from real ones, in GOT-10k's layout. */
import { linkSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { loadAddon } from '../../lib/native/load.ts'

export type Box = [x: number, y: number, w: number, h: number]

export interface SourceFrame {
  data: Uint8Array
  width: number
  height: number
  box: Box
}

export interface FrameSize {
  width: number
  height: number
  kilobytes: number
}

export interface FrameSet {
  frames: string
  /** 'large': as annotated, crops often leave the frame; 'small': boxes shrunk about their centre, so that crops mostly stay inside. */
  targets: 'large' | 'small'
  /** Root of a data set in GOT-10k's layout, with the one sequence. */
  root: string
  files: string[]
  boxes: Box[]
  kilobytes: number
}

/** Sizes and bytes of the reference figures (docs/data-pipeline.md). */
export const frameSizes: readonly FrameSize[] = [
  { width: 480, height: 360, kilobytes: 15 },
  { width: 1280, height: 720, kilobytes: 83 },
  { width: 1920, height: 1080, kilobytes: 180 },
]
const framesPerSet = 24
const smallTarget = 0.35

/** @param dir  NNNNNNNN.jpg and groundtruth.txt (VOT polygons or x,y,w,h) */
export function readSource(dir: string): SourceFrame[] {
  const names = readdirSync(dir).filter((name) => name.endsWith('.jpg')).sort()
  const lines = readFileSync(path.join(dir, 'groundtruth.txt'), 'utf8').trim().split('\n')
  const step = Math.max(1, Math.floor(names.length / framesPerSet))
  return names
    .map((name, i) => ({ name, numbers: (lines[i] ?? '').split(',').map(Number) }))
    .filter((_, i) => i % step === 0)
    .slice(0, framesPerSet)
    .map(({ name, numbers }) => {
      const decoded = loadAddon().decodeJpeg(readFileSync(path.join(dir, name)))
      return { data: decoded.data, width: decoded.width, height: decoded.height, box: toBox(numbers) }
    })
}

function toBox(numbers: number[]): Box {
  if (numbers.length === 4) return numbers as Box
  const [xs, ys] = [0, 1].map((k) => numbers.filter((_, i) => i % 2 === k)) as [number[], number[]]
  const [x, y] = [Math.min(...xs), Math.min(...ys)]
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y]
}

/** Cuts the frame to the wanted aspect and resizes it (bilinear, half-pixel centres). */
function resize(source: SourceFrame, width: number, height: number): SourceFrame {
  const scale = Math.max(width / source.width, height / source.height)
  const [x0, y0] = [(source.width - width / scale) / 2, (source.height - height / scale) / 2]
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y += 1) {
    const sy = Math.min(source.height - 1, Math.max(0, y0 + (y + 0.5) / scale - 0.5))
    const top = Math.floor(sy)
    const bottom = Math.min(source.height - 1, top + 1)
    for (let x = 0; x < width; x += 1) {
      const sx = Math.min(source.width - 1, Math.max(0, x0 + (x + 0.5) / scale - 0.5))
      const left = Math.floor(sx)
      const right = Math.min(source.width - 1, left + 1)
      for (let c = 0; c < 3; c += 1) {
        const at = (yy: number, xx: number) => source.data[(yy * source.width + xx) * 3 + c] ?? 0
        const upper = at(top, left) + (sx - left) * (at(top, right) - at(top, left))
        const lower = at(bottom, left) + (sx - left) * (at(bottom, right) - at(bottom, left))
        data[(y * width + x) * 3 + c] = Math.round(upper + (sy - top) * (lower - upper))
      }
    }
  }
  const [x, y, w, h] = source.box
  return { data, width, height, box: [(x - x0) * scale, (y - y0) * scale, w * scale, h * scale] }
}

/** Writes the frames of one size at the quality that brings the middle one nearest to the wanted bytes: once for each kind of target, the files shared. */
export function writeFrameSets(dir: string, source: readonly SourceFrame[], size: FrameSize): FrameSet[] {
  const addon = loadAddon()
  const frames = source.map((frame) => resize(frame, size.width, size.height))
  const encode = (frame: SourceFrame, quality: number): Uint8Array => addon.encodeJpeg(frame.data, frame.width, frame.height, { quality, subsampling: '420', format: 'bgr' })
  const middle = frames[Math.floor(frames.length / 2)] as SourceFrame
  let [low, high] = [20, 98]
  while (low < high) {
    const quality = Math.ceil((low + high) / 2)
    if (encode(middle, quality).length > size.kilobytes * 1000) high = quality - 1
    else low = quality
  }
  const name = `${size.width}x${size.height}`
  const large = frames.map((frame) => frame.box)
  const sets = (['large', 'small'] as const).map((targets): FrameSet => {
    const root = path.join(dir, `${name}-${targets}`)
    const sequence = path.join(root, 'train', 'bag')
    mkdirSync(sequence, { recursive: true })
    const boxes = targets === 'large' ? large : large.map((box) => shrink(box, smallTarget))
    writeFileSync(path.join(root, 'train', 'list.txt'), 'bag\n')
    writeFileSync(path.join(sequence, 'groundtruth.txt'), boxes.map((box) => `${box.map((value) => value.toFixed(4)).join(',')}\n`).join(''))
    return { frames: name, targets, root, boxes, files: frames.map((_, i) => path.join(sequence, `${String(i + 1).padStart(8, '0')}.jpg`)), kilobytes: 0 }
  })
  const [first, second] = sets as [FrameSet, FrameSet]
  frames.forEach((frame, i) => {
    writeFileSync(first.files[i] as string, encode(frame, low))
    linkSync(first.files[i] as string, second.files[i] as string)
  })
  const kilobytes = first.files.reduce((sum, file) => sum + statSync(file).size, 0) / first.files.length / 1000
  return sets.map((set) => ({ ...set, kilobytes }))
}

function shrink([x, y, w, h]: Box, factor: number): Box {
  return [x + (w * (1 - factor)) / 2, y + (h * (1 - factor)) / 2, w * factor, h * factor]
}
