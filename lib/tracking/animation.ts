/**
 * Frames into an animated GIF, which every browser, mail and document shows, and which needs no ffmpeg.
 */
import type { Encoder, Gifenc } from 'gifenc'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import type { Picture } from './draw.ts'
import { reduced } from './reduce.ts'

/** Larger pictures are reduced: a GIF of full-size frames is tens of megabytes. */
const widest = 480
/** Players take a delay below 2/100 s for 1/10 s. */
const shortestDelayMs = 20
/** The format has 16 bits for hundredths of a second. */
const longestDelayMs = 655_350

/** Takes BGR pictures of any size, the first decides the animation's. The encoded animation is held in memory (some 100 kB a frame) until close(). */
export class GifWriter {
  readonly file: string
  readonly #delayMs: number
  #encoder: EncoderParts | undefined
  #size: [number, number] | undefined

  /** @param fps frames a second, at most 50, at least one in 655 s */
  constructor(file: string, fps: number) {
    this.file = file
    this.#delayMs = Math.min(longestDelayMs, Math.max(shortestDelayMs, Math.round(1000 / fps)))
  }

  async write(picture: Picture): Promise<void> {
    this.#encoder ??= await encoderOf()
    const { gif, quantize, applyPalette } = this.#encoder
    this.#size ??= sizeOf(picture)
    const [width, height] = this.#size
    const rgba = rgbaOf(reduced(picture, width, height))
    const palette = quantize(rgba, 256)
    gif.writeFrame(applyPalette(rgba, palette), width, height, { palette, delay: this.#delayMs, repeat: 0 })
  }

  /** @throws ERR_IO when the file cannot be written */
  async close(): Promise<void> {
    if (this.#encoder === undefined) return
    const { gif } = this.#encoder
    gif.finish()
    await writeFileAtomically(this.file, (sink) => sink(gif.bytesView()))
  }

  abort(): Promise<void> {
    return Promise.resolve()
  }
}

type EncoderParts = { gif: Encoder } & Pick<Gifenc, 'quantize' | 'applyPalette'>

async function encoderOf(): Promise<EncoderParts> {
  const module = await import('gifenc')
  // Node takes its CommonJS form, whose default has all; bundlers the other one, whose names are its own.
  const gifenc: Gifenc = typeof module.GIFEncoder === 'function' ? module : module.default
  return { gif: gifenc.GIFEncoder(), quantize: gifenc.quantize, applyPalette: gifenc.applyPalette }
}

function sizeOf({ width, height }: Picture): [number, number] {
  if (width <= widest) return [width, height]
  return [widest, Math.max(1, Math.round((height * widest) / width))]
}

function rgbaOf({ data, width, height }: Picture): Uint8Array {
  const out = new Uint8Array(width * height * 4)
  for (let from = 0, to = 0; to < out.length; from += 3, to += 4) {
    out[to] = data[from + 2] as number
    out[to + 1] = data[from + 1] as number
    out[to + 2] = data[from] as number
    out[to + 3] = 255
  }
  return out
}
