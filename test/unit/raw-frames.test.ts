/** Byte streams cut into frames, wherever their chunks end. */
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { parseRawFormat, rawFrames, type RawFormat } from '../../lib/tracking/raw-frames.ts'
import { ppmFrames } from '../../lib/tracking/video/ppm.ts'
import type { PixelFrame } from '../../lib/tracking/frame.ts'

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(at, Math.min(cut, bytes.length))
    at = Math.min(cut, bytes.length)
    await setImmediate()
  }
  yield bytes.subarray(at)
}

async function all(frames: AsyncIterable<PixelFrame>): Promise<PixelFrame[]> {
  const list: PixelFrame[] = []
  for await (const frame of frames) list.push(frame)
  return list
}

const format: RawFormat = { width: 3, height: 2, channels: 3, format: 'rgb' }
const cuts = fc.array(fc.nat(100), { maxLength: 12 })

describe('rawFrames', () => {
  it('gives the same frames wherever the stream was cut', async () => {
    const bytes = Uint8Array.from({ length: 4 * 18 }, (_, i) => i)
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const frames = await all(rawFrames(pieces(bytes, at), format))
        expect(frames.map(({ data }) => data[0])).toEqual([0, 18, 36, 54])
        expect(frames[1]).toEqual({ data: bytes.slice(18, 36), ...format })
      }),
    )
  })

  it('names the frame in which the stream ends', async () => {
    await expect(all(rawFrames(pieces(new Uint8Array(40), []), format))).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('ends inside of frame 2: 4 of the 18 bytes of a 3x2 frame of 3 channels') })
  })

  it('asks for bytes only when a frame is wanted', async () => {
    let asked = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        asked += 1
        yield new Uint8Array(18)
        await setImmediate()
      }
    }
    const frames = rawFrames(endless(), format)
    await frames.next()
    await frames.next()
    for (let i = 0; i < 20; i += 1) await setImmediate()
    expect(asked).toBe(2)
    await frames.return()
  })

  it('refuses what is no stream of bytes, and no size', async () => {
    async function* texts(): AsyncGenerator<Uint8Array> {
      await setImmediate()
      yield 'text' as unknown as Uint8Array
    }
    await expect(all(rawFrames(texts(), format))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(all(rawFrames(pieces(new Uint8Array(1), []), { ...format, width: 0 }))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})

describe('parseRawFormat', () => {
  it.each([
    ['640x480', { width: 640, height: 480, channels: 3, format: 'bgr' }],
    ['640x480:rgb', { width: 640, height: 480, channels: 3, format: 'rgb' }],
    ['2x1:bgra', { width: 2, height: 1, channels: 4, format: 'bgr' }],
    ['2x1:rgba', { width: 2, height: 1, channels: 4, format: 'rgb' }],
    ['8x8:gray', { width: 8, height: 8, channels: 1, format: 'bgr' }],
  ])('%s', (text, expected) => expect(parseRawFormat(text)).toEqual(expected))

  it.each(['640', '640x480:yuv', 'x480', '-1x2', '640x480:'])('refuses %s', (text) => {
    expect(() => parseRawFormat(text)).toThrow(/Expected WIDTHxHEIGHT/)
  })
})

describe('ppmFrames', () => {
  const ppm = (width: number, height: number, first: number): Buffer => Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => first + i))])

  it('reads pictures of any size, wherever the stream was cut', async () => {
    // Pixels that are white space in a header.
    const bytes = Buffer.concat([ppm(2, 2, 10), ppm(3, 1, 32), ppm(1, 1, 0)])
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const frames = await all(ppmFrames(pieces(bytes, at)))
        expect(frames.map(({ width, height, data }) => [width, height, data[0], data.length])).toEqual([[2, 2, 10, 12], [3, 1, 32, 9], [1, 1, 0, 3]])
        expect(frames.every((frame) => frame.channels === 3 && frame.format === 'rgb')).toBe(true)
      }),
    )
  })

  it.each([
    ['another format', Buffer.from('P5\n1 1\n255\n0'), /Expected a binary PPM/],
    ['16 bits', Buffer.from('P6\n1 1\n65535\n000000'), /Expected a binary PPM/],
    ['no pixels', Buffer.from('P6\n0 1\n255\n'), /frame with pixels/],
    ['half a picture', ppm(2, 2, 0).subarray(0, 20), /ends inside of a frame/],
    ['half a header', Buffer.from('P6\n12'), /ends inside of a frame/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(all(ppmFrames(pieces(bytes, [])))).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(message) })
  })
})
