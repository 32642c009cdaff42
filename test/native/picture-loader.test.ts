/** Training, indexing and verifying from PNG and WebP frames: what lossless copies of JPEG frames give is what the JPEGs give. */
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NativeDatasetIndex } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { verifyDatasets } from '../../lib/data/survey/verify.ts'
import { datasetStats } from '../../lib/data/survey/stats.ts'
import { makeImageFolder } from '../helpers/datasets/image-folder.ts'
import { batches, indexOnce } from '../helpers/index-cache.ts'
import { framePath, indexOf, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const addon = loadAddon()
let folder = ''
beforeAll(() => {
  folder = temporaryFolder('pictures')
})
afterAll(() => removeFolder(folder))

const fixtures = JSON.parse(readFileSync(new URL('../fixtures/pictures.json', import.meta.url), 'utf8')) as Record<string, { file: string; width: number; height: number }>

/** A PNG of a frame's pixels. */
function asPng(bytes: Uint8Array, alpha = 255): Buffer {
  const { data, width, height } = addon.decodeFrame(bytes)
  const png = new PNG({ width, height })
  for (let i = 0; i < width * height; i += 1) png.data.set([data[3 * i + 2]!, data[3 * i + 1]!, data[3 * i]!, alpha], 4 * i)
  return PNG.sync.write(png)
}

/** The same picture with a chunk of 20 kB that nobody knows before its pixels, so that what turns it comes late in the file. */
function withLateExif(bytes: Buffer): Buffer {
  const filler = Buffer.alloc(20_000, 'x')
  const length = Buffer.alloc(4)
  if (bytes[0] === 0x89) {
    length.writeUInt32BE(filler.length)
    const chunk = Buffer.concat([Buffer.from('fiLl'), filler])
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(crc32(chunk))
    return Buffer.concat([bytes.subarray(0, 33), length, chunk, crc, bytes.subarray(33)])
  }
  length.writeUInt32LE(filler.length)
  const made = Buffer.concat([bytes.subarray(0, 30), Buffer.from('FILL'), length, filler, bytes.subarray(30)])
  made.writeUInt32LE(made.length - 8, 4)
  return made
}

const boxes = wanderingBoxes(2, 8)
const names = (k: number, format: string): string => `${String(k + 1).padStart(8, '0')}.${format}`
const listed = (root: string, formatOf: (k: number) => string): NativeDatasetIndex =>
  indexOf(root, boxes, { framePatterns: ['', ''], frameNames: boxes.map((sequence) => sequence.map((_, k) => names(k, formatOf(k)))) })

describe('the loader', () => {
  it('makes the same batches of PNG frames as of the JPEG frames that they were made from', async () => {
    const root = path.join(folder, 'copies')
    writeFrames(root, boxes)
    boxes.forEach((sequence, s) => sequence.forEach((_, k) => writeFileSync(framePath(root, s, k).replace('.jpg', '.png'), asPng(readFileSync(framePath(root, s, k)), k * 30))))
    const expected = await batches(indexOf(root, boxes) as never)
    expect(await batches(listed(root, () => 'png') as never)).toEqual(expected)
    expect(await batches(listed(root, (k) => (k % 2 === 0 ? 'png' : 'jpg')) as never)).toEqual(expected)
  })

  it('makes the same batches of WebP frames as of PNG frames of their pixels', async () => {
    const root = path.join(folder, 'webp')
    const kinds = ['webp lossy', 'webp lossless', 'webp lossy alpha', 'webp vp8x lossy', 'webp animated', 'webp gray lossless', 'webp exif 1', 'webp lossless alpha']
    const small = boxes.map((sequence) => sequence.map((_, k) => [4 + k, 3 + k, 16 + k, 13 + k] as [number, number, number, number]))
    for (const s of [0, 1]) {
      mkdirSync(path.join(root, `s${s}`), { recursive: true })
      kinds.forEach((kind, k) => {
        const bytes = Buffer.from(fixtures[kind]!.file, 'base64')
        writeFileSync(path.join(root, `s${s}`, names(k, 'webp')), bytes)
        writeFileSync(path.join(root, `s${s}`, names(k, 'png')), asPng(bytes))
      })
    }
    const of = (format: string) => indexOf(root, small, { framePatterns: [`%08d.${format}`, `%08d.${format}`] })
    const made = await batches(of('webp') as never)
    expect(made).toEqual(await batches(of('png') as never))
    expect(made.filter((line) => line.includes('webp: '))).toEqual([])
  })

  it('replaces a truncated one by another sample and names it', async () => {
    const root = path.join(folder, 'copies')
    const bad = path.join(root, 's0', names(3, 'png'))
    truncateSync(bad, 500)
    const made = await batches(listed(root, () => 'png') as never)
    expect(made.filter((line) => line.startsWith(root))[0]).toMatch(/^.*s0\/00000004\.png: Expected a complete PNG frame but it is truncated: it ends within a chunk/)
  })
})

describe('own folders', () => {
  const root = (): string => path.join(folder, 'own')
  /** clip_a as PNG, clip_b as PNG with an ending in capitals and a WebP. */
  beforeAll(() => {
    makeImageFolder(root(), { jpeg: 'real' })
    for (const clip of ['clip_a', 'clip_b']) {
      for (const name of readdirSync(path.join(root(), clip)).filter((entry) => entry.endsWith('.jpg'))) {
        const file = path.join(root(), clip, name)
        writeFileSync(file.replace('.jpg', clip === 'clip_a' ? '.png' : '.PNG'), asPng(readFileSync(file)))
        rmSync(file)
      }
    }
  })
  const params = () => ({ dataset_root: root() })

  it('of PNG and WebP are indexed, trained on, verified and measured', async () => {
    const { index, problems } = await indexOnce('ImageFolderDataset', params(), { mode: 'none' })
    expect([index.sequences, index.frames, problems.total]).toEqual([2, 12, 0])
    expect(index.framePatterns).toEqual(['img_%04d.png', 'img_%04d.PNG'])
    const made = await batches(index, 3)
    expect(made.filter((line) => line.includes('own/'))).toEqual([])
    const dataset = { name: 'ImageFolderDataset', params: params(), configPath: 'own' }
    expect(await verifyDatasets([dataset], { threads: 1 })).toMatchObject({ ok: true })
    expect((await datasetStats(dataset)).frameSizes).toEqual([{ width: 160, height: 120, sequences: 2 }])
  })

  it.each([['png', 'png eXIf 6'], ['png', 'png eXIf 6 after IDAT'], ['webp', 'webp exif 6'], ['webp', 'webp lossless exif 6']])('of turned frames (%s, %s) are measured as they are shown, however late the file says so', async (format, kind) => {
    const turned = path.join(folder, kind)
    makeImageFolder(turned, { jpeg: 'real' })
    const bytes = withLateExif(Buffer.from(fixtures[kind]!.file, 'base64'))
    for (const clip of ['clip_a', 'clip_b']) {
      for (const name of readdirSync(path.join(turned, clip)).filter((entry) => entry.endsWith('.jpg'))) {
        rmSync(path.join(turned, clip, name))
        writeFileSync(path.join(turned, clip, name.replace('.jpg', `.${format}`)), bytes)
      }
    }
    expect(addon.decodeFrame(bytes)).toMatchObject({ width: 23, height: 37 })
    const stats = await datasetStats({ name: 'ImageFolderDataset', params: { dataset_root: turned }, configPath: 'turned' })
    expect(stats.frameSizes).toEqual([{ width: 23, height: 37, sequences: 2 }])
  })

  it('name the frame that is damaged', async () => {
    const bad = path.join(root(), 'clip_a', 'img_0002.png')
    truncateSync(bad, 300)
    const report = await verifyDatasets([{ name: 'ImageFolderDataset', params: params(), configPath: 'own' }], { threads: 1 })
    expect(report.counts).toEqual({ undecodable_frame: 1 })
    expect(report.problems[0]).toMatchObject({ file: bad, message: expect.stringMatching(/PNG frame but it is truncated/) })
  })
})
