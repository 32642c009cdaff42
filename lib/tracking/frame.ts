/**
 * A frame as users have it → what the native decoder takes: paths and bytes of files as they are, pixels checked.
 */
import { invalidArgument } from '../errors.ts'
import type { NativeFrame } from '../native/addon.ts'

/** Interleaved 8-bit pixels, row by row without gaps. */
export interface PixelFrame {
  data: Uint8Array
  width: number
  height: number
  /** 1 (grey), 3, or 4 (the fourth is not looked at). */
  channels: number
  /** Order of the first three channels. */
  format: 'rgb' | 'bgr'
}

/** Pixels as a canvas gives them (ImageData). */
type ClampedFrame = Omit<PixelFrame, 'data'> & { data: Uint8ClampedArray }

/** A path to a JPEG, PNG or WebP file, the bytes of one, or pixels. */
export type Frame = string | Uint8Array | PixelFrame | ClampedFrame

/** Largest side that the pixel arithmetic takes. */
const maxSide = 1 << 15

/**
 * Checks a frame and brings it to the addon's form. What is in a file is found by the decoder, by its first bytes and not by its name.
 * @throws ERR_ARGUMENT for something that is no frame
 */
export function toNativeFrame(frame: Frame, name = 'frame'): NativeFrame {
  if (typeof frame === 'string') {
    if (frame === '') throw invalidArgument('a path', name, frame)
    return { kind: 'path', path: frame }
  }
  if (frame instanceof Uint8Array) return { kind: 'bytes', data: frame }
  if (typeof frame !== 'object' || frame === null || !('data' in frame)) {
    throw invalidArgument('a path, the bytes of a JPEG, PNG or WebP, or { data, width, height, channels, format }', name, frame)
  }
  return pixelFrame(frame, name)
}

function pixelFrame(frame: PixelFrame | ClampedFrame, name: string): NativeFrame {
  const { data, width, height, channels, format } = frame
  for (const [key, value] of [['width', width], ['height', height]] as const) {
    if (!Number.isInteger(value) || value < 1 || value > maxSide) throw invalidArgument(`an integer from 1 to ${maxSide}`, `${name}.${key}`, value)
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) throw invalidArgument('1, 3 or 4', `${name}.channels`, channels)
  if (format !== 'rgb' && format !== 'bgr') throw invalidArgument("'rgb' or 'bgr'", `${name}.format`, format)
  const needed = width * height * channels
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) throw invalidArgument('a Uint8Array or Uint8ClampedArray', `${name}.data`, data)
  if (data.length !== needed) throw invalidArgument(`width × height × channels = ${needed} bytes`, `the length of ${name}.data`, data.length)
  // A canvas' ImageData has clamped bytes; the addon takes the same memory as plain ones.
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length)
  return { kind: 'pixels', data: bytes, width, height, channels, format }
}
