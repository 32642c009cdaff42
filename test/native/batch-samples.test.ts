/** What a batch of the loader was made of: numbers, data set, sequences and the files of both frames. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildDataloader, disposeTrainingData } from '../../lib/data/index.ts'
import { makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('batch-samples')
beforeAll(() => void makeTinyDataset(root))
afterAll(() => removeFolder(root))

it('names the frames of each sample, also where a batch goes on into the next epoch', async () => {
  // Two batches an epoch: 8 samples.
  const config = { train: { track: { data: { minibatch: 4, nr_image_per_epoch: 10, index_cache: 'none', sampler: { submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: root, subset: 'train' } } } } } } } }
  const loader = await buildDataloader(config, { threads: 1, startSample: 4 })
  const batch = await loader.next()
  const negative = [...((await batch.is_negative_pair.toTypedArray()) as BigInt64Array)].map((value) => value !== 0n)
  disposeTrainingData(batch)
  expect(loader.sourceOf({})).toBeNull()
  const source = loader.sourceOf(batch)!
  expect(source).toEqual({ epoch: 0, sample: 4, count: 4 })
  const samples = loader.describeSamples(source)
  expect(samples.map(({ epoch, sample }) => [epoch, sample])).toEqual([[0, 4], [0, 5], [0, 6], [0, 7]])
  expect(samples.map((sample) => sample.negative)).toEqual(negative)
  for (const { template, search, negative: apart } of samples) {
    for (const { dataset, file } of [template, search]) {
      expect(dataset).toBe('GOT10kDataset')
      expect(path.isAbsolute(file!) && existsSync(file!), file).toBe(true)
    }
    if (!apart) expect(path.dirname(template.file!)).toBe(path.dirname(search.file!))
  }
  const across = loader.describeSamples({ epoch: 0, sample: 6, count: 4 })
  expect(across.map(({ epoch, sample }) => [epoch, sample])).toEqual([[0, 6], [0, 7], [1, 0], [1, 1]])
  expect(across.slice(2)).toEqual(loader.describeSamples({ epoch: 1, sample: 0, count: 2 }))
  await loader.close()
})
