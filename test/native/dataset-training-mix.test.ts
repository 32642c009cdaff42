/** The six data sets that the original trains on, mixed as its full-data experiment mixes them. */
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { makeLasot } from '../helpers/datasets/lasot.ts'
import { trainOnDatasets } from '../helpers/datasets/train.ts'
import { makeTrackingNet } from '../helpers/datasets/trackingnet.ts'
import { makeVidExample, vidParams } from '../helpers/datasets/vid.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('mix-training')
afterAll(() => removeFolder(root))
const at = (name: string): string => path.join(root, name)
const drawn = { jpeg: 'real', frames: 6, width: 240, height: 180 } as const

it('a mix of all six trains for 50 iterations with finite losses', { timeout: 180_000 }, async () => {
  makeGot10k(at('got10k'), drawn)
  makeLasot(at('lasot'), drawn)
  makeTrackingNet(at('trackingnet'), drawn)
  makeVidExample(makeDetExample(at('ilsvrc')))
  const losses = await trainOnDatasets(
    at('out'),
    {
      GOT10kDataset: { ratio: 0.2, max_diff: 100, dataset_root: at('got10k') },
      LaSOTDataset: { ratio: 0.2, max_diff: 100, dataset_root: at('lasot'), subset: 'train_test', check_integrity: false },
      TrackingNetDataset: { ratio: 0.3, max_diff: 100, dataset_root: at('trackingnet'), check_integrity: false },
      VIDDataset: vidParams(at('ilsvrc'), { ratio: 0.15, max_diff: 100 }),
      COCODataset: cocoParams(makeCocoExample(at('coco')), { ratio: 0.07 }),
      DETDataset: detParams(at('ilsvrc'), { ratio: 0.08 }),
    },
    50,
  )
  expect(losses).toHaveLength(50)
  for (const loss of losses) {
    expect(Object.keys(loss).sort()).toEqual(['cls', 'ctr', 'reg'])
    for (const value of Object.values(loss)) expect(Number.isFinite(value)).toBe(true)
  }
})
