/** buildDataloader over a synthetic data set: what a batch holds, that it depends on (seed, epoch, sample) alone, and bad frames. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DataConfig, type DataloaderOptions, type TrainingData, buildDataloader, disposeTrainingData, trainingDataKeys } from '../../lib/data/index.ts'
import { makeSyntheticDataset } from '../../lib/data/synth/index.ts'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { damage, makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
let root = ''
beforeAll(async () => {
  folder = temporaryFolder('loader')
  root = path.join(folder, 'synth')
  await makeSyntheticDataset({ out: root, sequences: 3, val: 0, frames: 12, width: 240, height: 180, seed: 5 })
})
afterAll(() => removeFolder(folder))

const config = (data: Record<string, unknown> = {}, from = root): DataConfig => ({
  train: {
    track: {
      data: {
        minibatch: 4,
        nr_image_per_epoch: 12,
        sampler: { TrackPairSampler: { negative_pair_ratio: 0.3 }, submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: from } }, filter: { name: 'TrackPairFilter' } } },
        ...data,
      },
    },
  },
})

async function digest(batch: TrainingData): Promise<string> {
  const hash = createHash('sha256')
  for (const key of trainingDataKeys) hash.update(new Uint8Array((await batch[key].toTypedArray()).buffer))
  disposeTrainingData(batch)
  return hash.digest('hex')
}

/** Digests of the next n batches of a new loader. */
async function digests(n: number, options: DataloaderOptions = {}): Promise<string[]> {
  await using loader = await buildDataloader(config(), { seed: 11, threads: 2, ...options })
  const result: string[] = []
  for (let i = 0; i < n; i += 1) result.push(await digest(await loader.next()))
  return result
}

describe('a batch', () => {
  it('holds the eight entries, with their shapes and types', async () => {
    await using loader = await buildDataloader(config(), { seed: 1, threads: 1 })
    const batch = await loader.next()
    expect(Object.keys(batch)).toEqual([...trainingDataKeys])
    const shapes = Object.fromEntries(trainingDataKeys.map((key) => [key, [batch[key].dtype, batch[key].shape]]))
    expect(shapes).toEqual({
      im_z: ['uint8', [4, 3, 127, 127]],
      im_x: ['uint8', [4, 3, 303, 303]],
      bbox_z: ['float32', [4, 4]],
      bbox_x: ['float32', [4, 4]],
      cls_gt: ['float32', [4, 289, 1]],
      ctr_gt: ['float32', [4, 289, 1]],
      box_gt: ['float32', [4, 289, 4]],
      is_negative_pair: ['int64', [4]],
    })
    // The template's target is in the middle of its crop.
    const boxes = (await batch.bbox_z.toTypedArray()) as Float32Array
    for (let i = 0; i < 4; i += 1) {
      expect(((boxes[i * 4] as number) + (boxes[i * 4 + 2] as number)) / 2).toBeCloseTo(63, 0)
      expect(((boxes[i * 4 + 1] as number) + (boxes[i * 4 + 3] as number)) / 2).toBeCloseTo(63, 0)
    }
    disposeTrainingData(batch)
    expect(batch.im_z.disposed).toBe(true)
  })

  it('has the number of cells that x_size gives', async () => {
    const data = { transformer: { names: ['RandomCropTransformer'], RandomCropTransformer: { x_size: 207 } }, target: { DenseboxTarget: { x_size: 207 } } }
    await using loader = await buildDataloader(config(data), { threads: 1 })
    const batch = await loader.next()
    expect([batch.im_x.shape, batch.cls_gt.shape]).toEqual([[4, 3, 207, 207], [4, 25, 1]])
    disposeTrainingData(batch)
  })
})

describe('the order of samples', () => {
  it('does not depend on the number of threads or on the queue', async () => {
    const reference = await digests(5, { threads: 1, queueBatches: 1 })
    expect(await digests(5, { threads: 3, queueBatches: 4 })).toEqual(reference)
    expect(new Set(reference).size).toBe(5)
  })

  it('depends on the seed', async () => {
    expect((await digests(1, { seed: 12 }))[0]).not.toBe((await digests(1))[0])
  })

  it('can be entered anywhere: a start in the middle of an epoch, and seek()', async () => {
    const all = await digests(6)
    expect(await digests(2, { startEpoch: 1, startSample: 4 })).toEqual(all.slice(4))
    await using loader = await buildDataloader(config(), { seed: 3, threads: 2 })
    expect(loader.cursor).toEqual({ epoch: 0, sample: 0 })
    disposeTrainingData(await loader.next())
    await loader.seek({ epoch: 0, sample: 8 }, 11)
    expect([loader.cursor, loader.seed]).toEqual([{ epoch: 0, sample: 8 }, 11])
    expect(await digest(await loader.next())).toBe(all[2])
    expect(loader.cursor).toEqual({ epoch: 1, sample: 0 })
    expect(await digest(await loader.next())).toBe(all[3])
    expect(loader.cursor).toEqual({ epoch: 1, sample: 4 })
  })

  it('goes on over the end of epochs, for the for-await loop too', async () => {
    await using loader = await buildDataloader(config(), { seed: 11 })
    const seen: string[] = []
    for await (const batch of loader) {
      seen.push(await digest(batch))
      if (seen.length === 4) break
    }
    expect(seen).toEqual((await digests(6)).slice(0, 4))
  })
})

describe('use and end', () => {
  it('refuses what cannot be', async () => {
    await expect(buildDataloader(config(), { startSample: 12 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(buildDataloader(config(), { threads: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(buildDataloader(config(), { seed: -1 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await using loader = await buildDataloader(config())
    await expect(loader.seek({ epoch: 0, sample: 12 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('ends when closed, also twice, also while a batch is awaited', async () => {
    const loader = await buildDataloader(config(), { threads: 1 })
    disposeTrainingData(await loader.next())
    expect(loader.stats().batches).toBeGreaterThan(0)
    await Promise.all([loader.close(), loader.close()])
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    const waiting = await buildDataloader(config({ minibatch: 64, nr_image_per_epoch: 64 }), { threads: 1 })
    const next = waiting.next().then(disposeTrainingData, (error: unknown) => error)
    await waiting.close()
    const outcome = await next
    if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'ERR_ABORTED' })
    await (await buildDataloader(config())).close()
  })

  it('gives a batch to no one when its signal has fired', async () => {
    const controller = new AbortController()
    await using loader = await buildDataloader(config(), { signal: controller.signal })
    controller.abort(new SiamError('ERR_ABORTED', 'stop'))
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('leaves no handle behind', async () => {
    const before = loadAddon().memory().liveHandles
    await digests(3)
    expect(loadAddon().memory().liveHandles).toBe(before)
  })
})

describe('bad frames', () => {
  it('are replaced the same way every time, counted and named', async () => {
    const bad = makeTinyDataset(path.join(folder, 'bad'), { sequences: 3, frames: 6 })
    for (let k = 0; k < 6; k += 1) damage.textNamedJpg(bad, 1, k)
    for (let k = 0; k < 6; k += 1) damage.truncatedJpeg(bad, 2, k)
    const run = async (threads: number): Promise<{ all: string[]; skipped: string[] }> => {
      await using loader = await buildDataloader(config({}, bad), { seed: 2, threads })
      const all: string[] = []
      const skipped: string[] = []
      for (let i = 0; i < 3; i += 1) {
        all.push(await digest(await loader.next()))
        skipped.push(...loader.takeSkipped().map(({ epoch, sample, attempt, file, reason }) => [epoch, sample, attempt, file, reason].join(' ')))
      }
      const samples = skipped.filter((line) => line.split(' ')[2] === '0').length
      expect(loader.skipCounts()).toEqual({ samples, attempts: skipped.length })
      expect([loader.skipped, skipped.length > samples]).toEqual([samples, true])
      // What an ended loader counted is not lost.
      await loader.seek({ epoch: 0, sample: 0 })
      expect(loader.skipCounts()).toEqual({ samples, attempts: skipped.length })
      return { all, skipped }
    }
    const [one, three] = [await run(1), await run(3)]
    expect(three.all).toEqual(one.all)
    expect(one.skipped.length).toBeGreaterThan(3)
    for (const line of one.skipped) expect(line).toMatch(/seq_00[23].0000000\d\.jpg/)
    await using strict = await buildDataloader(config({}, bad), { seed: 2, strict: true })
    await expect((async () => { for (;;) disposeTrainingData(await strict.next()) })()).rejects.toMatchObject({ code: 'ERR_DATA', file: expect.stringMatching(/seq_00[23]/) as unknown })
  })

  it('everywhere: an error, not an endless search', async () => {
    const bad = makeTinyDataset(path.join(folder, 'all-bad'), { sequences: 1, frames: 2 })
    for (let k = 0; k < 2; k += 1) writeFileSync(path.join(bad, 'train/seq_001', `0000000${k + 1}.jpg`), '')
    await using loader = await buildDataloader(config({}, bad))
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_DATA' })
  })
})
