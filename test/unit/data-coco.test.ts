/** COCO's instances → index: what the original keeps, in its order, and what is reported with file, line and byte. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/index.ts'
import { SiamError } from '../../lib/errors.ts'
import type { NativeDatasetIndex } from '../../lib/native/addon.ts'
import { type CocoAnnotation, type CocoExample, type CocoInstances, cocoJson, cocoParams, makeCocoExample } from '../helpers/datasets/coco.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('coco')
afterAll(() => removeFolder(folder))
let root = ''
let made = 0
beforeEach(() => {
  root = path.join(folder, String((made += 1)))
})

const make = (options: CocoExample = {}) => makeCocoExample(root, { jpeg: 'none', ...options })
const at = 'train.track.data.sampler.submodules.dataset.COCODataset'

async function index(more: Record<string, unknown> = {}, options: { strict?: boolean; onProgress?: (progress: { done: number }) => void; signal?: AbortSignal } = {}) {
  const { indexes, problems } = await indexDatasets({ datasets: [{ name: 'COCODataset', configPath: at, params: cocoParams(root, more), ratio: 1, maxDiff: 100 }] }, options)
  return { index: indexes[0] as NativeDatasetIndex, problems }
}

async function failure(more: Record<string, unknown> = {}, options: { strict?: boolean } = {}): Promise<SiamError> {
  const error: unknown = await index(more, options).then(
    () => 'no error',
    (caught: unknown) => caught,
  )
  if (!(error instanceof SiamError)) throw new Error(`expected a SiamError, got ${String(error)}`)
  return error
}

/** Picture ids and numbers of objects. */
const summary = (i: NativeDatasetIndex) => [...i.firstNumbers].map((id, s) => [id, (i.sequenceStart[s + 1] ?? 0) - (i.sequenceStart[s] ?? 0)])

const first = (instances: CocoInstances): CocoAnnotation => instances.annotations[0] as CocoAnnotation

describe('the index of COCO', () => {
  it('has a still for each picture with objects, in the order of the ids, crowds kept', async () => {
    make()
    const { index: i, problems } = await index({}, { strict: true })
    expect(problems.total).toBe(0)
    expect(i).toMatchObject({ still: true, emptyStills: 0 })
    // Six pictures of ids 100, 93, …, 65; the last has no object.
    expect(summary(i)).toEqual([[72, 2], [79, 1], [86, 3], [93, 2], [100, 1]])
    expect(new Set(i.framePatterns)).toEqual(new Set(['%012d.jpg']))
    expect(new Set(i.sequenceDirs)).toEqual(new Set([path.join(root, 'train2017')]))
    // Corners in float32, x2 = x + w − 1, objects in the file's order; the crowd of picture 93 comes where the file has it.
    const { annotations } = JSON.parse(readFileSync(cocoJson(root), 'utf8')) as CocoInstances
    const boxes = [72, 79, 86, 93, 100].flatMap((id) => annotations.filter(({ image_id }) => image_id === id).flatMap(({ bbox: [x = 0, y = 0, w = 0, h = 0] }) => [x, y, Math.fround(Math.fround(w) + Math.fround(x)) - 1, Math.fround(Math.fround(h) + Math.fround(y)) - 1]))
    expect([...i.boxes]).toEqual([...Float32Array.from(boxes)])
  })

  it('joins its subsets in their order', async () => {
    make()
    make({ subset: 'val2017', pictures: 2 })
    const { index: i } = await index({ subsets: ['val2017', 'train2017'] })
    expect(summary(i)).toEqual([[100, 1], [72, 2], [79, 1], [86, 3], [93, 2], [100, 1]])
    expect(i.sequenceDirs[0]).toBe(path.join(root, 'val2017'))
  })

  it('leaves out crowds, and objects without a segmentation, where asked to', async () => {
    make({
      edit: ({ annotations }) => {
        delete annotations.find(({ image_id }) => image_id === 100)!.segmentation
        annotations.find(({ image_id }) => image_id === 79)!.segmentation = []
      },
    })
    expect(summary((await index()).index)).toEqual([[72, 2], [79, 1], [86, 3], [93, 2], [100, 1]])
    expect(summary((await index({ skip_crowd: true })).index)).toEqual([[72, 2], [79, 1], [86, 3], [93, 1], [100, 1]])
    expect(summary((await index({ with_mask: true })).index)).toEqual([[72, 2], [86, 3], [93, 2]])
  })

  it('leaves out an object whose polygons are all no polygons, as the original does', async () => {
    make({
      edit: ({ annotations }) => {
        const of = (id: number) => annotations.filter(({ image_id }) => image_id === id)
        of(100)[0]!.segmentation = [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7]]
        of(79)[0]!.segmentation = [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6]]
      },
    })
    const { index: i, problems } = await index()
    expect(summary(i)).toEqual([[72, 2], [79, 1], [86, 3], [93, 2]])
    expect(problems.total).toBe(0)
  })

  it('does not depend on the order of the sections, nor on their being one line', async () => {
    make()
    const expected = (await index()).index
    const { info, images, annotations } = JSON.parse(readFileSync(cocoJson(root), 'utf8')) as CocoInstances
    writeFileSync(cocoJson(root), JSON.stringify({ annotations, info, images }, null, 1))
    expect((await index()).index).toEqual(expected)
  })

  it('takes names that are no numbers, folders in names, ids that are text', async () => {
    make({
      pictures: 2,
      edit: ({ images, annotations }) => {
        images[0]!.file_name = 'sub/a b.jpg'
        Object.assign(images[0]!, { id: 'x' })
        for (const annotation of annotations) if (annotation.image_id === 100) Object.assign(annotation, { image_id: 'x' })
      },
    })
    mkdirSync(path.join(root, 'train2017/sub'))
    writeFileSync(path.join(root, 'train2017/sub/a b.jpg'), '')
    const { index: i } = await index({}, { strict: true })
    expect(i.sequenceDirs).toEqual([path.join(root, 'train2017/sub')])
    expect(i.frameNames).toEqual([['a b.jpg']])
  })

  it('tells how far it is, and stops at a signal', async () => {
    make()
    const seen: number[] = []
    await index({}, { onProgress: ({ done }) => seen.push(done) })
    expect(seen.at(-1)).toBe(5)
    await expect(index({}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

describe('bad data of COCO', () => {
  /** Writes one object a line, so that the lines are known. */
  function lines(edit: (instances: CocoInstances) => void): void {
    make({ edit })
    writeFileSync(cocoJson(root), readFileSync(cocoJson(root), 'utf8').replaceAll(/\{"(segmentation|license)"/g, '\n{"$1"'))
  }
  const lineOf = (part: string): number => readFileSync(cocoJson(root), 'utf8').split('\n').findIndex((line) => line.includes(part)) + 1

  it.each<[what: string, bbox: unknown, kind: string, message: string]>([
    ['no height, as two real ones', [9.98, 18.56, 15.52, 0], 'empty_box', 'the box [9.98, 18.56, 15.52, 0] has no area: width and height must be above 0'],
    ['a negative width', [9, 18, -15, 4], 'empty_box', 'the box [9, 18, -15, 4] has no area: width and height must be above 0'],
    ['a number beyond float32', [9, 18, 1e300, 4], 'not_finite', 'the box [9, 18, Infinity, 4] is not finite'],
    ['all of it right of the picture', [480, 18, 5, 4], 'box_outside', 'the box [480, 18, 5, 4] lies outside of its picture of 480x120'],
    ['all of it above the picture', [48, -8, 5, 8], 'box_outside', 'the box [48, -8, 5, 8] lies outside of its picture of 480x120'],
  ])('a box with %s is left out and reported', async (_, bbox, kind, message) => {
    lines(({ annotations }) => {
      const annotation = annotations.find(({ image_id }) => image_id === 86)!
      Object.assign(annotation, { bbox, area: 4242 })
    })
    const { index: i, problems } = await index()
    expect(summary(i)).toEqual([[72, 2], [79, 1], [86, 2], [93, 2], [100, 1]])
    const line = lineOf('"area":4242')
    const byte = readFileSync(cocoJson(root), 'utf8').split('\n').slice(0, line - 1).join('\n').length + 1
    expect(problems.kept).toEqual([{ kind, scope: 'frame', dataset: 'COCODataset', sequence: '000000000086.jpg', file: cocoJson(root), line, message: `${message} (byte ${byte})` }])
    expect((await failure({}, { strict: true })).toLine()).toContain(`${cocoJson(root)}:${line}`)
  })

  it('a picture of which no box is left is drawn and refused, as in the original', async () => {
    lines(({ annotations }) => {
      annotations.find(({ image_id }) => image_id === 100)!.bbox = [1, 2, 0, 0]
    })
    const { index: i, problems } = await index()
    expect(summary(i)).toEqual([[72, 2], [79, 1], [86, 3], [93, 2]])
    expect(i.emptyStills).toBe(1)
    expect(problems.counts).toEqual({ empty_box: 1 })
  })

  it('a box that only reaches out of the picture is kept', async () => {
    lines(({ annotations }) => {
      annotations.find(({ image_id }) => image_id === 100)!.bbox = [-5, -5, 700, 10]
    })
    expect((await index({}, { strict: true })).problems.total).toBe(0)
  })

  it.each<[what: string, edit: (instances: CocoInstances) => void, message: RegExp]>([
    ['an object without an id', (i) => Object.assign(first(i), { id: undefined, area: 4242 }), /object without id: its "id" is no number or text \(byte \d+\)/],
    ['an object without a picture', (i) => Object.assign(first(i), { image_id: null, area: 4242 }), /its "image_id" is no number or text/],
    ['an object of a picture that is not listed', (i) => Object.assign(first(i), { image_id: 424, area: 4242 }), /an object of the picture 424, which "images" does not list \(byte \d+\)/],
    ['a box of three numbers', (i) => Object.assign(first(i), { bbox: [1, 2, 3], area: 4242 }), /its "bbox" is not four numbers/],
    ['a box of texts', (i) => Object.assign(first(i), { bbox: ['1', '2', '3', '4'], area: 4242 }), /its "bbox" is not four numbers/],
    ['an object with ignore', (i) => Object.assign(first(i), { ignore: 1, area: 4242 }), /it has "ignore" set, which is not supported/],
    ['a segmentation of another type', (i) => Object.assign(first(i), { segmentation: 'x', area: 4242 }), /its "segmentation" is no list and no object/],
    ['an object that is a number', (i) => i.annotations.push(4242 as never), /object without id/],
    ['a picture without an id', (i) => Object.assign(i.images[5]!, { id: undefined, coco_url: 4242 }), /picture without id.*its "id" is no number or text \(byte \d+\)/],
    ['a picture without a name', (i) => Object.assign(i.images[5]!, { file_name: '', coco_url: 4242 }), /its "file_name" is no text/],
    ['a picture outside of the folder', (i) => Object.assign(i.images[5]!, { file_name: '../x.jpg', coco_url: 4242 }), /its "file_name" "\.\.\/x\.jpg" leads out of the folder/],
    ['a picture of no size', (i) => Object.assign(i.images[5]!, { width: 0, coco_url: 4242 }), /its "width" or "height" is no number above 0/],
  ])('%s is left out and reported', async (_, edit, message) => {
    lines(edit)
    const { problems } = await index()
    expect(problems.counts).toEqual({ bad_annotation: 1 })
    expect(`${problems.kept[0]?.sequence}: ${problems.kept[0]?.message}`).toMatch(message)
    expect(problems.kept[0]).toMatchObject({ file: cocoJson(root), line: expect.any(Number) })
    // (The object that is a number has no line of its own.)
    if (!readFileSync(cocoJson(root), 'utf8').includes(',4242')) expect(problems.kept[0]?.line).toBe(lineOf('4242'))
    const error = await failure({}, { strict: true })
    expect(error).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root) })
  })

  it('a picture that is not there is left out and reported with its place in the file', async () => {
    lines(() => undefined)
    rmSync(path.join(root, 'train2017/000000000086.jpg'))
    const { index: i, problems } = await index()
    expect(summary(i)).toEqual([[72, 2], [79, 1], [93, 2], [100, 1]])
    expect(problems.kept).toMatchObject([{ kind: 'missing_frame', file: cocoJson(root), line: lineOf('"file_name":"000000000086.jpg"'), message: expect.stringMatching(/^picture 86 \(byte \d+\): .*train2017\/000000000086\.jpg is not there$/) }])
    expect((await failure({}, { strict: true })).message).toMatch(/is not there/)
  })

  it('a picture or an object that is listed twice is an error', async () => {
    lines((i) => Object.assign(i.images[3]!, { id: 100, coco_url: 4242 }))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), line: lineOf('4242'), message: expect.stringMatching(/^the picture 100 is listed twice \(byte \d+\)$/) })
    lines((i) => Object.assign(i.annotations[4]!, { id: first(i).id, area: 4242 }))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), line: lineOf('4242'), message: expect.stringMatching(/^the object \d+ is listed twice \(byte \d+\)$/) })
    // The lists of minival are known for that.
    make({ subset: 'minival2014', edit: (i) => Object.assign(i.annotations[4]!, { id: first(i).id }) })
    expect((await index({ subsets: ['minival2014'] })).problems.total).toBe(0)
  })

  it('a file that is no JSON, is truncated, or has no such sections is an error', async () => {
    make()
    const whole = readFileSync(cocoJson(root), 'utf8')
    writeFileSync(cocoJson(root), whole.slice(0, 900))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), line: 1, message: expect.stringMatching(/^the file is truncated.*\(byte 900\)$/) })
    writeFileSync(cocoJson(root), whole.replace('"iscrowd":0', '"iscrowd":'))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), message: expect.stringMatching(/^not valid JSON/) })
    writeFileSync(cocoJson(root), '{"images": {}}')
    expect((await failure()).message).toBe('expected an array for "images" but found "{}}" (byte 11)')
    writeFileSync(cocoJson(root), '{"images": [], "annotations": []}')
    expect((await failure()).message).toBe('no "images" in the file (byte 0)')
  })

  it('without a single usable object is an error with the first problem', async () => {
    make({ pictures: 1, edit: ({ annotations }) => annotations.forEach((annotation) => (annotation.bbox = [1, 1, 0, 0])) })
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), message: expect.stringMatching(/has no area.*COCODataset has no usable frame left/) })
  })
})

describe('the place of COCO', () => {
  it('must be there: root, annotations, pictures', async () => {
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: root, message: expect.stringContaining(`${at}.dataset_root`) })
    make()
    rmSync(path.join(root, 'train2017'), { recursive: true })
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'train2017'), message: expect.stringContaining('the pictures are missing') })
    rmSync(cocoJson(root))
    expect(await failure()).toMatchObject({ code: 'ERR_DATA', file: cocoJson(root), message: expect.stringContaining('the annotations are missing'), hint: expect.stringContaining('instances_train2017.json') })
  })

  it.each([
    [{ subsets: 'train2017' }, 'subsets'],
    [{ subsets: [] }, 'subsets'],
    [{ subsets: ['a', 'a'] }, 'subsets'],
    [{ subsets: ['../x'] }, 'subsets'],
    [{ skip_crowd: 1 }, 'skip_crowd'],
    [{ with_mask: 'x' }, 'with_mask'],
    [{ dataset_root: 3 }, 'dataset_root'],
  ])('is refused with %j', async (params, key) => {
    make()
    expect(await failure(params)).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(`${at}.${key}`) })
  })
})
