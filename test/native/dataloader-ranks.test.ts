/** buildDataloader for one of several ranks: shares of the minibatch, and a cursor that holds for any number of ranks. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildDataloader, readDataSettings, type DataCursor, type Dataloader } from '../../lib/data/index.ts'
import { SiamError } from '../../lib/errors.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('dataloader-ranks', { iterations: 3, epochs: 1, minibatch: 6 })
})
afterAll(() => removeFolder(experiment.dir))

type Data = Parameters<typeof buildDataloader>[0]
const config = async (...more: string[]): Promise<Data> => (await loadConfig(experiment.config, [...experiment.overrides, ...more], { onWarning: () => {} })) as unknown as Data

async function open(options: Parameters<typeof buildDataloader>[1], ...more: string[]): Promise<Dataloader> {
  return buildDataloader(await config(...more), { threads: 1, ...options })
}

/** SHA-256 of each pair of the next batch. */
async function next(loader: Dataloader): Promise<string[]> {
  const batch = await loader.next()
  const size = loader.settings.batchSize
  const parts = await Promise.all([batch.im_z, batch.im_x, batch.box_gt].map(async (tensor) => Buffer.from(await tensor.native.toBytes())))
  for (const tensor of Object.values(batch)) tensor.dispose()
  return Array.from({ length: size }, (_, i) => {
    const hash = createHash('sha256')
    for (const part of parts) hash.update(part.subarray((i * part.length) / size, ((i + 1) * part.length) / size))
    return hash.digest('hex')
  })
}

describe('three ranks', () => {
  it('share each minibatch of one process, in its order, over the end of an epoch', async () => {
    await using one = await open({})
    const ranks = await Promise.all([0, 1, 2].map((rank) => open({ rank, worldSize: 3 })))
    expect(ranks.map(({ settings }) => [settings.batchSize, settings.samplesPerEpoch, settings.numIterations])).toEqual([0, 1, 2].map(() => [2, 18, 3]))
    for (let batch = 0; batch < 4; batch++) {
      const whole = await next(one)
      const shares: string[][] = []
      for (const rank of ranks) shares.push(await next(rank))
      expect(shares.flat()).toEqual(whole)
      // What a snapshot keeps: the same on all ranks, and that of one process.
      for (const rank of ranks) expect(rank.cursor).toEqual(one.cursor)
    }
    await Promise.all(ranks.map((rank) => rank.close()))
  })

  it('begin at a cursor of any other number of ranks', async () => {
    const start: DataCursor = { epoch: 0, sample: 12 }
    await using one = await open({ startEpoch: start.epoch, startSample: start.sample })
    const ranks = await Promise.all([0, 1].map((rank) => open({ rank, worldSize: 2 })))
    for (const rank of ranks) await rank.seek(start)
    const shares: string[] = []
    for (const rank of ranks) shares.push(...(await next(rank)))
    expect(shares).toEqual(await next(one))
    expect(ranks.map(({ cursor }) => cursor)).toEqual([{ epoch: 1, sample: 0 }, { epoch: 1, sample: 0 }])
    await Promise.all(ranks.map((rank) => rank.close()))
  })
})

describe('settings', () => {
  it('are the original\'s: minibatch // ranks, num_workers // ranks, the same iterations', async () => {
    const data = await config('train.track.data.num_workers=8')
    const { batchSize, numIterations, samplesPerEpoch, numWorkers } = readDataSettings(data, 4)
    // 6 pairs over 4 ranks: one each, so that an epoch takes 12 of its 18 samples.
    expect({ batchSize, numIterations, samplesPerEpoch, numWorkers }).toEqual({ batchSize: 1, numIterations: 3, samplesPerEpoch: 12, numWorkers: 2 })
  })

  it('refuse more ranks than pairs, and a rank that is none of them', async () => {
    const data = await config()
    expect(() => readDataSettings(data, 7)).toThrow(
      new SiamError('ERR_CONFIG', 'train.track.data.minibatch is 6, which 7 ranks cannot share', { hint: 'it is that of all ranks together: at least one pair for each' }),
    )
    await expect(open({ rank: 2, worldSize: 2 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('an integer from 0 to 1 for rank') as string })
  })
})
