/** Frames decoded at 1/2, 1/4 and 1/8, and batches of `decode: fast`. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { type Box, framePath, indexOf, loaderSpec, writeFrames } from '../helpers/loader-spec.ts'
import { testPicture } from '../helpers/pixels.ts'
import { shared } from '../helpers/shared.ts'

const addon = loadAddon()
const fixtures = JSON.parse(readFileSync(new URL('../fixtures/jpegs.json', import.meta.url), 'utf8')) as Record<string, { jpeg: string }>
const kinds = Object.entries(fixtures).map(([kind, { jpeg }]) => ({ kind, bytes: Buffer.from(jpeg, 'base64') }))
const root = mkdtempSync(path.join(tmpdir(), 'siam-fast-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const everything = (jpeg: Uint8Array) => {
  const { width, height } = addon.jpegInfo(jpeg)
  return { x: 0, y: 0, width, height }
}

describe.each([2, 4, 8])('a frame at 1/%i', (reduction) => {
  const encoded = (width: number, height: number, subsampling: '420' | '422' | '440' | '444', more = {}) =>
    addon.encodeJpeg(testPicture(width, height, 9), width, height, { quality: 90, subsampling, format: 'bgr', ...more })

  it.each([
    ['4:2:0, odd size', () => encoded(203, 151, '420')],
    ['4:2:2, odd size', () => encoded(203, 151, '422')],
    ['4:4:0, odd size', () => encoded(203, 151, '440')],
    ['4:4:4', () => encoded(160, 96, '444')],
    ['restart markers', () => encoded(203, 151, '420', { restartRows: 1 })],
    ['progressive', () => encoded(203, 151, '420', { progressive: true })],
    ['a real frame', () => readFileSync(shared('data', 'vot-bag', '00000001.jpg'))],
  ])('has the same pixels in each of its regions: %s', (_, make) => {
    const jpeg = make()
    const frame = everything(jpeg)
    const whole = addon.decodeReduced(jpeg, frame, reduction)
    expect([whole.width, whole.height]).toEqual([Math.ceil(frame.width / reduction), Math.ceil(frame.height / reduction)])
    const rectangle = fc
      .tuple(fc.nat(frame.width - 1), fc.nat(frame.height - 1))
      .chain(([x, y]) => fc.record({ x: fc.constant(x), y: fc.constant(y), width: fc.integer({ min: 1, max: frame.width - x }), height: fc.integer({ min: 1, max: frame.height - y }) }))
    fc.assert(
      fc.property(rectangle, (wanted) => {
        const part = addon.decodeReduced(jpeg, wanted, reduction)
        expect(part.grid).toEqual(whole.grid)
        // All that bilinear sampling between the wanted pixels touches is there.
        const first = (at: number) => Math.floor((at - whole.grid.x.origin) / reduction)
        const last = (at: number) => Math.ceil((at - whole.grid.x.origin) / reduction)
        const [x0, y0] = [Math.max(first(wanted.x), 0), Math.max(first(wanted.y), 0)]
        const [x1, y1] = [Math.min(last(wanted.x + wanted.width - 1), whole.width - 1), Math.min(last(wanted.y + wanted.height - 1), whole.height - 1)]
        expect(part.x <= x0 && part.y <= y0 && part.x + part.width > x1 && part.y + part.height > y1).toBe(true)
        for (let y = y0; y <= y1; y += 1) {
          const from = ((y - part.y) * part.width + x0 - part.x) * 3
          const expected = (y * whole.width + x0) * 3
          const bytes = (x1 - x0 + 1) * 3
          if (Buffer.compare(part.data.subarray(from, from + bytes), whole.data.subarray(expected, expected + bytes)) !== 0) return false
        }
        return true
      }),
      { numRuns: 150 },
    )
  })

  it('lies where its grid says', () => {
    const [width, height] = [192, 128]
    const ramp = Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 3) % width) + Math.floor(i / 3 / width) / 2)
    const jpeg = addon.encodeJpeg(ramp, width, height, { quality: 100, subsampling: '444', format: 'bgr' })
    const { data, grid, width: w } = addon.decodeReduced(jpeg, everything(jpeg), reduction)
    expect(grid).toEqual({ x: { origin: (reduction - 1) / 2, step: reduction }, y: { origin: (reduction - 1) / 2, step: reduction } })
    let [sum, worst] = [0, 0]
    for (let i = 0; i < data.length / 3; i += 1) {
      const expected = grid.x.origin + reduction * (i % w) + (grid.y.origin + reduction * Math.floor(i / w)) / 2 - 0.25
      const error = data[3 * i]! - expected
      sum += error
      worst = Math.max(worst, Math.abs(error))
    }
    // A grid that is off by half a pixel of the frame shows as 0.5 here.
    expect(Math.abs(sum / (data.length / 3))).toBeLessThan(0.2)
    expect(worst).toBeLessThan(1.5)
  })

  /** Levels by which two pictures differ, on average. */
  const difference = (a: Uint8Array, b: (i: number) => number) => a.reduce((sum, value, i) => sum + Math.abs(value - b(i)), 0) / a.length

  // The same coefficients in several scans are for the library to decode.
  it.each(['420', '422', '440', '444', 'gray'] as const)('is what the library makes of the same frame, nearly, and the mean of its exact pixels: %s', (subsampling) => {
    const { data, width, height } = addon.decodeJpeg(readFileSync(shared('data', 'vot-bag', '00000001.jpg')))
    const encode = (progressive: boolean) => addon.encodeJpeg(data, width, height, { quality: 90, subsampling, format: 'bgr', progressive })
    const [jpeg, other] = [encode(false), encode(true)]
    const [ours, theirs] = [addon.decodeReduced(jpeg, everything(jpeg), reduction), addon.decodeReduced(other, everything(other), reduction)]
    expect([ours.width, ours.height]).toEqual([theirs.width, theirs.height])
    // It decodes chroma of 4:2:2 and 4:4:0 smaller still, and enlarges it.
    expect(difference(ours.data, (i) => theirs.data[i]!)).toBeLessThan(/22|40/.test(subsampling) ? 0.5 : 0.02)
    const exact = addon.decodeJpeg(jpeg).data
    const mean = (i: number) => {
      const [c, x, y] = [i % 3, Math.floor(i / 3) % ours.width, Math.floor(i / 3 / ours.width)]
      let [sum, count] = [0, 0]
      for (let v = y * reduction; v < Math.min(height, (y + 1) * reduction); v += 1) {
        for (let u = x * reduction; u < Math.min(width, (x + 1) * reduction); u += 1, count += 1) sum += exact[(v * width + u) * 3 + c]!
      }
      return sum / count
    }
    expect(difference(ours.data, mean)).toBeLessThan(0.5)
  })

  it('finds a file that is cut short, wherever the region lies', () => {
    const jpeg = encoded(203, 151, '420')
    expect(() => addon.decodeReduced(jpeg.subarray(0, jpeg.length - 400), { x: 0, y: 0, width: 10, height: 10 }, reduction)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(/truncated or corrupt/) }),
    )
  })

  it.each(kinds.filter(({ kind }) => /cmyk|ycck|orient|exif/i.test(kind)))('is an exact decode where that cannot be made smaller: $kind', ({ bytes }) => {
    const exact = addon.decodeJpeg(bytes)
    const { data, grid, width, height } = addon.decodeReduced(bytes, everything(bytes), reduction)
    expect(grid).toEqual({ x: { origin: 0, step: 1 }, y: { origin: 0, step: 1 } })
    expect([width, height]).toEqual([exact.width, exact.height])
    expect(data).toEqual(exact.data)
  })
})

it('knows three reductions', () => {
  const jpeg = addon.encodeJpeg(testPicture(16, 16, 1), 16, 16, { quality: 90, subsampling: '420', format: 'bgr' })
  for (const reduction of [0, 1, 3, 16]) expect(() => addon.decodeReduced(jpeg, everything(jpeg), reduction)).toThrow(/Expected 2, 4 or 8 for reduction/)
})

describe('batches of decode: fast', () => {
  // Targets of 60 to 330 pixels: contexts of 120 to 660, so that the crops are 1 to 5 times coarser than the frames; some leave them.
  const boxes: Box[][] = [70, 150, 260, 330].map((side, s) => Array.from({ length: 4 }, (_, k) => [180 + 12 * k - 9 * s, 110 + 7 * k, 180 + 12 * k - 9 * s + side, 110 + 7 * k + side * 0.9]))
  writeFrames(root, boxes, () => [700, 520])
  const index = () => indexOf(root, boxes)

  async function batches(more: Partial<LoaderSpec>, count = 6): Promise<Record<string, Uint8Array>[]> {
    const loader = addon.createLoader(loaderSpec([index()], { samplesPerEpoch: 24, ...more }))
    try {
      const all: Record<string, Uint8Array>[] = []
      for (let i = 0; i < count; i += 1) {
        const { tensors } = await loader.next()
        const bytes: Record<string, Uint8Array> = {}
        for (const [name, tensor] of Object.entries(tensors)) bytes[name] = await tensor.toBytes()
        all.push(bytes)
      }
      return all
    } finally {
      await loader.close()
    }
  }

  it('have the labels of exact ones, and nearly their pixels', async () => {
    const [exact, fast] = [await batches({}), await batches({ decode: 'fast' })]
    let [sum, count, equalSamples, samples] = [0, 0, 0, 0]
    exact.forEach((batch, i) => {
      for (const name of Object.keys(batch).filter((key) => !key.startsWith('im_'))) expect(fast[i]![name], name).toEqual(batch[name])
      const [a, b] = [batch.im_x!, fast[i]!.im_x!]
      const each = a.length / 4
      for (let s = 0; s < 4; s += 1) {
        samples += 1
        const differs = Buffer.compare(a.subarray(s * each, (s + 1) * each), b.subarray(s * each, (s + 1) * each)) !== 0
        if (!differs) equalSamples += 1
        for (let j = s * each; differs && j < (s + 1) * each; j += 1) {
          sum += Math.abs(a[j]! - b[j]!)
          count += 1
        }
      }
    })
    // Crops that are less than twice coarser than the frame are the exact ones.
    expect(equalSamples).toBeGreaterThan(0)
    expect(equalSamples).toBeLessThan(samples)
    // This picture is all edges: real frames differ far less (docs/data-pipeline.md). A wrong place would differ by 40 levels.
    expect(sum / count).toBeLessThan(16)
  })

  it('are the same from any number of threads, whether means are remembered or not', async () => {
    const hashes = async (more: Partial<LoaderSpec>) =>
      (await batches({ decode: 'fast', ...more })).map((batch) => Object.entries(batch).map(([name, bytes]) => `${name} ${createHash('sha256').update(bytes).digest('hex')}`))
    const first = await hashes({})
    expect(await hashes({ threads: 3 })).toEqual(first)
    expect(await hashes({ rememberMeans: false })).toEqual(first)
  })

  it('count a frame that is cut short as bad', async () => {
    const files = boxes.map((_, sequence) => framePath(root, sequence, 0))
    const contents = files.map((file) => readFileSync(file))
    for (const [i, file] of files.entries()) truncateSync(file, contents[i]!.length - 500)
    const loader = addon.createLoader(loaderSpec([index()], { decode: 'fast', samplesPerEpoch: 24 }))
    try {
      for (let i = 0; i < 6; i += 1) await loader.next()
      const skipped = loader.takeSkipped()
      expect(skipped.length).toBeGreaterThan(4)
      for (const { file, reason } of skipped) {
        expect(files).toContain(file)
        expect(reason).toMatch(/truncated or corrupt/)
      }
    } finally {
      await loader.close()
      for (const [i, file] of files.entries()) writeFileSync(file, contents[i]!)
    }
  })
})
