import { describe, expect, it } from 'vitest'
import { meanOverlap, overlap, type Rect } from '../../lib/evaluation/overlap.ts'

describe('overlap', () => {
  it.each([
    [[0, 0, 10, 10], [0, 0, 10, 10], 1],
    [[0, 0, 10, 10], [5, 0, 10, 10], 1 / 3],
    [[0, 0, 10, 10], [2, 2, 5, 5], 0.25],
    [[0, 0, 10, 10], [10, 0, 10, 10], 0],
    [[0, 0, 10, 10], [-20, -20, 5, 5], 0],
    [[0, 0, 0, 0], [0, 0, 0, 0], 0],
    [[0, 0, Number.NaN, 10], [0, 0, 10, 10], 0],
  ] as [Rect, Rect, number][])('%j and %j: %d', (a, b, expected) => {
    expect(overlap(a, b)).toBeCloseTo(expected, 12)
    expect(overlap(b, a)).toBeCloseTo(expected, 12)
  })
})

it('equal boxes of fractional numbers overlap by no more than 1', () => {
  // 0.1 + 0.2 − 0.1 is a little more than 0.2.
  const box: Rect = [0.1, 0.1, 0.2, 0.2]
  expect(0.1 + 0.2 - 0.1).toBeGreaterThan(0.2)
  expect(overlap(box, box)).toBe(1)
})

describe('overlap in a frame', () => {
  it('cuts both boxes by the rule of the GOT-10k toolkit', () => {
    expect(overlap([-10, 0, 20, 10], [0, 0, 20, 10], [100, 100])).toBeCloseTo(1, 12)
    expect(overlap([90, 90, 40, 40], [90, 90, 10, 10], [100, 100])).toBeCloseTo(1, 12)
    expect(overlap([90, 90, 40, 40], [90, 90, 10, 10])).toBeCloseTo(1 / 16, 12)
    expect(overlap([120, 0, 10, 10], [90, 0, 10, 10], [100, 100])).toBe(0)
    expect(meanOverlap([[0, 0, 1, 1], [90, 90, 40, 40]], [[0, 0, 1, 1], [90, 90, 10, 10]], [100, 100])).toBeCloseTo(1, 12)
  })
})

describe('meanOverlap', () => {
  const box: Rect = [0, 0, 10, 10]
  const half: Rect = [5, 0, 10, 10]

  it('leaves out the first frame and those without a target, and counts a missing box as 0', () => {
    expect(meanOverlap([half, box, half], [box, box, box])).toBeCloseTo((1 + 1 / 3) / 2, 12)
    expect(meanOverlap([box, half, box], [box, null, box])).toBe(1)
    expect(meanOverlap([box, box], [box, box, box])).toBe(0.5)
  })

  it('is NaN where no frame counts', () => {
    expect(meanOverlap([box], [box])).toBeNaN()
  })
})
