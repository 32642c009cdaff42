/**
 * Pairs that the original's sampler, cropper and target maker made from the bag frames. Which frames they came from is not recorded, but a
 * crop keeps its box's aspect ratio, which names the frame; the template's crop then has no freedom left (no shift, no scale), and the
 * search crop's scale and shift follow from its box. So decoding, padding, geometry, warp and labels are all seen to be the original's.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenTensors, row, tensorOf } from '../helpers/golden-tensors.ts'
import { levelDifferences, readFrame } from '../helpers/pixels.ts'
import { shared } from '../helpers/shared.ts'

const addon = loadAddon()
const bag = shared('data', 'vot-bag')
const frames = readdirSync(bag).filter((name) => name.endsWith('.jpg')).sort()

/** Bounding rectangle x, y, w, h of each frame's polygon: the boxes that the original's VOT-like set had. */
const rectangles = readFileSync(`${bag}/groundtruth.txt`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const numbers = line.split(',').map(Number)
    const xs = numbers.filter((_, i) => i % 2 === 0)
    const ys = numbers.filter((_, i) => i % 2 === 1)
    const [x, y] = [Math.min(...xs), Math.min(...ys)]
    return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y }
  })

/** The bag frame whose box has the aspect ratio of a box in a crop; float32 boxes tell it to 1e-6. */
function frameOf(box: Float32Array): number {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = box
  const ratio = Math.log((y2 - y1 + 1) / (x2 - x1 + 1))
  const distances = rectangles.map(({ w, h }) => Math.abs(Math.log(h / w) - ratio))
  const best = Math.min(...distances)
  expect(best).toBeLessThan(1e-6)
  return distances.indexOf(best)
}

const mean = ([b, g, r]: Uint8Array): [number, number, number] => [b ?? 0, g ?? 0, r ?? 0]

describe.each([
  ['pool303', 303, 12],
  ['pool289', 289, 2],
])('%s', (name, xSize, count) => {
  const pool = goldenTensors(`${name}.safetensors`)
  const part = <A extends Uint8Array | Int8Array | Float32Array>(key: string, type: new (length: number) => A, i: number): A => row(tensorOf(pool, key, type), i)

  it.each(Array.from({ length: count }, (_, i) => i))('pair %i: both crops', (i) => {
    const [boxZ, boxX] = [part('bbox_z', Float32Array, i), part('bbox_x', Float32Array, i)]
    const [z, x] = [frameOf(boxZ), frameOf(boxX)]
    const frame = readFrame(`${bag}/${frames[z]}`)
    const { w, h, ...corner } = rectangles[z] as (typeof rectangles)[number]
    const side = Math.sqrt((w + 0.5 * (w + h)) * (h + 0.5 * (w + h)))
    const imZ = addon.cropSubwindow(frame.data, frame.width, frame.height, corner.x + (w - 1) / 2, corner.y + (h - 1) / 2, side, 127, null)
    expect(levelDifferences(imZ, part('im_z', Uint8Array, i))).toMatchObject({ max: expect.toSatisfy((level: number) => level <= 1) })

    // A crop far outside of the frame is the mean of the template's frame and nothing else.
    const padding = mean(addon.cropSubwindow(frame.data, frame.width, frame.height, -1e5, -1e5, 10, 2, null))
    const search = readFrame(`${bag}/${frames[x]}`)
    const target = rectangles[x] as (typeof rectangles)[number]
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = boxX
    const scale = (x2 - x1 + 1) / target.w
    const middle = (xSize - 1) / 2
    const cx = target.x + (target.w - 1) / 2 - ((x1 + x2) / 2 - middle) / scale
    const cy = target.y + (target.h - 1) / 2 - ((y1 + y2) / 2 - middle) / scale
    const imX = addon.cropSubwindow(search.data, search.width, search.height, cx, cy, xSize / scale, xSize, padding)
    const differences = levelDifferences(imX, part('im_x', Uint8Array, i))
    // The crop's place is known from a float32 box only (some 1e-5 px), so a value near one half may round the other way.
    expect(differences.max).toBeLessThanOrEqual(1)
    expect(differences.differing).toBeLessThan(0.004)
  })

  it.each(Array.from({ length: count }, (_, i) => i))('pair %i: labels', (i) => {
    const negative = part('is_negative_pair', Uint8Array, i)[0] === 1
    const got = addon.denseboxTarget(part('bbox_x', Float32Array, i), { totalStride: 8, scoreSize: 17, xSize, numConv3x3: 3 }, negative)
    expect(Array.from(got.cls)).toEqual(Array.from(part('cls_gt', Int8Array, i)))
    expect(got.box).toEqual(part('box_gt', Float32Array, i))
    const ctr = part('ctr_gt', Float32Array, i)
    expect(Math.max(...ctr.map((value, k) => Math.abs(value - (got.ctr[k] as number))))).toBeLessThan(1e-6)
  })
})
