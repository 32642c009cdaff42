/** The first frame's samples beside plain loops over pixels, written from the description in docs/online-tracker.md. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { OnlineSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { defaultOnlineSpec } from '../helpers/online-spec.ts'

const side = 9
const extent = 18
type Image = (channel: number, row: number, column: number) => number

const values = Float64Array.from({ length: 3 * extent * extent }, (_, i) => 127 + 120 * Math.sin(i * 0.37 + (i % 19) ** 2))
const clamp = (i: number, size: number): number => Math.min(Math.max(i, 0), size - 1)
/** The image with its edge repeated. */
const image: Image = (channel, row, column) => values[(channel * extent + clamp(row, extent)) * extent + clamp(column, extent)] as number
const black: Image = (channel, row, column) => (row < 0 || column < 0 || row >= extent || column >= extent ? 0 : image(channel, row, column))

function bilinear(source: Image, channel: number, row: number, column: number): number {
  const top = Math.floor(row)
  const left = Math.floor(column)
  const down = row - top
  const right = column - left
  const line = (r: number): number => source(channel, r, left) * (1 - right) + source(channel, r, left + 1) * right
  return line(top) * (1 - down) + line(top + 1) * down
}

function gaussian(sigma: number): [number, number][] {
  const reach = Math.ceil(2 * sigma)
  const taps = Array.from({ length: 2 * reach + 1 }, (_, i): [number, number] => [i - reach, Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2))])
  const sum = taps.reduce((total, [, weight]) => total + weight, 0)
  return taps.map(([offset, weight]) => [offset, weight / sum])
}

function blurred(sigma: readonly [number, number]): Image {
  const rows = gaussian(sigma[0])
  const columns = gaussian(sigma[1])
  return (channel, row, column) =>
    rows.reduce((sum, [dy, wy]) => sum + wy * columns.reduce((line, [dx, wx]) => line + wx * black(channel, clamp(row, extent) + dy, clamp(column, extent) + dx), 0), 0)
}

function rotated(degrees: number): Image {
  const angle = (degrees * Math.PI) / 180
  const middle = (extent - 1) / 2
  return (channel, row, column) => {
    const x = clamp(column, extent) - middle
    const y = clamp(row, extent) - middle
    return bilinear(image, channel, clamp(x * Math.sin(angle) + y * Math.cos(angle) + middle, extent), clamp(x * Math.cos(angle) - y * Math.sin(angle) + middle, extent))
  }
}

/** A `size` of its own, pixel centres at halves. */
function scaled(size: number): Image {
  const at = (i: number): number => clamp(((clamp(i, size) + 0.5) * extent) / size - 0.5, extent)
  return (channel, row, column) => bilinear(image, channel, at(row), at(column))
}

/** `side` pixels around the middle of a source of `size`, moved by a shift. */
function expected(source: Image, size: number, [rows, columns]: readonly [number, number]): number[] {
  const first = Math.ceil((size - side) / 2)
  const pixels = []
  for (let channel = 0; channel < 3; channel += 1) {
    for (let row = 0; row < side; row += 1) {
      for (let column = 0; column < side; column += 1) pixels.push(source(channel, row + first - rows, column + first - columns))
    }
  }
  return pixels
}

async function augment(augmentation: Partial<OnlineSpec['augmentation']>, seed = 1): Promise<{ images: number[][]; shifts: [number, number][] }> {
  const spec = defaultOnlineSpec({ seed, augmentation: { ...defaultOnlineSpec().augmentation, ...augmentation } })
  using input = Tensor.from(values, [1, 3, extent, extent])
  const found = await loadAddon().augmentOnline(spec, side, { image: input.native })
  using images = new Tensor(found.images)
  using shifts = new Tensor(found.shifts)
  const pixels = Array.from((await images.toTypedArray()) as Float64Array)
  const flat = Array.from((await shifts.toTypedArray()) as Float64Array)
  const size = 3 * side * side
  return {
    images: Array.from({ length: images.shape[0] as number }, (_, i) => pixels.slice(i * size, (i + 1) * size)),
    shifts: Array.from({ length: shifts.shape[0] as number }, (_, i) => [flat[2 * i] as number, flat[2 * i + 1] as number]),
  }
}

const off = { relativeShifts: [], flip: false, blurs: [], rotations: [] }

function expectNear(found: number[] | undefined, wanted: number[], tolerance = 1e-9): void {
  expect(Math.max(...wanted.map((value, i) => Math.abs(value - (found?.[i] as number))))).toBeLessThan(tolerance)
}

describe('the samples of the first frame', () => {
  let all: Awaited<ReturnType<typeof augment>>
  beforeAll(async () => {
    all = await augment({ scales: [1.5, 0.8] })
  })

  it('come in the original’s order', () => {
    expect(all.images.length).toBe(1 + 4 + 1 + 5 + 2 + 12)
    expect(all.shifts.length).toBe(all.images.length)
  })

  it('begin with the crop itself, then shifts', async () => {
    expect(all.shifts.slice(0, 5)).toEqual([[0, 0], [2, 2], [-2, 2], [2, -2], [-2, -2]])
    for (let i = 0; i < 5; i += 1) expectNear(all.images[i], expected(image, extent, all.shifts[i] as [number, number]))
    const pixels = await augment({ ...off, shifts: [[3, -1], [-7, 6]] })
    expect(pixels.shifts).toEqual([[0, 0], [3, -1], [-7, 6]])
    for (let i = 0; i < 3; i += 1) expectNear(pixels.images[i], expected(image, extent, pixels.shifts[i] as [number, number]))
  })

  it('are mirrored, blurred in black surroundings, scaled and turned with a random shift each', () => {
    const sources: [Image, number][] = [
      [(channel, row, column) => image(channel, row, extent - 1 - clamp(column, extent)), extent],
      ...[[2, 0.2], [0.2, 2], [3, 1], [1, 3], [2, 2]].map((sigma): [Image, number] => [blurred(sigma as [number, number]), extent]),
      ...[12, 22].map((size): [Image, number] => [scaled(size), size]),
      ...[5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60].map((degrees): [Image, number] => [rotated(degrees), extent]),
    ]
    for (const [i, [source, size]] of sources.entries()) expectNear(all.images[5 + i], expected(source, size, all.shifts[5 + i] as [number, number]), 1e-7)
  })

  it('shift by whole pixels, at most by the factor, as the seed says', async () => {
    const shifts = all.shifts.slice(5).flat()
    expect(shifts.every((shift) => Number.isInteger(shift) && Math.abs(shift) <= side / 6)).toBe(true)
    expect(new Set(shifts).size).toBeGreaterThan(2)
    expect((await augment({ scales: [1.5, 0.8] })).shifts).toEqual(all.shifts)
    expect((await augment({ scales: [1.5, 0.8] }, 2)).shifts).not.toEqual(all.shifts)
    expect((await augment({ randomShift: 0 })).shifts.slice(5).flat().every((shift) => shift === 0)).toBe(true)
  })

  it('are the crop alone where augmentation is off', async () => {
    const found = await augment({ enabled: false })
    expect(found.images.length).toBe(1)
    expectNear(found.images[0], expected(image, extent, [0, 0]))
  })
})
