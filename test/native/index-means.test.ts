/** Means kept beside a cached index: the next run decodes no frame whole, and its batches are the same; what does not hold is not used. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { meansFileOf } from '../../lib/data/cache-folder.ts'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { MeansKeeper, computeMeans } from '../../lib/data/index-means.ts'
import { disposeTrainingData } from '../../lib/data/dataloader.ts'
import { buildDataloader, loadConfig } from '../../lib/index.ts'
import type { LoaderStats } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { type Indexed, indexOnce, useCacheFolder } from '../helpers/index-cache.ts'
import { loaderSpec } from '../helpers/loader-spec.ts'
import { frameFile, makeTinyDataset, removeFolder, temporaryFolder, tinyJpeg } from '../helpers/make-dataset.ts'

let folder = ''
let root = ''
let restore = (): void => {}
beforeAll(() => {
  folder = temporaryFolder('index-means')
  root = path.join(folder, 'set')
  restore = useCacheFolder(path.join(folder, 'cache'))
})
afterAll(() => {
  restore()
  removeFolder(folder)
})
beforeEach(() => {
  makeTinyDataset(root, { sequences: 3, frames: 4 })
})
afterEach(() => {
  removeFolder(root)
  removeFolder(path.join(folder, 'cache'))
})

const got10k = (mode: 'user' | 'none' = 'user'): Promise<Indexed> => indexOnce('GOT10kDataset', { dataset_root: root, subset: 'train' }, { mode })

const compared = 10
/** So many more that they hold all that a loader may have made ahead when `compared` were taken. */
const withAhead = compared + 6

/** Hashes of batches whose crops often leave their frames, and how they were made. */
async function make(index: DatasetIndex, more: { rememberMeans?: boolean } = {}, count = compared): Promise<{ batches: string[]; stats: LoaderStats }> {
  const loader = loadAddon().createLoader({ ...loaderSpec([index], { threads: 2 }), ...more })
  const out: string[] = []
  try {
    for (let b = 0; b < count; b += 1) {
      const { tensors } = await loader.next()
      for (const [key, tensor] of Object.entries(tensors)) {
        if (b < compared) out.push(`${key} ${createHash('sha256').update(await tensor.toBytes()).digest('hex')}`)
        tensor.dispose()
      }
    }
    return { batches: out, stats: loader.stats() }
  } finally {
    await loader.close()
  }
}

/** One run: opens the index, makes batches, keeps the means. */
async function run(count = compared): Promise<{ batches: string[]; whole: number; lines: string[]; fromCache: boolean; file: string }> {
  const { index, lines, report } = await got10k()
  const { batches, stats } = await make(index, {}, count)
  await new MeansKeeper([index]).save()
  index.dispose()
  return { batches, whole: stats.wholeDecodes, lines, fromCache: report.fromCache, file: meansFileOf(report.cacheFile!) }
}

/** What no means that were kept can have touched. */
const fresh = async (): Promise<string[]> => (await make((await got10k('none')).index, { rememberMeans: false })).batches

describe('the next run', () => {
  it('decodes no frame whole and makes the same batches', async () => {
    const expected = await fresh()
    const first = await run(withAhead)
    expect([first.whole > 3, first.batches]).toEqual([true, expected])
    expect(await run()).toEqual({ ...first, whole: 0, fromCache: true })
  })

  it('finds out frames that were replaced in place, of which the index knows nothing', async () => {
    await run()
    for (const k of [0, 1, 2, 3]) writeFileSync(frameFile(root, 1, k), tinyJpeg(160, 120, 40, 30 + k))
    const again = await run(withAhead)
    expect([again.fromCache, again.whole > 0, again.batches]).toEqual([true, true, await fresh()])
    expect(await run()).toEqual({ ...again, whole: 0 })
  })

  it('has no use for the means of another index', async () => {
    const before = await run()
    makeTinyDataset(root, { sequences: 4, frames: 4 })
    const after = await run(withAhead)
    expect([after.fromCache, after.file, after.lines.length]).toEqual([false, before.file, 1])
    expect([after.whole > 0, after.batches]).toEqual([true, await fresh()])
    expect((await run()).whole).toBe(0)
  })

  it('works out a damaged file anew and says so', async () => {
    const first = await run()
    const good = readFileSync(first.file)
    const damaged = [good.subarray(0, 40), good.subarray(0, -1), Buffer.concat([good, Buffer.alloc(1)]), Buffer.from('junk'), ...[8, 20, 63, 64, 72, 300, good.length - 1].map((at) => Buffer.from(good.map((byte, i) => (i === at ? byte ^ 1 : byte))))]
    for (const bytes of damaged) {
      writeFileSync(first.file, bytes)
      const mended = await run(withAhead)
      expect(mended.lines).toEqual([expect.stringMatching(/^GOT10kDataset: the means kept in .*\.siammeans are not used: its? .*; they are computed again$/)])
      expect([mended.whole > 0, mended.batches]).toEqual([true, first.batches])
      expect(await run()).toEqual({ ...mended, lines: [], whole: 0 })
    }
  })

  it('goes on without them where they cannot be written, and says so once', async () => {
    const { report } = await got10k()
    mkdirSync(path.join(meansFileOf(report.cacheFile!), 'in the way'), { recursive: true })
    const said: string[] = []
    const { index } = await got10k()
    const { batches } = await make(index)
    const keeper = new MeansKeeper([index], (line) => said.push(line))
    await keeper.save()
    await make(index)
    await keeper.save()
    expect(said).toEqual([expect.stringMatching(/^GOT10kDataset: the means of its frames are not kept: .*ERR_IO.*cannot rename it|^GOT10kDataset: the means of its frames are not kept: .*cannot rename it/)])
    expect(batches).toEqual(await fresh())
    rmSync(meansFileOf(report.cacheFile!), { recursive: true })
  })

  it('knows what a dataloader kept when it was closed', async () => {
    const config = await loadConfig(path.join(import.meta.dirname, '../../configs/siamfcpp_alexnet-got10k.yaml'), [
      `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`,
      'train.track.data.minibatch=4',
    ])
    const wholeOf = async (count: number): Promise<number> => {
      const loader = await buildDataloader(config, { threads: 1, log: () => {} })
      for (let b = 0; b < count; b += 1) disposeTrainingData(await loader.next())
      // Forgets nothing that it knows already.
      await loader.seek({ epoch: 0, sample: 0 })
      for (let b = 0; b < count; b += 1) disposeTrainingData(await loader.next())
      const { wholeDecodes } = loader.stats()
      await loader.close()
      return wholeDecodes
    }
    await wholeOf(12)
    expect(await wholeOf(4)).toBe(0)
  })
})

describe('all means at once', () => {
  it('leaves nothing to a training, and goes on where it was stopped', async () => {
    const { index } = await got10k()
    const stop = new AbortController()
    // The first rows only; what is done then is kept.
    await index.file!.computeMeans(0, 5, 2)
    stop.abort(new Error('stopped'))
    await expect(computeMeans(index, { threads: 2, signal: stop.signal })).rejects.toThrow('stopped')
    index.dispose()
    const { index: next } = await got10k()
    const seen: number[] = []
    expect(await computeMeans(next, { threads: 2, onProgress: ({ done }) => seen.push(done) })).toMatchObject({ dataset: 'GOT10kDataset', computed: 7, known: 12, failed: 0 })
    expect(seen.at(-1)).toBe(12)
    expect(await computeMeans(next, { threads: 1 })).toMatchObject({ computed: 0, known: 12 })
    next.dispose()
    const trained = await run()
    expect([trained.whole, trained.batches]).toEqual([0, await fresh()])
  })

  it('of two processes are put together', async () => {
    const [one, other] = [(await got10k()).index, (await got10k()).index]
    const file = meansFileOf(one.cachedAs!)
    expect(await one.file!.computeMeans(0, 6, 1)).toEqual({ computed: 6, failed: 0 })
    expect(await other.file!.computeMeans(4, 6, 3)).toEqual({ computed: 6, failed: 0 })
    expect(one.file!.unsavedMeans).toBe(6)
    expect(await one.file!.saveMeans(file, one.cachedAs!)).toEqual({ known: 6, added: 6 })
    expect(one.file!.unsavedMeans).toBe(0)
    expect(await other.file!.saveMeans(file, other.cachedAs!)).toEqual({ known: 10, added: 6 })
    const third = (await got10k()).index
    expect(await third.file!.computeMeans(0, 12, 1)).toEqual({ computed: 2, failed: 0 })
    for (const index of [one, other, third]) index.dispose()
  })

  it('passes over frames that cannot be decoded and names the first', async () => {
    writeFileSync(frameFile(root, 1, 2), 'no picture')
    writeFileSync(frameFile(root, 2, 0), 'no picture')
    const { index } = await got10k()
    expect(await computeMeans(index, { threads: 3 })).toMatchObject({
      computed: 10,
      known: 10,
      failed: 2,
      firstFailure: { file: frameFile(root, 1, 2), reason: expect.stringMatching(/starts with "no picture"/) },
    })
    index.dispose()
  })

  it('decodes each still picture once, for all of its objects', async () => {
    const coco = path.join(folder, 'coco')
    makeCocoExample(coco, { pictures: 5 })
    const { index } = await indexOnce('COCODataset', cocoParams(coco))
    expect(index.frames).toBeGreaterThan(index.sequences)
    expect(await computeMeans(index, { threads: 2 })).toMatchObject({ computed: index.sequences, failed: 0 })
    expect((await make(index)).stats.wholeDecodes).toBe(0)
    index.dispose()
  })

  it('need a cached index', async () => {
    const { index } = await got10k('none')
    await expect(computeMeans(index, { threads: 1 })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/GOT10kDataset: means are kept beside a cached index/) })
    expect(existsSync(path.join(folder, 'cache'))).toBe(false)
  })
})

it('a training saves at the end of an epoch where the last time was long ago', async () => {
  const { index } = await got10k()
  let now = 0
  const keeper = new MeansKeeper([index], () => {}, () => now)
  await make(index)
  keeper.saveSometimes()
  now = 170_000
  keeper.saveSometimes()
  expect(index.file!.unsavedMeans).toBeGreaterThan(0)
  now = 181_000
  keeper.saveSometimes()
  await keeper.save()
  expect(index.file!.unsavedMeans).toBe(0)
  expect(existsSync(meansFileOf(index.cachedAs!))).toBe(true)
  index.dispose()
})
