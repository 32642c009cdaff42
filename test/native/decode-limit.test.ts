/** The limit that decoding alone sets, and the loader's counts that the report of an epoch is made of. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDataloader, type DataConfig, disposeTrainingData, measureLoader } from '../../lib/data/index.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { loaderUse } from '../../lib/pipeline/loader-use.ts'
import { framePath, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const addon = loadAddon()
let root: string
const boxes = wanderingBoxes(2, 6)
beforeAll(() => {
  root = temporaryFolder('decode-limit')
  writeFrames(root, boxes)
})
afterAll(() => removeFolder(root))

describe('measureDecodeLimit', () => {
  it('decodes the two regions of each sample, again and again until the time is over', async () => {
    const spec = loaderSpec([indexOf(root, boxes)], { samplesPerEpoch: 100 })
    for (const threads of [1, 3]) {
      const run = await addon.measureDecodeLimit(spec, { samples: 5, threads, seconds: 0.1 })
      expect(run.pairs).toBeGreaterThanOrEqual(5)
      expect(run.seconds).toBeGreaterThanOrEqual(0.1)
      expect(run.cpuSeconds).toBeGreaterThan(0)
      expect(run.cpuSeconds).toBeLessThanOrEqual(run.seconds * threads)
      // A pair is two frames, or one that serves both crops.
      expect(run.regions).toBeGreaterThan(run.pairs)
      expect(run.regions).toBeLessThanOrEqual(2 * run.pairs)
    }
  })

  it('decodes every sample at least once, whatever the time', async () => {
    const run = await addon.measureDecodeLimit(loaderSpec([indexOf(root, boxes)], { samplesPerEpoch: 1000 }), { samples: 40, threads: 2, seconds: 0 })
    expect(run.pairs).toBe(40)
    // No more than the epoch has left.
    expect((await addon.measureDecodeLimit(loaderSpec([indexOf(root, boxes)], { samplesPerEpoch: 10, startSample: 7 }), { samples: 40, threads: 1, seconds: 0 })).pairs).toBe(3)
  })

  it('leaves bad samples out, and says so where none is good', async () => {
    const other = temporaryFolder('decode-limit-bad')
    try {
      writeFrames(other, boxes)
      rmSync(framePath(other, 0, 0))
      const spec = loaderSpec([indexOf(other, boxes)], { samplesPerEpoch: 1000 })
      const { pairs } = await addon.measureDecodeLimit(spec, { samples: 60, threads: 1, seconds: 0 })
      expect(pairs).toBeGreaterThan(0)
      expect(pairs).toBeLessThan(60)
      for (let s = 0; s < 2; s += 1) for (let k = 0; k < 6; k += 1) rmSync(framePath(other, s, k), { force: true })
      await expect(addon.measureDecodeLimit(spec, { samples: 4, threads: 1, seconds: 0.1 })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/none of 4 samples is good, the last one: /) })
    } finally {
      removeFolder(other)
    }
  })

  it('lets JavaScript go on meanwhile', async () => {
    let turns = 0
    const timer = setInterval(() => (turns += 1), 1)
    await addon.measureDecodeLimit(loaderSpec([indexOf(root, boxes)], { samplesPerEpoch: 100 }), { samples: 5, threads: 1, seconds: 0.3 })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(3)
  })
})

describe("the loader's counts", () => {
  it('add up: stages are no more than busy, a core no more than busy', async () => {
    const loader = addon.createLoader(loaderSpec([indexOf(root, boxes)], { threads: 2, samplesPerEpoch: 1000 }))
    const before = loader.stats()
    const start = performance.now()
    for (let b = 0; b < 10; b += 1) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
    const after = loader.stats()
    const seconds = (performance.now() - start) / 1000
    await loader.close()
    const { readSeconds, decodeSeconds, meanSeconds, warpSeconds, busySeconds, cpuSeconds } = after
    expect(readSeconds + decodeSeconds + meanSeconds + warpSeconds).toBeLessThanOrEqual(busySeconds)
    expect(cpuSeconds).toBeGreaterThan(0)
    // The clocks tick apart by a hair.
    expect(cpuSeconds).toBeLessThanOrEqual(busySeconds * 1.01 + 1e-4)
    const use = loaderUse(before, after, seconds)!
    // The threads may have begun before the first count.
    expect(use).toMatchObject({ threads: 2, samples: after.samples - before.samples, cacheHitShare: null })
    expect(after.samples).toBeGreaterThanOrEqual(40)
  })
})

describe('measureLoader', () => {
  const config = (dir: string): DataConfig => ({
    train: { track: { data: {
      num_workers: 2, minibatch: 4, nr_image_per_epoch: 1000, index_cache: 'none',
      sampler: { TrackPairSampler: { negative_pair_ratio: 0 }, submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { ratio: 1, max_diff: 100, dataset_root: dir, subset: 'train' } }, filter: { name: '' } } },
    } } },
  }) as unknown as DataConfig

  it('measures in turns and closes what it opened', async () => {
    const dir = temporaryFolder('measure-loader')
    try {
      makeTinyDataset(dir)
      const handles = addon.memory().liveHandles
      const result = await measureLoader(config(dir), { threads: 2, seconds: 0.6 })
      expect(result).toMatchObject({ threads: 2, batchSize: 4, packed: false, skipped: 0 })
      expect(result.rounds).toBeGreaterThanOrEqual(3)
      expect(result.pairs).toBeGreaterThan(0)
      expect(result.pairs / result.seconds).toBeGreaterThanOrEqual(result.pairsPerSecond.min * 0.999)
      expect(result.shareOfLimitCpu).toBeGreaterThan(0)
      expect(result.verdict.bound).not.toBe('compute')
      expect(addon.memory().liveHandles).toBe(handles)
      await expect(measureLoader(config(dir), { seconds: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
      await expect(measureLoader(config(dir), { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
    } finally {
      removeFolder(dir)
    }
  })

  it('goes on at the place that the batches have reached', async () => {
    const dir = temporaryFolder('measure-place')
    try {
      makeTinyDataset(dir)
      const dataloader = await buildDataloader(config(dir), { threads: 1 })
      disposeTrainingData(await dataloader.next())
      expect((await dataloader.measureDecodeLimit({ samples: 8, seconds: 0 })).pairs).toBe(8)
      expect(dataloader.cursor).toEqual({ epoch: 0, sample: 4 })
      await dataloader.close()
      await expect(dataloader.measureDecodeLimit({ samples: 8, seconds: 0 })).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    } finally {
      removeFolder(dir)
    }
  })
})
