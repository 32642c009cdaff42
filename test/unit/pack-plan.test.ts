/** Partition, estimate and identity of packs, and what the command prints of them. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { estimateText, packText } from '../../lib/cli/data-pack-text.ts'
import { checkRoom, estimateFrom, freeBytes } from '../../lib/data/pack/estimate.ts'
import { differences } from '../../lib/data/pack/identity.ts'
import { checkFolder, checkPlan, readPlan, removePack, shardCount, writePlan } from '../../lib/data/pack/plan.ts'
import { progressOfPacking } from '../../lib/engine/pack-progress.ts'
import { createProgress } from '../../lib/engine/progress.ts'
import type { PackSample } from '../../lib/native/addon-pack.ts'
import { packageVersion } from '../../lib/version.ts'
import { failure } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
beforeAll(() => (folder = temporaryFolder('pack-plan')))
afterAll(() => removeFolder(folder))

const identity = {
  dataset: { name: 'GOT10kDataset', params: { dataset_root: '/a', subset: 'train', ratio: 1, max_diff: 100 } as Record<string, unknown> },
  crop: { contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 },
  contextFactor: 4.34,
  density: 1,
  quality: 90,
  subsampling: '420' as const,
  sequences: 3,
  frames: 30,
}

describe('shards', () => {
  it.each([
    [100e9, 256e6, 2_000_000, 391],
    [256e6 * 20, 256e6, 1e6, 20],
    [300e6, 256e6, 1e6, 16],
    [64e6, 256e6, 1e6, 16],
    [10e6, 256e6, 1e6, 3],
    [1000, 256e6, 1e6, 1],
    [0, 256e6, 0, 1],
    [100e9, 256e6, 5, 5],
    [10e6, 1e6, 1e6, 10],
  ])('%d bytes in shards of %d, %d frames: %d', (bytes, shardBytes, rows, count) => {
    expect(shardCount(bytes, shardBytes, rows)).toBe(count)
  })
})

const sample = (more: Partial<PackSample> = {}): PackSample => ({ usable: true, copied: false, bytes: 1000, frameBytes: 5000, cpuSeconds: 0.01, width: 10, height: 10, ...more })

describe('estimate', () => {
  it('is the mean of the samples, with the table and the index', () => {
    expect(estimateFrom('A', 1000, [sample({ bytes: 900, copied: true }), sample({ bytes: 1100 })], 500, 2)).toEqual({
      dataset: 'A', frames: 1000, bytes: 1_000_000 + 64 * 1001 + 500, bytesPerFrame: 1000, sourceBytesPerFrame: 5000, seconds: 5, threads: 2, samples: 2, unusable: 0, copied: 1,
    })
  })

  it('counts on as many bad frames as the samples have', () => {
    const bad = sample({ usable: false, bytes: 0, frameBytes: 0, cpuSeconds: 0 })
    expect(estimateFrom('A', 1000, [sample(), bad], 0, 1)).toMatchObject({ bytes: 500_000 + 64 * 1001, bytesPerFrame: 1000, unusable: 1, seconds: 5 })
    expect(estimateFrom('A', 10, [bad], 0, 1)).toMatchObject({ bytes: 64 * 11, bytesPerFrame: 0, unusable: 1 })
  })

  it('refuses what does not fit, and says how much is missing', async () => {
    expect(() => checkRoom(95e9, 100e9, '/out')).not.toThrow()
    expect(() => checkRoom(96e9, null, '/out')).not.toThrow()
    const error = await failure(Promise.resolve().then(() => checkRoom(96e9, 100e9, '/out')))
    expect(error).toMatchObject({ code: 'ERR_IO', file: '/out', message: expect.stringContaining('96 GB'), hint: expect.stringContaining('--force') })
    expect((await failure(Promise.resolve().then(() => checkRoom(2.6e6, 512_000, '/out')))).message).toBe('expected room for 2.6 MB (estimated, and 5 % more) but the file system has 512 kB free')
  })

  it('looks at the file system of a folder that is not there yet', async () => {
    expect(await freeBytes(path.join(folder, 'not', 'yet'))).toBeGreaterThan(0)
  })

  it('is told in two lines', () => {
    const one = estimateFrom('A', 2_000_000, [sample({ bytes: 30_000, copied: true }), sample({ bytes: 50_000 })], 0, 2)
    expect(estimateText([one], 500e9)).toBe('A: 2,000,000 frames, about 80 GB, 2:46:40 with 2 threads\n  40 kB a frame, 50 % of them without loss, from files of 5 kB (2 frames looked at)\nFree there: 500 GB\n')
    expect(estimateText([one, one], null)).toContain('Together about 160 GB, 5:33:20 with 2 threads\n')
    expect(estimateText([{ ...one, bytes: 2_600_000, seconds: 0.4, threads: 1 }], null)).toContain('about 2.6 MB, less than a second with 1 thread\n')
  })
})

describe('identity', () => {
  it('tells what differs', () => {
    expect(differences(identity, { ...identity })).toEqual([])
    expect(differences(identity, { ...identity, density: 1.3, crop: { ...identity.crop, maxScale: 0.5 } })).toEqual(['max_scale is 0.5, was 0.3', 'density is 1.3, was 1'])
    const params = { ...identity.dataset.params, subset: 'val' }
    expect(differences(identity, { ...identity, dataset: { name: 'GOT10kDataset', params } })).toEqual(['GOT10kDataset.subset is "val", was "train"'])
  })

  it('calls settings as the configuration does, and rounds numbers as far as they stay apart', () => {
    const changed = { ...identity, contextFactor: 4.03241106719368, crop: { ...identity.crop, maxShiftTemp: 0.25, zSize: 255 } }
    expect(differences({ ...identity, contextFactor: 4.342519685039371 }, changed)).toEqual(['context factor is 4.032, was 4.343', 'max_shift_temp is 0.25, was 0', `z_size is 255, was ${identity.crop.zSize}`])
    expect(differences({ ...identity, density: 1.30001 }, { ...identity, density: 1.30002 })).toEqual(['density is 1.30002, was 1.30001'])
  })

  it('does not depend on where the data lie or how they are sampled', () => {
    expect(differences(identity, { ...identity, dataset: { ...identity.dataset, params: { dataset_root: '/b', subset: 'train', ratio: 0.2, max_diff: 5 } } })).toEqual([])
  })
})

describe('plan', () => {
  it('is kept, and another one is an error that says what differs', async () => {
    const dir = path.join(folder, 'plan')
    mkdirSync(path.join(dir, '.making'), { recursive: true })
    expect(await readPlan(dir)).toBeNull()
    await writePlan(dir, { product: packageVersion, identity, shardBytes: 256e6, shards: 7 })
    const plan = (await readPlan(dir))!
    expect(plan).toMatchObject({ identity, shards: 7 })
    expect(() => checkPlan(plan, identity, 256e6, dir)).not.toThrow()
    const error = await failure(Promise.resolve().then(() => checkPlan({ ...plan, product: '0.0.1' }, { ...identity, quality: 95 }, 1e6, dir)))
    expect(error).toMatchObject({ code: 'ERR_DATA', file: dir, hint: expect.stringContaining('--overwrite') })
    expect(error.message).toBe(`another pack was begun in this folder: quality is 95, was 90; shard size is 1 MB, was 256 MB; package version is ${packageVersion}, was 0.0.1`)
  })

  it('no plan is none, a damaged one an error', async () => {
    const dir = path.join(folder, 'damaged')
    expect(await readPlan(dir)).toBeNull()
    mkdirSync(path.join(dir, '.making'), { recursive: true })
    writeFileSync(path.join(dir, '.making', 'plan.json'), '{"format":"siamfcpp-pack-pl')
    expect(await failure(readPlan(dir))).toMatchObject({ code: 'ERR_DATA', file: path.join(dir, '.making', 'plan.json'), hint: expect.stringContaining('--overwrite') })
  })

  it('keeps off folders that hold something else, and removes only what is a pack', async () => {
    const dir = path.join(folder, 'other')
    mkdirSync(dir)
    for (const name of ['pack.json', 'shard-00000.tar', 'shard-00001.tar.partial', 'index.siamidx', 'frames.siampak']) writeFileSync(path.join(dir, name), 'x')
    await checkFolder(dir)
    writeFileSync(path.join(dir, 'thesis.tex'), 'x')
    expect(await failure(checkFolder(dir))).toMatchObject({ code: 'ERR_DATA', file: dir, message: expect.stringContaining('"thesis.tex"') })
    await removePack(dir)
    expect(readdirSync(dir)).toEqual(['thesis.tex'])
  })
})

describe('progress', () => {
  it('has frames, MB, and no rate of what was there before', () => {
    let text = ''
    let seconds = 0
    const { onPacking, close } = progressOfPacking('auto', (options) => createProgress({ ...options, now: () => seconds, stream: { write: (written: string) => (text += written) } }))
    onPacking({ dataset: 'A', done: 500, total: 1000, reused: 500, bytes: 5e6 })
    expect(text).toBe('')
    onPacking({ dataset: 'A', done: 501, total: 1000, reused: 500, bytes: 5.01e6 })
    seconds = 10
    onPacking({ dataset: 'A', done: 600, total: 1000, reused: 500, bytes: 6e6 })
    close()
    expect(text).toMatch(/^pack A, 6 MB: +60% 600\/1000 \[00:10<00:4\d, +(9|10)\.\d+frame\/s\]\n$/)
  })
})

describe('report', () => {
  it('says what was packed and what was not', () => {
    const pack = { dataset: 'A', folder: '/p/A', sequences: 2, frames: 10, stored: 8, bytes: 80_000, shards: 2, reusedShards: 1, reusedFrames: 4, bad: 2, badFrames: [{ kind: 'missing_frame' as const, sequence: 's', frame: 1, file: '/s/2.jpg', message: 'the frame is missing' }], seconds: 2 }
    expect(packText({ estimates: [], freeBytes: null, packs: [pack] })).toBe(
      'A: 2 sequences, 10 frames, 80 kB in 2 shards, 10 kB a frame\n  /p/A\n  1 shard of an earlier run\n  2 frames could not be used and are not in the pack:\n    /s/2.jpg: the frame is missing\n  00:02, 3 frames/s\n',
    )
  })
})
