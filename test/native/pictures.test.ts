/** PNG and WebP frames: equal to OpenCV's imread, whole and in parts; every kind of damage is an error, and none a crash. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SiamError } from '../../lib/errors.ts'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { testPicture } from '../helpers/pixels.ts'
import { mutated } from '../helpers/picture-mutations.ts'

const addon = loadAddon()
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** Small files made by ourselves, of every color type, depth and option, with the SHA-256 of cv2.imread's pixels (OpenCV 5.0.0, IMREAD_COLOR). */
const fixtures = JSON.parse(readFileSync(new URL('../fixtures/pictures.json', import.meta.url), 'utf8')) as Record<string, { file: string; width: number; height: number; sha256: string }>
const kinds = Object.entries(fixtures).map(([kind, { file, ...fixture }]) => ({ kind, ...fixture, bytes: Buffer.from(file, 'base64') }))
const file = (kind: string): Buffer => Buffer.from(fixtures[kind]!.file, 'base64')

describe('decodeFrame', () => {
  it.each(kinds)("$kind equals OpenCV's imread", ({ bytes, width, height, sha256: hash }) => {
    const frame = addon.decodeFrame(bytes)
    expect([frame.width, frame.height]).toEqual([width, height])
    expect(sha256(frame.data)).toBe(hash)
    expect(addon.frameInfo(bytes)).toEqual({ width, height })
  })

  it('takes JPEG as decodeJpeg does', () => {
    const jpeg = addon.encodeJpeg(testPicture(50, 34, 1), 50, 34, { quality: 92, subsampling: '420', format: 'bgr' })
    expect(addon.decodeFrame(jpeg)).toEqual(addon.decodeJpeg(jpeg))
    expect(addon.frameInfo(jpeg)).toEqual({ width: 50, height: 34 })
  })

  it("tells a frame's size from the beginning of its file", () => {
    for (const { bytes, width, height, kind } of kinds) {
      if (/eXIf|exif/.test(kind)) continue
      expect(addon.frameInfo(bytes.subarray(0, 60)), kind).toEqual({ width, height })
    }
  })

  it.each(kinds)('a region of $kind equals that of the whole frame', ({ bytes }) => {
    const whole = addon.decodeFrame(bytes)
    const rectangle = fc
      .tuple(fc.nat(whole.width - 1), fc.nat(whole.height - 1))
      .chain(([x, y]) => fc.record({ x: fc.constant(x), y: fc.constant(y), width: fc.integer({ min: 1, max: whole.width - x }), height: fc.integer({ min: 1, max: whole.height - y }) }))
    fc.assert(
      fc.property(rectangle, (wanted) => {
        const part = addon.decodeFrame(bytes, wanted)
        expect([part.x, part.y, part.width, part.height]).toEqual([wanted.x, wanted.y, wanted.width, wanted.height])
        for (let y = 0; y < wanted.height; y += 1) {
          const from = ((y + wanted.y) * whole.width + wanted.x) * 3
          if (Buffer.compare(part.data.subarray(y * wanted.width * 3, (y + 1) * wanted.width * 3), whole.data.subarray(from, from + wanted.width * 3)) !== 0) return false
        }
        return true
      }),
      { numRuns: 15 },
    )
  })
})

describe('damage', () => {
  const fails = (bytes: Uint8Array, message: RegExp) => {
    expect(() => addon.decodeFrame(bytes)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message) }))
  }
  /** A PNG's chunks one after the other: type, first byte of the contents, length. */
  const chunksOf = (png: Buffer): { type: string; at: number; length: number }[] => {
    const chunks = []
    for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) chunks.push({ type: png.toString('latin1', at + 4, at + 8), at: at + 8, length: png.readUInt32BE(at) })
    return chunks
  }

  it.each(kinds)('$kind cut short anywhere is never half a frame', ({ bytes }) => {
    for (let cut = 0; cut < bytes.length; cut += Math.ceil(bytes.length / 60)) fails(bytes.subarray(0, cut), /truncated|damaged|empty|starts with/)
    fails(bytes.subarray(0, -1), /truncated/)
  })

  it('says what is missing', () => {
    const png = file('png rgb 8')
    fails(png.subarray(0, -12), /PNG frame but it is truncated: it ends before its last chunk, IEND/)
    fails(png.subarray(0, 100), /it ends within a chunk that begins at byte 33/)
    fails(file('webp lossy').subarray(0, 100), /WebP frame but it is truncated: it has 100 bytes of \d+/)
    fails(Buffer.from('GIF89a'), /a JPEG, PNG or WebP frame but it starts with "GIF89a"/)
  })

  it('finds a wrong byte in any part of a PNG that pixels depend on', () => {
    for (const kind of ['png rgb 8', 'png gray 16 interlaced', 'png palette 4']) {
      const png = file(kind)
      for (const { type, at, length } of chunksOf(png)) {
        if (!['IHDR', 'PLTE', 'IDAT'].includes(type)) continue
        const bad = Buffer.from(png)
        const middle = at + (length >> 1)
        bad[middle] = (bad[middle] ?? 0) ^ 0x10
        fails(bad, type === 'IHDR' ? /the checksum of IHDR is wrong/ : new RegExp(`truncated or corrupt: .*${type}: CRC error|truncated or corrupt: .*(invalid|incorrect|bad)`))
      }
    }
  })

  it('names the reason of the frame that failed, whatever came before', () => {
    for (let i = 0; i < 3; i += 1) {
      fails(Buffer.from(file('webp lossless')).fill(0, 22), /webp/i)
      expect(addon.decodeFrame(file('png rgb 8')).width).toBe(37)
    }
  })

  it('refuses more than 2^28 pixels before it takes memory', () => {
    const png = Buffer.from(file('png rgb 8'))
    png.writeUInt32BE(1 << 20, 16)
    png.writeUInt32BE(1 << 20, 20)
    // With its checksum made to agree.
    let crc = 0xffffffff
    for (const byte of png.subarray(12, 29)) {
      crc ^= byte
      for (let k = 0; k < 8; k += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1
    }
    png.writeUInt32BE((crc ^ 0xffffffff) >>> 0, 29)
    fails(png, /at most 2\^28 pixels but its header says 1048576x1048576/)
    const webp = Buffer.from(file('webp vp8x lossy'))
    webp.fill(0xff, 24, 30)
    fails(webp, /at most 2\^28 pixels but its header says 16777216x16777216/)
  })

  it('survives thousands of files changed at random, with pixels or ERR_DATA', () => {
    const before = process.memoryUsage().rss
    const outcomes = { decoded: 0, refused: 0 }
    const runs = Number(process.env['SIAMFCPP_FUZZ_RUNS'] ?? 4000)
    for (let run = 0; run < runs; run += 1) {
      const { bytes, kind } = kinds[run % kinds.length]!
      try {
        const { data, width, height } = addon.decodeFrame(mutated(bytes, run))
        expect(data.length).toBe(width * height * 3)
        outcomes.decoded += 1
      } catch (error) {
        expect((error as SiamError).code, `${kind}, run ${run}: ${(error as SiamError).message}`).toBe('ERR_DATA')
        outcomes.refused += 1
      }
    }
    expect(outcomes.decoded).toBeGreaterThan(runs / 50)
    expect(outcomes.refused).toBeGreaterThan(runs / 3)
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6)
  })
})

describe('the library', () => {
  /** Runs a script in a process of its own, where no frame has been decoded yet. */
  const alone = (script: string): string =>
    execFileSync(process.execPath, ['-e', `const addon = require(${JSON.stringify(path.join(packageRoot(), 'build/Release/siamfcpp.node'))}); const png = Buffer.from(${JSON.stringify(fixtures['png rgb 8']!.file)}, 'base64'); ${script}`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

  it('is the one from npm, opened when a frame needs it', () => {
    const { path: library } = addon.pictureLibrary()
    expect(library).toMatch(/sharp-libvips/)
    const said = alone(`addon.setPictureLibrary(${JSON.stringify(library)}); const before = addon.pictureLibrary().version; addon.decodeFrame(png); console.log(before, addon.pictureLibrary().version)`)
    expect(said).toMatch(/^ 8\.\d+\.\d+\n$/)
  })

  it.each([
    ["''", /the package is not installed.*npm install/],
    ["'/nowhere/libvips.so'", /cannot be opened.*\/nowhere\/libvips\.so.*npm install/],
    [JSON.stringify(addon.jpegLibrary().path), /has no vips_pngload_buffer/],
  ])('may be missing (%s): the addon loads, sizes are known, and decoding says what to do', (library, message) => {
    const said = alone(`addon.setPictureLibrary(${library}); let thrown; try { addon.decodeFrame(png) } catch (error) { thrown = error }
      console.log(JSON.stringify({ size: addon.frameInfo(png), code: thrown.code, message: thrown.message }))`)
    expect(JSON.parse(said)).toEqual({ size: { width: 37, height: 23 }, code: 'ERR_SETUP', message: expect.stringMatching(message) })
  })

  it('says nothing of its own', () => {
    const profile = fixtures['png rgb sRGB cHRM']!.file
    const script = `addon.setPictureLibrary(${JSON.stringify(addon.pictureLibrary().path)}); addon.decodeFrame(Buffer.from(${JSON.stringify(profile)}, 'base64'))
      const bad = Buffer.from(png); bad[60] ^= 1; try { addon.decodeFrame(bad) } catch {}
      addon.decodeFrame(Buffer.from(${JSON.stringify(fixtures['png eXIf with Exif00 prefix']!.file)}, 'base64'))`
    expect(execFileSync('sh', ['-c', '"$0" -e "$1" 2>&1', process.execPath, `const addon = require(${JSON.stringify(path.join(packageRoot(), 'build/Release/siamfcpp.node'))}); const png = Buffer.from(${JSON.stringify(fixtures['png rgb 8']!.file)}, 'base64'); ${script}`], { encoding: 'utf8' })).toBe('')
  })
})
