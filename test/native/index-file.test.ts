/** Files of cached indexes: what is damaged, cut short, foreign or hostile is never used and never a crash. */
import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { indexCacheMode, meansFileOf, pruneIndexes } from '../../lib/data/cache-folder.ts'
import { DatasetIndex } from '../../lib/data/compact-index.ts'
import { headerBytes } from '../../lib/data/index-file.ts'
import { crc32c } from '../../lib/monitors/tfevents/crc32c.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { cacheFiles, contents, indexOnce, useCacheFolder } from '../helpers/index-cache.ts'
import { loaderSpec } from '../helpers/loader-spec.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
let root = ''
let cache = ''
let good: Buffer
let expected: unknown
let restore = (): void => {}
const got10k = (options: Parameters<typeof indexOnce>[2] = {}) => indexOnce('GOT10kDataset', { dataset_root: root, subset: 'train' }, options)
let original = ''
const theFile = (): string => original

beforeAll(async () => {
  folder = temporaryFolder('index-file')
  root = path.join(folder, 'set')
  cache = path.join(folder, 'cache')
  restore = useCacheFolder(cache)
  makeTinyDataset(root, { sequences: 4, frames: 6, jpeg: 'none' })
  damage.line(root, 1, 2, '0,0,0,0')
  renameSync(frameFile(root, 2, 0), path.join(sequenceDir(root, 2), 'first.jpg'))
  expected = contents((await got10k()).index)
  original = cacheFiles(cache)[0]!
  good = readFileSync(original)
})
afterAll(() => {
  restore()
  removeFolder(folder)
})
beforeEach(() => {
  for (const file of cacheFiles(cache)) if (file !== original) rmSync(file, { recursive: true })
})

const sections = 12
const tableAt = 64
/** Makes every checksum of a changed file agree again, as somebody would who means harm. */
function signed(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  for (let i = 0; i < sections; i += 1) {
    const offset = Number(view.getBigUint64(tableAt + i * 24, true))
    const bytes = Math.ceil(Number(view.getBigUint64(tableAt + i * 24 + 8, true)) / 64) * 64
    if (offset + bytes <= file.length) view.setUint32(tableAt + i * 24 + 16, crc32c(file, offset, offset + bytes), true)
  }
  view.setUint32(headerBytes - 4, crc32c(file, 0, headerBytes - 4), true)
  return file
}

describe('a file that is', () => {
  const cases: [string, () => Uint8Array, RegExp][] = [
    ['empty', () => new Uint8Array(0), /shorter than a header/],
    ['cut short', () => good.subarray(0, good.length - 64), /size is not what its header says/],
    ['cut within its header', () => good.subarray(0, 300), /shorter than a header/],
    ['longer than it says', () => Buffer.concat([good, Buffer.alloc(64)]), /size is not what its header says/],
    ['all zeros', () => new Uint8Array(good.length), /no index file/],
    ['something else', () => Buffer.from('PK\u0003\u0004'.padEnd(4000, 'x')), /no index file/],
    ['of a later version', () => signed(edited((bytes) => (bytes[8] = 2))), /another version of the format/],
    ['damaged in its header', () => edited((bytes) => (bytes[40]! ^= 1)), /header is damaged/],
    ['damaged in its boxes', () => edited((bytes) => (bytes[headerBytes + 5]! ^= 16)), /checksum/],
    ['damaged in its last byte', () => edited((bytes) => (bytes[bytes.length - 1]! ^= 1)), /checksum/],
    ['another data set\'s', () => signed(edited((bytes) => bytes.set(Buffer.from('"GOT20kDataset'), bytes.indexOf('"GOT10kDataset')))), /another data set or version/],
    ['of another release', () => signed(edited((bytes) => bytes.set(Buffer.from('revision\\":0'), bytes.indexOf('revision\\":1')))), /another data set or version/],
    ['without its JSON', () => signed(edited((bytes) => (bytes[bytes.indexOf('{"identity')] = 0))), /another data set or version/],
  ]

  function edited(edit: (bytes: Buffer) => unknown): Buffer {
    const bytes = Buffer.from(good)
    edit(bytes)
    return bytes
  }

  it.each(cases)('%s is not used: one line says why, and a good one takes its place', async (_, make, reason) => {
    writeFileSync(theFile(), make())
    const again = await got10k()
    expect(again.report.fromCache).toBe(false)
    expect(again.lines).toHaveLength(1)
    expect(again.lines[0]).toMatch(reason)
    expect(again.lines[0]).toContain(theFile())
    expect(contents(again.index)).toEqual(expected)
    expect((await got10k()).report.fromCache).toBe(true)
  })

  it('no file at all is not used', async () => {
    const file = theFile()
    for (const make of [() => mkdirSync(file), () => execFileSync('mkfifo', [file]), () => symlinkSync('/dev/zero', file)]) {
      rmSync(file, { recursive: true })
      make()
      const again = await got10k()
      expect([again.report.fromCache, contents(again.index)]).toEqual([false, expected])
      rmSync(file, { recursive: true, force: true })
      expect((await got10k()).report.cacheFile).toBe(file)
    }
  })

  it('is refused with its path by the addon', async () => {
    const file = path.join(folder, 'short')
    writeFileSync(file, 'x')
    await expect(loadAddon().openIndexFile(file)).rejects.toMatchObject({ code: 'ERR_DATA', file, message: expect.stringContaining('shorter') })
    await expect(loadAddon().openIndexFile(path.join(folder, 'absent'))).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})

/** Opens mutated bytes; an index that opens is read and sampled whole. @returns its contents, or the code of the error */
async function open(bytes: Uint8Array): Promise<unknown> {
  const file = path.join(folder, 'fuzzed')
  writeFileSync(file, bytes)
  let handle
  try {
    handle = await loadAddon().openIndexFile(file)
  } catch (error) {
    return (error as { code: string }).code
  }
  try {
    const index = new DatasetIndex({ name: 'fuzzed', ratio: 1, maxDiff: 3 }, handle)
    const all = contents(index)
    await handle.firstChange()
    try {
      loadAddon().samplePairs(loaderSpec([index]), 0, 0, 0, 50)
    } catch (error) {
      // Boxes that are no boxes are met where they are drawn.
      expect((error as { code: string }).code).toBe('ERR_DATA')
    }
    return all
  } finally {
    handle.dispose()
  }
}

describe('fuzzing', () => {
  const runs = Number(process.env['SIAMFCPP_FUZZ_RUNS'] ?? 4000)
  const edit = fc.record({ at: fc.nat(), value: fc.integer({ min: 1, max: 255 }) })

  it('any changed, cut or lengthened file is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(), { freq: 4 }), async (edits, cut) => {
        const bytes = Buffer.from(good)
        for (const { at, value } of edits) bytes[at % bytes.length]! ^= value
        const result = await open(cut === null ? bytes : bytes.subarray(0, cut % bytes.length))
        if (bytes.equals(good) && cut === null) return
        expect(result).toBe('ERR_DATA')
      }),
      { numRuns: runs },
    )
  }, 300_000)

  it('with checksums made to agree, a file is refused or can be read without harm', async () => {
    const interesting = fc.constantFrom(0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff)
    const word = fc.record({ at: fc.nat(), value: fc.oneof(interesting, fc.integer({ min: 0, max: 0xffffffff })), header: fc.boolean() })
    let opened = 0
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 3 }), async (words) => {
        const bytes = Buffer.from(good)
        for (const { at, value, header } of words) bytes.writeUInt32LE(value, ((header ? at % headerBytes : at % (bytes.length - 3)) >> 2) << 2)
        const result = await open(signed(bytes))
        if (typeof result === 'string') expect(result).toBe('ERR_DATA')
        else opened += 1
      }),
      { numRuns: runs },
    )
    expect(opened).toBeGreaterThan(runs / 20)
  }, 300_000)
})

describe('where indexes are kept', () => {
  it('the environment overrides the configuration; a wrong word is an error', async () => {
    expect(indexCacheMode('user', {})).toBe('user')
    expect(indexCacheMode('user', { SIAMFCPP_INDEX_CACHE: '' })).toBe('user')
    expect(indexCacheMode('user', { SIAMFCPP_INDEX_CACHE: 'dataset' })).toBe('dataset')
    expect(() => indexCacheMode('user', { SIAMFCPP_INDEX_CACHE: 'yes' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('SIAMFCPP_INDEX_CACHE') }))
  })

  it('none: nothing is read or written', async () => {
    const before = statSync(theFile()).mtimeMs
    const { report } = await got10k({ mode: 'none' })
    expect([report.fromCache, report.cacheFile, report.notCached]).toEqual([false, null, 'index_cache is none'])
    expect(statSync(theFile()).mtimeMs).toBe(before)
  })

  it('dataset: also in a folder of folders without a list, and although the user\'s cache has it', async () => {
    const own = path.join(folder, 'folders')
    makeTinyDataset(own, { sequences: 2, jpeg: 'none' })
    const data = path.join(own, 'train')
    rmSync(path.join(data, 'list.txt'))
    const go = (mode: 'user' | 'dataset') => indexOnce('ImageFolderDataset', { dataset_root: data }, { mode })
    expect(path.dirname((await go('user')).report.cacheFile!)).not.toBe(path.join(data, '.siamfcpp-index'))
    for (const fromCache of [false, true]) {
      const { report, lines } = await go('dataset')
      expect([report.fromCache, path.dirname(report.cacheFile ?? '?'), lines]).toEqual([fromCache, path.join(data, '.siamfcpp-index'), []])
    }
  })

  it('dataset: beside the data; making the folder does not look like a change of the data', async () => {
    const own = path.join(folder, 'beside')
    makeTinyDataset(own, { jpeg: 'none' })
    const go = () => indexOnce('GOT10kDataset', { dataset_root: own }, { mode: 'dataset' })
    const { report, lines } = await go()
    expect([path.dirname(report.cacheFile!), lines]).toEqual([path.join(own, '.siamfcpp-index'), []])
    expect((await go()).report).toMatchObject({ fromCache: true, cacheFile: report.cacheFile })
  })

  it('dataset, where nothing can be written there: the user\'s cache, and a line that says so', async () => {
    const own = path.join(folder, 'unwritable')
    makeTinyDataset(own, { jpeg: 'none' })
    writeFileSync(path.join(own, '.siamfcpp-index'), 'a file where a folder is needed')
    const go = () => indexOnce('GOT10kDataset', { dataset_root: own }, { mode: 'dataset' })
    const first = await go()
    expect(path.dirname(first.report.cacheFile!)).toBe(path.join(cache, 'siamfcpp-native/index'))
    expect(first.lines).toEqual([expect.stringMatching(/cannot write to .*\.siamfcpp-index \((ENOTDIR|EEXIST)\); the user's cache is used instead/)])
    const second = await go()
    expect([second.report.fromCache, second.lines]).toEqual([true, []])
  })

  it('user, where nothing can be written there: the index is used all the same', async () => {
    const before = process.env['XDG_CACHE_HOME']
    process.env['XDG_CACHE_HOME'] = path.join(root, 'train/list.txt')
    try {
      const { report, lines, index } = await got10k()
      expect([report.cacheFile, report.notCached, contents(index)]).toEqual([null, 'no folder for it can be written to', expected])
      expect(lines).toEqual([expect.stringContaining('not cached: cannot write to')])
    } finally {
      process.env['XDG_CACHE_HOME'] = before
    }
  })

  it('those used least recently go when there are too many; temporaries of dead processes, too', async () => {
    const dir = path.dirname(theFile())
    const copies = ['a', 'b', 'c'].map((name, i) => {
      const file = path.join(dir, `X-${name}.siamidx`)
      copyFileSync(theFile(), file)
      utimesSync(file, 1000 + i, 1000 + i)
      if (name === 'b') writeFileSync(meansFileOf(file), 'its means')
      return file
    })
    writeFileSync(path.join(dir, 'notes.txt'), 'not ours')
    const size = statSync(theFile()).size
    expect(await pruneIndexes(dir, copies[0]!, size * 3)).toEqual([copies[1], meansFileOf(copies[1]!)])
    expect(await pruneIndexes(dir, copies[0]!, 10)).toEqual([copies[2], theFile()])
    expect(cacheFiles(cache)).toEqual([copies[0], path.join(dir, 'notes.txt')])
    rmSync(path.join(dir, 'notes.txt'))
    rmSync(copies[0]!)
    await got10k()
  })

  it('opening counts as use', async () => {
    utimesSync(theFile(), 1000, 1000)
    expect((await got10k()).report.fromCache).toBe(true)
    expect(statSync(theFile()).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
  })

  it('many that build at once do not harm each other', async () => {
    rmSync(theFile())
    const all = await Promise.all(Array.from({ length: 8 }, () => got10k({ rebuild: true })))
    for (const { index, report } of all) expect([report.cacheFile, contents(index)]).toEqual([theFile(), expected])
    expect(cacheFiles(cache)).toHaveLength(1)
    expect((await got10k()).report.fromCache).toBe(true)
  })
})
