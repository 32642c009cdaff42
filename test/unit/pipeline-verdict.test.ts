/** What bound a stretch of training is a function of its numbers: each verdict, and the edges between them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LoaderStats } from '../../lib/native/addon.ts'
import { loaderUse } from '../../lib/pipeline/loader-use.ts'
import { noticeableWait, type Situation, verdictOf } from '../../lib/pipeline/verdict.ts'

type Loader = NonNullable<Situation['loader']>

const noStats: LoaderStats = {
  batches: 0, samples: 0, skipped: 0, skippedSamples: 0, readSeconds: 0, decodeSeconds: 0, meanSeconds: 0, warpSeconds: 0, cpuSeconds: 0, idleSeconds: 0, waitSeconds: 0, bytesRead: 0,
  wholeDecodes: 0, regionDecodes: 0, queueDepthBatches: 0, threads: 1, failedThreads: 0, busySeconds: 0, readAheadThreads: 0, readAheadFrames: 0, readAheadBytes: 0,
  readAheadSeconds: 0, cacheHits: 0, cacheMisses: 0, cacheFrames: 0, cacheBytes: 0, cacheLimitBytes: 0,
}
const busyLoader: Loader = { threads: 2, busyShare: 0.99, coreShare: 0.97, cacheHitShare: null, stages: { read: 0.02, decode: 0.71, mean: 0.07, warp: 0.18, other: 0.02 } }
const diskLoader: Loader = { ...busyLoader, coreShare: 0.25, stages: { read: 0.71, decode: 0.2, mean: 0.02, warp: 0.06, other: 0.01 } }

function situation(loader: Partial<Loader> | null, more: Partial<Situation> = {}): Situation {
  return { seconds: 100, waitSeconds: 60, loader: loader === null ? null : { ...busyLoader, ...loader }, packed: false, cores: 8, computeThreads: 0, ...more }
}

describe('verdictOf', () => {
  it('is compute-bound where batches were there when they were wanted, whatever the threads did', () => {
    for (const loader of [null, {}, diskLoader]) {
      expect(verdictOf(situation(loader, { waitSeconds: 100 * noticeableWait - 0.01 }))).toEqual({ bound: 'compute', text: 'compute-bound', advice: '' })
      expect(verdictOf(situation(loader, { waitSeconds: 100 * noticeableWait })).bound).not.toBe('compute')
    }
    expect(verdictOf(situation({}, { seconds: 0, waitSeconds: 0 })).bound).toBe('compute')
  })

  it('is loader-bound where all threads were busy on cores of their own', () => {
    expect(verdictOf(situation({}))).toEqual({ bound: 'loader', text: 'loader-bound: 2 of 2 threads busy', advice: 'raise --workers (8 cores), or make a pack: siamtrain data pack' })
    expect(verdictOf(situation({ threads: 1 })).text).toBe('loader-bound: 1 of 1 thread busy')
  })

  it('advises more workers only while there are cores for them, and a pack only where there is none', () => {
    expect(verdictOf(situation({ threads: 8 })).advice).toBe('make a pack: siamtrain data pack, or use more cores')
    expect(verdictOf(situation({ threads: 8 }, { packed: true })).advice).toBe('use more cores')
    expect(verdictOf(situation({}, { packed: true })).advice).toBe('raise --workers (8 cores)')
    // libtorch needs six of the eight, so a seventh and eighth are all that two loader threads can have.
    expect(verdictOf(situation({}, { computeThreads: 6 }))).toMatchObject({ bound: 'loader', advice: 'make a pack: siamtrain data pack, or use more cores' })
  })

  it('is cores-bound where loader threads and libtorch want more cores than there are', () => {
    expect(verdictOf(situation({ coreShare: 0.5 }, { cores: 2, computeThreads: 2 }))).toEqual({
      bound: 'cores',
      text: 'cores-bound: 2 of 2 threads busy, and they share 2 cores with 2 threads of libtorch',
      advice: 'make a pack: siamtrain data pack, or use more cores',
    })
    expect(verdictOf(situation({ threads: 1 }, { cores: 1, computeThreads: 1 })).text).toBe('cores-bound: 1 of 1 thread busy, and it shares 1 core with 1 thread of libtorch')
    // On a device libtorch takes no core.
    expect(verdictOf(situation({}, { cores: 2, computeThreads: 0 })).bound).toBe('loader')
  })

  it('is cores-bound where the loader takes much of the cores that the network computes on, though batches are there in time', () => {
    const shared = { waitSeconds: 0.1, cores: 2, computeThreads: 2 }
    expect(verdictOf(situation({ busyShare: 0.95, coreShare: 0.5 }, shared))).toEqual({
      bound: 'cores',
      text: 'cores-bound: the loader takes 48 % of the time of the 2 cores from the network',
      advice: 'make a pack: siamtrain data pack, or use more cores',
    })
    expect(verdictOf(situation({ busyShare: 0.95, coreShare: 0.5 }, { ...shared, packed: true })).advice).toBe('lower --workers, or use more cores')
    expect(verdictOf(situation({ threads: 1, busyShare: 0.9, coreShare: 1 }, { ...shared, cores: 1, computeThreads: 1, packed: true }))).toEqual({
      bound: 'cores',
      text: 'cores-bound: the loader takes 90 % of the time of the core from the network',
      advice: 'use more cores',
    })
    // From here on, and not below.
    expect(verdictOf(situation({ busyShare: 0.3, coreShare: 0.5 }, shared)).bound).toBe('cores')
    expect(verdictOf(situation({ busyShare: 0.29, coreShare: 0.5 }, shared))).toEqual({ bound: 'compute', text: 'compute-bound', advice: '' })
    // Cores for all, or a network on a device.
    expect(verdictOf(situation({}, { ...shared, cores: 4 })).bound).toBe('compute')
    expect(verdictOf(situation({}, { ...shared, computeThreads: 0 })).bound).toBe('compute')
    // A longer queue does not give threads a core.
    expect(verdictOf(situation({ busyShare: 0.6, coreShare: 0.6 }, { ...shared, waitSeconds: 10 }))).toMatchObject({ bound: 'cores', text: expect.stringContaining('the loader takes 36 %') as unknown })
  })

  it('is cores-bound where the loader has more threads than there are cores, and they want them all', () => {
    const many = { threads: 64, busyShare: 0.5, coreShare: 0.05 }
    expect(verdictOf(situation(many, { cores: 2 }))).toEqual({ bound: 'cores', text: 'cores-bound: 64 threads on 2 cores', advice: 'lower --workers to 2, make a pack: siamtrain data pack, or use more cores' })
    expect(verdictOf(situation(many, { cores: 1, computeThreads: 1, packed: true }))).toEqual({ bound: 'cores', text: 'cores-bound: 64 threads on 1 core, beside 1 thread of libtorch', advice: 'lower --workers to 1, or use more cores' })
    // Nearly idle threads take no core, and those that wait for a disk do not, either.
    expect(verdictOf(situation({ ...many, busyShare: 0.01 }, { cores: 2 })).bound).toBe('queue')
    expect(verdictOf(situation({ ...many, busyShare: 0.9, stages: diskLoader.stages }, { cores: 2 })).bound).toBe('disk')
  })

  it('is cores-bound where other programs took the cores', () => {
    expect(verdictOf(situation({ threads: 1, coreShare: 0.41 })).text).toBe('cores-bound: 1 of 1 thread busy, but it had a core only 41 % of that time')
    expect(verdictOf(situation({ coreShare: 0.41 }))).toEqual({
      bound: 'cores',
      text: 'cores-bound: 2 of 2 threads busy, but they had a core only 41 % of that time',
      advice: 'see what else runs on this machine, or make a pack: siamtrain data pack',
    })
  })

  it('is disk-bound where threads were blocked in reads, though libtorch wants the cores, too', () => {
    const expected = { bound: 'disk', text: 'disk-bound: threads wait 71 % of their time for reads' }
    expect(verdictOf(situation(diskLoader))).toEqual({ ...expected, advice: 'raise train.track.data.read_ahead, give frames memory: --cache 8G, or make a pack: siamtrain data pack' })
    expect(verdictOf(situation(diskLoader, { cores: 2, computeThreads: 2 }))).toMatchObject(expected)
    expect(verdictOf(situation({ ...diskLoader, cacheHitShare: 0.2 }, { packed: true })).advice).toBe('raise train.track.data.read_ahead, or give frames more memory: --cache')
  })

  it('is disk-bound where the read-ahead could not keep up with the disk: its threads wait, and who needs the frame waits for them', () => {
    // One thread, two that read ahead, 30 ms a read: a pair waits for 30 ms and takes 5 ms of work.
    const pairs = 200
    const after = { ...noStats, samples: pairs, busySeconds: pairs * 0.035, cpuSeconds: pairs * 0.005, readSeconds: pairs * 0.03, decodeSeconds: pairs * 0.004, warpSeconds: pairs * 0.001, readAheadThreads: 2, readAheadSeconds: pairs * 0.06 }
    const use = loaderUse(noStats, after, pairs * 0.035)!
    expect(verdictOf({ seconds: pairs * 0.035, waitSeconds: pairs * 0.034, loader: use, packed: false, cores: 2, computeThreads: 0 })).toMatchObject({ bound: 'disk', text: 'disk-bound: threads wait 86 % of their time for reads' })
  })

  it('does not blame the disk for reads that only copied from memory', () => {
    expect(verdictOf(situation({ stages: diskLoader.stages, coreShare: 0.98 })).bound).toBe('loader')
  })

  it('is queue-bound where threads had time left and batches came late', () => {
    expect(verdictOf(situation({ busyShare: 0.6 }))).toEqual({
      bound: 'queue',
      text: 'queue-bound: batches came late although threads were idle 40 % of the time',
      advice: 'raise train.track.data.queue_batches, so that more is ready when it is wanted',
    })
  })

  it("is data-bound where an iterable of the user's own was waited for", () => {
    expect(verdictOf(situation(null))).toEqual({
      bound: 'data',
      text: 'data-bound: 60 % of the time went into waiting for the training data',
      advice: 'have your iterable make batches ahead, before they are asked for',
    })
  })

  it('never waits longer than the time it was part of, however short that was', () => {
    expect(verdictOf({ ...situation(null), seconds: 5e-324, waitSeconds: 1e-17 }).text).toBe('data-bound: 100 % of the time went into waiting for the training data')
    expect(verdictOf({ ...situation(null), seconds: 0, waitSeconds: 1 }).bound).toBe('compute')
  })

  it('has a verdict and, unless nothing is to gain, advice for any numbers', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    const loader = fc.record({
      threads: fc.integer({ min: 1, max: 64 }),
      busyShare: share,
      coreShare: share,
      cacheHitShare: fc.option(share),
      stages: fc.record({ read: share, decode: share, mean: share, warp: share, other: share }),
    })
    const any = fc.record({
      seconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
      waitSeconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
      loader: fc.option(loader),
      packed: fc.boolean(),
      cores: fc.integer({ min: 1, max: 128 }),
      computeThreads: fc.integer({ min: 0, max: 128 }),
    })
    fc.assert(
      fc.property(any, (numbers) => {
        const { bound, text, advice } = verdictOf(numbers)
        expect(text).toMatch(new RegExp(`^${bound}-bound`))
        expect(advice === '').toBe(bound === 'compute')
        expect(text + advice).not.toMatch(/NaN|undefined|Infinity/)
        if (numbers.packed) expect(advice).not.toMatch(/data pack/)
      }),
    )
  })
})
