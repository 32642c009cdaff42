/** Where the loader's frames come from: read ahead, from the cache, from slow disks and from files that go bad while an epoch runs. */
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoaderSpec, LoaderStats, NativeLoader } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { expectedSkips, frameFaults, placeOf, takeBatches, until } from '../helpers/frame-faults.ts'
import { framePath, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-reading-'))
const good = path.join(root, 'good')
const boxes = wanderingBoxes(3, 8)
const frames = 24
beforeAll(() => writeFrames(good, boxes))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const spec = (more: Partial<LoaderSpec> = {}) => loaderSpec([indexOf(good, boxes)], { negativePairRatio: 0.25, samplesPerEpoch: 24, ...more })
/** Slow enough that threads that read ahead are started within a batch or two. */
const slow = { readDelayMicroseconds: 4000, readAheadThreads: 8 }

interface Stream {
  hash: string
  stats: LoaderStats
}

async function stream(config: LoaderSpec, batches: number): Promise<Stream> {
  const loader = addon.createLoader(config)
  const hash = createHash('sha256')
  for (let b = 0; b < batches; b += 1) {
    const { epoch, firstSample, tensors } = await loader.next()
    hash.update(`${epoch} ${firstSample}`)
    for (const key of Object.keys(tensors).sort()) {
      hash.update(await tensors[key]!.toBytes())
      tensors[key]!.dispose()
    }
  }
  const stats = loader.stats()
  await loader.close()
  return { hash: hash.digest('hex'), stats }
}

describe('read-ahead', () => {
  it.each([1, 2, 4, 8])('changes neither order nor content: %i threads', async (threads) => {
    // Long enough that many frames are read ahead by one thread, too, that starts late and has eight to serve.
    const plain = await stream(spec(), 24)
    for (const readAheadThreads of [1, 3, 16]) {
      const ahead = await stream(spec({ ...slow, threads, readAheadThreads, queueBatches: 3 }), 24)
      expect(ahead.hash).toBe(plain.hash)
      expect(ahead.stats.readAheadFrames).toBeGreaterThan(10)
      expect(ahead.stats.readAheadThreads).toBeLessThanOrEqual(readAheadThreads)
    }
  })

  it('makes up for a slow disk: threads that decode wait for a small part of the reading', async () => {
    const without = await stream(spec({ readDelayMicroseconds: 20_000 }), 12)
    const { hash, stats } = await stream(spec({ readDelayMicroseconds: 20_000, readAheadThreads: 16 }), 12)
    expect(hash).toBe(without.hash)
    // Two reads of 20 ms for nearly every one of 48 samples or more; the first samples come before the read-ahead has begun.
    expect(without.stats.readSeconds).toBeGreaterThan(1.2)
    // Waiting for what is being read ahead counts too. And what the threads were busy without a core is the same, counted another way.
    expect(stats.readSeconds).toBeLessThan(without.stats.readSeconds * 0.6)
    const offCore = (of: LoaderStats) => of.busySeconds - of.cpuSeconds
    expect(offCore(stats)).toBeLessThan(offCore(without.stats) * 0.7)
    expect(stats.readAheadSeconds).toBeGreaterThan(0.5)
  })

  it('a disk that is too slow for it still shows as reading', async () => {
    // Two threads read two frames of 30 ms a pair, so a pair comes every 30 ms at best.
    const { stats } = await stream(spec({ readDelayMicroseconds: 30_000, readAheadThreads: 2, queueBatches: 1 }), 12)
    expect(stats.readAheadFrames).toBeGreaterThan(40)
    expect(stats.readSeconds).toBeGreaterThan(0.8)
    expect(stats.readSeconds).toBeGreaterThan(stats.busySeconds * 0.5)
    expect(stats.readSeconds).toBeLessThanOrEqual(stats.busySeconds)
  })

  it('starts no thread while nothing waits', async () => {
    // From the cache, because a busy machine may hold up real reads.
    const cache = addon.createFrameCache(8e6)
    await stream(spec({ cache }), 24)
    const { stats } = await stream(spec({ cache, readAheadThreads: 8 }), 24)
    cache.dispose()
    expect(stats).toMatchObject({ readAheadThreads: 0, readAheadFrames: 0, cacheMisses: 0 })
  })

  it('keeps its bound, also when that is smaller than a frame', async () => {
    const plain = await stream(spec(), 12)
    for (const readAheadBytes of [1, 30_000]) {
      const loader = addon.createLoader(spec({ ...slow, readAheadThreads: 2, readAheadBytes }))
      await takeBatches(loader, 4)
      await until(() => loader.stats().queueDepthBatches === 2)
      // What was begun within the bound may go beyond it by a sample for each thread: two frames of less than 16 KB, and a buffer's slack.
      expect(loader.stats().readAheadBytes).toBeLessThan(readAheadBytes + 2 * 2 * 2 * 16_000)
      await loader.close()
      expect((await stream(spec({ ...slow, readAheadBytes }), 12)).hash).toBe(plain.hash)
    }
  })

  it('serves draws that ask for the sizes of frames', async () => {
    const filter = { maxAreaRate: 0.045, minAreaRate: 0.001, maxRatio: 10, applyAreaLimits: true }
    const plain = await stream(spec({ filter, symmetricWindow: true }), 8)
    const ahead = await stream(spec({ filter, symmetricWindow: true, ...slow }), 8)
    expect(ahead.hash).toBe(plain.hash)
    expect(ahead.hash).not.toBe((await stream(spec({ symmetricWindow: true }), 8)).hash) // the limits do reject pairs here
    expect(ahead.stats.readAheadFrames).toBeGreaterThan(10)
  })

  it('goes on in the next epoch, from any start and for any rank', async () => {
    const at = { samplesPerEpoch: 10, startEpoch: 3, startSample: 7, rank: 1, worldSize: 3 }
    expect((await stream(spec({ ...at, ...slow, threads: 2 }), 12)).hash).toBe((await stream(spec(at), 12)).hash)
  })

  it('refuses a negative number of threads', () => {
    expect(() => addon.createLoader(spec({ readAheadThreads: -1 }))).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('threads that read ahead') }))
  })
})

describe('the cache', () => {
  it('answers from memory what was read once, with the same batches', async () => {
    const plain = await stream(spec(), 12)
    const cache = addon.createFrameCache(8e6)
    // One thread: of two that want a frame at once, both miss it. These draws reach every frame, so that none is under way when it is counted.
    const first = await stream(spec({ cache, threads: 1 }), 12)
    const second = await stream(spec({ cache, threads: 4, ...slow, readDelayMicroseconds: 0 }), 12)
    cache.dispose()
    expect([first.hash, second.hash]).toEqual([plain.hash, plain.hash])
    expect(first.stats).toMatchObject({ cacheFrames: frames, cacheMisses: frames })
    expect(first.stats.cacheHits).toBeGreaterThan(0)
    expect(second.stats).toMatchObject({ cacheFrames: frames, cacheMisses: 0 })
    expect(second.stats.cacheBytes).toBeGreaterThan(frames * 3000)
    expect(second.stats.cacheLimitBytes).toBe(8e6)
  })

  it('outlives its files', async () => {
    const copy = path.join(root, 'gone')
    cpSync(good, copy, { recursive: true })
    const cache = addon.createFrameCache(8e6)
    const config = loaderSpec([indexOf(copy, boxes)], { cache, strict: true })
    const before = await stream(config, 100)
    expect(before.stats.cacheFrames).toBe(frames)
    rmSync(copy, { recursive: true })
    expect((await stream(config, 100)).hash).toBe(before.hash)
    cache.dispose()
  })

  it('keeps within its bound: what came first stays, and the hit rate is the share that is kept', async () => {
    const cache = addon.createFrameCache(120_000)
    const { stats } = await stream(spec({ cache, negativePairRatio: 1, batchSize: 16, samplesPerEpoch: 2000 }), 20)
    expect(stats.cacheBytes).toBeLessThanOrEqual(120_000)
    expect(stats.cacheFrames).toBeGreaterThan(3)
    expect(stats.cacheFrames).toBeLessThan(frames)
    const later = await stream(spec({ cache, negativePairRatio: 1, batchSize: 16, samplesPerEpoch: 2000, startEpoch: 1 }), 40)
    cache.dispose()
    expect(later.stats.cacheFrames).toBe(stats.cacheFrames)
    const rate = later.stats.cacheHits / (later.stats.cacheHits + later.stats.cacheMisses)
    // 1280 draws: three standard deviations are 4 points.
    expect(Math.abs(rate - stats.cacheFrames / frames)).toBeLessThan(0.05)
  })

  it('keeps a still picture once, whatever the number of its objects', async () => {
    const objects = boxes.map((sequence) => sequence.slice(0, 4))
    const names = objects.map(() => ['00000001.jpg'])
    const index = indexOf(good, objects, { still: true, framePatterns: objects.map(() => ''), frameNames: names })
    const cache = addon.createFrameCache(8e6)
    const { stats } = await stream(loaderSpec([index], { cache }), 40)
    cache.dispose()
    expect(stats.cacheFrames).toBe(3)
    expect(stats.cacheMisses).toBe(3) // one thread: two that want a picture at once would both miss it
  })

  it('of other data sets, or disposed, is refused', () => {
    const cache = addon.createFrameCache(1e6)
    const loader = addon.createLoader(spec({ cache }))
    const other = loaderSpec([indexOf(good, boxes.slice(1))], { cache })
    expect(() => addon.createLoader(other)).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('data sets that the cache keeps') }))
    cache.dispose()
    expect(() => addon.createLoader(spec({ cache }))).toThrowError(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    return loader.close()
  })
})

describe.each([['without read-ahead', 0], ['with read-ahead', 8]] as const)('files that go bad while an epoch runs, %s', (_, readAheadThreads) => {
  it.each(Object.entries(frameFaults))('%s: exactly the samples that draw them are replaced', async (name, { damage, reason }) => {
    const copy = path.join(root, `${name.replaceAll(' ', '-')}-${readAheadThreads}`)
    cpSync(good, copy, { recursive: true })
    const config = loaderSpec([indexOf(copy, boxes)], { threads: 3, batchSize: 4, samplesPerEpoch: 24, readAheadThreads, readDelayMicroseconds: readAheadThreads === 0 ? 0 : 2000 })
    const bad = new Set([framePath(copy, 0, 2), framePath(copy, 1, 5), framePath(copy, 2, 0), framePath(copy, 2, 7)])
    const isBad = ({ sequence, frame }: { sequence: number; frame: number }) => bad.has(framePath(copy, sequence, frame))
    const loader = addon.createLoader(config)
    await takeBatches(loader, 6)
    // The queue is full and nothing is being made, so the files change between two known samples; what was read ahead may still be good.
    await until(() => loader.stats().queueDepthBatches === 2)
    const made = loader.stats().samples
    for (const file of bad) damage(file)
    // Four samples are looked ahead for by each thread that reads.
    const window = made + 4 * readAheadThreads
    const total = 240
    await takeBatches(loader, total / 4 - 6)
    const [skipped, { skipped: count, readAheadFrames }] = [loader.takeSkipped(), loader.stats()]
    await loader.close()

    expect(skipped).toHaveLength(count)
    expect(readAheadFrames > 0).toBe(readAheadThreads > 0)
    const from = (i: number) => skipped.filter((skip) => skip.epoch * 24 + skip.sample >= i).map(placeOf)
    expect(from(0)).toEqual(from(made))
    const exact = expectedSkips(config, window, total, isBad)
    expect(exact.length).toBeGreaterThan(20)
    expect(from(window)).toEqual(exact)
    for (const skip of skipped) {
      expect(bad).toContain(skip.file)
      expect(skip.reason).toMatch(reason)
    }
  })
})

describe('a slow disk', () => {
  it.each([0, 4])('close() waits for the reads under way and begins none; %i threads read ahead', async (readAheadThreads) => {
    const loader = addon.createLoader(spec({ threads: 2, batchSize: 32, readAheadThreads, readDelayMicroseconds: 400_000 }))
    const waiting = loader.next().then(() => 'batch', (error: { code: string }) => error.code)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const start = performance.now()
    await loader.close()
    // One read of 400 ms, where a sample has two and a batch 64.
    expect(performance.now() - start).toBeLessThan(3000)
    expect(await waiting).toBe('ERR_ABORTED')
    expect(loader.stats()).toMatchObject({ samples: expect.any(Number), readAheadBytes: 0, readAheadThreads: 0 })
  })

  it('reports a frame that cannot be read as without read-ahead', async () => {
    const copy = path.join(root, 'slow-and-bad')
    cpSync(good, copy, { recursive: true })
    rmSync(framePath(copy, 1, 3))
    const report = async (more: Partial<LoaderSpec>) => {
      const loader: NativeLoader = addon.createLoader(loaderSpec([indexOf(copy, boxes)], more))
      await takeBatches(loader, 20)
      const skipped = loader.takeSkipped()
      await loader.close()
      return skipped
    }
    const plain = await report({})
    expect(plain.length).toBeGreaterThan(3)
    expect(await report({ ...slow, threads: 4 })).toEqual(plain)
  })
})
