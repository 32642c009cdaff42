/** Training from a pack gives the samples that training from frames gives. What is wrong with packs: pack-faults.test.ts, pack-open.test.ts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { makeCocoExample } from '../helpers/datasets/coco.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingKeys, exactKeys, pixelError, takeBatches } from '../helpers/pack-batches.ts'
import { type SmallPackOptions, defaultCrop, writeSmallPack } from '../helpers/small-pack.ts'

const folder = temporaryFolder('pack-samples')
const opened: DatasetIndex[] = []
let packs = 0
afterAll(() => {
  for (const index of opened) index.dispose()
  removeFolder(folder)
})

const settingOf = (name: string, params: Record<string, unknown>) => ({ name, configPath: `data.${name}`, params, ratio: 1, maxDiff: 100 })

async function framesOf(name: string, params: Record<string, unknown>): Promise<DatasetIndex> {
  return (await indexDatasets({ datasets: [settingOf(name, params)] })).indexes[0]!
}

async function packOf(index: DatasetIndex, options: SmallPackOptions = {}): Promise<DatasetIndex> {
  const dir = path.join(folder, `pack${(packs += 1)}`)
  await writeSmallPack(dir, index, options)
  const packed = (await indexDatasets({ datasets: [settingOf(index.name, {})] }, { pack: { dir, crop: options.crop ?? defaultCrop } })).indexes[0]!
  opened.push(packed)
  return packed
}

let got10k: DatasetIndex
let coco: DatasetIndex
let blocks: DatasetIndex
beforeAll(async () => {
  got10k = await framesOf('GOT10kDataset', { dataset_root: makeGot10k(path.join(folder, 'got10k'), { jpeg: 'real', width: 480, height: 360, sequences: 4 }), subset: 'train' })
  coco = await framesOf('COCODataset', { dataset_root: makeCocoExample(path.join(folder, 'coco'), { pictures: 5 }), subsets: ['train2017'] })
  blocks = await framesOf('ImageFolderDataset', { dataset_root: makeBlocks(path.join(folder, 'blocks')) })
})

/**
 * Grey blocks that lie on the grid of 8 × 8 blocks: at quality 100 any part of them, from a block's corner on, is encoded without loss.
 */
function makeBlocks(root: string): string {
  const [width, height] = [640, 480]
  for (let s = 0; s < 2; s += 1) {
    const dir = path.join(root, `s${s}`)
    mkdirSync(dir, { recursive: true })
    const lines: string[] = []
    for (let k = 0; k < 5; k += 1) {
      const pixels = new Uint8Array(width * height * 3)
      for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) pixels.fill(16 + ((((x >> 3) * 37) ^ ((y >> 3) * 91)) + k * 13 + s * 50) % 224, (y * width + x) * 3, (y * width + x + 1) * 3)
      writeFileSync(path.join(dir, `${k}.jpg`), loadAddon().encodeJpeg(pixels, width, height, { quality: 100, subsampling: '444', format: 'bgr' }))
      // The second sequence's target is at the frame's corner, so that crops leave it.
      lines.push(s === 0 ? `${300 + 9 * k},${200 - 5 * k},48,36` : `${2 + k},${420 - k},40,50`)
    }
    writeFileSync(path.join(dir, 'groundtruth.txt'), lines.join('\n'))
  }
  return root
}

describe('a batch from a pack', () => {
  it('is the same bit by bit where the pictures are the frames', async () => {
    const frames = await takeBatches([got10k], 6)
    const packed = await takeBatches([await packOf(got10k, { pictures: 'whole' })], 6)
    expect(differingKeys(packed.batches, frames.batches)).toEqual([])
    // The means that pad the crops are in the pack, so nothing is decoded whole for them.
    expect(frames.wholeDecodes).toBeGreaterThan(0)
    expect([packed.wholeDecodes, packed.skipped]).toEqual([0, []])
  })

  it('is the same bit by bit where parts of the frames are stored without loss', async () => {
    const frames = await takeBatches([blocks], 10)
    const packed = await takeBatches([await packOf(blocks, { density: Infinity, quality: 100, snap: 8 })], 10)
    expect(differingKeys(packed.batches, frames.batches)).toEqual([])
    expect(packed.skipped).toEqual([])
  })

  it.each([
    { density: 1, quality: 90 },
    { density: 1.3, quality: 95 },
  ])('has the same boxes and labels at density $density and quality $quality, and pixels that are close', async (options) => {
    const frames = await takeBatches([got10k], 6)
    const packed = await takeBatches([await packOf(got10k, options)], 6)
    for (const key of exactKeys) expect(differingKeys(packed.batches, frames.batches)).not.toContain(key)
    const { mean, p999 } = pixelError(packed.batches, frames.batches)
    // Not the same by accident, and not another part of the frame: two pixels beside it would be off by more than 10 on average.
    expect(mean).toBeGreaterThan(0)
    expect(mean).toBeLessThan(1)
    expect(p999).toBeLessThan(20)
  })

  it('of still pictures has a row for each object', async () => {
    const frames = await takeBatches([coco], 6)
    const packed = await takeBatches([await packOf(coco, { pictures: 'whole' })], 6)
    expect(differingKeys(packed.batches, frames.batches)).toEqual([])
    const cut = await takeBatches([await packOf(coco, { quality: 95 })], 6)
    for (const key of exactKeys) expect(differingKeys(cut.batches, frames.batches)).not.toContain(key)
    expect(pixelError(cut.batches, frames.batches).mean).toBeLessThan(1)
  })

  it('pads both frames of a negative pair with the mean of the template\'s, also across data sets', async () => {
    const more = { negativePairRatio: 1 }
    const frames = await takeBatches([got10k, coco, blocks], 8, more)
    const packed = await takeBatches(await Promise.all([got10k, coco, blocks].map((index) => packOf(index, { pictures: 'whole' }))), 8, more)
    expect(differingKeys(packed.batches, frames.batches)).toEqual([])
    // A data set that is not packed may stand beside one that is.
    const mixed = await takeBatches([got10k, await packOf(coco, { pictures: 'whole' }), blocks], 8, more)
    expect(differingKeys(mixed.batches, frames.batches)).toEqual([])
  })

  it('draws the same pairs where the filter asks for the frames\' sizes', async () => {
    const more = { filter: { maxAreaRate: 0.02, minAreaRate: 0.001, maxRatio: 10, applyAreaLimits: true } }
    const frames = await takeBatches([got10k, coco], 6, more)
    const packed = await takeBatches([await packOf(got10k, { density: 1 }), await packOf(coco)], 6, more)
    for (const key of exactKeys) expect(differingKeys(packed.batches, frames.batches)).not.toContain(key)
    expect(differingKeys(packed.batches, (await takeBatches([got10k, coco], 6)).batches)).toContain('bbox_x') // the filter did something
  })
})

describe('the stream from a pack', () => {
  it('is bit-identical for 1, 2 and 8 threads, and from the middle on', async () => {
    const packed = await packOf(got10k, { density: 1 })
    const one = await takeBatches([packed], 8)
    for (const threads of [2, 8]) expect(differingKeys((await takeBatches([packed], 8, { threads })).batches, one.batches)).toEqual([])
    const rest = await takeBatches([packed], 5, { startSample: 12 })
    expect(differingKeys(rest.batches, one.batches.slice(3))).toEqual([])
  })
})
