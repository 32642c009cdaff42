/** TraX messages, regions and images. */
import { describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { parseImage } from '../../lib/trax/image.ts'
import { linesOf } from '../../lib/trax/lines.ts'
import { formatMessage, parseMessage } from '../../lib/trax/message.ts'
import { formatRegion, parseRegion } from '../../lib/trax/region.ts'

function parsed(line: string): unknown {
  const message = parseMessage(line)
  return message === undefined ? undefined : [message.type, message.args, Object.fromEntries(message.properties)]
}

describe('messages', () => {
  it.each([
    ['@@TRAX:quit', ['quit', [], {}]],
    ['@@TRAX:quit ', ['quit', [], {}]],
    ['@@TRAX:quit\r', ['quit', [], {}]],
    ['@@TRAX:QUIT', ['quit', [], {}]],
    ['@@TRAX:status 1,2,3,4', ['state', ['1,2,3,4'], {}]],
    ['@@TRAX:frame file:///a/1.jpg', ['frame', ['file:///a/1.jpg'], {}]],
    ['@@TRAX:frame "file:///a b/1.jpg"', ['frame', ['file:///a b/1.jpg'], {}]],
    [String.raw`@@TRAX:frame file:///a\ b/1.jpg`, ['frame', ['file:///a b/1.jpg'], {}]],
    [String.raw`@@TRAX:frame "a\"b\\c\nd"`, ['frame', ['a"b\\c\nd'], {}]],
    ['@@TRAX:initialize   "a"  "1,2,3,4" ', ['initialize', ['a', '1,2,3,4'], {}]],
    ['@@TRAX:frame a "x.y_1=b c" z=1 z=2', ['frame', ['a'], { 'x.y_1': 'b c', z: '2' }]],
    ['@@TRAX:frame "k="', ['frame', [], { k: '' }]],
    // Base64 ends with =, and what stands before it is no name.
    ['@@TRAX:frame data:image/png;base64;AA==', ['frame', ['data:image/png;base64;AA=='], {}]],
    [`@@TRAX:frame ${'k'.repeat(65)}=1`, ['frame', [`${'k'.repeat(65)}=1`], {}]],
    ['@@TRAX:frame ""', ['frame', [''], {}]],
    ['', undefined],
    ['hello', undefined],
    [' @@TRAX:quit', undefined],
  ])('%j', (line, expected) => {
    expect(parsed(line)).toEqual(expected)
  })

  it.each([
    ['@@TRAX:', 'the message "" is not known'],
    ['@@TRAX:dance 1', 'the message "dance" is not known'],
    ['@@TRAX:constructor', 'the message "constructor" is not known'],
    ['@@TRAX:frame "a', 'a quote is not closed'],
    ['@@TRAX:frame "a"b', 'expected a space behind a closing quote but found "b"'],
    ['@@TRAX:frame a\\', 'the line ends within an escape'],
    ['@@TRAX:frame "a\\', 'the line ends within an escape'],
  ])('%j is malformed', (line, words) => {
    expect(() => parseMessage(line)).toThrow(expect.objectContaining({ code: 'ERR_DATA', message: `malformed TraX message: ${words}` }))
  })

  it('are read as they were written', () => {
    const odd = ['', ' ', 'a b', '"', '\\', '\\n', 'line\nline', '=', 'ä"€\\', 'file:///x=y.jpg']
    const line = formatMessage('frame', odd, { 'trax.reason': 'because "of\\this"\n', confidence: '0.5' })
    expect(line.endsWith('\n')).toBe(true)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(parsed(line.slice(0, -1))).toEqual(['frame', odd, { 'trax.reason': 'because "of\\this"\n', confidence: '0.5' }])
    expect(formatMessage('hello', [], { 'trax.version': '3' })).toBe('@@TRAX:hello "trax.version=3" \n')
  })

  it('whatever comes is a message, none, or refused', () => {
    const random = generator(3)
    const bits = ['@@TRAX:', 'frame', 'initialize', 'quit', ' ', '"', '\\', '=', 'a', '1,2', '\r', 'é', '\0', 'trax.x']
    let [messages, refused] = [0, 0]
    for (let k = 0; k < 5000; k++) {
      const line = (random() < 0.8 ? `@@TRAX:${random() < 0.8 ? 'frame ' : ''}` : '') + Array.from({ length: 12 * random() }, () => bits[Math.floor(bits.length * random())]).join('')
      try {
        if (parseMessage(line) !== undefined) messages++
      } catch (error) {
        expect(error).toBeInstanceOf(SiamError)
        refused++
      }
    }
    expect(messages).toBeGreaterThan(500)
    expect(refused).toBeGreaterThan(500)
  })
})

describe('regions', () => {
  it.each([
    ['10,20,30,40', [10, 20, 30, 40]],
    ['rect:10,20,30.5,40', [10, 20, 30.5, 40]],
    // Centre (5, 10), sizes with both border pixels.
    ['0,0,10,0,10,20,0,20', [0, 0, 11, 21]],
    ['poly:0,0,10,0,5,20', [0, 0, 10, 20]],
  ])('%j', (text, expected) => {
    expect(parseRegion(text)).toEqual(expected)
  })

  it.each(['', '1', '0', '1,2,3', '1,2,3,4,5', '1,2,x,4', '1,2,,4', 'nan,nan,nan,nan', '1,2,0,4', '1,2,-3,4', '1,1,1,1,1,1,1,1', 'm0,0,3,3,1,2', '1,2,Infinity,4'])('%j is refused', (text) => {
    expect(() => parseRegion(text)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }))
  })

  it('are written with four digits', () => {
    expect(formatRegion([1, 2.00006, -3.12345, 1e6])).toBe('1.0000,2.0001,-3.1235,1000000.0000')
  })
})

describe('images', () => {
  const base64 = (...bytes: number[]): string => Buffer.from(bytes).toString('base64')

  it.each([
    ['file:///frames/a b.jpg', '/frames/a b.jpg'],
    ['file:/frames/1.jpg', '/frames/1.jpg'],
    ['/frames/1.jpg', '/frames/1.jpg'],
    ['frames/1.jpg', 'frames/1.jpg'],
    ['c:/frames/1.jpg', 'c:/frames/1.jpg'],
  ])('path %j', (text, expected) => {
    expect(parseImage(text)).toBe(expected)
  })

  it('raw pixels', () => {
    expect(parseImage(`image:2;1;rgb;${base64(1, 2, 3, 4, 5, 6)}`)).toEqual({ data: Buffer.from([1, 2, 3, 4, 5, 6]), width: 2, height: 1, channels: 3, format: 'rgb' })
    expect(parseImage(`image:2;1;gray8;${base64(7, 8)}`)).toEqual({ data: Buffer.from([7, 8]), width: 2, height: 1, channels: 1, format: 'rgb' })
    expect(parseImage(`image:2;1;gray16;${base64(0xff, 0x01, 0x00, 0x80)}`)).toEqual({ data: Uint8Array.of(1, 128), width: 2, height: 1, channels: 1, format: 'rgb' })
  })

  it.each(['data:image/jpeg;base64;', 'data:image/jpeg;base64,', 'data:image/png;'])('bytes of a file behind %s', (head) => {
    expect(parseImage(head + base64(255, 216, 255, 224, 1))).toEqual(Buffer.from([255, 216, 255, 224, 1]))
  })

  it.each([
    ['', 'the image is empty'],
    ['file://', 'the path of the image is empty'],
    ['http://example.com/1.jpg', 'images by URL (http:) are not supported'],
    ['https://example.com/1.jpg', 'images by URL (https:) are not supported'],
    ['ftp://example.com/1.jpg', 'images by URL (ftp:) are not supported'],
    ['image:', 'expected image:WIDTH;HEIGHT;FORMAT;BASE64'],
    ['image:2;1;rgb', 'expected image:WIDTH;HEIGHT;FORMAT;BASE64'],
    [`image:2;1;cmyk;${base64(1)}`, 'expected the format rgb, gray8 or gray16 but found "cmyk"'],
    [`image:2;1;constructor;${base64(1)}`, 'expected the format rgb'],
    [`image:2;1;rgb;${base64(1, 2, 3)}`, 'expected 2 × 1 × 3 = 6 bytes of pixels but found 3'],
    ['image:0;1;rgb;', 'expected 0 × 1 × 3 = 0 bytes'],
    ['image:2;1;rgb;$$$$', 'the image is no base64'],
    ['data:image/jpeg;base64;!', 'the image is no base64'],
    ['data:image/jpeg;base64;', 'the image is empty'],
    ['data:text/html;base64;AAAA', 'expected data:image/TYPE;base64;BASE64'],
  ])('%j is refused', (text, words) => {
    expect(() => parseImage(text)).toThrow(expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining(words) }))
  })
})

describe('lines', () => {
  async function linesIn(chunks: string[], limit?: number): Promise<string[]> {
    const lines: string[] = []
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk, 'latin1'))
    }
    for await (const line of linesOf(bytes(), limit)) lines.push(line)
    return lines
  }

  it('are found wherever chunks end', async () => {
    expect(await linesIn(['ab', 'c\nd', '\n\n', 'e\nf'])).toEqual(['abc', 'd', '', 'e', 'f'])
    expect(await linesIn(['\xc3', '\xa4\n'])).toEqual(['ä'])
    expect(await linesIn([])).toEqual([])
  })

  it('must end', async () => {
    expect(await linesIn(['12345\n12345\n'], 5)).toEqual(['12345', '12345'])
    await expect(linesIn(['123', '456'], 5)).rejects.toMatchObject({ code: 'ERR_DATA' })
  })
})

/** Numbers in [0, 1), the same ones at every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
