/**
 * A stream of binary PPM pictures → frames. Each picture tells its own size, so nothing need be known of a video before it is decoded.
 */
import { SiamError } from '../../errors.ts'
import type { PixelFrame } from '../frame.ts'

const header = /^P6\s(\d+)\s(\d+)\s(\d+)\s/
/** Longer than any header with a size that the decoder takes. */
const longestHeader = 32

/**
 * @param chunks bytes of 8-bit PPM pictures one after the other, cut anywhere
 * @yields RGB frames, each with memory of its own
 * @throws ERR_DATA for anything else, or when the stream ends inside of a picture
 */
export async function* ppmFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<PixelFrame, void, undefined> {
  let head = ''
  let frame: PixelFrame | undefined
  let filled = 0
  for await (const chunk of chunks) {
    let at = 0
    while (at < chunk.length) {
      if (frame === undefined) {
        head += String.fromCharCode(chunk[at++] as number)
        frame = frameOf(head)
        if (frame === undefined) continue
        head = ''
        filled = 0
      }
      const take = Math.min(chunk.length - at, frame.data.length - filled)
      frame.data.set(chunk.subarray(at, at + take), filled)
      filled += take
      at += take
      if (filled === frame.data.length) {
        yield frame
        frame = undefined
      }
    }
  }
  if (frame !== undefined || head !== '') throw new SiamError('ERR_DATA', 'the stream of frames ends inside of a frame')
}

/** The empty frame that a complete header describes; undefined where bytes of it are missing. */
function frameOf(head: string): PixelFrame | undefined {
  const match = header.exec(head)
  if (match === null || match[3] !== '255') {
    if (match === null && head.length < longestHeader && head.startsWith('P6'.slice(0, head.length))) return undefined
    throw new SiamError('ERR_DATA', `Expected a binary PPM picture of 8 bits a channel but found ${JSON.stringify(head.slice(0, 16))}`)
  }
  const width = Number(match[1])
  const height = Number(match[2])
  if (width < 1 || height < 1) throw new SiamError('ERR_DATA', `Expected a frame with pixels but found one of ${width}x${height}`)
  return { data: new Uint8Array(width * height * 3), width, height, channels: 3, format: 'rgb' }
}
