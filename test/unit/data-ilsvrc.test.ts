/** ILSVRC2015 VID and DET → index: which sequences and stills the original makes, and what is reported with file and line. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { nameFromPattern } from '../../lib/data/frames.ts'
import { indexDatasets } from '../../lib/data/index.ts'
import { SiamError } from '../../lib/errors.ts'
import type { NativeDatasetIndex } from '../../lib/native/addon.ts'
import { detBoxes, detFile, detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { cornersOf, ilsvrcXml } from '../helpers/datasets/pictures.ts'
import { makeVidExample, vidBox, vidFolder, vidParams } from '../helpers/datasets/vid.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('ilsvrc')
afterAll(() => removeFolder(folder))
let root = ''
let made = 0
beforeEach(() => {
  root = path.join(folder, String((made += 1)))
})

type Name = 'VIDDataset' | 'DETDataset'
const at = (name: Name) => `train.track.data.sampler.submodules.dataset.${name}`

async function index(name: Name, more: Record<string, unknown> = {}, options: { strict?: boolean; onProgress?: (progress: { done: number; total: number | undefined }) => void; signal?: AbortSignal } = {}) {
  const params = name === 'VIDDataset' ? vidParams(root, more) : detParams(root, more)
  const { indexes, problems } = await indexDatasets({ datasets: [{ name, configPath: at(name), params, ratio: 1, maxDiff: 100 }] }, options)
  return { index: indexes[0] as NativeDatasetIndex, problems }
}

async function failure(name: Name, more: Record<string, unknown> = {}, options: { strict?: boolean } = {}): Promise<SiamError> {
  const error: unknown = await index(name, more, options).then(
    () => 'no error',
    (caught: unknown) => caught,
  )
  if (!(error instanceof SiamError)) throw new Error(`expected a SiamError, got ${String(error)}`)
  return error
}

/** Files of a sequence's frames, relative to Data. */
function frames(i: NativeDatasetIndex, s: number): string[] {
  const count = i.still === true ? 1 : (i.sequenceStart[s + 1] ?? 0) - (i.sequenceStart[s] ?? 0)
  const names = i.frameNames[s] ?? Array.from({ length: count }, (_, k) => nameFromPattern({ pattern: i.framePatterns[s] ?? '', first: i.firstNumbers[s] ?? 0, count }, k))
  return names.map((name) => path.relative(path.join(root, 'Data'), path.join(i.sequenceDirs[s] ?? '', name)))
}

const boxes = (i: NativeDatasetIndex, s: number) => Array.from({ length: (i.sequenceStart[s + 1] ?? 0) - (i.sequenceStart[s] ?? 0) }, (_, k) => [...i.boxes.subarray(((i.sequenceStart[s] ?? 0) + k) * 4, ((i.sequenceStart[s] ?? 0) + k + 1) * 4)])

/** Edits the XML file. @returns it */
function edit(file: string, change: (text: string) => string): string {
  writeFileSync(file, change(readFileSync(file, 'utf8')))
  return file
}

const lineOf = (file: string, part: string, from = 0): number => {
  const text = readFileSync(file, 'utf8')
  return text.slice(0, text.indexOf(part, from)).split('\n').length
}

describe('the index of VID', () => {
  const video = (v: number, k: number) => `${path.relative(path.join(root, 'Data'), vidFolder(root, 'Data', v))}/${String(k).padStart(6, '0')}.JPEG`

  it('has a sequence for each object that a video shows at least twice, in the order of paths and of ids as text', async () => {
    makeVidExample(root, { jpeg: 'none', videos: 3 })
    const { index: i, problems } = await index('VIDDataset', {}, { strict: true })
    expect(problems.total).toBe(0)
    expect(i.still).toBe(false)
    // Videos 0 and 2 are below …_0000, video 1 below …_0001; object 10 was seen once.
    expect(i.sequenceStart).toEqual(Uint32Array.from([0, 8, 14, 22, 28, 36, 42]))
    for (const [s, v] of [0, 2, 1].entries()) {
      expect(frames(i, 2 * s)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((k) => video(v, k)))
      expect(frames(i, 2 * s + 1)).toEqual([0, 1, 2, 5, 6, 7].map((k) => video(v, k)))
      expect(boxes(i, 2 * s + 1)).toEqual([0, 1, 2, 5, 6, 7].map((k) => cornersOf(vidBox(1, k))))
    }
    expect(i.framePatterns[0]).toBe('%06d.JPEG')
  })

  it('takes train, val or both, train first', async () => {
    makeVidExample(root, { jpeg: 'none', videos: 1 })
    makeVidExample(root, { jpeg: 'none', videos: 1, subset: 'val' })
    expect(frames((await index('VIDDataset', { subset: 'val' })).index, 0)[0]).toBe('VID/val/ILSVRC2015_val_00000000/000000.JPEG')
    for (const subset of ['train_val', 'val_train', 'train _ val']) {
      const { index: i } = await index('VIDDataset', { subset })
      expect([0, 1, 2, 3].map((s) => frames(i, s)[0]?.slice(0, 9))).toEqual(['VID/train', 'VID/train', 'VID/val/I', 'VID/val/I'])
    }
  })

  it('orders ids as text, and takes the files\' own names where they do not begin at 0', async () => {
    const write = (k: number, ids: string[]) => {
      for (const kind of ['Data', 'Annotations'] as const) mkdirSync(vidFolder(root, kind, 0), { recursive: true })
      writeFileSync(path.join(vidFolder(root, 'Data', 0), `${k}.JPEG`), '')
      writeFileSync(path.join(vidFolder(root, 'Annotations', 0), `${k}.xml`), ilsvrcXml({ folder: 'x', filename: String(k), width: 99, height: 99 }, ids.map((trackId) => ({ trackId, corners: [Number(trackId), 0, Number(trackId) + k, 9] }))))
    }
    for (const k of [4, 5, 8]) write(k, ['10', '2', '1'])
    const { index: i } = await index('VIDDataset')
    expect([0, 1, 2].map((s) => boxes(i, s)[0]?.[0])).toEqual([1, 10, 2])
    expect(frames(i, 0).map((file) => path.basename(file))).toEqual(['4.JPEG', '5.JPEG', '8.JPEG'])
  })

  it('keeps a frame twice that shows an id twice, as the original does', async () => {
    makeVidExample(root, { jpeg: 'none', videos: 1 })
    edit(path.join(vidFolder(root, 'Annotations', 0), '000000.xml'), (text) => text.replaceAll('<trackid>10<', '<trackid>0<'))
    const { index: i } = await index('VIDDataset')
    expect(frames(i, 0).slice(0, 3).map((file) => path.basename(file))).toEqual(['000000.JPEG', '000000.JPEG', '000001.JPEG'])
    expect(boxes(i, 0).slice(0, 3)).toEqual([cornersOf(vidBox(0, 0)), [1, 2, 30, 40], cornersOf(vidBox(0, 1))])
  })

  it('tells how far it is, and stops at a signal', async () => {
    makeVidExample(root, { jpeg: 'none', videos: 3 })
    const seen: unknown[] = []
    await index('VIDDataset', {}, { onProgress: ({ done, total }) => seen.push([done, total]) })
    expect(seen).toEqual([[1, 3], [2, 3], [3, 3]])
    await expect(index('VIDDataset', {}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

describe('bad data of VID', () => {
  beforeEach(() => {
    makeVidExample(root, { jpeg: 'none', videos: 2 })
  })
  const xml = (k: number) => path.join(vidFolder(root, 'Annotations', 0), `${String(k).padStart(6, '0')}.xml`)

  it.each<[what: string, change: (text: string) => string, kind: string, message: string, line: string]>([
    ['an empty box', (text) => text.replace(/<xmax>\d+/, '<xmax>5'), 'empty_box', 'object 1: the box [182, 16, 5, 45] (xmin, ymin, xmax, ymax) has no area: width and height must be above 0', '<object>'],
    ['a box outside of the picture', (text) => text.replace('<width>320', '<width>100'), 'box_outside', 'object 1: the box [182, 16, 221, 45] (xmin, ymin, xmax, ymax) lies outside of its picture of 100x120', '<object>'],
    ['a word for a number', (text) => text.replace(/<ymin>\d+/, '<ymin>top'), 'bad_annotation', 'object 1: expected a number for ymin but found "top"', '<object>'],
    ['no bndbox', (text) => text.replaceAll('bndbox', 'box'), 'bad_annotation', 'object 1: the object has no bndbox', '<object>'],
    ['no trackid', (text) => text.replace('<trackid>1</trackid>', ''), 'bad_annotation', 'the object has no trackid', '<object>'],
  ])('an object with %s is left out and reported', async (_, change, kind, message, line) => {
    edit(xml(2), change)
    const { index: i, problems } = await index('VIDDataset')
    expect(problems.kept[0]).toEqual({ kind, scope: 'frame', dataset: 'VIDDataset', sequence: 'ILSVRC2015_train_00000000', file: xml(2), line: lineOf(xml(2), line), message })
    expect(i.sequenceStart.slice(0, 3)).toEqual(Uint32Array.from(message.includes('no bndbox') ? [0, 7, 12] : [0, 8, 13]))
    expect(await failure('VIDDataset', {}, { strict: true })).toMatchObject({ code: 'ERR_DATA', file: xml(2), line: lineOf(xml(2), line) })
  })

  it('a file that is no XML, and one without its picture, are left out and reported', async () => {
    edit(xml(2), (text) => text.slice(0, 300))
    rmSync(path.join(vidFolder(root, 'Data', 0), '000006.JPEG'))
    const { index: i, problems } = await index('VIDDataset')
    expect(problems.kept).toMatchObject([
      { kind: 'bad_annotation', file: xml(2), line: 14, message: expect.stringMatching(/^not well-formed XML/) },
      { kind: 'missing_frame', file: xml(6), message: `its picture ${vidFolder(root, 'Data', 0)}/000006.JPEG is not there` },
    ])
    expect(frames(i, 0).map((file) => path.basename(file, '.JPEG'))).toEqual(['000000', '000001', '000003', '000004', '000005', '000007'])
    expect(await failure('VIDDataset', {}, { strict: true })).toMatchObject({ code: 'ERR_DATA', file: xml(2), line: 14 })
  })

  it('a file that cannot be read, and a video without annotations, are reported', async () => {
    rmSync(xml(1))
    mkdirSync(xml(1))
    rmSync(vidFolder(root, 'Annotations', 1), { recursive: true })
    const { index: i, problems } = await index('VIDDataset')
    expect(problems.kept).toMatchObject([
      { kind: 'unreadable', scope: 'frame', file: xml(1), message: 'cannot be read (EISDIR)' },
      { kind: 'missing_groundtruth', scope: 'sequence', sequence: 'ILSVRC2015_train_00000001', file: vidFolder(root, 'Annotations', 1) },
    ])
    expect(i.sequenceStart).toEqual(Uint32Array.from([0, 7, 12]))
  })

  it('an object whose boxes are all bad has no sequence', async () => {
    for (let k = 0; k < 8; k += 1) edit(xml(k), (text) => text.replace(/(<trackid>1<[^]*?<xmax>)\d+/, '$15'))
    const { index: i } = await index('VIDDataset')
    expect(i.sequenceStart.slice(0, 2)).toEqual(Uint32Array.from([0, 8]))
    expect(frames(i, 1)[0]).toContain('ILSVRC2015_train_00000001')
  })

  it('missing folders, an empty set and a wrong subset are errors', async () => {
    rmSync(path.join(root, 'Annotations'), { recursive: true })
    expect(await failure('VIDDataset')).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'Annotations/VID/train'), message: expect.stringContaining('has no folder Annotations/VID/train'), hint: expect.stringContaining('Data/VID/train') })
    rmSync(path.join(root, 'Data/VID/train'), { recursive: true })
    expect(await failure('VIDDataset')).toMatchObject({ file: path.join(root, 'Data/VID/train') })
    for (const kind of ['Data', 'Annotations']) mkdirSync(path.join(root, kind, 'VID/train'), { recursive: true })
    expect((await failure('VIDDataset')).message).toMatch(/the data set is empty: no video/)
    rmSync(root, { recursive: true })
    expect(await failure('VIDDataset')).toMatchObject({ code: 'ERR_DATA', file: root, message: expect.stringContaining('data root not found') })
    expect(await failure('VIDDataset', { subset: 'train_test' })).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(`${at('VIDDataset')}.subset`) })
  })
})

describe('the index of DET', () => {
  it('has a still for each picture, in the order of the paths; pictures without objects are counted', async () => {
    makeDetExample(root, { jpeg: 'none' })
    const { index: i, problems } = await index('DETDataset', {}, { strict: true })
    expect(problems.total).toBe(0)
    expect(i).toMatchObject({ still: true, emptyStills: 1 })
    // Classes alternate: pictures 0, 2, 4 are of the first, 1 and 3 of the second; 5 has no object.
    for (const [s, p] of [0, 2, 4, 1, 3].entries()) {
      expect(frames(i, s)).toEqual([path.relative(path.join(root, 'Data'), detFile(root, 'Data', p))])
      expect(boxes(i, s)).toEqual(detBoxes(p).map(cornersOf))
    }
    expect(i.sequenceDirs).toHaveLength(5)
    expect((await index('DETDataset', { skip_empty: true })).index).toEqual({ ...i, emptyStills: 0 })
  })

  it('reads val from its one folder, and of train what is two folders deep', async () => {
    makeDetExample(root, { jpeg: 'none', pictures: 2, subset: 'val' })
    makeDetExample(root, { jpeg: 'none', pictures: 2 })
    const { index: val } = await index('DETDataset', { subset: 'val' })
    expect(frames(val, 0)).toEqual(['DET/val/ILSVRC2012_val_00000001.JPEG'])
    for (const kind of ['Data', 'Annotations'] as const) {
      const dir = path.join(root, kind, 'DET/train/ILSVRC2014_train_0000')
      mkdirSync(dir)
      renameSync(detFile(root, kind, 1), path.join(dir, path.basename(detFile(root, kind, 1))))
    }
    const { index: train, problems } = await index('DETDataset')
    expect(train.sequenceDirs).toHaveLength(1)
    expect(problems.total).toBe(0)
  })

  it('computes in float64 before it rounds, as the original does', async () => {
    makeDetExample(root, { jpeg: 'none', pictures: 1 })
    edit(detFile(root, 'Annotations', 0), (text) => text.replace(/<xmin>\d+/, '<xmin>10.1').replace(/<xmax>\d+/, '<xmax>40.3'))
    const { index: i } = await index('DETDataset')
    const w = Math.fround(40.3 - 10.1 + 1)
    expect(boxes(i, 0)[0]?.[2]).toBe(Math.fround(Math.fround(w + Math.fround(10.1)) - 1))
  })

  it('tells how far it is', async () => {
    makeDetExample(root, { jpeg: 'none' })
    const seen: number[] = []
    await index('DETDataset', {}, { onProgress: ({ done }) => seen.push(done) })
    expect(seen).toEqual([3, 6])
  })
})

describe('bad data of DET', () => {
  beforeEach(() => {
    makeDetExample(root, { jpeg: 'none' })
  })

  it('a bad object leaves the others of its picture; a picture with none left is drawn and refused', async () => {
    const [one, three] = [detFile(root, 'Annotations', 0), detFile(root, 'Annotations', 2)]
    edit(one, (text) => text.replace(/<ymax>\d+/, '<ymax>-3'))
    edit(three, (text) => text.replace(/<xmin>\d+/, '<xmin>x'))
    const { index: i, problems } = await index('DETDataset')
    expect(i.emptyStills).toBe(2)
    expect(boxes(i, 0)).toEqual(detBoxes(2).slice(1).map(cornersOf))
    expect(problems.kept).toEqual([
      { kind: 'empty_box', scope: 'frame', dataset: 'DETDataset', sequence: 'n01443537_10', file: one, line: lineOf(one, '<object>'), message: 'the box [10, 20, 39, -3] (xmin, ymin, xmax, ymax) has no area: width and height must be above 0' },
      { kind: 'bad_annotation', scope: 'frame', dataset: 'DETDataset', sequence: 'n01443537_12', file: three, line: lineOf(three, '<object>'), message: 'expected a number for xmin but found "x"' },
    ])
    expect(await failure('DETDataset', {}, { strict: true })).toMatchObject({ code: 'ERR_DATA', file: one, line: lineOf(one, '<object>') })
  })

  it('a file that is no XML, a missing picture and a missing annotation leave their picture out', async () => {
    edit(detFile(root, 'Annotations', 0), () => '<annotation>\n<object></annotation>')
    rmSync(detFile(root, 'Data', 2))
    rmSync(detFile(root, 'Annotations', 4))
    const { index: i, problems } = await index('DETDataset')
    expect(i.sequenceDirs).toHaveLength(2)
    expect(problems.kept).toMatchObject([
      { kind: 'missing_frame', scope: 'sequence', sequence: 'n01443537_12', file: detFile(root, 'Annotations', 2), message: `its picture ${detFile(root, 'Data', 2)} is not there` },
      { kind: 'missing_groundtruth', scope: 'sequence', sequence: 'n01443537_14', file: detFile(root, 'Annotations', 4), message: 'the annotation of the picture is missing' },
      { kind: 'bad_annotation', scope: 'sequence', sequence: 'n01443537_10', file: detFile(root, 'Annotations', 0), line: 2, message: expect.stringMatching(/^not well-formed XML/) },
    ])
    expect(await failure('DETDataset', {}, { strict: true })).toMatchObject({ code: 'ERR_DATA', file: detFile(root, 'Annotations', 2) })
  })

  it('missing folders, wrong settings and a set without objects are errors', async () => {
    expect(await failure('DETDataset', { subset: 'val' })).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'Data/DET/val') })
    expect(await failure('DETDataset', { subset: 'test' })).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(`${at('DETDataset')}.subset`) })
    expect(await failure('DETDataset', { skip_empty: 'no' })).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(`${at('DETDataset')}.skip_empty`) })
    for (let p = 0; p < 5; p += 1) edit(detFile(root, 'Annotations', p), () => '<annotation></annotation>')
    expect(await failure('DETDataset')).toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/^DETDataset is empty/) })
    rmSync(path.join(root, 'Annotations'), { recursive: true })
    expect(await failure('DETDataset')).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'Annotations/DET/train') })
  })
})
