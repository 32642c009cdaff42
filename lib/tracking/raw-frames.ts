/**
 * A stream of bytes → frames of one size: what a camera's driver, GStreamer or ffmpeg's rawvideo writes into a pipe.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import type { PixelFrame } from './frame.ts'

/** What the bytes mean: interleaved 8-bit pixels, row by row, frame after frame without gaps. */
export type RawFormat = Omit<PixelFrame, 'data'>

const form = /^(\d+)x(\d+)(?::(bgr|rgb|bgra|rgba|gray))?$/
const layouts = { bgr: [3, 'bgr'], rgb: [3, 'rgb'], bgra: [4, 'bgr'], rgba: [4, 'rgb'], gray: [1, 'bgr'] } as const

/** '640x480:rgb' → its format; bgr where none is named. @throws ERR_ARGUMENT */
export function parseRawFormat(text: string, name = 'raw'): RawFormat {
  const match = form.exec(text)
  if (match === null) throw invalidArgument('WIDTHxHEIGHT with an optional :bgr, :rgb, :bgra, :rgba or :gray', name, text)
  const [channels, format] = layouts[(match[3] ?? 'bgr') as keyof typeof layouts]
  return { width: Number(match[1]), height: Number(match[2]), channels, format }
}

/**
 * Cuts a stream into frames. The next bytes are asked for only when the next frame is: a slow reader makes the writer wait.
 * @param chunks a Node stream (process.stdin, a child's stdout), or any async iterable of bytes, cut anywhere
 * @yields frames with memory of their own
 * @throws ERR_ARGUMENT for a bad format, ERR_DATA when the stream ends inside of a frame
 */
export async function* rawFrames(chunks: AsyncIterable<Uint8Array>, { width, height, channels, format }: RawFormat): AsyncGenerator<PixelFrame, void, undefined> {
  for (const [name, value] of [['width', width], ['height', height]] as const) {
    if (!Number.isSafeInteger(value) || value < 1 || value > 1 << 15) throw invalidArgument(`an integer from 1 to ${1 << 15}`, name, value)
  }
  const bytes = width * height * channels
  let data = new Uint8Array(bytes)
  let filled = 0
  let frames = 0
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) throw invalidArgument('a stream of bytes (without an encoding)', 'chunks', chunk)
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(chunk.length - at, bytes - filled)
      data.set(chunk.subarray(at, at + take), filled)
      filled += take
      at += take
      if (filled < bytes) continue
      yield { data, width, height, channels, format }
      data = new Uint8Array(bytes)
      filled = 0
      frames += 1
    }
  }
  if (filled > 0) {
    throw new SiamError('ERR_DATA', `the stream ends inside of frame ${frames}: ${filled} of the ${bytes} bytes of a ${width}x${height} frame of ${channels} channels`, { hint: 'check the size and the format of the frames' })
  }
}
