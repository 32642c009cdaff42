/** Random crops, tracking crops: the original's geometry, from the uniforms that it drew. Tolerance 5e-4 px (golden README). */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { shared } from '../helpers/shared.ts'

interface TrainCase {
  id: number
  bbox_temp_xyxy: number[]
  bbox_curr_xyxy: number[]
  config: Record<'context_amount' | 'max_scale' | 'max_shift' | 'max_scale_temp' | 'max_shift_temp' | 'z_size' | 'x_size', number>
  uniforms: number[]
  n_draws: number
  crop_z: { pos: number[]; original_sz: number }
  crop_x: { pos: number[]; original_sz: number }
  bbox_z: number[]
  bbox_x: number[]
}
interface GetCropCase {
  sz: [number, number]
  dtype: 'float32' | 'float64'
  get_crop: Record<string, { scale: number; original_sz: number }>
}

const golden = JSON.parse(readFileSync(shared('golden', 'crop_geometry.json'), 'utf8')) as { train: TrainCase[]; get_crop: GetCropCase[] }
const addon = loadAddon()

function geometry(test: TrainCase, uniforms = test.uniforms) {
  const c = test.config
  const spec = { contextAmount: c.context_amount, maxScale: c.max_scale, maxShift: c.max_shift, maxScaleTemp: c.max_scale_temp, maxShiftTemp: c.max_shift_temp, zSize: c.z_size, xSize: c.x_size }
  return addon.cropGeometry(Float32Array.from(test.bbox_temp_xyxy), Float32Array.from(test.bbox_curr_xyxy), spec, Float64Array.from(uniforms))
}

function worst(actual: ArrayLike<number>, expected: number[]): number {
  expect(actual.length).toBe(expected.length)
  return Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] as number))))
}

describe('crop_track_pair', () => {
  it('has the cases that the README names', () => {
    expect(golden.train).toHaveLength(44)
    expect(golden.train.find((test) => test.id === 40)?.n_draws).toBe(300)
  })

  it.each(golden.train.map((test) => [test.id, test] as const))('case %i: crops, boxes and number of draws', (_, test) => {
    const got = geometry(test)
    expect(got.draws).toBe(test.n_draws)
    expect(worst(got.cropZ, [...test.crop_z.pos, test.crop_z.original_sz])).toBeLessThan(5e-4)
    expect(worst(got.cropX, [...test.crop_x.pos, test.crop_x.original_sz])).toBeLessThan(5e-4)
    expect(worst(got.bboxZ, test.bbox_z)).toBeLessThan(5e-4)
    expect(worst(got.bboxX, test.bbox_x)).toBeLessThan(5e-4)
  })

  it('says so when it is given too few draws', () => {
    const test = golden.train[0] as TrainCase
    expect(() => geometry(test, test.uniforms.slice(0, 5))).toThrow(/more than the 5 uniforms/)
  })

  it('refuses boxes without a size', () => {
    const test = golden.train[0] as TrainCase
    expect(() => geometry({ ...test, bbox_temp_xyxy: [10, 10, 9, 9] })).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
    expect(() => geometry({ ...test, bbox_curr_xyxy: [Number.NaN, 10, 9, 9] })).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
  })
})

describe('get_crop', () => {
  const cases = golden.get_crop.flatMap((test) => Object.entries(test.get_crop).map(([xSize, expected]) => ({ ...test, xSize: xSize === 'None' ? 127 : Number(xSize), expected })))

  it('covers both dtypes', () => expect(new Set(cases.map((test) => test.dtype))).toEqual(new Set(['float32', 'float64'])))

  it.each(cases)('$sz $dtype to $xSize: rounded side, unrounded scale', ({ sz, dtype, xSize, expected }) => {
    const got = addon.trackingCrop(sz[0], sz[1], 0.5, 127, xSize, dtype === 'float32')
    expect(got.sizePx).toBe(expected.original_sz)
    expect(Math.abs(got.scale / expected.scale - 1)).toBeLessThan(1e-12)
  })
})
