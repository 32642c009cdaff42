/** COCO, VID and DET: the small examples train TinyConv for 20 iterations, alone and mixed. */
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { trainOnDatasets } from '../helpers/datasets/train.ts'
import { makeVidExample, vidParams } from '../helpers/datasets/vid.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('image-training')
afterAll(() => removeFolder(root))

const examples = {
  COCODataset: cocoParams(makeCocoExample(path.join(root, 'coco'))),
  VIDDataset: vidParams(makeVidExample(path.join(root, 'ilsvrc'))),
  DETDataset: detParams(makeDetExample(path.join(root, 'ilsvrc'))),
}

describe.each(Object.entries(examples))('%s', (name, params) => {
  it('trains for 20 iterations with finite losses', { timeout: 120_000 }, async () => {
    const losses = await trainOnDatasets(path.join(root, name), { [name]: params }, 20)
    expect(losses).toHaveLength(20)
    for (const loss of losses) {
      expect(Object.keys(loss).sort()).toEqual(['cls', 'ctr', 'reg'])
      for (const value of Object.values(loss)) expect(Number.isFinite(value)).toBe(true)
    }
  })
})

it('a mix by ratio trains too', { timeout: 120_000 }, async () => {
  const mixed = Object.fromEntries(Object.entries(examples).map(([name, params], i) => [name, { ...params, ratio: [0.2, 0.5, 0.3][i] }]))
  const losses = await trainOnDatasets(path.join(root, 'mix'), mixed, 20)
  expect(losses).toHaveLength(20)
  for (const loss of losses) for (const value of Object.values(loss)) expect(Number.isFinite(value)).toBe(true)
})
