/** What is looked at before a training begins with a pack: everything but the pictures themselves. */
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { type PackManifest, packRowBytes } from '../../lib/data/pack/format.ts'
import { readPackRow, writePackRow, packTableHeader } from '../helpers/pack-table.ts'
import { parsePackManifest } from '../../lib/data/pack/manifest.ts'
import { crc32c } from '../../lib/monitors/tfevents/crc32c.ts'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { defaultCrop, writeSmallPack } from '../helpers/small-pack.ts'

const folder = temporaryFolder('pack-open')
const [dir, own] = [path.join(folder, 'packs'), path.join(folder, 'packs/GOT10kDataset')]
const at = (name: string): string => path.join(own, name)
const params = { subset: 'train', check_integrity: true, ratio: 0.5, max_diff: 50, dataset_root: 'elsewhere' }
const files = ['pack.json', 'index.siamidx', 'frames.siampak', 'shard-00000.tar', 'shard-00001.tar', 'shard-00002.tar']
let good: Map<string, Buffer>
let manifest: PackManifest

beforeAll(async () => {
  const root = makeGot10k(path.join(folder, 'got10k'), { jpeg: 'real', frames: 6 })
  const { indexes } = await indexDatasets({ datasets: [{ name: 'GOT10kDataset', configPath: 'data.GOT10kDataset', params: { dataset_root: root, subset: 'train' }, ratio: 1, maxDiff: 100 }] })
  manifest = await writeSmallPack(dir, indexes[0]!, { params, bad: [4] })
  removeFolder(root) // neither annotations nor frames are needed from here on
  good = new Map(files.map((name) => [name, readFileSync(at(name))]))
})
beforeEach(() => good.forEach((bytes, name) => writeFileSync(at(name), bytes)))
afterAll(() => removeFolder(folder))

const lines: string[] = []
let origin: string | undefined
interface Opening {
  name?: string
  dir?: string
  params?: Record<string, unknown>
  crop?: Partial<LoaderSpec['crop']>
  single?: boolean
  cwd?: string
}

/** Opens and closes it. @returns sequences and frames */
async function open(opening: Opening = {}): Promise<[number, number]> {
  lines.length = 0
  const { name = 'GOT10kDataset' } = opening
  const setting = { name, configPath: `data.${name}`, params: { ...params, ...opening.params }, ratio: 1, maxDiff: 100 }
  const { indexes, reports } = await indexDatasets({ datasets: [setting] }, { cwd: opening.cwd, pack: { dir: opening.dir ?? dir, crop: { ...defaultCrop, ...opening.crop }, single: opening.single }, log: (line) => lines.push(line) })
  const [index] = indexes
  origin = reports[0]?.pack?.origin
  const counts: [number, number] = [index!.sequences, index!.frames]
  index!.dispose()
  return counts
}

async function failure(opening: Opening = {}): Promise<SiamError> {
  const before = loadAddon().memory().liveHandles
  const error = await open(opening).then(
    () => expect.fail('it was opened'),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(SiamError)
  expect(loadAddon().memory().liveHandles).toBe(before)
  return error as SiamError
}

const rewrite = (edit: (manifest: PackManifest) => void): void => {
  const changed = structuredClone(manifest)
  edit(changed)
  writeFileSync(at('pack.json'), JSON.stringify(changed))
}

/** Changes the table and makes its checksums right again. */
function rewriteTable(edit: (view: DataView) => void): void {
  const table = new Uint8Array(good.get('frames.siampak')!.subarray(packRowBytes))
  edit(new DataView(table.buffer, table.byteOffset))
  writeFileSync(at('frames.siampak'), Buffer.concat([packTableHeader(table.length / packRowBytes, crc32c(table), (bytes) => crc32c(bytes)), table]))
}

describe('opening a pack', () => {
  it('needs neither annotations nor frames, whatever the configuration says of how to sample and where they lay', async () => {
    expect(await open()).toEqual([3, 18])
    expect(await open({ params: { ratio: 1, max_diff: 7, dataset_root: 'nowhere', unfixed_list: 'x.txt' } })).toEqual([3, 18])
    expect(lines).toEqual([])
  })

  it('says which packs there are', async () => {
    expect(await failure({ dir: path.join(folder, 'none') })).toMatchObject({ code: 'ERR_DATA', file: path.join(folder, 'none'), message: 'pack not found: no such folder' })
    const other = await failure({ name: 'COCODataset' })
    expect(other).toMatchObject({ code: 'ERR_DATA', file: dir, message: 'there is no pack of COCODataset in this folder', hint: `it holds GOT10kDataset; siamtrain data pack CONFIG --out ${dir} adds what is missing and keeps what is there` })
    mkdirSync(path.join(folder, 'empty'), { recursive: true })
    expect((await failure({ dir: path.join(folder, 'empty') })).hint).toMatch(/^it holds no packs at all; siamtrain data pack /)
  })

  it('takes the folder of the pack itself where there is one data set, else says which folder to name', async () => {
    expect(await open({ dir: own, single: true })).toEqual([3, 18])
    const message = 'there is no pack of GOT10kDataset in this folder: this is the pack of GOT10kDataset itself'
    expect(await failure({ dir: own })).toMatchObject({ code: 'ERR_DATA', file: own, message, hint: 'name the folder above it, which holds the packs of all data sets' })
    expect((await failure({ dir: own, single: true, name: 'COCODataset' })).message).toBe('there is no pack of COCODataset in this folder: this is the pack of GOT10kDataset itself')
  })

  it('says what it is made of', async () => {
    await open()
    expect(origin).toBe(`the pack ${own} (made of elsewhere, 18 frames, density 1)`)
    await open({ cwd: folder })
    expect(origin).toBe('the pack packs/GOT10kDataset (made of elsewhere, 18 frames, density 1)')
  })

  it('warns of another data root, which is there', async () => {
    for (const name of ['elsewhere', 'other']) mkdirSync(path.join(folder, name), { recursive: true })
    await open({ cwd: folder, params: { dataset_root: 'other' } })
    expect(lines).toEqual(['Warning: the pack of GOT10kDataset was made of elsewhere, but data.GOT10kDataset.dataset_root is other, which is there and is not read'])
    for (const root of ['elsewhere', path.join(folder, 'elsewhere'), './other/../elsewhere', 'nowhere']) {
      await open({ cwd: folder, params: { dataset_root: root } })
      expect(lines, root).toEqual([])
    }
  })

  it('refuses one whose making was stopped, and says how to go on', async () => {
    rmSync(at('pack.json'))
    const error = await failure()
    expect(error).toMatchObject({ code: 'ERR_DATA', file: own, message: 'the pack is not finished: it has no pack.json' })
    expect(error.hint).toContain('goes on where it stopped')
  })

  it('refuses another version of the format', async () => {
    rewrite((changed) => (changed.version = 2))
    expect((await failure()).message).toBe('the pack is of version 2 of the format, but this package reads version 1')
    const table = Buffer.from(good.get('frames.siampak')!)
    table.writeUInt32LE(3, 8)
    writeFileSync(at('frames.siampak'), table)
    writeFileSync(at('pack.json'), good.get('pack.json')!)
    expect(await failure()).toMatchObject({ file: at('frames.siampak'), message: "Expected version 1 of a pack's table but it is of version 3" })
  })

  it('refuses other settings of the data set, each by name', async () => {
    const error = await failure({ params: { subset: 'val', check_integrity: false } })
    expect(error).toMatchObject({ code: 'ERR_CONFIG', file: own })
    expect(error.message).toBe('the pack of GOT10kDataset was made with other settings: data.GOT10kDataset.check_integrity is false, packed was true; data.GOT10kDataset.subset is "val", packed was "train"')
    expect((await failure({ params: { more: 1 } })).message).toContain('data.GOT10kDataset.more is 1, packed was not set')
    rewrite((changed) => (changed.dataset.name = 'LaSOTDataset'))
    expect((await failure()).message).toBe('Expected a pack of GOT10kDataset but it is one of LaSOTDataset')
  })
})

describe('crops that a pack was not made for', () => {
  it.each([{ maxScale: 0.31 }, { maxShift: 0.5 }, { xSize: 304 }, { zSize: 126 }, { contextAmount: 0.51 }, { maxScaleTemp: 3, maxShiftTemp: 0.5 }])('are refused where they reach further: %o', async (crop) => {
    const error = await failure({ crop })
    expect(error).toMatchObject({ code: 'ERR_CONFIG', file: own })
    expect(error.message).toMatch(/^the crops of this configuration reach [\d.]+ context sides around a target, but the pack holds 4.342 /)
    expect(error.hint).toContain('siamtrain data pack')
  })

  it.each([{ maxScale: 0.1 }, { maxShift: 0 }, { xSize: 255 }, { contextAmount: 0.3 }, { maxScaleTemp: 0.2, maxShiftTemp: 0.3 }])('are taken where they reach less: %o', async (crop) => {
    expect(await open({ crop })).toEqual([3, 18])
  })

  it('need more where the context of thin boxes grows', async () => {
    // For a line-shaped box the context side grows by sqrt(c'(1 + c') / (c(1 + c))), more than for a square.
    const shift = 1.4 / Math.sqrt((0.6 * 1.6) / (0.5 * 1.5)) - 1
    expect(await open({ crop: { contextAmount: 0.6, maxShift: shift - 1e-6 } })).toEqual([3, 18])
    expect((await failure({ crop: { contextAmount: 0.6, maxShift: shift + 1e-4 } })).code).toBe('ERR_CONFIG')
    rewrite((changed) => (changed.crop.contextAmount = 0))
    expect((await failure({ crop: { contextAmount: 0.01 } })).message).toContain('reach Infinity context sides')
  })

  it('are told to be less sharp, but taken, where they are finer than what is stored', async () => {
    expect(await open({ crop: { zSize: 255, xSize: 303 } })).toEqual([3, 18])
    expect(lines).toEqual(['GOT10kDataset: the pack holds 127 pixels a context side where the crops have 255: they are less sharp than from frames'])
  })
})

describe('a damaged pack', () => {
  it('is refused for any change of its manifest that matters', () => {
    const text = good.get('pack.json')!.toString()
    expect(parsePackManifest(text, 'pack.json')).toEqual(manifest)
    for (const [from, to, message] of [
      ['{', '', 'it is no JSON'],
      ['siamfcpp-pack', 'webdataset', 'but it is something else'],
      ['"frames": 18', '"frames": -1', 'expected a count for frames'],
      ['"contextFactor":', '"factor":', 'expected a number for contextFactor'],
      ['"zSize": 127', '"zSize": "127"', 'expected a count for crop.zSize'],
      ['shard-00001.tar', '../../shard.tar', 'expected names of files beside it but found "../../shard.tar"'],
    ] as const) {
      expect(text).toContain(from)
      expect(() => parsePackManifest(text.replace(from, to), 'pack.json'), from).toThrow(message)
    }
  })

  it('is refused without a file of it, or with a shorter or longer one, which is named with both sizes', async () => {
    const bytes = good.get('shard-00001.tar')!.length
    renameSync(at('shard-00001.tar'), at('away'))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: at('shard-00001.tar'), message: `Expected a shard of ${bytes} bytes but it is missing` })
    renameSync(at('away'), at('shard-00001.tar'))
    truncateSync(at('shard-00001.tar'), bytes - 1)
    expect((await failure()).message).toBe(`Expected a shard of ${bytes} bytes but it has ${bytes - 1}`)
    truncateSync(at('shard-00001.tar'), bytes + 5)
    expect((await failure()).message).toBe(`Expected a shard of ${bytes} bytes but it has ${bytes + 5}`)
    rmSync(at('shard-00001.tar'))
    mkdirSync(at('shard-00001.tar'))
    expect((await failure()).message).toContain('no regular file')
    rmSync(at('shard-00001.tar'), { recursive: true })
    writeFileSync(at('shard-00001.tar'), good.get('shard-00001.tar')!)
    rmSync(at('index.siamidx'))
    expect(await failure()).toMatchObject({ code: 'ERR_IO', file: at('index.siamidx') })
    writeFileSync(at('index.siamidx'), good.get('index.siamidx')!)
    rmSync(at('frames.siampak'))
    expect(await failure()).toMatchObject({ code: 'ERR_IO', file: at('frames.siampak') })
  })

  it('is refused for changed bytes of its table, and for any part of it', async () => {
    const table = good.get('frames.siampak')!
    expect(table.length).toBe(19 * 64)
    const addon = loadAddon()
    const shards = manifest.shards.map(({ file, bytes }) => ({ path: at(file), bytes }))
    const openTable = (): Promise<unknown> => addon.openPack(at('frames.siampak'), shards).then((pack) => (pack.dispose(), 'opened'), (error: SiamError) => error.code)
    expect(await openTable()).toBe('opened')
    for (let i = 0; i < table.length; i += i < 64 ? 1 : 5) {
      const changed = Buffer.from(table)
      changed[i]! ^= 1 << (i % 8)
      writeFileSync(at('frames.siampak'), changed)
      expect(await openTable(), `byte ${i}`).toBe('ERR_DATA')
    }
    for (let length = 0; length < table.length; length += 37) {
      writeFileSync(at('frames.siampak'), table.subarray(0, length))
      expect(await openTable(), `${length} bytes`).toBe('ERR_DATA')
    }
    writeFileSync(at('frames.siampak'), Buffer.concat([table, Buffer.alloc(64)]))
    expect(await openTable()).toBe('ERR_DATA')
  })

  it('is refused where a row does not fit the shards, whatever the checksums say', async () => {
    for (const [change, message] of [
      [{ shard: 3 }, 'row 2 of the pack\'s table names a shard that the pack does not have'],
      [{ offset: 1e12 }, 'lies outside of its shard'],
      [{ offset: 2 ** 53 }, 'lies outside of its shard'],
      [{ length: 0xffffffff }, 'lies outside of its shard'],
      [{ frameWidth: 0 }, 'has no size of its frame'],
      [{ frameHeight: 0xffffffff }, 'has no size of its frame'],
      [{ x: { origin: 0, step: 0 } }, 'has no usable grid'],
      [{ y: { origin: Number.NaN, step: 1 } }, 'has no usable grid'],
      [{ y: { origin: -1e12, step: 1 } }, 'has no usable grid'],
    ] as const) {
      rewriteTable((view) => writePackRow(view, 2 * packRowBytes, { ...readPackRow(view, 2 * packRowBytes), ...change }))
      expect((await failure()).message).toContain(message)
    }
  })

  it('is refused where index, table and manifest are of different data', async () => {
    rewrite((changed) => (changed.frames = 17))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: at('index.siamidx') })
    rewrite((changed) => (changed.stored = 18))
    expect((await failure()).message).toBe('Expected a table of 18 frames with 18 pictures, as pack.json says, but it has 18 with 17')
  })
})
