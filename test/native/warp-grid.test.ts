/** Crops of pictures on another grid than the frame's: against the same arithmetic in TypeScript, and against the frame itself. */
import { afterAll, describe, expect, it } from 'vitest'
import type { PixelGrid } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { levelDifferences, testPicture } from '../helpers/pixels.ts'
import { referenceCrop } from '../helpers/warp-reference.ts'

const addon = loadAddon()
const border: [number, number, number] = [40, 131, 222]
const width = 61
const height = 47
const frame = testPicture(width, height, 3)

type Square = [number, number, number]

/** Inside, across each side and corner, around all of the frame, beyond it; finer and coarser than the output's pixels. */
const squares: Square[] = [
  [30, 23, 20], [30.25, 22.6, 31.7], [2.2, 3.1, 25], [59, 45, 30.5], [30, 23, 140], [-4.3, 20, 17], [30.1, 46.2, 12], [60.4, 0.3, 9],
  [-400, 20, 30], [30, 900, 30], [30.5, 23.5, 1.5], [0, 0, 3],
]

function cut(pixels: Uint8Array, stride: number, x: number, y: number, w: number, h: number): Uint8Array {
  const out = new Uint8Array(w * h * 3)
  for (let row = 0; row < h; row += 1) out.set(pixels.subarray(((y + row) * stride + x) * 3, ((y + row) * stride + x + w) * 3), row * w * 3)
  return out
}

const axis = (origin: number, step: number) => ({ origin, step })

describe.each(squares.map((square) => [square]))('the crop around %j', (square) => {
  it.each([2, 16, 33, 127])('of the frame itself, %i pixels wide, has the bits of the reference', (size) => {
    const expected = referenceCrop(frame, width, height, square, size, border)
    expect(addon.cropSubwindow(frame, width, height, ...square, size, border)).toEqual(expected)
  })

  it('is the same from a part of the frame that has its own origin', () => {
    const size = 33
    const expected = addon.cropSubwindow(frame, width, height, ...square, size, border)
    const touched = addon.cropFootprint(...square, size)
    const [x0, y0] = [Math.min(Math.max(touched.x, 0), width - 1), Math.min(Math.max(touched.y, 0), height - 1)]
    const w = Math.min(Math.max(touched.x + touched.width, x0 + 1), width) - x0
    const h = Math.min(Math.max(touched.y + touched.height, y0 + 1), height) - y0
    const grid: PixelGrid = { x: axis(x0, 1), y: axis(y0, 1) }
    const crop = addon.cropSubwindow(cut(frame, width, x0, y0, w, h), w, h, ...square, size, border, 'hwc', { frame: { width, height }, grid })
    expect(crop).toEqual(expected)
  })

  it.each([
    ['half', { x: axis(0.5, 2), y: axis(0.5, 2) }],
    ['an eighth', { x: axis(3.5, 8), y: axis(3.5, 8) }],
    ['a crooked size', { x: axis(-0.37, 1.31), y: axis(0.81, 1.73) }],
    ['a finer grid than the frame\'s', { x: axis(-0.25, 0.5), y: axis(-0.25, 0.5) }],
  ] as [string, PixelGrid][])('from a picture at %s has the bits of the reference', (_, grid) => {
    const [w, h] = [Math.ceil(width / grid.x.step), Math.ceil(height / grid.y.step)]
    const picture = testPicture(w, h, 8)
    const place = { frame: { width, height }, grid }
    for (const layout of ['hwc', 'chw'] as const) {
      const size = 37
      const crop = addon.cropSubwindow(picture, w, h, ...square, size, border, layout, place)
      const expected = referenceCrop(picture, w, h, square, size, border, place)
      const planes = layout === 'hwc' ? crop : Uint8Array.from(crop, (_value, i) => crop[(i % 3) * size * size + Math.floor(i / 3)]!)
      expect(planes).toEqual(expected)
    }
  })

  it('needs no more of a picture than its footprint', () => {
    const grid: PixelGrid = { x: axis(0.7, 1.6), y: axis(-0.4, 2.3) }
    const [w, h, size] = [Math.ceil(width / 1.6), Math.ceil(height / 2.3), 29]
    const picture = testPicture(w, h, 5)
    const whole = addon.cropSubwindow(picture, w, h, ...square, size, border, 'hwc', { frame: { width, height }, grid })
    const touched = addon.cropFootprint(...square, size, grid)
    const [x, y] = [Math.min(Math.max(touched.x, 0), w - 1), Math.min(Math.max(touched.y, 0), h - 1)]
    const cw = Math.min(Math.max(touched.x + touched.width, x + 1), w) - x
    const ch = Math.min(Math.max(touched.y + touched.height, y + 1), h) - y
    const part = cut(picture, w, x, y, cw, ch)
    expect(addon.cropSubwindow(part, cw, ch, ...square, size, border, 'hwc', { frame: { width, height }, grid, at: { x, y } })).toEqual(whole)
  })
})

describe('each instruction set\'s loops', () => {
  afterAll(() => addon.usePixelKernels(''))

  /** Widths around the vectors' ones, and steps from much finer to much coarser than the frame; noise, so that a wrong tap shows. */
  const cases = [2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 303].flatMap((size) => [0.21, 0.9, 1, 1.33, 2.4, 2.7, 3.9].map((step) => [size, step] as const))
  const [w, h] = [400, 60]
  const noise = Uint8Array.from({ length: w * h * 3 }, (_, i) => ((i * 2654435761) >>> 13) & 255)

  it.each(addon.usePixelKernels(''))('%s: the bits of the reference', (name) => {
    addon.usePixelKernels(name)
    for (const [size, step] of cases) {
      // Rows in plenty would only repeat: the crop's lower end lies far below the frame.
      const square: Square = [37.3 + (step * size) / 2, 21.7 + (step * size) / 2, step * (size - 1) + 1]
      for (const at of [square, [square[0] - 60, square[1], square[2]] as Square]) {
        const crop = addon.cropSubwindow(noise, w, h, ...at, size, border, 'chw')
        const expected = referenceCrop(noise, w, h, at, size, border)
        const interleaved = addon.cropSubwindow(noise, w, h, ...at, size, border)
        expect(Buffer.compare(interleaved, expected), `${size} by ${step}, interleaved`).toBe(0)
        const planes = Uint8Array.from(crop, (_value, i) => crop[(i % 3) * size * size + Math.floor(i / 3)]!)
        expect(Buffer.compare(planes, expected), `${size} by ${step}`).toBe(0)
      }
    }
  })

  it.each(addon.usePixelKernels(''))('%s: the same mean', (name) => {
    addon.usePixelKernels(name)
    const sums = [0, 0, 0]
    for (let i = 0; i < 3 * 61 * 47; i += 1) sums[i % 3]! += frame[i]!
    const outside = addon.cropSubwindow(frame, width, height, -1e5, -1e5, 10, 2, null)
    expect(Array.from(outside.subarray(0, 3))).toEqual(sums.map((sum) => Math.floor(sum / (width * height))))
  })

  it('of another name are refused', () => {
    expect(() => addon.usePixelKernels('mmx')).toThrow(/Expected pixel loops that this CPU runs but received 'mmx'/)
  })
})

it('shows at half the size what the frame shows, where nothing is finer than that', () => {
  // A plane that rises evenly: reduced by means of 2 × 2, bilinear sampling finds the frame's own values again.
  const [w, h] = [64, 48]
  const full = Uint8Array.from({ length: w * h * 3 }, (_, i) => 2 * (Math.floor(i / 3) % w) + 2 * Math.floor(i / 3 / w))
  const half = Uint8Array.from({ length: (w / 2) * (h / 2) * 3 }, (_, i) => 4 * (Math.floor(i / 3) % (w / 2)) + 4 * Math.floor(i / 3 / (w / 2)) + 2)
  const place = { frame: { width: w, height: h }, grid: { x: axis(0.5, 2), y: axis(0.5, 2) } }
  const inner: Square = [31.3, 22.8, 40]
  const { max } = levelDifferences(addon.cropSubwindow(half, w / 2, h / 2, ...inner, 33, border, 'hwc', place), addon.cropSubwindow(full, w, h, ...inner, 33, border))
  expect(max).toBeLessThanOrEqual(1)
})

it('blends to the border over one pixel of the frame, not of the picture', () => {
  const picture = new Uint8Array(8 * 8 * 3).fill(200)
  const place = { frame: { width: 32, height: 32 }, grid: { x: axis(1.5, 4), y: axis(1.5, 4) } }
  // 65 outputs half a pixel of the frame apart, from -16 to 16: only -0.5 is a mixture.
  const row = Array.from(addon.cropSubwindow(picture, 8, 8, 0, 16, 33, 65, [0, 0, 0], 'chw', place).subarray(32 * 65, 33 * 65))
  expect(row.slice(0, 31)).toEqual(Array.from({ length: 31 }, () => 0))
  expect(row[31]).toBe(100)
  expect(row.slice(32)).toEqual(Array.from({ length: 33 }, () => 200))
})

it('maps footprints to a picture\'s pixels', () => {
  const footprint = addon.cropFootprint(50, 50, 21, 21)
  expect(footprint).toEqual({ x: 40, y: 40, width: 22, height: 22 })
  expect(addon.cropFootprint(50, 50, 21, 21, { x: axis(10, 1), y: axis(0, 1) })).toEqual({ x: 30, y: 40, width: 22, height: 22 })
  // 40 lies at 19.75 of a half, 61 at 30.25.
  expect(addon.cropFootprint(50, 50, 21, 21, { x: axis(0.5, 2), y: axis(0.5, 2) })).toEqual({ x: 19, y: 19, width: 13, height: 13 })
})

it('refuses a grid without a positive step, and a picture without a padding', () => {
  const place = (step: number) => ({ frame: { width, height }, grid: { x: axis(0, step), y: axis(0, 1) } })
  expect(() => addon.cropSubwindow(frame, width, height, 5, 5, 9, 9, border, 'hwc', place(0))).toThrow(/positive step of grid\.x/)
  expect(() => addon.cropFootprint(5, 5, 9, 9, place(Number.NaN).grid)).toThrow(/positive step of grid\.x/)
  expect(() => addon.cropSubwindow(frame, width, height, 5, 5, 9, 9, null, 'hwc', place(2))).toThrow(/Expected a padding/)
})
