/** Our own JPEG decoder gives what libturbojpeg gives, to the bit, or leaves the frame to it: for regions, means and damaged files alike. */
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { DecodedJpeg, JpegRegion, JpegSubsampling } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { testPicture } from '../helpers/pixels.ts'
import { shared } from '../helpers/shared.ts'

const addon = loadAddon()

/** A small generator, so that a failing case can be repeated: mulberry32. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

function randomRegion(random: (below: number) => number, width: number, height: number): JpegRegion {
  const [x, y] = [random(width), random(height)]
  return { x, y, width: 1 + random(width - x), height: 1 + random(height - y) }
}

function part(frame: DecodedJpeg, region: JpegRegion): Buffer {
  const rows = Array.from({ length: region.height }, (_, i) => {
    const at = ((region.y + i - frame.y) * frame.width + region.x - frame.x) * 3
    return frame.data.subarray(at, at + region.width * 3)
  })
  return Buffer.concat(rows)
}

const own = (jpeg: Uint8Array, region?: JpegRegion, mean = false) => addon.decodeJpeg(jpeg, region, { decoder: 'own', mean })
const library = (jpeg: Uint8Array, region?: JpegRegion, mean = false) => addon.decodeJpeg(jpeg, region, { decoder: 'libjpeg', mean })!

/** Both decoders over random regions of a frame that ours must take; the last pixel row and column are always among them. */
function compare(jpeg: Uint8Array, random: (below: number) => number, regions: number): void {
  const whole = library(jpeg, undefined, true)
  const edge = { x: whole.width - 1, y: whole.height - 1, width: 1, height: 1 }
  for (let i = 0; i < regions; i += 1) {
    const region = i === 0 ? { x: 0, y: 0, width: whole.width, height: whole.height } : i === 1 ? edge : randomRegion(random, whole.width, whole.height)
    const expected = part(whole, region)
    for (const mean of [false, true]) {
      const ours = own(jpeg, region, mean)
      if (ours === null) throw new Error(`our decoder left the region ${JSON.stringify(region)} of ${whole.width}×${whole.height} to the library`)
      if (!part(ours, region).equals(expected)) throw new Error(`other pixels in the region ${JSON.stringify(region)} of ${whole.width}×${whole.height}, mean ${mean}`)
      if (mean) expect(ours.mean).toEqual(whole.mean)
    }
  }
}

const subsamplings: JpegSubsampling[] = ['444', '422', '420', '440', 'gray']

describe('our decoder', () => {
  it.each(subsamplings)('%s: random sizes, qualities, tables and restart markers', (subsampling) => {
    const random = generator(subsamplings.indexOf(subsampling) + 1)
    const narrowest = subsampling === '422' || subsampling === '420' ? 5 : 1
    for (let i = 0; i < 120; i += 1) {
      const [width, height] = [narrowest + random(i % 10 === 0 ? 300 : 70), 1 + random(i % 10 === 0 ? 300 : 70)]
      const restart = [{}, { restartRows: 1 + random(3) }, { restartBlocks: 1 + random(30) }][random(3)]
      const pixels = testPicture(width, height, i)
      if (random(2) === 0) for (let k = 0; k < pixels.length; k += 1) pixels[k] = random(256) // noise: long codes, and blocks without an end code
      compare(addon.encodeJpeg(pixels, width, height, { quality: 1 + random(100), subsampling, format: 'bgr', optimize: random(2) === 0, ...restart }), random, 12)
    }
  })

  it('real frames', () => {
    const folder = shared('data', 'vot-bag')
    const files = readdirSync(folder).filter((name) => name.endsWith('.jpg')).filter((_, i) => i % 40 === 0).map((name) => path.join(folder, name))
    for (const file of [...files, shared('golden', 'frames', 'b720.jpg')]) compare(readFileSync(file), generator(9), 20)
  })

  it('leaves other kinds of files to the library, which decodes them', () => {
    const encode = (options: object, width = 40) => addon.encodeJpeg(testPicture(width, 30, 2), width, 30, { quality: 80, subsampling: '420', format: 'bgr', ...options })
    const plain = encode({})
    const frame = plain.indexOf(0xc0, plain.findIndex((byte, i) => byte === 0xff && plain[i + 1] === 0xc0))
    const changed = (at: number, value: number) => Uint8Array.from(plain, (byte, i) => (i === at ? value : byte))
    const kinds: [string, Uint8Array][] = [
      ['progressive', encode({ progressive: true })],
      ['chroma of two columns, which is not interpolated', encode({}, 4)],
      ['4:1:1 of a sort', changed(frame + 10, 0x41)],
      ['no end marker', plain.subarray(0, -2)],
      ['bytes behind the last MCU', Buffer.concat([plain.subarray(0, -2), Buffer.from('xx'), plain.subarray(-2)])],
      ['another JFIF', changed(11, 3)],
    ]
    for (const [kind, jpeg] of kinds) {
      let [ours, theirs]: unknown[] = []
      try { ours = own(jpeg) } catch (error) { ours = (error as Error).message }
      try { theirs = addon.decodeJpeg(jpeg).data.length } catch (error) { theirs = (error as Error).message }
      expect([kind, typeof ours === 'string' ? ours : ours === null ? 'left' : 'decoded']).toEqual([kind, typeof theirs === 'string' ? theirs : 'left'])
    }
  })

  it('is not fooled by a frame before: tables that a file lacks are not taken from it, and its errors end with it', () => {
    const encode = (quality: number) => addon.encodeJpeg(testPicture(32, 32, 5), 32, 32, { quality, subsampling: '420', format: 'bgr' })
    const good = encode(90)
    const before = library(good).data
    const at = good.findIndex((byte, i) => byte === 0xff && good[i + 1] === 0xdb)
    const length = (good[at + 2]! << 8) | good[at + 3]!
    const without = Buffer.concat([good.subarray(0, at), good.subarray(at + 2 + length)])
    for (const decode of [() => addon.decodeJpeg(without), () => library(without)]) expect(decode).toThrow(/Quantization table/)
    const codes = good.findIndex((byte, i) => byte === 0xff && good[i + 1] === 0xc4)
    expect(() => addon.decodeJpeg(Uint8Array.from(good, (byte, i) => (i >= codes + 5 && i < codes + 21 ? 255 : byte)))).toThrow(/Huffman table/)
    expect(library(good).data).toEqual(before)
  })
})

describe('a damaged file', () => {
  /** One or some bytes other, gone or too many; often with an end marker, without which everything is left to the library. */
  function damage(jpeg: Uint8Array, random: (below: number) => number): Uint8Array {
    let bytes = Buffer.from(jpeg)
    for (let i = random(3) === 0 ? 1 + random(5) : 1; i > 0; i -= 1) {
      const at = random(4) === 0 ? random(bytes.length) : Math.floor(bytes.length / 3) + random(Math.floor((bytes.length * 2) / 3))
      const kind = random(8)
      if (kind < 3) bytes[at] = random(256)
      else if (kind < 5) bytes[at]! ^= 1 << random(8)
      else if (kind === 5) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(random(2) === 0 ? [0xff, 0xd0 + random(10)] : [random(256)]), bytes.subarray(at)])
      else if (kind === 6) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(20))])
      else bytes = Buffer.from(bytes.subarray(0, at + 1))
    }
    return random(2) === 0 ? bytes : Buffer.concat([bytes, Buffer.from([0xff, 0xd9])])
  }

  function attempt(decode: () => (DecodedJpeg & { mean?: number[] }) | null): { frame?: DecodedJpeg & { mean?: number[] }; error?: string } {
    try {
      return { frame: decode()! }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }

  it('gives what the library alone gives, or its error: 20,000 of them', () => {
    const random = generator(4)
    const [seen, whole] = [{ decoded: 0, failed: 0 }, { decoded: 0, failed: 0 }]
    for (let i = 0; i < 200; i += 1) {
      const [width, height] = [5 + random(60), 1 + random(60)]
      const restart = [{}, { restartRows: 1 }, { restartBlocks: 1 + random(9) }][random(3)]
      const jpeg = addon.encodeJpeg(testPicture(width, height, i), width, height, { quality: 20 + random(80), subsampling: subsamplings[random(5)]!, format: 'bgr', optimize: random(2) === 0, ...restart })
      for (let k = 0; k < 100; k += 1) {
        const bytes = damage(jpeg, random)
        const region = randomRegion(random, width, height)
        // With the mean all of the file is read, so nothing may differ.
        const [ours, theirs] = [attempt(() => addon.decodeJpeg(bytes, region, { mean: true })), attempt(() => addon.decodeJpeg(bytes, region, { mean: true, decoder: 'libjpeg' }))]
        expect(ours.error).toBe(theirs.error)
        whole[theirs.error === undefined ? 'decoded' : 'failed'] += 1
        if (theirs.frame !== undefined) {
          expect(part(ours.frame!, region).equals(part(theirs.frame, region))).toBe(true)
          expect(ours.frame!.mean).toEqual(theirs.frame.mean)
        }
        // Without it, what the library takes is taken to the same pixels. Where it complains, damage may lie in what ours does not read.
        const [ourPart, theirPart] = [attempt(() => addon.decodeJpeg(bytes, region)), attempt(() => addon.decodeJpeg(bytes, region, { decoder: 'libjpeg' }))]
        seen[theirPart.error === undefined ? 'decoded' : 'failed'] += 1
        if (theirPart.frame !== undefined) expect(part(ourPart.frame!, region).equals(part(theirPart.frame, region))).toBe(true)
        else if (ourPart.error !== undefined) expect(ourPart.error).toBe(theirPart.error)
        else {
          // All rows of MCUs that libturbojpeg read. The size may be among what is damaged.
          const shown = addon.jpegInfo(bytes)
          const read = { x: 0, y: 0, width: shown.width, height: Math.min(shown.height, region.y + region.height + 34) }
          expect(attempt(() => addon.decodeJpeg(bytes, read)).error).toBeDefined()
        }
      }
    }
    // Both outcomes are common, or this proves nothing.
    for (const count of [seen.decoded, seen.failed, whole.decoded, whole.failed]) expect(count).toBeGreaterThan(2000)
  })
})
