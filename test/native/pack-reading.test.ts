/** Packs through the read-ahead and the cache: the same batches as without, and a cache of frames is none of a pack's. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { loaderSpec } from '../helpers/loader-spec.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingKeys, takeBatches } from '../helpers/pack-batches.ts'
import { defaultCrop, writeSmallPack } from '../helpers/small-pack.ts'

const folder = temporaryFolder('pack-reading')
const dir = path.join(folder, 'pack')
const setting = { name: 'GOT10kDataset', configPath: 'data.GOT10kDataset', params: {}, ratio: 1, maxDiff: 100 }
let frames: DatasetIndex
let pack: DatasetIndex
beforeAll(async () => {
  const root = makeGot10k(path.join(folder, 'got10k'), { jpeg: 'real', frames: 6, width: 320, height: 240 })
  frames = (await indexDatasets({ datasets: [{ ...setting, params: { dataset_root: root, subset: 'train' } }] })).indexes[0]!
  await writeSmallPack(dir, frames, { bad: [3] })
  pack = (await indexDatasets({ datasets: [setting] }, { pack: { dir, crop: defaultCrop } })).indexes[0]!
})
afterAll(() => {
  pack.dispose()
  removeFolder(folder)
})

it('are the same batches, with the same samples replaced', async () => {
  const plain = await takeBatches([pack], 12)
  expect(plain.skipped.length).toBeGreaterThan(0) // one row is a frame that was bad
  const cache = loadAddon().createFrameCache(16e6)
  for (const more of [{ readAheadThreads: 4, readDelayMicroseconds: 4000, threads: 2 }, { cache }, { cache, readAheadThreads: 4, threads: 2 }]) {
    const { batches, skipped } = await takeBatches([pack], 12, more)
    expect(differingKeys(batches, plain.batches)).toEqual([])
    expect(skipped).toEqual(plain.skipped)
  }
  cache.dispose()
})

it('have a cache of their own', async () => {
  const cache = loadAddon().createFrameCache(16e6)
  await takeBatches([pack], 2, { cache })
  expect(() => loadAddon().createLoader(loaderSpec([frames], { cache }))).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  cache.dispose()
})

it('that are kept need their shards no more', async () => {
  const cache = loadAddon().createFrameCache(16e6)
  const before = await takeBatches([pack], 60, { cache })
  rmSync(dir, { recursive: true })
  const after = await takeBatches([pack], 60, { cache })
  cache.dispose()
  expect(differingKeys(after.batches, before.batches)).toEqual([])
})
