/** Still pictures of a user's own data set, and reading many small annotation files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readAnnotations } from '../../lib/data/ilsvrc.ts'
import { indexDatasets, registerDataset } from '../../lib/data/index.ts'
import type { SequenceRecord } from '../../lib/data/source.ts'
import { SiamError } from '../../lib/errors.ts'
import { cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { detParams, makeDetExample } from '../helpers/datasets/det.ts'
import { ilsvrcXml } from '../helpers/datasets/pictures.ts'
import { makeVidExample, vidParams } from '../helpers/datasets/vid.ts'
import { openAll } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let count = 0
async function index(records: SequenceRecord[]) {
  const name = `Stills${(count += 1)}`
  registerDataset(name, () => records)
  return indexDatasets({ datasets: [{ name, configPath: name, params: {}, ratio: 1, maxDiff: 100 }] }, { cwd: '/data' })
}

async function failure(records: SequenceRecord[]): Promise<SiamError> {
  const error: unknown = await index(records).then(
    () => 'no error',
    (caught: unknown) => caught,
  )
  if (!(error instanceof SiamError)) throw new Error(`expected a SiamError, got ${String(error)}`)
  return error
}

describe('a registered data set of stills', () => {
  it('gives one file and any number of objects a record', async () => {
    const { indexes, problems } = await index([
      { name: 'a', frames: ['a.jpg'], boxes: [[1, 2, 3, 4], [5, 6, 7, 8]], still: true },
      { name: 'b', frames: { dir: 'more', pattern: '%03d.jpg', first: 7, count: 1 }, boxes: Float32Array.from([1, 2, 3, 4]), boxFormat: 'xyxy', still: true },
      { name: 'none', frames: ['c.jpg'], boxes: [], still: true },
      { name: 'bad', frames: ['d.jpg'], boxes: [[1, 2, 0, 4]], still: true },
      { name: 'half', frames: ['e.jpg'], boxes: [[1, 2, 0, 4], [1, 2, 5, 5]], still: true },
    ])
    expect(indexes[0]).toMatchObject({ still: true, emptyStills: 2, sequenceDirs: ['/data', '/data/more', '/data'], framePatterns: ['', '%03d.jpg', ''], frameNames: [['a.jpg'], null, ['e.jpg']] })
    expect([...(indexes[0]?.sequenceStart ?? [])]).toEqual([0, 2, 3, 4])
    expect([...(indexes[0]?.boxes ?? [])]).toEqual([1, 2, 3, 5, 5, 6, 11, 13, 1, 2, 3, 4, 1, 2, 5, 6])
    expect(problems.counts).toEqual({ empty_box: 2 })
  })

  it('must not have videos among them, nor a still of several files or of half a box', async () => {
    const still: SequenceRecord = { name: 'a', frames: ['a.jpg'], boxes: [[1, 2, 3, 4]], still: true }
    const video: SequenceRecord = { name: 'b', frames: ['b.jpg'], boxes: [[1, 2, 3, 4]] }
    for (const records of [[still, video], [video, still]]) {
      expect(await failure(records)).toMatchObject({ code: 'ERR_DATA', file: (records[1] as SequenceRecord & { frames: string[] }).frames[0], message: expect.stringContaining('expected all sequences or none to be still pictures'), hint: expect.stringContaining('data set of their own') })
    }
    expect((await failure([{ ...still, frames: ['a.jpg', 'b.jpg'] }])).message).toMatch(/Expected one file for frames of the still picture .*"a".* but received 2/)
    expect((await failure([{ ...still, frames: { dir: '.', pattern: '%d.jpg', first: 1, count: 3 } }])).message).toMatch(/Expected one file/)
    expect((await failure([{ ...still, boxes: [1, 2, 3, 4, 5] }])).message).toMatch(/Expected 4 numbers for each of 2 frames/)
    expect((await failure([{ ...still, boxes: null as never }])).message).toMatch(/Expected an array of boxes/)
  })
})

describe('many small files', () => {
  const root = temporaryFolder('annotations')
  afterAll(() => removeFolder(root))

  it('are the same whether the disk is fast or slow, bad ones in their place', async () => {
    const files = Array.from({ length: 200 }, (_, i) => path.join(root, `${i}.xml`))
    for (const [i, file] of files.entries()) writeFileSync(file, ilsvrcXml({ folder: 'x', filename: `${i}`, width: 100 + i, height: 50 }, [{ corners: [i, 1, i + 5, 9] }]))
    writeFileSync(files[150] as string, 'no XML')
    files[170] = path.join(root, 'none.xml')
    mkdirSync(path.join(root, 'folder.xml'))
    files[10] = path.join(root, 'folder.xml')
    const fast = await readAnnotations(files, Infinity)
    expect(fast).toHaveLength(200)
    expect(fast[5]).toMatchObject({ width: 105, objects: [{ corners: [5, 1, 10, 9] }] })
    expect(fast[10]).toEqual({ kind: 'unreadable', message: 'cannot be read (EISDIR)' })
    expect(fast[150]).toMatchObject({ kind: 'bad_annotation', line: 1 })
    expect(fast[170]).toEqual({ kind: 'unreadable', message: 'cannot be read (ENOENT)' })
    expect(await readAnnotations(files, -1)).toEqual(fast)
    expect(await readAnnotations([])).toEqual([])
  })
})

describe('what an index depends on', () => {
  const root = temporaryFolder('depends')
  afterAll(() => removeFolder(root))

  it('is named: the folders and the JSON file', async () => {
    makeCocoExample(path.join(root, 'coco'), { jpeg: 'none' })
    makeVidExample(path.join(root, 'ilsvrc'), { jpeg: 'none', videos: 2 })
    makeDetExample(path.join(root, 'ilsvrc'), { jpeg: 'none' })
    const of = async (name: string, params: Record<string, unknown>) => new Set((await openAll(name, params, { strict: true })).dependencies.map((file) => path.relative(root, file)))
    expect(await of('COCODataset', cocoParams(path.join(root, 'coco')))).toEqual(new Set(['coco/train2017', 'coco/annotations/instances_train2017.json']))
    const vid = ['', '/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000', '/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000001'].flatMap((below) => ['Data', 'Annotations'].map((kind) => `ilsvrc/${kind}/VID/train${below}${kind === 'Annotations' && below !== '' ? '/*' : ''}`))
    expect(await of('VIDDataset', vidParams(path.join(root, 'ilsvrc')))).toEqual(new Set([...vid, 'ilsvrc/Data/VID/train/ILSVRC2015_VID_train_0000', 'ilsvrc/Data/VID/train/ILSVRC2015_VID_train_0001']))
    const det = ['', '/ILSVRC2013_train', '/ILSVRC2013_train/n01443537', '/ILSVRC2013_train/n02084071'].flatMap((below) => ['Data', 'Annotations'].map((kind) => `ilsvrc/${kind}/DET/train${below}${kind === 'Annotations' && below.includes('/n0') ? '/*' : ''}`))
    expect(await of('DETDataset', detParams(path.join(root, 'ilsvrc')))).toEqual(new Set(det))
  })
})
