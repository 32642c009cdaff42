/** What `siamtrain bench data CONFIG` prints, from numbers that a measurement does not give on demand. */
import { expect, it } from 'vitest'
import { describeMeasurement } from '../../lib/cli/bench-data.ts'
import type { LoaderMeasurement } from '../../lib/data/index.ts'

const spread = { median: 400, min: 390, max: 410 }
const measurement: LoaderMeasurement = {
  threads: 2, batchSize: 32, packed: false, cores: 2, rounds: 10, seconds: 5, pairs: 2000, skipped: 0, pairsPerSecond: spread, pairsPerCpuSecond: 210, bytesPerSecond: 3e7,
  use: {
    threads: 2, busyShare: 0.99, coreShare: 0.9, stages: { read: 0.02, decode: 0.8, mean: 0, warp: 0.15, other: 0.03 }, samples: 2000, bytesPerSecond: 3e7, wholeShare: 0, cacheHitShare: null, readAheadThreads: 0,
  },
  decodeLimit: { pairsPerSecond: { median: 480, min: 470, max: 490 }, pairsPerCpuSecond: 250 },
  shareOfLimit: 0.82, shareOfLimitCpu: 0.84,
  verdict: { bound: 'loader', text: 'loader-bound: 2 of 2 threads busy', advice: 'use more cores' },
}

it('the share of the limit is the one by processor time', () => {
  expect(describeMeasurement('my.yaml', measurement)).toMatch(/^ {2}reached +84 % of the limit set by region decoding alone, by processor time \(by the clock 82 %\)$/m)
})

it('the share by the clock is marked where it cannot be right', () => {
  expect(describeMeasurement('my.yaml', { ...measurement, shareOfLimit: 1.31 })).toMatch(
    /^ {2}reached +84 % of the limit set by region decoding alone, by processor time \(by the clock 131 %: unreliable, the limit had less of the cores than the loader\)$/m,
  )
})
