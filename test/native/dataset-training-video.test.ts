/** GOT-10k, LaSOT, TrackingNet and a user's own data: the small examples train TinyConv for 20 iterations, alone and mixed. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerDataset, type DatasetContext, type DatasetParams } from '../../lib/index.ts'
import { makeCocoVideo } from '../helpers/datasets/coco-video.ts'
import { got10kName, makeGot10k } from '../helpers/datasets/got10k.ts'
import { makeImageFolder } from '../helpers/datasets/image-folder.ts'
import { makeLasot } from '../helpers/datasets/lasot.ts'
import { type Xywh, writeVideo } from '../helpers/datasets/moving-object.ts'
import { makeTrackingNet } from '../helpers/datasets/trackingnet.ts'
import { trainOnDatasets } from '../helpers/datasets/train.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('video-training')
const at = (name: string): string => path.join(root, name)
const drawn = { jpeg: 'real', frames: 8, width: 240, height: 180 } as const
afterAll(() => removeFolder(root))

const examples: Record<string, Record<string, unknown>> = {
  GOT10kDataset: { dataset_root: at('got10k') },
  GOT10kDatasetFixed: { dataset_root: at('got10k') },
  LaSOTDataset: { dataset_root: at('lasot'), subset: 'train_test', check_integrity: false },
  TrackingNetDataset: { dataset_root: at('trackingnet'), check_integrity: false },
  ImageFolderDataset: { dataset_root: at('folders') },
  CocoVideoDataset: { dataset_root: at('coco') },
  OwnVideos: { folder: at('own') },
}

beforeAll(() => {
  makeGot10k(at('got10k'), { ...drawn, unfixed: [got10kName(1)] })
  makeLasot(at('lasot'), { ...drawn, outOfView: 2 })
  makeTrackingNet(at('trackingnet'), drawn)
  makeImageFolder(at('folders'), { ...drawn, style: 'polygon', frameFolder: 'color' })
  makeCocoVideo(at('coco'), drawn)
  const boxes: Xywh[] = writeVideo(50, drawn, (k) => path.join(at('own'), `still${k}.jpg`))
  registerDataset('OwnVideos', async function* (params: DatasetParams, { signal }: DatasetContext) {
    signal?.throwIfAborted()
    yield { name: 'stills', frames: boxes.map((_, k) => path.join(String(params['folder']), `still${k}.jpg`)), boxes }
  })
}, 120_000)

function expectFinite(losses: readonly Record<string, number>[]): void {
  expect(losses).toHaveLength(20)
  for (const loss of losses) {
    expect(Object.keys(loss).sort()).toEqual(['cls', 'ctr', 'reg'])
    for (const value of Object.values(loss)) expect(Number.isFinite(value)).toBe(true)
  }
}

describe.each(Object.entries(examples))('%s', (name, params) => {
  it('trains for 20 iterations with finite losses', { timeout: 120_000 }, async () => {
    expectFinite(await trainOnDatasets(at(`out-${name}`), { [name]: params }, 20))
  })
})

it('a mix of all of them by ratio trains too', { timeout: 120_000 }, async () => {
  const mixed = Object.fromEntries(Object.entries(examples).map(([name, params], i) => [name, { ...params, ratio: 0.1 + 0.05 * i, max_diff: 3 }]))
  expectFinite(await trainOnDatasets(at('out-mix'), mixed, 20))
})
