/**
 * Frames with boxes drawn on them, for looking at.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { Rect } from '../evaluation/overlap.ts'
import { drawBox, type Color, type Picture } from './draw.ts'
import { toNativeFrame, type Frame } from './frame.ts'

/** The tracker's box: green (BGR). */
export const trackColor: Color = [60, 220, 40]
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

/** Writes frames with their boxes as numbered JPEG files into a folder that it makes. */
export class OverlayWriter {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @throws ERR_IO when the folder cannot be made */
  static async create(folder: string): Promise<OverlayWriter> {
    try {
      await mkdir(folder, { recursive: true })
    } catch (cause) {
      throw failed('the folder cannot be made', folder, cause)
    }
    return new OverlayWriter(folder)
  }

  /**
   * @param index 0-based: frame 0 becomes 00000001.jpg
   * @returns the file, complete or not there at all
   * @throws ERR_IO when it cannot be written
   */
  async write(index: number, frame: Frame, boxes: readonly DrawnBox[]): Promise<string> {
    const picture = await framePixels(frame)
    const { data, width, height } = picture
    for (const { box, color } of boxes) drawBox(picture, box, color, Math.max(2, Math.round(width / 320)))
    const bytes = loadAddon().encodeJpeg(data, width, height, { quality: 90, subsampling: '420', format: 'bgr' })
    const file = path.join(this.folder, `${String(index + 1).padStart(8, '0')}.jpg`)
    const temporary = `${file}.${process.pid}.tmp`
    try {
      await writeFile(temporary, bytes)
      await rename(temporary, file)
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {})
      throw failed('the overlay cannot be written', file, cause)
    }
    return file
  }
}

function failed(what: string, file: string, cause: unknown): SiamError {
  return new SiamError('ERR_IO', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
}
