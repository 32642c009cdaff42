/**
 * A frame as users have it → what the native decoder takes: paths and JPEG bytes as they are, PNG decoded here.
 */
import { open, readFile } from 'node:fs/promises'
import { PNG } from 'pngjs'
import { invalidArgument, SiamError } from '../errors.ts'
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

/** A path to a JPEG or PNG file, the bytes of one, or pixels. */
export type Frame = string | Uint8Array | PixelFrame

/** Largest side that the pixel arithmetic takes. */
const maxSide = 1 << 15

/**
 * Checks a frame and brings it to the addon's form. The kind of a file is told by its first bytes, not by its name.
 * @throws ERR_ARGUMENT for something that is no frame, ERR_IO when a file cannot be read, ERR_DATA when it is neither JPEG nor PNG or a
 *   corrupt PNG (a corrupt JPEG is found by the decoder)
 */
export async function toNativeFrame(frame: Frame, name = 'frame'): Promise<NativeFrame> {
  if (typeof frame === 'string') {
    if (frame === '') throw invalidArgument('a path', name, frame)
    const kind = kindOf(await firstBytes(frame), frame)
    return kind === 'jpeg' ? { kind: 'path', path: frame } : decodePng(await readWhole(frame), frame)
  }
  if (frame instanceof Uint8Array) return kindOf(frame.subarray(0, 8)) === 'jpeg' ? { kind: 'bytes', data: frame } : decodePng(frame)
  if (typeof frame !== 'object' || frame === null || !('data' in frame)) {
    throw invalidArgument('a path, the bytes of a JPEG or PNG, or { data, width, height, channels, format }', name, frame)
  }
  return pixelFrame(frame, name)
}

function pixelFrame(frame: PixelFrame, name: string): NativeFrame {
  const { data, width, height, channels, format } = frame
  for (const [key, value] of [['width', width], ['height', height]] as const) {
    if (!Number.isInteger(value) || value < 1 || value > maxSide) throw invalidArgument(`an integer from 1 to ${maxSide}`, `${name}.${key}`, value)
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) throw invalidArgument('1, 3 or 4', `${name}.channels`, channels)
  if (format !== 'rgb' && format !== 'bgr') throw invalidArgument("'rgb' or 'bgr'", `${name}.format`, format)
  const needed = width * height * channels
  if (!(data instanceof Uint8Array)) throw invalidArgument('a Uint8Array', `${name}.data`, data)
  if (data.length !== needed) throw invalidArgument(`width × height × channels = ${needed} bytes`, `the length of ${name}.data`, data.length)
  return { kind: 'pixels', data, width, height, channels, format }
}

function kindOf(head: Uint8Array, file?: string): 'jpeg' | 'png' {
  if (head[0] === 0xff && head[1] === 0xd8) return 'jpeg'
  if (head[0] === 0x89 && head[1] === 0x50 && head[2] === 0x4e && head[3] === 0x47) return 'png'
  throw new SiamError('ERR_DATA', head.length === 0 ? 'the frame is empty' : 'the frame is neither a JPEG nor a PNG', { file })
}

function decodePng(bytes: Uint8Array, file?: string): NativeFrame {
  try {
    // pngjs gives four channels of 8 bits whatever the file has.
    const { data, width, height } = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    return { kind: 'pixels', data, width, height, channels: 4, format: 'rgb' }
  } catch (cause) {
    throw new SiamError('ERR_DATA', `the PNG cannot be decoded: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
  }
}

async function firstBytes(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file, 'r')
    try {
      const head = new Uint8Array(8)
      const { bytesRead } = await handle.read(head, 0, 8, 0)
      return head.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

function unreadable(file: string, cause: unknown): SiamError {
  return new SiamError('ERR_IO', `the frame cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
}
