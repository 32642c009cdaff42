/**
 * A source of frames as the demo sees it: frames by number, for the tracker as files and for the page as JPEG.
 */
import { readFile } from 'node:fs/promises'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'

export interface DemoSource {
  /** Random, so that a browser's cache never takes one server's frames for another's. */
  readonly id: string
  readonly name: string
  readonly kind: 'images' | 'video'
  readonly uploaded: boolean
  /** How many there are; undefined while that is not known. */
  readonly frames: number | undefined
  /** By what a video says of itself. */
  readonly estimatedFrames: number | undefined
  /** Of a video. */
  readonly fps: number | undefined
  /** Bytes on disk that go when it does. */
  readonly storedBytes: number
  /** Size in pixels of the first frame. @throws ERR_DATA, ERR_IO */
  size(): Promise<{ width: number; height: number }>
  /** The file of a frame, or undefined behind the last one. @throws ERR_DATA, ERR_IO for a video that cannot be read on */
  frame(index: number): Promise<string | undefined>
  /** How the user calls a file of the source: by the name that it was uploaded under, not the server's. */
  nameOf(file: string): string
  /** Somebody tracks in it until the returned function is called. */
  use(): () => void
  close(): Promise<void>
}

/** What the page's list of sources has of each. */
export interface SourceSummary {
  id: string
  name: string
  kind: 'images' | 'video'
  uploaded: boolean
  frames: number | null
  /** About how many, where that is not known. */
  estimate: number | null
}

export function summaryOf({ id, name, kind, uploaded, frames, estimatedFrames }: DemoSource): SourceSummary {
  return { id, name, kind, uploaded, frames: frames ?? null, estimate: frames === undefined ? (estimatedFrames ?? null) : null }
}

/**
 * A frame's file as JPEG: its own bytes where it is one, so that page and tracker see the same pixels; else encoded anew.
 * @throws ERR_IO, ERR_DATA
 */
export async function frameJpeg(file: string): Promise<Uint8Array> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the frame cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, { file, cause })
  }
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return bytes
  try {
    const { data, width, height } = loadAddon().decodeFrame(bytes)
    return loadAddon().encodeJpeg(data, width, height, { quality: 92, subsampling: '444', format: 'bgr' })
  } catch (cause) {
    if (!(cause instanceof SiamError) || cause.file !== undefined) throw cause
    throw new SiamError(cause.code, cause.message, { file, cause })
  }
}

/** Width and height of a frame's file as shown, from its header. @throws ERR_IO, ERR_DATA */
export async function frameSize(file: string): Promise<{ width: number; height: number }> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the frame cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, { file, cause })
  }
  try {
    return loadAddon().frameInfo(bytes)
  } catch (cause) {
    throw new SiamError('ERR_DATA', 'this is no picture that can be read (JPEG, PNG or WebP), or it is damaged', { file, cause })
  }
}
