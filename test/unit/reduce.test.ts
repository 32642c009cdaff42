/** Pictures made smaller for looking at. */
import { expect, it } from 'vitest'
import { reduced } from '../../lib/tracking/reduce.ts'

it('each pixel is the mean of those that it covers', () => {
  const data = Uint8Array.from([0, 10, 20, 10, 20, 30, 100, 0, 0, 0, 0, 0, 20, 30, 40, 30, 40, 50, 0, 100, 0, 0, 0, 100])
  expect(reduced({ data, width: 4, height: 2 }, 2, 1)).toEqual({ data: Uint8Array.from([15, 25, 35, 25, 25, 25]), width: 2, height: 1 })
})

it('every pixel counts where the sizes do not divide', () => {
  const data = new Uint8Array(7 * 5 * 3).fill(77)
  expect(reduced({ data, width: 7, height: 5 }, 3, 2).data.every((value) => value === 77)).toBe(true)
})

it('a picture of that size is itself', () => {
  const picture = { data: new Uint8Array(12), width: 2, height: 2 }
  expect(reduced(picture, 2, 2)).toBe(picture)
})
