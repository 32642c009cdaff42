import { describe, expect, it } from 'vitest'
import { Distribution } from '../../lib/data/survey/distribution.ts'

describe('Distribution', () => {
  it('has no summary without a value, and leaves out what has no logarithm', () => {
    const distribution = new Distribution()
    for (const value of [0, -1, Number.NaN, Infinity]) distribution.add(value)
    expect(distribution.summary()).toBeNull()
  })

  it('gives percentiles within 1.1 % and mean, minimum and maximum exactly', () => {
    const distribution = new Distribution()
    for (let value = 1; value <= 10_000; value += 1) distribution.add(value)
    const summary = distribution.summary()!
    expect(summary).toMatchObject({ count: 10_000, min: 1, max: 10_000, mean: 5000.5 })
    for (const [name, exact] of [['p5', 500], ['p25', 2500], ['median', 5000], ['p75', 7500], ['p95', 9500]] as const) {
      expect(Math.abs(summary[name] / exact - 1), name).toBeLessThan(0.011)
    }
  })

  it('counts every value once in at most 48 bins that touch', () => {
    for (const [low, high] of [[1, 1e6], [40, 41], [0.001, 0.9], [7, 7]] as const) {
      const distribution = new Distribution()
      for (let i = 0; i < 500; i += 1) distribution.add(low * (high / low) ** (i / 499))
      const { histogram } = distribution.summary()!
      expect(histogram.length).toBeLessThanOrEqual(48)
      expect(histogram.reduce((sum, bin) => sum + bin.count, 0)).toBe(500)
      expect(histogram[0]!.from).toBeLessThanOrEqual(low * (1 + 1e-9))
      expect(histogram.at(-1)!.to).toBeGreaterThan(high * (1 - 1e-9))
    }
  })

  it('keeps values beyond its range in its outermost bins', () => {
    const distribution = new Distribution()
    distribution.add(1e-30)
    distribution.add(1e30)
    expect(distribution.summary()).toMatchObject({ count: 2, min: 1e-30, max: 1e30 })
  })
})
