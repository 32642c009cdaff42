/** Each data set is known to `siamtrain data` by its layout. */
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { detectDatasets } from '../../lib/data/survey/detect.ts'
import { datasetStats } from '../../lib/data/survey/stats.ts'
import { verifyDatasets } from '../../lib/data/survey/verify.ts'
import { makeCocoVideo } from '../helpers/datasets/coco-video.ts'
import { makeCocoExample } from '../helpers/datasets/coco.ts'
import { makeDetExample } from '../helpers/datasets/det.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { makeImageFolder } from '../helpers/datasets/image-folder.ts'
import { makeLasot } from '../helpers/datasets/lasot.ts'
import { makeTrackingNet } from '../helpers/datasets/trackingnet.ts'
import { makeVidExample } from '../helpers/datasets/vid.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('dataset-layouts')
const at = (name: string): string => path.join(root, name)
const drawn = { jpeg: 'real', frames: 8, width: 240, height: 180 } as const
afterAll(() => removeFolder(root))

makeGot10k(at('got10k'), drawn)
makeLasot(at('lasot'), drawn)
makeTrackingNet(at('trackingnet'), drawn)
makeCocoExample(at('coco'))
makeVidExample(at('ilsvrc'))
makeDetExample(at('ilsvrc'))
makeImageFolder(at('folders'), drawn)
makeCocoVideo(at('coco-video'), drawn)

describe.each([
  ['got10k', at('got10k'), ['GOT10kDataset train']],
  ['lasot', at('lasot'), ['LaSOTDataset train', 'LaSOTDataset test']],
  ['trackingnet', at('trackingnet'), ['TrackingNetDataset train']],
  ['coco', at('coco'), ['COCODataset train2017']],
  ['ilsvrc', at('ilsvrc'), ['VIDDataset train', 'DETDataset train']],
  ['folders', at('folders'), ['ImageFolderDataset undefined']],
  ['COCO-style video', path.join(at('coco-video'), 'annotations.json'), ['CocoVideoDataset undefined']],
])('the example of %s', (_, source, expected) => {
  it('is known by its layout', async () => {
    const found = await detectDatasets(source)
    expect(found.map(({ name, params }) => `${name} ${String(params['subset'] ?? params['subsets'])}`).slice(0, expected.length)).toEqual(expected)
  })

  it('has statistics of its boxes, and frames that decode', async () => {
    const found = (await detectDatasets(source)).slice(0, expected.length)
    for (const one of found) {
      const stats = await datasetStats(one)
      expect(stats.sequences).toBeGreaterThan(0)
      expect(stats.unknownFrameSizes).toBe(0)
      expect(stats.distributions.box_size!.count).toBe(stats.frames - stats.absentFrames - stats.badFrames)
      const report = await verifyDatasets([one], { threads: 1 })
      expect(report.datasets[0]).toMatchObject({ sequences: stats.sequences, frames: stats.frames })
      expect(report.counts).not.toHaveProperty('undecodable_frame')
    }
  })
})
