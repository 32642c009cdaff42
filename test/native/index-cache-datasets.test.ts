/** Every data set of ours with a cached index: the same as a fresh one, and read again after any edit of an annotation, any file that comes or goes. */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { makeCocoVideo } from '../helpers/datasets/coco-video.ts'
import { detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { makeImageFolder } from '../helpers/datasets/image-folder.ts'
import { makeLasot } from '../helpers/datasets/lasot.ts'
import { makeTrackingNet } from '../helpers/datasets/trackingnet.ts'
import { makeVidExample, vidParams } from '../helpers/datasets/vid.ts'
import { contents, indexOnce, useCacheFolder } from '../helpers/index-cache.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
let restore = (): void => {}
beforeAll(() => {
  folder = temporaryFolder('index-cache-datasets')
  restore = useCacheFolder(path.join(folder, 'cache'))
})
afterAll(() => {
  restore()
  removeFolder(folder)
})
afterEach(() => removeFolder(path.join(folder, 'set')))

type Params = Record<string, unknown>
/** Name, makes the example in a root (the second time with one sequence more), its settings. */
const sets: [string, (root: string, more: number) => unknown, (root: string) => Params][] = [
  ['GOT10kDataset', (root, more) => makeGot10k(root, { sequences: 2 + more }), (root) => ({ dataset_root: root, subset: 'train' })],
  ['GOT10kDatasetFixed', (root, more) => makeGot10k(root, { sequences: 3 + more, unfixed: ['GOT-10k_Train_000002'] }), (root) => ({ dataset_root: root, subset: 'train' })],
  ['LaSOTDataset', (root, more) => makeLasot(root, { names: ['airplane-2', 'person-3', ...['person-4'].slice(0, more)] }), (root) => ({ dataset_root: root, subset: 'train' })],
  ['TrackingNetDataset', (root, more) => makeTrackingNet(root, { sequences: 2 + more }), (root) => ({ dataset_root: root, subset: 'train', check_integrity: false })],
  ['ImageFolderDataset', (root, more) => makeImageFolder(root, { names: ['a', 'b', 'c'].slice(0, 2 + more) }), (root) => ({ dataset_root: root })],
  ['CocoVideoDataset', (root, more) => makeCocoVideo(root, { gap: 2 + more }), (root) => ({ dataset_root: root })],
  ['COCODataset', (root, more) => makeCocoExample(root, { pictures: 5 + more, jpeg: 'none' }), (root) => cocoParams(root)],
  ['DETDataset', (root, more) => makeDetExample(root, { pictures: 5 + more, jpeg: 'none' }), (root) => detParams(root)],
  ['VIDDataset', (root, more) => makeVidExample(root, { videos: 2 + more, jpeg: 'none' }), (root) => vidParams(root)],
]

const isPicture = (file: string): boolean => /\.jpe?g$/i.test(file)
/** What no index is made from. */
const isUnread = (file: string): boolean => /cut_by_image\.label|meta_info\.ini|nlp\.txt/.test(file)

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

describe.each(sets)('%s', (name, make, paramsOf) => {
  const root = (): string => path.join(folder, 'set')
  const go = () => indexOnce(name, paramsOf(root()))

  it('opens what was read, the same', async () => {
    make(root(), 0)
    const fresh = await indexOnce(name, paramsOf(root()), { mode: 'none' })
    const built = await go()
    expect([built.report.notCached, built.report.fromCache]).toEqual([undefined, false])
    const opened = await go()
    expect([opened.report.fromCache, opened.lines]).toEqual([true, []])
    expect(contents(opened.index)).toEqual(contents(fresh.index))
    expect(opened.problems.state()).toEqual(fresh.problems.state())
    expect([opened.index.still, opened.index.emptyStills]).toEqual([fresh.index.still, fresh.index.emptyStills])
  })

  it('reads again when one more sequence is there', async () => {
    make(root(), 0)
    await go()
    make(root(), 1)
    const again = await go()
    expect([again.report.fromCache, again.lines.length]).toEqual([false, 1])
    expect(contents(again.index)).toEqual(contents((await indexOnce(name, paramsOf(root()), { mode: 'none' })).index))
  })

  it('reads again when any file that it is made from is written to, or any picture goes', async () => {
    make(root(), 0)
    await go()
    const files = filesBelow(root())
    // One annotation, the last one, and every list: each rewritten in place with what it held.
    const texts = files.filter((file) => !isPicture(file) && !isUnread(file))
    for (const file of new Set([...texts.slice(0, 3), ...texts.slice(-2)])) {
      expect([file, (await go()).report.fromCache]).toEqual([file, true])
      writeFileSync(file, readFileSync(file))
      expect([file, (await go()).report.fromCache]).toEqual([file, false])
    }
    const picture = files.findLast(isPicture)!
    if (name !== 'CocoVideoDataset' || (await go()).report.fromCache) rmSync(picture)
    expect((await go()).report.fromCache).toBe(false)
  })
})
