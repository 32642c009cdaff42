/** The bar while annotations are read: none for what takes a moment, one a data set for what takes long. */
import { expect, it } from 'vitest'
import { progressOfIndexing } from '../../lib/engine/index-progress.ts'
import type { ProgressBar, ProgressOptions } from '../../lib/engine/progress.ts'

function setUp() {
  const made: { options: ProgressOptions; n: number; closed: boolean }[] = []
  let now = 0
  const make = (options: ProgressOptions = {}): ProgressBar => {
    const bar = { options, n: options.initial ?? 0, closed: false }
    made.push(bar)
    return {
      get n() {
        return bar.n
      },
      update: (by = 1) => void (bar.n += by),
      setDescription: () => {},
      log: () => {},
      close: () => void (bar.closed = true),
      [Symbol.dispose]: () => void (bar.closed = true),
    }
  }
  const progress = progressOfIndexing('lines', () => now, make)
  return { made, ...progress, at: (seconds: number) => void (now = seconds) }
}

it('shows nothing within the first second', () => {
  const { made, onProgress, close, at } = setUp()
  for (let done = 1; done <= 500; done += 1) {
    at(done / 600)
    onProgress({ dataset: 'A', done, total: 500 })
  }
  close()
  expect(made).toEqual([])
})

it('then one bar a data set, which begins where reading is', () => {
  const { made, onProgress, close, at } = setUp()
  onProgress({ dataset: 'A', done: 1, total: 10 })
  at(2)
  onProgress({ dataset: 'A', done: 4, total: 10 })
  onProgress({ dataset: 'A', done: 10, total: 10 })
  onProgress({ dataset: 'B', done: 1, total: undefined })
  expect(made.map(({ options, n, closed }) => [options.description, options.total, options.mode, n, closed])).toEqual([
    ['reading A', 10, 'lines', 10, true],
    ['reading B', undefined, 'lines', 1, false],
  ])
  expect(made[0]?.options.initial).toBe(3)
  close()
  expect(made[1]?.closed).toBe(true)
})
