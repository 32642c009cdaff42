/** Decoding: equal to OpenCV's imread, whole and in parts; every kind of damage is an error. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { levelDifferences, testPicture } from '../helpers/pixels.ts'
import { shared } from '../helpers/shared.ts'

const addon = loadAddon()
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** Small JPEGs of kinds that our encoder does not make, with the SHA-256 of cv2.imdecode's pixels (OpenCV 5.0.0, IMREAD_COLOR). */
const fixtures = JSON.parse(readFileSync(new URL('../fixtures/jpegs.json', import.meta.url), 'utf8')) as Record<string, { jpeg: string; width: number; height: number; sha256: string }>
const kinds = Object.entries(fixtures).map(([kind, fixture]) => ({ kind, ...fixture, bytes: Buffer.from(fixture.jpeg, 'base64') }))

/** SHA-256 of cv2.imread's pixels (OpenCV 5.0.0). */
const imread: [string, string][] = [
  [shared('data', 'vot-bag', '00000001.jpg'), '349f8f69b65776d641b3510cc6974d08c3e980de90bed2eb512e23a18b7e8f18'],
  [shared('data', 'vot-bag', '00000050.jpg'), '94964aa62eaae5964f3cb26d3ea75d056d462528ceefda710404b07ff0ec168d'],
  [shared('data', 'vot-bag', '00000100.jpg'), '598ef03437a0d0286531fd5183da8d6dcc9ee31cd43a2756ea562db1d75ee8d0'],
  [shared('data', 'vot-bag', '00000150.jpg'), '92f3388f06add25970e824012191802f49adde87a8ab04563a3f2a20b40872a5'],
  [shared('golden', 'frames', 'b720.jpg'), '9167f440cc5dc155f322f41d4eb37280ddc335cb77058cbe9b47a55f2ed992a5'],
]

/** Puts an EXIF block with an orientation behind the start marker. */
function withOrientation(jpeg: Uint8Array, orientation: number, littleEndian: boolean): Uint8Array {
  const tiff = Buffer.alloc(26)
  const u16 = (value: number, at: number) => (littleEndian ? tiff.writeUInt16LE(value, at) : tiff.writeUInt16BE(value, at))
  const u32 = (value: number, at: number) => (littleEndian ? tiff.writeUInt32LE(value, at) : tiff.writeUInt32BE(value, at))
  tiff.write(littleEndian ? 'II' : 'MM', 0, 'latin1')
  u16(42, 2)
  u32(8, 4)
  u16(1, 8)
  u16(0x0112, 10)
  u16(3, 12)
  u32(1, 14)
  u16(orientation, 18)
  const payload = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff])
  const marker = Buffer.from([0xff, 0xe1, (payload.length + 2) >> 8, (payload.length + 2) & 255])
  return Buffer.concat([jpeg.subarray(0, 2), marker, payload, jpeg.subarray(2)])
}

describe('decodeJpeg', () => {
  it.each(imread)('%s equals OpenCV\'s imread', (file, hash) => {
    expect(sha256(addon.decodeJpeg(readFileSync(file)).data)).toBe(hash)
  })

  it.each(kinds)('$kind equals OpenCV\'s imdecode', ({ bytes, width, height, sha256: hash }) => {
    const frame = addon.decodeJpeg(bytes)
    expect([frame.width, frame.height]).toEqual([width, height])
    expect(sha256(frame.data)).toBe(hash)
    expect(addon.jpegInfo(bytes)).toEqual({ width, height })
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns a frame of EXIF orientation %i', (orientation) => {
    const [width, height] = [50, 34]
    const plain = addon.encodeJpeg(testPicture(width, height, 1), width, height, { quality: 92, subsampling: '420', format: 'bgr' })
    const stored = addon.decodeJpeg(plain)
    // Where the shown frame's pixel (x, y) is stored, by the EXIF standard's words for each value.
    const place: ((x: number, y: number) => [number, number])[] = [
      (x, y) => [x, y],
      (x, y) => [width - 1 - x, y],
      (x, y) => [width - 1 - x, height - 1 - y],
      (x, y) => [x, height - 1 - y],
      (x, y) => [y, x],
      (x, y) => [y, height - 1 - x],
      (x, y) => [width - 1 - y, height - 1 - x],
      (x, y) => [width - 1 - y, x],
    ]
    for (const littleEndian of [false, true]) {
      const turned = addon.decodeJpeg(withOrientation(plain, orientation, littleEndian))
      expect([turned.width, turned.height]).toEqual(orientation >= 5 ? [height, width] : [width, height])
      const expected = new Uint8Array(turned.data.length)
      for (let y = 0; y < turned.height; y += 1) {
        for (let x = 0; x < turned.width; x += 1) {
          const [fromX, fromY] = place[orientation - 1]!(x, y)
          expected.set(stored.data.subarray((fromY * width + fromX) * 3, (fromY * width + fromX) * 3 + 3), (y * turned.width + x) * 3)
        }
      }
      expect(turned.data).toEqual(expected)
    }
  })

  it.each([0, 9, 77])('shows a frame of impossible orientation %i as stored', (orientation) => {
    const plain = addon.encodeJpeg(testPicture(20, 10, 1), 20, 10, { quality: 92, subsampling: '444', format: 'bgr' })
    expect(addon.decodeJpeg(withOrientation(plain, orientation, true)).data).toEqual(addon.decodeJpeg(plain).data)
  })
})

describe('a region', () => {
  /** Checks random regions of one JPEG against its whole decode. */
  function checkRegions(jpeg: Uint8Array, runs: number): void {
    const whole = addon.decodeJpeg(jpeg)
    const rectangle = fc
      .tuple(fc.nat(whole.width - 1), fc.nat(whole.height - 1))
      .chain(([x, y]) => fc.record({ x: fc.constant(x), y: fc.constant(y), width: fc.integer({ min: 1, max: whole.width - x }), height: fc.integer({ min: 1, max: whole.height - y }) }))
    fc.assert(
      fc.property(rectangle, (wanted) => {
        const part = addon.decodeJpeg(jpeg, wanted)
        for (let y = wanted.y; y < wanted.y + wanted.height; y += 1) {
          const from = ((y - part.y) * part.width + (wanted.x - part.x)) * 3
          const expected = (y * whole.width + wanted.x) * 3
          if (Buffer.compare(part.data.subarray(from, from + wanted.width * 3), whole.data.subarray(expected, expected + wanted.width * 3)) !== 0) return false
        }
        return true
      }),
      { numRuns: runs },
    )
  }

  it.each(imread.map(([file]) => file))('of %s equals that of the whole frame', (file) => checkRegions(readFileSync(file), 60))

  it.each(kinds)('of $kind equals that of the whole frame', ({ bytes }) => checkRegions(bytes, 60))

  const encodings = (['444', '422', '420'] as const).flatMap((subsampling) =>
    [false, true].flatMap((progressive) => [0, 1].flatMap((restartRows) => [[97, 131], [161, 90], [17, 9], [1, 1]].map(([width = 0, height = 0]) => ({ subsampling, progressive, restartRows, width, height })))),
  )
  it.each(encodings)('of $width×$height $subsampling, progressive $progressive, restart $restartRows', ({ width, height, ...options }) => {
    checkRegions(addon.encodeJpeg(testPicture(width, height, 3), width, height, { quality: 83, format: 'bgr', ...options }), 40)
  })

  it.each([2, 3, 4, 5, 6, 7, 8])('of a frame of orientation %i', (orientation) => {
    const plain = addon.encodeJpeg(testPicture(90, 70, 4), 90, 70, { quality: 83, subsampling: '420', format: 'bgr' })
    checkRegions(withOrientation(plain, orientation, false), 60)
  })

  it('leaves out what it can', () => {
    const part = addon.decodeJpeg(readFileSync(shared('golden', 'frames', 'b720.jpg')), { x: 600, y: 300, width: 64, height: 64 })
    expect(part.width * part.height).toBeLessThan(130 * 130)
  })

  it('must lie in the frame', () => {
    const jpeg = readFileSync(imread[0]![0])
    for (const region of [{ x: -1, y: 0, width: 5, height: 5 }, { x: 0, y: 0, width: 481, height: 5 }, { x: 0, y: 0, width: 0, height: 5 }]) {
      expect(() => addon.decodeJpeg(jpeg, region)).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    }
  })
})

describe('damage', () => {
  const jpeg = readFileSync(imread[1]![0])
  const fails = (bytes: Uint8Array, message: RegExp) => {
    expect(() => addon.decodeJpeg(bytes)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message) }))
  }

  it('an empty file', () => fails(new Uint8Array(0), /the file is empty/))
  it('text says what it starts with', () => fails(Buffer.from('<html><body>404</body></html>'), /starts with "<html><body>404<"/))
  it('another format says what it starts with', () => fails(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]), /starts with bytes 89 50 4e 47 0d 0a 1a 0a/))
  it('a header of zeros', () => fails(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(100)]), /header/))

  it('a truncated frame is never half a frame, wherever it is cut', () => {
    for (let cut = 3; cut < jpeg.length; cut += 499) fails(jpeg.subarray(0, cut), cut < 700 ? /header|truncated/ : /truncated/)
    fails(jpeg.subarray(0, jpeg.length - 2), /truncated/)
  })

  it('a truncated frame is found out even where the wanted rows are there', () => {
    expect(() => addon.decodeJpeg(jpeg.subarray(0, jpeg.length - 300), { x: 0, y: 0, width: 32, height: 32 })).toThrow(/truncated/)
  })

  it('junk behind the end or between segments does no harm', () => {
    const whole = addon.decodeJpeg(jpeg)
    expect(addon.decodeJpeg(Buffer.concat([jpeg, Buffer.from('junk')])).data).toEqual(whole.data)
    expect(addon.decodeJpeg(Buffer.concat([jpeg, Buffer.alloc(512)]), { x: 5, y: 5, width: 9, height: 9 }).data.length).toBeGreaterThan(0)
    expect(addon.decodeJpeg(Buffer.concat([jpeg.subarray(0, -2), Buffer.from('xx'), jpeg.subarray(-2)])).data).toEqual(whole.data)
  })
})

describe('encodeJpeg', () => {
  it.each(['rgb', 'bgr'] as const)('keeps the channels of %s', (format) => {
    const pixels = new Uint8Array(32 * 32 * 3).map((_, i) => [200, 120, 40][i % 3]!)
    const back = addon.decodeJpeg(addon.encodeJpeg(pixels, 32, 32, { quality: 95, subsampling: '444', format }))
    expect(levelDifferences(back.data, format === 'bgr' ? pixels : pixels.map((_, i) => [40, 120, 200][i % 3]!)).max).toBeLessThanOrEqual(2)
  })

  it('is smaller at lower quality', () => {
    const sizes = [95, 60, 20].map((quality) => addon.encodeJpeg(testPicture(64, 64, 1), 64, 64, { quality, subsampling: '420', format: 'bgr' }).length)
    expect(sizes[0]! > sizes[1]! && sizes[1]! > sizes[2]!).toBe(true)
  })

  it('refuses pixels of another size', () => {
    expect(() => addon.encodeJpeg(new Uint8Array(10), 4, 4, { quality: 90, subsampling: '420', format: 'bgr' })).toThrowError(expect.objectContaining({ code: 'ERR_SHAPE' }))
  })
})

describe('the library', () => {
  it('is the one from npm', () => {
    const library = addon.jpegLibrary()
    expect(library.path).toMatch(/jpeg-turbo/)
    expect(library.apiLevel).toBe('3.1')
    expect(addon.versions().turbojpeg).toBe('3.1')
  })

  it('may be missing: the addon loads, and decoding says so', () => {
    const script = `
      const addon = require(${JSON.stringify(path.join(packageRoot(), 'build/Release/siamfcpp.node'))})
      const problem = addon.initJpeg('/nowhere/libturbojpeg.so.0')
      let thrown
      try { addon.decodeJpeg(new Uint8Array([255, 216, 255])) } catch (error) { thrown = { code: error.code, message: error.message } }
      console.log(JSON.stringify({ problem, thrown }))`
    const { problem, thrown } = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as { problem: string; thrown: { code: string; message: string } }
    expect(problem).toMatch(/cannot open \/nowhere/)
    expect(thrown.code).toBe('ERR_SETUP')
    expect(thrown.message).toMatch(/npm install/)
  })
})
