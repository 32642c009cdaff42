/** Training from packs as `siamtrain data pack` makes them, against training from the frames that they were made of. */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { makePacks } from '../../lib/data/pack/write-pack.ts'
import { axisAlignedBox, centerToRect } from '../../lib/data/polygon.ts'
import { readDataSettings } from '../../lib/data/settings.ts'
import { makeCocoExample } from '../helpers/datasets/coco.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingKeys, exactKeys, pixelError, takeBatches } from '../helpers/pack-batches.ts'
import { shared } from '../helpers/shared.ts'

const folder = temporaryFolder('pack-made')
const opened: DatasetIndex[] = []
afterAll(() => {
  for (const index of opened) index.dispose()
  removeFolder(folder)
})

/** Every 12th real frame of the bag as a data set; `scale` shrinks the boxes about their centres. */
function makeBag(root: string, scale: number): string {
  mkdirSync(path.join(root, 's'), { recursive: true })
  const bag = shared('data', 'vot-bag')
  const lines = readFileSync(path.join(bag, 'groundtruth.txt'), 'utf8').trim().split('\n')
  const boxes: string[] = []
  for (const [i, name] of readdirSync(bag).filter((file) => file.endsWith('.jpg')).sort().entries()) {
    if (i % 12 !== 0) continue
    copyFileSync(path.join(bag, name), path.join(root, 's', name))
    const [x = 0, y = 0, w = 0, h = 0] = centerToRect(axisAlignedBox(lines[i]!.split(',').map(Number)))
    boxes.push([x + (w * (1 - scale)) / 2, y + (h * (1 - scale)) / 2, w * scale, h * scale].map((value) => value.toFixed(3)).join(','))
  }
  writeFileSync(path.join(root, 's', 'groundtruth.txt'), boxes.join('\n'))
  return root
}

/** The same data sets from frames and from packs made of them. */
async function both(datasets: Record<string, Record<string, unknown>>, options: { density?: number; quality?: number } = {}): Promise<{ frames: DatasetIndex[]; packed: DatasetIndex[] }> {
  const settings = readDataSettings({ train: { track: { data: { sampler: { submodules: { dataset: { names: Object.keys(datasets), ...datasets } } } } } } })
  const dir = path.join(folder, `packs${opened.length}`)
  await makePacks({ ...settings, indexCache: 'none' }, { out: dir, workers: 2, shardBytes: 100_000, ...options })
  const frames = (await indexDatasets({ datasets: settings.datasets })).indexes
  const packed = (await indexDatasets({ datasets: settings.datasets }, { pack: { dir, crop: settings.crop } })).indexes
  opened.push(...frames, ...packed)
  return { frames, packed }
}

/** Bad data is an error, so nothing is skipped. */
const strict = { strict: true, batchSize: 8, filter: null }

describe('batches from a pack that was made', () => {
  it('are those from real frames, bit by bit, where targets are small enough that nothing is reduced', async () => {
    const { frames, packed } = await both({ ImageFolderDataset: { dataset_root: makeBag(path.join(folder, 'small'), 0.3) } })
    expect(differingKeys((await takeBatches(packed, 12, strict)).batches, (await takeBatches(frames, 12, strict)).batches)).toEqual([])
  })

  it('are those from videos and still pictures together, bit by bit, at a density that reduces nothing', async () => {
    const datasets = {
      GOT10kDataset: { dataset_root: makeGot10k(path.join(folder, 'got10k'), { jpeg: 'real', width: 480, height: 360 }), subset: 'train', ratio: 0.5 },
      COCODataset: { dataset_root: makeCocoExample(path.join(folder, 'coco'), { pictures: 6 }), subsets: ['train2017'], ratio: 0.5 },
    }
    const { frames, packed } = await both(datasets, { density: 8 })
    const more = { ...strict, strict: false, negativePairRatio: 0.5 } // the empty still picture is drawn and refused, in both
    const [a, b] = [await takeBatches(packed, 12, more), await takeBatches(frames, 12, more)]
    expect(differingKeys(a.batches, b.batches)).toEqual([])
    expect(a.skipped.length).toBe(b.skipped.length)
  })

  it.each([
    { density: 1, quality: 90, mean: 0.9, p999: 15 },
    { density: 1.3, quality: 90, mean: 0.6, p999: 11 },
    { density: 1.3, quality: 95, mean: 0.5, p999: 10 },
  ])('of large targets at density $density and quality $quality have the same boxes and labels, and pixels within $mean levels on average', async ({ mean, p999, ...options }) => {
    const { frames, packed } = await both({ ImageFolderDataset: { dataset_root: makeBag(path.join(folder, `large${options.density}-${options.quality}`), 1) } }, options)
    const [a, b] = [await takeBatches(packed, 12, strict), await takeBatches(frames, 12, strict)]
    for (const key of exactKeys) expect(differingKeys(a.batches, b.batches)).not.toContain(key)
    const error = pixelError(a.batches, b.batches)
    expect(error.mean).toBeGreaterThan(0)
    // docs/packs.md states what was measured over all frames of the bag; these are some of them.
    expect(error.mean).toBeLessThan(mean)
    expect(error.p999).toBeLessThanOrEqual(p999)
  })
})
