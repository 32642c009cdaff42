/** The dataloader's cache: it outlives a seek, ends with close(), and its bound comes from the configuration or an option. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDataloader, type DataloaderOptions, disposeTrainingData, type Dataloader } from '../../lib/data/index.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { frameFile, makeTinyDataset } from '../helpers/make-dataset.ts'

const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-dataloader-cache-'))
beforeAll(() => void makeTinyDataset(root))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const config = (more: object = {}) => ({
  train: { track: { data: { minibatch: 4, nr_image_per_epoch: 40, index_cache: 'none', sampler: { submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: root, subset: 'train' } } } }, ...more } } },
})
const build = (more: object = {}, options: DataloaderOptions = {}) => buildDataloader(config(more), { threads: 1, ...options })
const take = async (loader: Dataloader, batches: number) => {
  for (let b = 0; b < batches; b += 1) disposeTrainingData(await loader.next())
}

describe('a dataloader with a cache', () => {
  it('keeps its frames over a seek', async () => {
    await using loader = await build({ cache: '4M' })
    await take(loader, 30)
    const before = loader.stats()
    expect(before).toMatchObject({ cacheLimitBytes: 4 * 2 ** 20, cacheFrames: 18 })
    rmSync(frameFile(root, 0, 0))
    await loader.seek({ epoch: 0, sample: 0 })
    await take(loader, 30)
    expect(loader.stats()).toMatchObject({ cacheFrames: 18, cacheMisses: 0, skipped: 0 })
    await makeTinyDataset(root)
  })

  it('frees it with close()', async () => {
    const handles = loadAddon().memory().liveHandles
    const loader = await build({ cache: '4M' })
    await take(loader, 1)
    await loader.close()
    expect(loadAddon().memory().liveHandles).toBe(handles)
  })

  it('takes the bound from an option before the configuration, and none from neither', async () => {
    await using other = await build({ cache: '4M' }, { cacheBytes: 1_000_000 })
    await take(other, 1)
    expect(other.stats().cacheLimitBytes).toBe(1_000_000)
    await using none = await build()
    await take(none, 1)
    expect(none.stats()).toMatchObject({ cacheLimitBytes: 0, cacheFrames: 0, cacheHits: 0, cacheMisses: 0 })
    await expect(build({}, { cacheBytes: -1 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(build({}, { readAhead: 0.5 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(build({}, { readAhead: 1025 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('an integer from 0 to 1024 for readAhead') })
  })

  it('ends with an aborted signal: next() rejects with its reason, close() still ends it', async () => {
    const abort = new AbortController()
    const loader = await build({ cache: '4M' }, { signal: abort.signal })
    await take(loader, 2)
    abort.abort(new Error('enough'))
    await expect(loader.next()).rejects.toThrow('enough')
    await loader.close()
    await expect(loader.next()).rejects.toThrow()
  })
})

describe('options of buildDataloader', () => {
  it.each([
    ['packs', 'did you mean "pack"?'],
    ['cache', 'did you mean "cacheBytes"?'],
    ['read_ahead', 'did you mean "readAhead"?'],
    ['zzzzzzzzzz', /^it has pack, seed, /],
  ])('refuse %s', async (name, hint) => {
    await expect(build({}, { [name]: '64M' } as DataloaderOptions)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: `buildDataloader has no option "${name}"`, hint: typeof hint === 'string' ? hint : expect.stringMatching(hint) })
  })

  it('say that a bound of memory is a number', async () => {
    await expect(build({}, { cacheBytes: '64M' as unknown as number })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('an integer of at least 0 (a number of bytes) for cacheBytes') })
  })
})
