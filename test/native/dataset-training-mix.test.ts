/** All six of the original's data sets, mixed by the ratios of its full-data configuration, train TinyConv for 50 iterations. */
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { makeLasot } from '../helpers/datasets/lasot.ts'
import { makeTrackingNet } from '../helpers/datasets/trackingnet.ts'
import { trainOnDatasets } from '../helpers/datasets/train.ts'
import { makeVidExample, vidParams } from '../helpers/datasets/vid.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('mixed-training')
const at = (name: string): string => path.join(root, name)
const drawn = { jpeg: 'real', frames: 8, width: 240, height: 180 } as const
afterAll(() => removeFolder(root))

it('trains with finite losses', { timeout: 240_000 }, async () => {
  const losses = await trainOnDatasets(
    at('out'),
    {
      TrackingNetDataset: { ratio: 0.65, max_diff: 100, dataset_root: makeTrackingNet(at('trackingnet'), drawn), subset: 'train', check_integrity: false },
      COCODataset: { ...cocoParams(makeCocoExample(at('coco'))), ratio: 0.07 },
      GOT10kDataset: { ratio: 0.2, max_diff: 100, dataset_root: makeGot10k(at('got10k'), drawn), subset: 'train' },
      DETDataset: { ...detParams(makeDetExample(at('ilsvrc'))), ratio: 0.08 },
      VIDDataset: { ...vidParams(makeVidExample(at('ilsvrc'))), ratio: 0.2, max_diff: 100 },
      LaSOTDataset: { ratio: 0.3, max_diff: 100, dataset_root: makeLasot(at('lasot'), { ...drawn, outOfView: 2 }), subset: 'train_test', check_integrity: false },
    },
    50,
  )
  expect(losses).toHaveLength(50)
  for (const loss of losses) {
    expect(Object.keys(loss).sort()).toEqual(['cls', 'ctr', 'reg'])
    for (const value of Object.values(loss)) expect(Number.isFinite(value)).toBe(true)
  }
})
