/** One small video for the examples of data sets: drawn by the product's own synthesis, or only its boxes where no one looks at the frames. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { SyntheticSequence } from '../../../lib/data/synth/index.ts'
import { loadAddon } from '../../../lib/native/load.ts'

export interface ExampleOptions {
  /** Frames of each sequence; default 6. */
  frames?: number
  /** 'real': decodable pictures; 'none' (default): files that no one decodes. */
  jpeg?: 'real' | 'none'
  /** Default 160 × 120. */
  width?: number
  height?: number
}

/** x, y, w, h in pixels. */
export type Xywh = [number, number, number, number]

/** The box of frame k of sequence `index` where nothing is drawn. */
export function plainBox(index: number, k: number): Xywh {
  return [10 + 5 * index + 2 * k, 8 + 3 * index + k, 40, 30]
}

/**
 * Writes the frames of video `index`.
 * @param fileOf  path of frame k (0-based); its folder is made
 * @returns a box for each frame
 */
export function writeVideo(index: number, options: ExampleOptions, fileOf: (k: number) => string): Xywh[] {
  const { frames = 6, jpeg = 'none', width = 160, height = 120 } = options
  for (let k = 0; k < frames; k += 1) mkdirSync(path.dirname(fileOf(k)), { recursive: true })
  if (jpeg === 'none') {
    return Array.from({ length: frames }, (_, k) => {
      writeFileSync(fileOf(k), 'never decoded')
      return plainBox(index, k)
    })
  }
  const sequence = new SyntheticSequence({ seed: 11, split: 'train', index, frames, width, height })
  return Array.from({ length: frames }, (_, k) => {
    const { pixels, box } = sequence.frame(k)
    writeFileSync(fileOf(k), loadAddon().encodeJpeg(pixels, width, height, { quality: 90, subsampling: '420', format: 'rgb' }))
    return [...box]
  })
}

/** `lines` and a line end behind each. */
export function writeLines(file: string, lines: readonly unknown[]): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, lines.map((line) => `${String(line)}\n`).join(''))
}

export const padded = (number: number, width: number): string => String(number).padStart(width, '0')
