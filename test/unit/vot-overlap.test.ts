/** Overlap of VOT regions: counted by hand, by brute force, and by the official toolkit. */
import { describe, expect, it } from 'vitest'
import { overlapPysot } from '../../lib/evaluation/vot/overlap-pysot.ts'
import { overlapVot } from '../../lib/evaluation/vot/overlap-vot.ts'
import type { Bound } from '../../lib/evaluation/overlap.ts'
import { officialNumbers } from '../helpers/vot.ts'

const frame: Bound = [100, 80]
const f32 = Math.fround

describe('overlap by the rule of pysot', () => {
  it.each([
    // [0, 0, 9, 9] covers the 10 × 10 pixels 0 … 9.
    ['itself', [0, 0, 9, 9], [0, 0, 9, 9], 1],
    ['half of it', [0, 0, 9, 9], [5, 0, 9, 9], 50 / 150],
    ['one shared column', [0, 0, 9, 9], [9, 0, 9, 9], 0],
    ['nothing', [0, 0, 9, 9], [50, 50, 9, 9], 0],
    ['a polygon that is that box', [0, 0, 9, 9], [0, 0, 9, 0, 9, 9, 0, 9], 1],
    ['whatever the direction and first corner', [0, 0, 9, 9], [9, 9, 9, 0, 0, 0, 0, 9], 1],
    // Halves are rounded away from zero, relative to pixel 0: 0.5 … 9.5 becomes 1 … 10, beside 0 … 9.
    ['halves', [0, 0, 9, 9], [0.5, 0, 9, 9], 90 / 110],
    // The frame reaches from 0 to 100: 96 … 100 of 96 … 105.
    ['beyond the right border', [96, 0, 9, 9], [96, 0, 4, 9], 1],
    ['beyond the upper border', [0, -6, 9, 9], [0, 0, 9, 3], 1],
    // Rows 1 … 4 of the triangle (0,0) (8,0) (0,4): 0 … 6, 0 … 4, 0 … 2; row 0 is 0 … 8; row 4 is a single pixel, which stays empty.
    ['a triangle in its box', [0, 0, 8, 4], [0, 0, 8, 0, 0, 4], (9 + 7 + 5 + 3) / 45],
  ] as [string, number[], number[], number][])('%s', (_, a, b, expected) => {
    expect(overlapPysot(a, b, frame)).toBe(f32(expected))
    expect(overlapPysot(b, a, frame)).toBe(f32(expected))
  })

  it('is 0 where one region has no area in the frame, NaN where none has', () => {
    expect(overlapPysot([0, 0, 9, 9], [5, 5, 0, 0], frame)).toBe(0)
    expect(overlapPysot([200, 0, 9, 9], [0, 0, 9, 9], frame)).toBe(0)
    expect(overlapPysot([5, 5, 0, 0], [5, 5, 0, 0], frame)).toBeNaN()
  })

  it('fills each lobe of a polygon that crosses itself', () => {
    // An hourglass: rows 0 and 4 are 0 … 8, rows 1 and 3 are 2 … 6, row 2 is one point.
    expect(overlapPysot([0, 0, 8, 4], [0, 0, 8, 0, 0, 4, 8, 4], frame)).toBe(f32((9 + 5 + 5 + 9) / 45))
  })

  it('equals what filled masks of upright and slanted quadrangles give', () => {
    const random = generator(11)
    let overlapping = 0
    for (let k = 0; k < 400; k++) {
      const a = quadrangle(random)
      const b = random() < 0.5 ? quadrangle(random) : a.map((value) => value + 4)
      const expected = maskOverlap(a, b, frame)
      if (expected > 0) overlapping++
      expect(overlapPysot(a, b, frame), JSON.stringify([a, b])).toBe(f32(expected))
    }
    expect(overlapping).toBeGreaterThan(100)
  })
})

describe('overlap by the rule of the official toolkit', () => {
  it.each([
    ['itself', [0, 0, 10, 10], [0, 0, 10, 10], 1],
    ['half of it: w × h pixels', [0, 0, 10, 10], [5, 0, 10, 10], 50 / 150],
    ['halves are rounded to even', [0, 0, 10, 10], [0.5, 0, 10, 10], 1],
    ['and up beside odd numbers', [2, 0, 10, 10], [1.5, 0, 10, 10], 1],
    ['no region', [0, 0, 10, 10], null, 0],
    ['no region twice', null, null, 1],
    ['outside of the frame', [200, 0, 10, 10], [205, 0, 10, 10], 0],
  ] as [string, number[] | null, number[] | null, number][])('%s', (_, a, b, expected) => {
    expect(overlapVot(a, b, frame)).toBe(expected)
    expect(overlapVot(b, a, frame)).toBe(expected)
  })

  it("gives the toolkit's own numbers", () => {
    const { overlaps } = officialNumbers()
    expect(overlaps.filter(([, , , expected]) => expected > 0).length).toBeGreaterThan(30)
    for (const [a, b, size, expected] of overlaps) expect(overlapVot(a, b, size), JSON.stringify([a, b, size])).toBeCloseTo(expected, 12)
  })
})

/** A parallelogram with whole corners, within the frame or partly outside: no rounding can bend it. */
function quadrangle(random: () => number): number[] {
  const whole = (from: number, to: number): number => Math.floor(from + (to - from) * random())
  const [x, y] = [whole(-10, 100), whole(-10, 80)]
  const upright = random() < 0.3
  const [ux, uy] = [whole(2, 40), upright ? 0 : whole(-20, 20)]
  const [vx, vy] = [upright ? 0 : whole(-20, 20), whole(2, 40)]
  return [x, y, x + ux, y + uy, x + ux + vx, y + uy + vy, x + vx, y + vy]
}

/**
 * For convex polygons: pixel by pixel, what lies between the leftmost and the rightmost point that the polygon has in the row. Where the
 * boxes around them share no area within the frame, the rule says 0 without counting.
 */
function maskOverlap(a: number[], b: number[], [width, height]: Bound): number {
  const boxes = [a, b].map((p) => [Math.max(0, Math.min(...xs(p))), Math.max(0, Math.min(...ys(p))), Math.min(width, Math.max(...xs(p))), Math.min(height, Math.max(...ys(p)))] as const)
  const over = (side: 0 | 1 | 2 | 3): [number, number] => [boxes[0]?.[side] ?? 0, boxes[1]?.[side] ?? 0]
  if (Math.max(...over(0)) >= Math.min(...over(2)) || Math.max(...over(1)) >= Math.min(...over(3))) return 0
  const [left, top, right, bottom] = [Math.min(...over(0)), Math.min(...over(1)), Math.max(...over(2)), Math.max(...over(3))]
  let [both, any] = [0, 0]
  for (let y = 0; y <= bottom - top; y++) {
    for (let x = 0; x <= right - left; x++) {
      const [inA, inB] = [inside(a, x, y, left, top), inside(b, x, y, left, top)]
      if (inA && inB) both++
      if (inA || inB) any++
    }
  }
  return both / any
}

function inside(polygon: number[], x: number, y: number, left: number, top: number): boolean {
  const px = xs(polygon).map((value) => value - left)
  const py = ys(polygon).map((value) => value - top)
  let [min, max] = [Infinity, -Infinity]
  for (let i = 0; i < px.length; i++) {
    const j = (i + px.length - 1) % px.length
    const [y1, y2] = [py[i] as number, py[j] as number]
    if (y1 === y2 || y < Math.min(y1, y2) || y > Math.max(y1, y2)) continue
    const cross = Math.trunc((px[i] as number) + ((px[j] as number) - (px[i] as number)) * ((y - y1) / (y2 - y1)))
    min = Math.min(min, cross)
    max = Math.max(max, cross)
  }
  return min < max && x >= min && x <= max
}

function xs(polygon: number[]): number[] {
  return polygon.filter((_, i) => i % 2 === 0)
}

function ys(polygon: number[]): number[] {
  return polygon.filter((_, i) => i % 2 === 1)
}

/** Numbers in [0, 1), the same ones at every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
