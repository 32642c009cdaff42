/**
 * Frames with boxes drawn on them, for looking at.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { Rect } from '../evaluation/overlap.ts'
import { GifWriter } from './animation.ts'
import { drawBox, type Color, type Picture } from './draw.ts'
import { toNativeFrame, type Frame } from './frame.ts'
import { findFfmpeg, VideoWriter } from './video/index.ts'

/** The tracker's box: green (BGR). */
export const trackColor: Color = [60, 220, 40]
/** Of further objects (BGR), one a hue. */
const objectColors: readonly Color[] = [trackColor, [230, 120, 30], [200, 60, 220], [40, 60, 235], [220, 210, 40], [150, 150, 150]]
/** Objects are told apart by their colours, which come again after six. */
export function objectColor(id: number): Color {
  return objectColors[id % objectColors.length] as Color
}
/** The box that annotations name: amber (BGR). */
export const truthColor: Color = [30, 200, 250]

export interface DrawnBox {
  box: Rect
  color: Color
}

/** Interleaved BGR pixels of a frame. @throws as the tracker does for the same frame */
export async function framePixels(frame: Frame): Promise<Picture> {
  const native = toNativeFrame(frame)
  if (native.kind !== 'pixels') {
    return loadAddon().decodeFrame(native.kind === 'path' ? await readFile(native.path) : native.data)
  }
  const { data, width, height, channels, format } = native
  const out = new Uint8Array(width * height * 3)
  const [blue, green, red] = channels === 1 ? [0, 0, 0] : format === 'rgb' ? [2, 1, 0] : [0, 1, 2]
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    out[to] = data[from + (blue as number)] as number
    out[to + 1] = data[from + (green as number)] as number
    out[to + 2] = data[from + (red as number)] as number
  }
  return { data: out, width, height }
}

/** Where drawn frames go: numbered files, an animation, a video. What was begun and not closed leaves no half file. */
interface PictureSink {
  write(index: number, picture: Picture): Promise<void>
  close(): Promise<void>
  abort(): Promise<void>
}

export interface OverlayOptions {
  /** Frames a second of an animation or video (25). */
  fps?: number
}

/**
 * Draws boxes into frames and writes them: into a folder as numbered JPEG files, or, by the target's extension, as an animated GIF (.gif) or
 * through ffmpeg as a video (.mp4, .webm, .mkv, .mov, .avi).
 */
export class OverlayWriter {
  /** The folder or file, as given. */
  readonly target: string
  readonly #sink: PictureSink

  private constructor(target: string, sink: PictureSink) {
    this.target = target
    this.#sink = sink
  }

  /** @throws ERR_ARGUMENT for the name of a picture or of a video of another kind, ERR_IO when the folder cannot be made, ERR_SETUP for a video without ffmpeg */
  static async create(target: string, options: OverlayOptions = {}): Promise<OverlayWriter> {
    const { fps = 25 } = options
    const kind = path.extname(target).toLowerCase()
    if (kind === '.gif') {
      await makeFolder(path.dirname(target))
      const gif = new GifWriter(target, fps)
      return new OverlayWriter(target, { write: (_, picture) => gif.write(picture), close: () => gif.close(), abort: () => gif.abort() })
    }
    if (videoTarget.test(kind)) {
      await findFfmpeg()
      await makeFolder(path.dirname(target))
      return new OverlayWriter(target, videoSink(target, fps))
    }
    if (otherFile.test(kind)) {
      throw new SiamError('ERR_ARGUMENT', `drawn frames cannot be written as ${kind}`, { file: target, hint: 'a folder, an animation (.gif), or a video (.mp4, .webm, .mkv, .mov, .avi)' })
    }
    await makeFolder(target)
    return new OverlayWriter(target, { write: (index, picture) => writeJpeg(target, index, picture), close: async () => {}, abort: async () => {} })
  }

  /**
   * @param index 0-based: frame 0 becomes 00000001.jpg of a folder
   * @throws ERR_IO when it cannot be written, ERR_DATA for a video's frame of another size
   */
  async write(index: number, frame: Frame, boxes: readonly DrawnBox[]): Promise<void> {
    const picture = await framePixels(frame)
    for (const { box, color } of boxes) drawBox(picture, box, color, Math.max(2, Math.round(picture.width / 320)))
    await this.#sink.write(index, picture)
  }

  /** Completes an animation or video. @throws ERR_IO */
  close(): Promise<void> {
    return this.#sink.close()
  }

  /** Gives an animation or video up and leaves no file of it; frames written into a folder stay. */
  abort(): Promise<void> {
    return this.#sink.abort()
  }
}

/** Whether a target is one file; else it is a folder. */
export function isOverlayFile(target: string): boolean {
  const kind = path.extname(target).toLowerCase()
  return kind === '.gif' || videoTarget.test(kind)
}

const videoTarget = /^\.(mp4|webm|mkv|mov|avi|m4v)$/
/** What somebody who names a file means, though a folder may be called so. */
const otherFile = /^\.(mpe?g|wmv|flv|ogv|3gp|m2?ts|apng|webp|png|jpe?g|bmp|tiff?)$/

function videoSink(target: string, fps: number): PictureSink {
  let writer: VideoWriter | undefined
  return {
    async write(_, picture) {
      writer ??= await VideoWriter.create(target, { width: picture.width, height: picture.height, fps })
      await writer.write(picture)
    },
    close: async () => writer?.close(),
    abort: async () => writer?.abort(),
  }
}

async function writeJpeg(folder: string, index: number, { data, width, height }: Picture): Promise<void> {
  const bytes = loadAddon().encodeJpeg(data, width, height, { quality: 90, subsampling: '420', format: 'bgr' })
  const file = path.join(folder, `${String(index + 1).padStart(8, '0')}.jpg`)
  const temporary = `${file}.${process.pid}.tmp`
  try {
    await writeFile(temporary, bytes)
    await rename(temporary, file)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw failed('the overlay cannot be written', file, cause)
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw failed('the folder cannot be made', folder, cause)
  }
}

function failed(what: string, file: string, cause: unknown): SiamError {
  return new SiamError('ERR_IO', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
}
