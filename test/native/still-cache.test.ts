/** Cached indexes of COCO, VID and DET: equal to fresh ones, and not used any more when a folder or the JSON changed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { cocoJson, cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { detFile, detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { makeVidExample, vidFolder, vidParams } from '../helpers/datasets/vid.ts'
import { batches, contents, indexOnce, useCacheFolder } from '../helpers/index-cache.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('still-cache')
const restore = useCacheFolder(path.join(folder, 'cache'))
afterAll(() => {
  restore()
  removeFolder(folder)
})
let root = ''
let made = 0
beforeEach(() => {
  root = path.join(folder, String((made += 1)))
})

const sets = {
  COCODataset: { make: () => makeCocoExample(root), params: cocoParams, change: () => writeFileSync(cocoJson(root), readFileSync(cocoJson(root), 'utf8').replace('"iscrowd":1', '"iscrowd":0 ')) },
  VIDDataset: { make: () => makeVidExample(root), params: vidParams, change: () => rmSync(path.join(vidFolder(root, 'Data', 1), '000003.JPEG')) },
  DETDataset: { make: () => makeDetExample(root), params: detParams, change: () => rmSync(detFile(root, 'Annotations', 2)) },
}

describe.each(Object.entries(sets))('the cached index of %s', (name, { make, params, change }) => {
  it('is the fresh one, to the samples of a loader; a change ends it', async () => {
    make()
    const fresh = await indexOnce(name, params(root))
    expect(fresh.report).toMatchObject({ fromCache: false, notCached: undefined })
    const cached = await indexOnce(name, params(root))
    expect(cached.report.fromCache).toBe(true)
    expect(contents(cached.index)).toEqual(contents(fresh.index))
    expect(cached.index.still).toBe(name !== 'VIDDataset')
    expect(cached.index.emptyStills).toBe(name === 'DETDataset' ? 1 : 0)
    expect(await batches(cached.index, 2)).toEqual(await batches(fresh.index, 2))
    change()
    expect((await indexOnce(name, params(root))).report.fromCache).toBe(false)
  })
})
