/** Cached indexes: the same as fresh ones bit by bit, and never used once something that they were made from has changed. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildDataloader, disposeTrainingData } from '../../lib/data/index.ts'
import { registerDataset } from '../../lib/data/registry.ts'
import type { DatasetContext, DatasetParams } from '../../lib/data/source.ts'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { batches, cacheFiles, contents, indexOnce, useCacheFolder } from '../helpers/index-cache.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
let root = ''
let cache = ''
let restore = (): void => {}
beforeAll(() => {
  folder = temporaryFolder('index-cache')
  cache = path.join(folder, 'cache')
  restore = useCacheFolder(cache)
})
afterAll(() => {
  restore()
  removeFolder(folder)
})
beforeEach(() => {
  root = path.join(folder, 'set')
  removeFolder(root)
  removeFolder(cache)
})

const got10k = (options: Parameters<typeof indexOnce>[2] = {}, params: DatasetParams = {}) => indexOnce('GOT10kDataset', { dataset_root: root, subset: 'train', ...params }, options)

describe('a cached index', () => {
  it('gives the same contents and the same batches, bit by bit, as one that was just read, and as one that was never written', async () => {
    makeTinyDataset(root, { sequences: 5, frames: 6 })
    damage.line(root, 1, 2, '0,0,0,0') // a hole: numbers
    renameSync(frameFile(root, 2, 0), path.join(sequenceDir(root, 2), 'a frame, %d.JPG')) // names
    damage.truncatedJpeg(root, 3, 1) // replaced while loading
    const never = await got10k({ mode: 'none' })
    const built = await got10k()
    const opened = await got10k()
    expect([never, built, opened].map(({ report }) => [report.fromCache, report.cacheFile !== null])).toEqual([[false, false], [false, true], [true, true]])
    expect(never.index.frameNames.map((names) => names?.length)).toEqual([undefined, 5, 6, undefined, undefined])
    expect(contents(built.index)).toEqual(contents(never.index))
    expect(contents(opened.index)).toEqual(contents(never.index))
    const expected = await batches(never.index)
    expect(expected.some((line) => line.includes('00000002.jpg'))).toBe(true)
    expect(await batches(built.index)).toEqual(expected)
    expect(await batches(opened.index)).toEqual(expected)
    expect([opened.report.sequences, opened.report.frames]).toEqual([5, 29])
    expect([built.lines, opened.lines]).toEqual([[], []])
  })

  it('lives on in a loader when its handle is disposed and its file is gone', async () => {
    makeTinyDataset(root)
    const expected = await batches((await got10k({ mode: 'none' })).index, 3)
    await got10k()
    const { index, report } = await got10k()
    const working = batches(index, 3)
    index.dispose()
    rmSync(report.cacheFile!)
    expect(await working).toEqual(expected)
    expect(() => index.frames).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
  })

  it('is what a dataloader opens, and lets go of when it is closed', async () => {
    makeTinyDataset(root)
    await got10k({ mode: 'none' })
    const config = { train: { track: { data: { minibatch: 2, nr_image_per_epoch: 8, num_workers: 1, sampler: { name: 'TrackPairSampler', submodules: { dataset: { names: ['GOT10kDataset'], GOT10kDataset: { dataset_root: root } }, filter: { name: '' } } }, transformer: { names: ['RandomCropTransformer'] }, target: { name: 'DenseboxTarget' } } } } }
    const run = async () => {
      const lines: string[] = []
      await using loader = await buildDataloader(config, { log: (line) => lines.push(line), seed: 3 })
      const batch = await loader.next()
      const bytes = Buffer.from((await batch.im_x.toTypedArray()) as Uint8Array).toString('base64')
      disposeTrainingData(batch)
      await loader.seek({ epoch: 0, sample: 2 })
      disposeTrainingData(await loader.next())
      return [bytes, ...lines]
    }
    const handles = loadAddon().memory().liveHandles
    const first = await run()
    expect(loadAddon().memory().liveHandles).toBe(handles)
    // The index, and the means that the first loader came to know.
    expect(cacheFiles(cache).map((file) => path.extname(file))).toEqual(['.siamidx', '.siammeans'])
    const written = statSync(cacheFiles(cache)[0]!).ino
    expect(await run()).toEqual(first)
    expect(statSync(cacheFiles(cache)[0]!).ino).toBe(written)
  })

  it('tells the same problems, and fails as strictly', async () => {
    makeTinyDataset(root, { sequences: 4, jpeg: 'none' })
    damage.line(root, 1, 2, '1,2,0,0')
    damage.noGroundTruth(root, 2)
    writeFileSync(path.join(sequenceDir(root, 3), 'absence.label'), '1\n0\n0\n0\n0\n0\n')
    damage.line(root, 3, 0, '0,0,0,0')
    const [built, opened] = [await got10k(), await got10k()]
    expect(opened.report.fromCache).toBe(true)
    expect(opened.problems.state()).toEqual(built.problems.state())
    expect(opened.problems.summary()).toEqual(built.problems.summary())
    expect([opened.problems.total, opened.problems.absentFrames]).toEqual([2, 1])
    const fresh: SiamError = await got10k({ strict: true, mode: 'none' }).catch((error) => error)
    const cached: SiamError = await got10k({ strict: true }).catch((error) => error)
    expect([cached.code, cached.file, cached.line, cached.message]).toEqual([fresh.code, fresh.file, fresh.line, fresh.message])
    expect(cached.code).toBe('ERR_DATA')
  })

  it('is found again whatever ratio, max_diff and working directory are; other settings have their own', async () => {
    makeTinyDataset(root, { jpeg: 'none' })
    makeTinyDataset(root, { jpeg: 'none', split: 'val', sequences: 2 })
    await got10k()
    const other = await got10k({ ratio: 0.5, cwd: folder }, { dataset_root: 'set', ratio: 0.5, max_diff: 3 })
    expect([other.report.fromCache, other.index.ratio]).toEqual([true, 0.5])
    expect((await got10k({}, { subset: 'val' })).report).toMatchObject({ fromCache: false, sequences: 2 })
    expect(cacheFiles(cache)).toHaveLength(2)
  })

  it('is read again when asked to', async () => {
    makeTinyDataset(root, { jpeg: 'none' })
    await got10k()
    expect((await got10k({ rebuild: true })).report.fromCache).toBe(false)
    expect((await got10k()).report.fromCache).toBe(true)
  })
})

/** What is done to a data set of three sequences with list.txt, and what the line that says so must name. */
const changes: [string, () => void, RegExp][] = [
  ['a sequence added to list.txt', () => (makeTinyDataset(root, { sequences: 4, jpeg: 'none' }), undefined), /seq_|list\.txt|train/],
  ['list.txt edited', () => writeFileSync(path.join(root, 'train/list.txt'), 'seq_002\nseq_001\nseq_003\n'), /list\.txt changed/],
  ['list.txt edited in place, as long as before, and its time set back', () => editSetBack(path.join(root, 'train/list.txt'), 'seq_002\nseq_001\nseq_003\n'), /list\.txt changed/],
  ['list.txt removed', () => rmSync(path.join(root, 'train/list.txt')), /train changed|list\.txt was removed/],
  ['a sequence removed', () => removeFolder(sequenceDir(root, 1)), /train changed|seq_002 was removed/],
  ['an annotation edited', () => damage.line(root, 1, 3, '5,6,70,80'), /seq_002\/groundtruth\.txt changed/],
  ['an annotation edited, as long as before, and its time set back', () => editSetBack(path.join(sequenceDir(root, 2), 'groundtruth.txt'), undefined), /seq_003\/groundtruth\.txt changed/],
  ['an annotation replaced by renaming', () => replaceByRenaming(path.join(sequenceDir(root, 0), 'groundtruth.txt')), /seq_001/],
  ['an annotation removed', () => damage.noGroundTruth(root, 0), /seq_001/],
  ['absence labels added', () => writeFileSync(path.join(sequenceDir(root, 0), 'absence.label'), '0\n'), /seq_001/],
  ['a frame removed', () => rmSync(frameFile(root, 2, 5)), /seq_003 changed/],
  ['a frame renamed', () => renameSync(frameFile(root, 2, 5), path.join(sequenceDir(root, 2), '00000009.jpg')), /seq_003 changed/],
  ['the root replaced by another one', () => (removeFolder(root), makeTinyDataset(root, { jpeg: 'none' }), undefined), /changed/],
]

function editSetBack(file: string, text: string | undefined): void {
  const { atime, mtime, size } = statSync(file)
  writeFileSync(file, text ?? '9'.repeat(size - 1).concat('\n'))
  utimesSync(file, atime, mtime)
  expect(statSync(file).size).toBe(size)
}

function replaceByRenaming(file: string): void {
  writeFileSync(`${file}.new`, '1,2,30,40\n'.repeat(6))
  renameSync(`${file}.new`, file)
}

describe('a cached index is not used any more', () => {
  it.each(changes)('%s', async (_, change, named) => {
    makeTinyDataset(root, { sequences: 3, jpeg: 'none' })
    await got10k()
    expect((await got10k()).report.fromCache).toBe(true)
    change()
    const again = await got10k()
    expect(again.report.fromCache).toBe(false)
    expect(again.lines).toHaveLength(1)
    expect(again.lines[0]).toMatch(named)
    expect(again.lines[0]).toContain('reading the annotations again')
    const fresh = await got10k({ mode: 'none' })
    expect(contents(again.index)).toEqual(contents(fresh.index))
    expect(again.problems.state()).toEqual(fresh.problems.state())
    expect((await got10k()).report.fromCache).toBe(true)
  })

  it('a sequence that list.txt names comes into being', async () => {
    makeTinyDataset(root, { sequences: 3, jpeg: 'none' })
    renameSync(sequenceDir(root, 1), path.join(folder, 'aside'))
    expect((await got10k()).report.sequences).toBe(2)
    renameSync(path.join(folder, 'aside'), sequenceDir(root, 1))
    expect((await got10k()).report).toMatchObject({ fromCache: false, sequences: 3 })
  })

  it('without list.txt: a folder gets its annotations', async () => {
    makeTinyDataset(root, { sequences: 3, jpeg: 'none' })
    rmSync(path.join(root, 'train/list.txt'))
    damage.noGroundTruth(root, 2)
    expect((await got10k()).report.sequences).toBe(2)
    expect((await got10k()).report.fromCache).toBe(true)
    writeFileSync(path.join(sequenceDir(root, 2), 'groundtruth.txt'), '1,2,30,40\n'.repeat(6))
    expect((await got10k()).report).toMatchObject({ fromCache: false, sequences: 3 })
  })

  it('what changes while it is read is not cached, and the next start reads it', async () => {
    makeTinyDataset(root, { sequences: 3, jpeg: 'none' })
    const edit = (): void => damage.line(root, 0, 0, '3,4,50,60')
    const built = await got10k({ onProgress: ({ done }) => done === 3 && edit() })
    expect(built.report.cacheFile).toBeNull()
    expect(built.report.notCached).toContain('groundtruth.txt changed while the annotations were read')
    expect(built.lines).toHaveLength(1)
    const removed = await got10k({ onProgress: ({ done }) => done === 3 && damage.noGroundTruth(root, 1) })
    expect(removed.report.cacheFile).toBeNull()
    const listed = await got10k({ onProgress: ({ done }) => done === 3 && rmSync(path.join(root, 'train/list.txt'), { force: true }) })
    expect(listed.report.cacheFile).toBeNull()
    const next = await got10k()
    expect([next.report.fromCache, next.report.cacheFile !== null]).toEqual([false, true])
  })
})

describe('a registered data set', () => {
  let version = 'a'
  let reads = 0
  const source = function* (params: DatasetParams, context: DatasetContext) {
    reads += 1
    if (typeof params['list'] === 'string') context.dependsOn?.(params['list'])
    yield { name: 'one', frames: ['f/x.jpg', 'f/y.jpg'], boxes: [1, 2, 30, 40, 1, 2, 30, 40] }
  }

  it('is not cached without a fingerprint, and told so', async () => {
    registerDataset('CachePlain', source)
    const { report, lines } = await indexOnce('CachePlain', {})
    expect([report.cacheFile, lines]).toEqual([null, []])
    expect(report.notCached).toContain('fingerprint')
    expect(cacheFiles(cache)).toEqual([])
  })

  it('is cached with one: as long as it is the same and what it depends on is', async () => {
    registerDataset('CacheStamped', source, { fingerprint: async (params) => `${version} ${String(params['level'])}` })
    const list = path.join(folder, 'own-list.txt')
    writeFileSync(list, 'one\n')
    const go = (level = 1) => indexOnce('CacheStamped', { list: 'own-list.txt', level }, { cwd: folder })
    reads = 0
    expect((await go()).report.cacheFile).not.toBeNull()
    expect((await go()).report.fromCache).toBe(true)
    expect((await indexOnce('CacheStamped', { list: 'own-list.txt', level: 1 }, { cwd: cache })).report.fromCache).toBe(false)
    version = 'b'
    const newer = await go()
    expect([newer.report.fromCache, newer.lines[0]]).toEqual([false, expect.stringContaining('fingerprint is another one now')])
    expect((await go()).report.fromCache).toBe(true)
    writeFileSync(list, 'two\n')
    expect((await go()).lines[0]).toContain('own-list.txt changed')
    expect((await go(2)).report.fromCache).toBe(false)
    expect(reads).toBe(5)
  })

  it('a fingerprint that is no text or no function is an error', async () => {
    registerDataset('CacheNoText', () => [], { fingerprint: () => 3 as unknown as string })
    await expect(indexOnce('CacheNoText', {})).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('fingerprint of the data set CacheNoText') })
    expect(() => registerDataset('CacheNoFunction', () => [], { fingerprint: 'x' as unknown as () => string })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })
})

it('an abort leaves nothing behind', async () => {
  makeTinyDataset(root, { sequences: 3, jpeg: 'none' })
  const controller = new AbortController()
  const reason = new SiamError('ERR_ABORTED', 'stop')
  await expect(got10k({ signal: controller.signal, onProgress: () => controller.abort(reason) })).rejects.toBe(reason)
  expect(cacheFiles(cache)).toEqual([])
})

it('a missing root is told as ever and makes no folder', async () => {
  await expect(got10k({ mode: 'dataset' })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('data root not found') })
  expect(existsSync(root)).toBe(false)
  mkdirSync(root)
})
