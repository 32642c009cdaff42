/** No crop that a training can draw leaves what a pack stores, unless it leaves the frame. */
import { describe, expect, it } from 'vitest'
import { contextFactorOf } from '../../lib/data/pack/format.ts'
import type { PackPictureSpec } from '../../lib/native/addon-pack.ts'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { testCrop } from '../helpers/packs-made.ts'

const addon = loadAddon()
/** Pixels of the picture between the outermost that a crop uses and a cut edge: bilinear taps, and the chroma sample behind them. */
const marginOf = { reduced: 2, own: 4, copied: 8 }

/** A generator of its own, so that a failing case can be run again. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const crops: LoaderSpec['crop'][] = [
  testCrop,
  { ...testCrop, maxScale: 0.18, maxShift: 0.64, maxScaleTemp: 0.05, maxShiftTemp: 0.04 },
  { ...testCrop, maxScale: 0, maxShift: 0 },
  { ...testCrop, maxScale: 0, maxShift: 0, maxScaleTemp: 1.5, maxShiftTemp: 0.9, xSize: 255 },
  { ...testCrop, contextAmount: 0, maxScale: 1, maxShift: 1, xSize: 255 },
]

/** First and last frame column (or row) that bilinear sampling of a crop reads, as native/data/geometry.cc has it. */
function tapsOf(centre: number, size: number): [first: number, last: number] {
  return [Math.floor(centre - (size - 1) / 2), Math.floor(centre + (size - 1) / 2) + 1]
}

describe('what is stored for a frame', () => {
  it.each([
    ['reduced or not, encoded anew', undefined],
    ['4:2:0 copied', 2],
    ['4:1:1 copied', 5],
    ['4:4:1 copied', 6],
    ['gray copied', 3],
  ])('holds every crop: %s', (_, source) => {
    const random = randomOf(7)
    let reduced = 0
    let whole = 0
    let checked = 0
    let [wide, rowsOnly] = [0, 0]
    for (let run = 0; run < 4000; run += 1) {
      const crop = crops[run % crops.length]!
      const density = [0.5, 1, 1.3, 2][Math.floor(random() * 4)]!
      const spec: PackPictureSpec = { crop, contextFactor: contextFactorOf(crop), density, quality: 90, subsampling: random() < 0.5 ? '420' : '444' }
      const [width, height] = [16 + Math.floor(random() ** 2 * 2000), 16 + Math.floor(random() ** 2 * 1200)]
      const [w, h] = [1 + random() ** 3 * width, 1 + random() ** 3 * height]
      const [x, y] = [random() * (width - 1) - w / 4, random() * (height - 1) - h / 4]
      const box = Float32Array.of(x, y, x + w - 1, y + h - 1)
      const plan = addon.packPlan(box, width, height, spec, source)
      if (plan.reduced) reduced += 1
      expect(plan.x.step).toBeGreaterThanOrEqual(1)
      expect(plan.width).toBeLessThanOrEqual(width)
      expect(plan.height).toBeLessThanOrEqual(height)
      // All the picture's pixels are means of pixels of the frame.
      for (const [axis, count, size] of [[plan.x, plan.width, width], [plan.y, plan.height, height]] as const) {
        expect(axis.origin - (axis.step - 1) / 2).toBeGreaterThanOrEqual(-1e-6)
        expect(axis.origin + axis.step * (count - 1) + (axis.step - 1) / 2).toBeLessThanOrEqual(size - 1 + 1e-6)
      }
      const mcuWidth = plan.reduced || source === undefined ? (spec.subsampling === '444' ? 8 : 16) : { 2: 16, 5: 32, 6: 8, 3: 8 }[source]!
      if (!plan.reduced && source !== undefined) for (const origin of [plan.x.origin, plan.y.origin]) expect(origin % 8).toBe(0)
      expect(plan.mcus % plan.restartInterval).toBe(0)
      if (plan.mcus * mcuWidth > 192) wide += 1
      if (plan.restartInterval * mcuWidth > 192) rowsOnly += 1
      const margin = plan.reduced ? marginOf.reduced : source === undefined ? marginOf.own : marginOf.copied
      // Extremes as well as the middle: the largest shifts and scales are what the stored part is made for.
      const uniforms = Float64Array.from({ length: 512 }, () => (random() < 0.6 ? (random() < 0.5 ? 0 : 1 - 2 ** -53) : random()))
      const other = Float32Array.of(10, 10, 10 + random() * 100, 10 + random() * 100)
      for (const { cropZ, cropX } of [addon.cropGeometry(box, other, crop, uniforms), addon.cropGeometry(other, box, crop, uniforms)].map((g, i) => (i === 0 ? { cropZ: g.cropZ, cropX: null } : { cropZ: null, cropX: g.cropX }))) {
        const square = (cropZ ?? cropX)!
        checked += 1
        for (const [axis, count, size, centre] of [[plan.x, plan.width, width, square[0]!], [plan.y, plan.height, height, square[1]!]] as const) {
          const taps = tapsOf(centre, square[2]!)
          if (taps[0] >= size || taps[1] < 0) continue // beside the frame: nothing but padding
          const [first, last] = taps.map((tap) => Math.min(size - 1, Math.max(0, tap))) as [number, number]
          const atStart = axis.origin - (axis.step - 1) / 2 < 1e-6
          const atEnd = axis.origin + axis.step * (count - 1) + (axis.step - 1) / 2 > size - 1 - 1e-6
          if (atStart && atEnd) whole += 1
          // In the picture's pixels.
          const [from, to] = [(first - axis.origin) / axis.step, (last - axis.origin) / axis.step]
          if (!atStart && from < margin) throw new Error(`run ${run}: column ${first} is ${from} pixels from the cut edge: ${JSON.stringify({ plan, square, box, width, height, crop })}`)
          if (!atEnd && to > count - 1 - margin) throw new Error(`run ${run}: column ${last} is ${count - 1 - to} pixels from the cut edge: ${JSON.stringify({ plan, square, box, width, height, crop })}`)
        }
      }
    }
    expect(checked).toBe(8000)
    // The cases are not all of one kind.
    expect(reduced).toBeGreaterThan(400)
    expect(reduced).toBeLessThan(3900)
    expect(whole).toBeGreaterThan(100)
    expect(whole).toBeLessThan(15000)
    // Restart markers within a row of MCUs are possible nearly everywhere.
    expect(wide).toBeGreaterThan(1000)
    expect(rowsOnly / wide).toBeLessThan(0.08)
  })

  it('a box beside its frame keeps the nearest pixels', () => {
    const spec: PackPictureSpec = { crop: testCrop, contextFactor: contextFactorOf(testCrop), density: 1, quality: 90, subsampling: '420' }
    for (const box of [[-5000, -5000, -4900, -4900], [9000, 20, 9002, 22], [50, 9000, 900, 9800]]) {
      const plan = addon.packPlan(Float32Array.from(box), 200, 100, spec)
      expect(plan.width).toBeGreaterThan(0)
      expect(plan.height).toBeGreaterThan(0)
    }
  })

  it('is never finer than the density by more than restart intervals need, nor enlarged', () => {
    for (const density of [0.7, 1, 1.3]) {
      for (let side = 20; side < 900; side += 7) {
        const spec: PackPictureSpec = { crop: testCrop, contextFactor: contextFactorOf(testCrop), density, quality: 90, subsampling: '420' }
        const plan = addon.packPlan(Float32Array.of(2000, 2000, 2000 + side - 1, 2000 + side - 1), 8000, 8000, spec)
        const step = (2 * side) / (density * 127)
        if (step <= 1) expect([plan.reduced, plan.x.step, plan.y.step]).toEqual([false, 1, 1])
        else {
          expect(plan.reduced).toBe(true)
          expect(plan.y.step).toBeLessThanOrEqual(step + 1e-9)
          expect(plan.y.step).toBeGreaterThan(step * 0.99 - 0.01)
          expect(plan.x.step).toBeGreaterThan(step * 0.9)
        }
      }
    }
  })
})

describe('bad arguments', () => {
  const spec: PackPictureSpec = { crop: testCrop, contextFactor: contextFactorOf(testCrop), density: 1, quality: 90, subsampling: '420' }
  const box = Float32Array.of(1, 1, 20, 20)
  const code = (call: () => unknown): unknown => {
    try {
      return call()
    } catch (error) {
      return (error as { code?: string }).code
    }
  }

  it.each([-1, 7, 100, NaN, 2 ** 31])('are refused, not divided by: subsampling %d', (subsampling) => {
    const result = code(() => addon.packPlan(box, 100, 100, spec, subsampling))
    // What JavaScript makes a 32-bit 0 of is a subsampling.
    if (Number.isNaN(subsampling)) expect(result).toMatchObject({ width: expect.any(Number) })
    else expect(result).toBe('ERR_ARGUMENT')
  })

  it('are refused: a box of three numbers, an empty frame, a negative size', () => {
    expect(code(() => addon.packPlan(box.subarray(1), 100, 100, spec))).toBe('ERR_ARGUMENT')
    expect(code(() => addon.packPlan(box, 0, 100, spec))).toBe('ERR_ARGUMENT')
    expect(code(() => addon.packPlan(box, 100, -1, spec, 2))).toBe('ERR_ARGUMENT')
    expect(code(() => addon.tarHeader('a.jpg', -1))).toBe('ERR_ARGUMENT')
  })

  it.each([
    ['packPlan', () => addon.packPlan('box' as never, 1, 1, spec)],
    ['packPlan without settings', () => addon.packPlan(box, 1, 1, undefined as never)],
    ['tarHeader', () => addon.tarHeader(5 as never, 'x' as never)],
    ['openPack', () => addon.openPack(7 as never, 'x' as never)],
    ['openPack with shards that are none', () => addon.openPack('x', [undefined] as never)],
  ])('of another type are an error and no crash: %s', (_, call) => {
    expect(call).toThrow(Error)
  })
})
