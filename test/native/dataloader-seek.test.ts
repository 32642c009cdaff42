/** A seek() while a next() waits: what was asked for before never moves the cursor that the seek has set. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDataloader, disposeTrainingData } from '../../lib/data/index.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { until } from '../helpers/frame-faults.ts'
import { makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('dataloader-seek')
beforeAll(() => void makeTinyDataset(root))
afterAll(() => removeFolder(root))

const config = { train: { track: { data: { minibatch: 4, nr_image_per_epoch: 40, index_cache: 'none', sampler: { submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: root, subset: 'train' } } } } } } } }

describe('Dataloader.seek', () => {
  it.each(['that is ready', 'that is not ready'])('while a batch is waited for %s: that next() rejects, and the position is the new one', async (which) => {
    const handles = loadAddon().memory().liveHandles
    const loader = await buildDataloader(config, { threads: 1, queueBatches: 2 })
    if (which === 'that is ready') {
      disposeTrainingData(await loader.next())
      await until(() => loader.stats().queueDepthBatches === 2)
    }
    const waiting = loader.next().then(() => 'batch', (error: { code: string }) => error.code)
    // The batch is handed over by now, but its promise has not got back yet.
    const sought = loader.seek({ epoch: 3, sample: 12 })
    expect(await waiting).toBe('ERR_ABORTED')
    await sought
    expect(loader.cursor).toEqual({ epoch: 3, sample: 12 })
    disposeTrainingData(await loader.next())
    expect(loader.cursor).toEqual({ epoch: 3, sample: 16 })
    await loader.close()
    // Nor are the tensors of the batch that nobody wanted left behind.
    expect(loadAddon().memory().liveHandles).toBe(handles)
  })
})
