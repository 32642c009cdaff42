/** The report of an epoch: shares from counts, the line, the curves, and how numbers are written. */
import { describe, expect, it } from 'vitest'
import type { LoaderStats } from '../../lib/native/addon.ts'
import { type EpochReport, epochJson, epochLine, epochScalars, skippedWarning } from '../../lib/pipeline/epoch-report.ts'
import { formatBytes, formatDuration, formatPercent, formatRate } from '../../lib/pipeline/format.ts'
import { median } from '../../lib/pipeline/median.ts'
import { loaderUse } from '../../lib/pipeline/loader-use.ts'

function stats(values: Partial<LoaderStats> = {}): LoaderStats {
  const zeros: LoaderStats = {
    batches: 0, samples: 0, skipped: 0, skippedSamples: 0, readSeconds: 0, decodeSeconds: 0, meanSeconds: 0, warpSeconds: 0, cpuSeconds: 0, idleSeconds: 0, waitSeconds: 0, bytesRead: 0,
    wholeDecodes: 0, regionDecodes: 0, queueDepthBatches: 0, threads: 2, failedThreads: 0, busySeconds: 0, readAheadThreads: 0, readAheadFrames: 0, readAheadBytes: 0, readAheadSeconds: 0,
    cacheHits: 0, cacheMisses: 0, cacheFrames: 0, cacheBytes: 0, cacheLimitBytes: 0,
  }
  return { ...zeros, ...values }
}

const worked = stats({ samples: 100, busySeconds: 10, readSeconds: 1, decodeSeconds: 6, meanSeconds: 1, warpSeconds: 1.5, cpuSeconds: 9, bytesRead: 5e6, wholeDecodes: 20, regionDecodes: 180 })

describe('loaderUse', () => {
  it('has shares of the time between two looks', () => {
    const before = stats({ samples: 10, busySeconds: 4, readSeconds: 1, decodeSeconds: 2, bytesRead: 1e6, cpuSeconds: 3, regionDecodes: 20 })
    const after = stats({ ...worked, busySeconds: 14, readSeconds: 2, decodeSeconds: 8, cpuSeconds: 12, bytesRead: 6e6, samples: 110, regionDecodes: 200 })
    const use = loaderUse(before, after, 8)!
    expect(use).toMatchObject({ threads: 2, samples: 100, cacheHitShare: null, bytesPerSecond: 5e6 / 8, wholeShare: 0.1 })
    expect(use.busyShare).toBeCloseTo(10 / 16)
    expect(use.coreShare).toBeCloseTo(0.9)
    const { read, decode, mean, warp, other } = use.stages
    expect([read, decode, mean, warp, other].map((value) => Number(value.toFixed(9)))).toEqual([0.1, 0.6, 0.1, 0.15, 0.05])
  })

  it('is null before a thread has started, and all zeros where none has worked', () => {
    expect(loaderUse(stats({ threads: 0 }), stats({ threads: 0 }), 1)).toBeNull()
    expect(loaderUse(stats(), stats(), 1)).toMatchObject({ busyShare: 0, coreShare: 0, stages: { read: 0, decode: 0, mean: 0, warp: 0, other: 0 }, samples: 0 })
    expect(loaderUse(stats(), worked, 0)).toMatchObject({ busyShare: 0, bytesPerSecond: 0 })
  })

  it('starts from nothing where the loader is another one than before', () => {
    expect(loaderUse(stats({ samples: 1000, busySeconds: 500, bytesRead: 9e9 }), worked, 10)).toMatchObject({ samples: 100, busyShare: 0.5, bytesPerSecond: 5e5 })
  })

  it('never says more than all', () => {
    expect(loaderUse(stats(), stats({ samples: 1, busySeconds: 3, cpuSeconds: 3.1, decodeSeconds: 3.2 }), 1)).toMatchObject({ busyShare: 1, coreShare: 1, stages: { decode: 1, other: 0 } })
  })

  it('has the share of hits where there is a cache', () => {
    expect(loaderUse(stats({ cacheHits: 5 }), stats({ ...worked, cacheHits: 8, cacheMisses: 1, cacheLimitBytes: 1e9 }), 1)?.cacheHitShare).toBe(0.75)
  })
})

function report(values: Partial<EpochReport> = {}): EpochReport {
  return {
    epoch: 3, firstIteration: 0, iterations: 1171, iterationsPerEpoch: 1171, pairs: 37472, seconds: 412,
    stages: { data: 8.24, copy: 0, fwd: 127.72, bwd: 226.6, optim: 16.48, sync: 0, other: 32.96 },
    startSeconds: 0, skipped: 0, skippedAttempts: 0,
    loader: loaderUse(stats(), worked, 8),
    verdict: { bound: 'compute', text: 'compute-bound', advice: '' },
    ...values,
  }
}

describe('epochLine', () => {
  it('says where the time went and what bound it', () => {
    expect(epochLine(report())).toBe(
      'Epoch 3: 1171 iterations in 6 min 52 s, 91 pairs/s · data wait 2 %, fwd 31 %, bwd 55 %, optim 4 %, other 8 % · ' +
        'loader: 2 threads 63 % busy (read 10 %, decode 60 %, mean 10 %, warp 15 %, other 5 %) · compute-bound',
    )
  })

  it('names the part of the epoch that this process trained', () => {
    expect(epochLine(report({ firstIteration: 1000, iterations: 171 }))).toMatch(/^Epoch 3: 171 iterations \(1001 to 1171 of 1171\) in /)
    expect(epochLine(report({ iterations: 1 }))).toMatch(/^Epoch 3: 1 iteration \(1 to 1 of 1171\) in /)
  })

  it('shows copies, waits for the device, the start of the threads, bad samples and advice where there are any', () => {
    const line = epochLine(
      report({
        stages: { data: 41.2, copy: 4.12, fwd: 127.72, bwd: 226.6, optim: 16.48, sync: 8.24, other: 0 },
        startSeconds: 20.6,
        skipped: 12,
        skippedAttempts: 12,
        loader: null,
        verdict: { bound: 'data', text: 'data-bound: x', advice: 'do y' },
      }),
    )
    expect(line).toContain('data wait 10 % (the first batch 5 %), copy 1 %, fwd 31 %, bwd 55 %, optim 4 %, device 2 %, other 0 %')
    expect(line.endsWith(' · 12 bad samples replaced · data-bound: x; do y')).toBe(true)
    expect(line).not.toContain('loader:')
    expect(line).not.toContain('\n')
  })
})

describe('bad samples', () => {
  it('are told from the attempts that it took to replace them', () => {
    const bad = report({ skipped: 40, skippedAttempts: 352 })
    expect(epochLine(bad)).toContain(' · 40 bad samples replaced (352 attempts) · ')
    expect(epochLine(report({ skipped: 1, skippedAttempts: 1 }))).toContain(' · 1 bad sample replaced · ')
    expect(epochJson(bad)).toMatchObject({ skipped: 40, skipped_attempts: 352 })
    expect(epochScalars(bad)).toMatchObject({ 'pipeline/skipped': 40, 'pipeline/skipped_attempts': 352 })
  })

  it('are warned of where they are more than a tenth of the epoch', () => {
    expect(skippedWarning(report({ pairs: 80, skipped: 40, skippedAttempts: 352 }), '/packs/shard-00000.tar')).toBe(
      'Warning: 40 of the 80 samples of epoch 3 (50 %) were bad and had to be replaced, last because of /packs/shard-00000.tar; siamtrain data verify finds what is damaged',
    )
    expect(skippedWarning(report({ pairs: 80, skipped: 9 }), '/x')).toContain('Warning: 9 of the 80')
    for (const skipped of [0, 8]) expect(skippedWarning(report({ pairs: 80, skipped }), '/x')).toBeNull()
    expect(skippedWarning(report({ pairs: 0, skipped: 0 }), '')).toBeNull()
  })
})

describe('epochScalars', () => {
  it('are all under pipeline/, and the shares of the loop add up to one', () => {
    const scalars = epochScalars(report())
    expect(Object.keys(scalars).filter((tag) => !tag.startsWith('pipeline/'))).toEqual([])
    const sum = Object.entries(scalars).filter(([tag]) => tag.startsWith('pipeline/share/')).reduce((total, [, value]) => total + value, 0)
    expect(sum).toBeCloseTo(1)
    expect(scalars).toMatchObject({ 'pipeline/pairs_per_second': 37472 / 412, 'pipeline/loader/busy': 0.625, 'pipeline/loader/decode': 0.6 })
    expect(Object.keys(epochScalars(report({ loader: null }))).some((tag) => tag.startsWith('pipeline/loader/'))).toBe(false)
  })

  it('are in the JSON, too', () => {
    expect(epochJson(report())).toMatchObject({ epoch: 3, first_iteration: 0, iterations: 1171, pairs: 37472, time: { data: 8.24 }, loader: { threads: 2, busy: 0.625, stages: { decode: 0.6 } }, bound: 'compute' })
    expect(epochJson(report({ loader: null })).loader).toBeNull()
  })
})

describe('numbers for people', () => {
  it.each([
    [0, '0 %'], [0.0004, '<0.1 %'], [0.0006, '0.1 %'], [0.016, '1.6 %'], [0.02, '2 %'], [0.0994, '9.9 %'], [0.0996, '10 %'], [0.633, '63 %'], [1, '100 %'], [NaN, '? %'],
  ])('writes the share %f as %s', (value, text) => expect(formatPercent(value)).toBe(text))

  it.each([
    [0, '0 ms'], [0.0836, '84 ms'], [0.9996, '1 s'], [7.44, '7.4 s'], [9.96, '10 s'], [75.4, '75 s'], [119.6, '2 min 0 s'], [412, '6 min 52 s'], [7199.7, '2 h 0 min'], [11100, '3 h 5 min'],
  ])('writes %f seconds as %s', (value, text) => expect(formatDuration(value)).toBe(text))

  it.each([[0, '0'], [0.0421, '0.042'], [0.9996, '1'], [7.24, '7.2'], [9.96, '10'], [90.95, '91'], [1234.4, '1,234'], [Infinity, '?']])('writes the rate %f as %s', (value, text) => expect(formatRate(value)).toBe(text))

  it.each([[0, '0 B'], [999, '999 B'], [1500, '1.5 kB'], [83_000, '83 kB'], [12_345_678, '12 MB'], [999_600_000, '1 GB'], [4.2e10, '42 GB']])('writes %f bytes as %s', (value, text) => expect(formatBytes(value)).toBe(text))
})

describe('median', () => {
  it.each([[[3], 3], [[4, 1], 2.5], [[9, 1, 5], 5], [[10, 2, 1, 9], 5.5]])('of %j is %f', (values, expected) => expect(median(values)).toBe(expected))
  it('leaves the values in their order, and there is none of nothing', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
    expect(() => median([])).toThrow(RangeError)
  })
})
