/** TrackingNet: chunks, what check_integrity looks at, parts of the frames, and what is wrong with a sequence. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { plainBox, writeLines } from '../helpers/datasets/moving-object.ts'
import { makeTrackingNet, trackingNetName } from '../helpers/datasets/trackingnet.ts'
import { boxesOf, failure, framePaths, openAll } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('trackingnet')
const root = path.join(folder, 'set')
const all = Array.from({ length: 12 }, (_, chunk) => chunk)
afterAll(() => removeFolder(folder))
beforeEach(() => removeFolder(root))

const open = (params = {}, options = {}) => openAll('TrackingNetDataset', { dataset_root: root, ...params }, { strict: true, ...options })
/** Chunks 0 and 3 only, looked through. */
const checked = (params = {}, options = {}) => open({ subset: 'train0,3', ...params }, options)
const names = ({ records }: Awaited<ReturnType<typeof open>>): string[] => records.map(({ name }) => name)
const anno = (chunk: number, s: number): string => path.join(root, `TRAIN_${chunk}/anno/${trackingNetName(chunk, s)}.txt`)
const frames = (chunk: number, s: number): string => path.join(root, `TRAIN_${chunk}/frames/${trackingNetName(chunk, s)}`)
const inOrder = [trackingNetName(0, 0), trackingNetName(0, 1), trackingNetName(3, 0), trackingNetName(3, 1)]

describe('chunks', () => {
  it('train is all twelve', async () => {
    makeTrackingNet(root, { chunks: all, sequences: 1, frames: 2 })
    expect(names(await open())).toEqual(all.map((chunk) => trackingNetName(chunk, 0)))
  })

  it('some can be chosen, each once and in the given order', async () => {
    makeTrackingNet(root, { chunks: all, sequences: 1, frames: 2 })
    expect(names(await open({ subset: 'train11, 2,11' }))).toEqual([trackingNetName(11, 0), trackingNetName(2, 0)])
  })

  it('check_integrity false takes those that are there, a chunk without frames not', async () => {
    makeTrackingNet(root)
    mkdirSync(path.join(root, 'TRAIN_5/anno'), { recursive: true })
    const { records, dependencies } = await open({ check_integrity: false })
    expect(records.map(({ name }) => name)).toEqual(inOrder)
    for (const file of ['TRAIN_0/anno', 'TRAIN_3/frames', 'TRAIN_7', 'TRAIN_7/anno', 'TRAIN_7/frames']) expect(dependencies).toContain(path.join(root, file))
  })

  it('check_integrity true wants all of them and says how to go on', async () => {
    makeTrackingNet(root)
    const error = await failure(open())
    expect([error.code, error.file]).toEqual(['ERR_DATA', path.join(root, 'TRAIN_1')])
    expect(error.message).toContain('TRAIN_1, TRAIN_2, TRAIN_4')
    expect(error.message).toContain(`dataset.TrackingNetDataset.dataset_root is "${root}"`)
    expect(error.hint).toBe('check_integrity: false takes the chunks that are there, and so does subset: "train0,3"')
  })

  it('no root, no chunk, a subset of another name', async () => {
    expect(await failure(open({ dataset_root: 'TN' }, { cwd: folder }))).toMatchObject({ code: 'ERR_DATA', file: path.join(folder, 'TN') })
    mkdirSync(root, { recursive: true })
    for (const check_integrity of [true, false]) expect((await failure(open({ check_integrity }))).hint).toContain('expected a folder with TRAIN_0')
    for (const subset of ['val', 'train_val', 'train12', 'train0,', 'train-1', 'test0', 'train1.5', '']) {
      expect(await failure(open({ subset }))).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('dataset.TrackingNetDataset.subset') as string })
    }
    makeTrackingNet(root)
    rmSync(path.join(root, 'TRAIN_0/anno'), { recursive: true })
    mkdirSync(path.join(root, 'TRAIN_0/anno'))
    expect((await failure(checked({ subset: 'train0', check_integrity: false }))).message).toContain('the data set is empty')
  })
})

describe.each([[true], [false]])('a sequence, check_integrity %s', (check_integrity) => {
  beforeEach(() => void makeTrackingNet(root, { frames: 12, test: true }))

  it('has frames 0.jpg, 1.jpg, …, 11.jpg in the order of their numbers, as a pattern', async () => {
    const { records, problems, progress } = await checked({ check_integrity })
    expect(records.map(({ frames: each }) => each)).toEqual([[0, 0], [0, 1], [3, 0], [3, 1]].map(([c = 0, s = 0]) => ({ dir: frames(c, s), pattern: '%d.jpg', first: 0, count: 12 })))
    expect(boxesOf(records[2]!)).toEqual(Array.from({ length: 12 }, (_, k) => plainBox(30, k)))
    expect([problems.total, progress.at(-1)]).toEqual([0, [4, 4]])
  })

  it('of the testing set has the one frame that has a box', async () => {
    const { records } = await open({ subset: 'test', check_integrity })
    expect(records.map((record) => framePaths(record))).toEqual([0, 1].map((s) => [path.join(root, `TEST/frames/${trackingNetName('TEST', s)}/0.jpg`)]))
  })

  it('with an annotation of no lines, or one that cannot be read, is left out', async () => {
    writeFileSync(anno(0, 0), '\n')
    rmSync(anno(0, 1))
    mkdirSync(anno(0, 1))
    const opened = await checked({ check_integrity }, { strict: false })
    expect(names(opened)).toEqual(inOrder.slice(2))
    expect(opened.problems.kept).toMatchObject([{ kind: 'short_groundtruth', file: anno(0, 0) }, { kind: 'unreadable', file: anno(0, 1) }])
    expect(await failure(checked({ check_integrity }))).toMatchObject({ code: 'ERR_DATA', file: anno(0, 0) })
  })

  it('with a line that cannot be read loses that frame', async () => {
    writeLines(anno(0, 1), [...Array<string>(11).fill('1,2,30,40'), '1,2,30'])
    const { records } = await checked({ check_integrity })
    expect([...(records[1]?.unparsable ?? [])]).toEqual([[11, 'expected 4 numbers x,y,w,h but found 3 fields']])
  })
})

describe('check_integrity true', () => {
  beforeEach(() => void makeTrackingNet(root))
  const setting = (params = {}) => ({ name: 'TrackingNetDataset', configPath: 'dataset.TrackingNetDataset', params: { dataset_root: root, subset: 'train0,3', ...params }, ratio: 1, maxDiff: 100 })

  it('a part of the frames: pairs by number, reports each frame that is missing', async () => {
    for (const k of [1, 4]) rmSync(path.join(frames(0, 1), `${k}.jpg`))
    const { indexes, problems } = await indexDatasets({ datasets: [setting()] })
    expect([...indexes[0]!.sequenceStart]).toEqual([0, 6, 10, 16, 22])
    expect(indexes[0]!.frameNames[1]).toEqual(['0.jpg', '2.jpg', '3.jpg', '5.jpg'])
    const [x, y, w, h] = plainBox(1, 2)
    expect([...indexes[0]!.boxes.subarray(28, 32)]).toEqual([x, y, x + w - 1, y + h - 1])
    expect(problems.kept).toMatchObject([1, 4].map((k) => ({ kind: 'missing_frame', scope: 'frame', sequence: inOrder[1], file: anno(0, 1), line: k + 1, message: `frame ${k + 1} is missing: there is no ${k}.jpg` })))
    expect(await failure(checked())).toMatchObject({ code: 'ERR_DATA', line: 2 })
  })

  it('a part of the boxes: frames without one are left out and reported', async () => {
    writeLines(anno(3, 0), readFileSync(anno(3, 0), 'utf8').trim().split('\n').slice(0, 4))
    const { records, problems } = await checked({}, { strict: false })
    expect(framePaths(records[2]!)).toHaveLength(4)
    expect(problems.kept).toMatchObject([4, 5].map((k) => ({ kind: 'missing_box', file: path.join(frames(3, 0), `${k}.jpg`) })))
  })

  it('frames of other numbers go by their order, as long as there is a box for each', async () => {
    for (let k = 5; k >= 0; k -= 1) renameSync(path.join(frames(0, 0), `${k}.jpg`), path.join(frames(0, 0), `${k + 1}.jpg`))
    for (let k = 5; k >= 0; k -= 1) renameSync(path.join(frames(0, 1), `${k}.jpg`), path.join(frames(0, 1), `${3 * k + 8}.jpg`))
    for (let k = 5; k >= 0; k -= 1) renameSync(path.join(frames(3, 0), `${k}.jpg`), path.join(frames(3, 0), `0000${k}.jpg`))
    const { records } = await checked()
    expect(records[0]?.frames).toEqual({ dir: frames(0, 0), pattern: '%d.jpg', first: 1, count: 6 })
    expect(records[1]?.frames).toEqual([8, 11, 14, 17, 20, 23].map((k) => path.join(frames(0, 1), `${k}.jpg`)))
    expect(records[2]?.frames).toEqual({ dir: frames(3, 0), pattern: '%05d.jpg', first: 0, count: 6 })
    rmSync(path.join(frames(0, 0), '6.jpg'))
    const { problems } = await checked({}, { strict: false })
    expect(problems.kept).toMatchObject([{ kind: 'long_groundtruth', file: anno(0, 0), line: 6 }])
  })

  it.each<[string, () => void, string, () => string]>([
    ['no frames folder', () => rmSync(frames(0, 1), { recursive: true }), 'missing_sequence', () => frames(0, 1)],
    ['no frames', () => { rmSync(frames(0, 1), { recursive: true }); mkdirSync(frames(0, 1)); writeFileSync(path.join(frames(0, 1), 'a.jpg'), '') }, 'no_frames', () => frames(0, 1)],
    ['frames without an annotation', () => rmSync(anno(0, 1)), 'missing_groundtruth', () => anno(0, 1)],
  ])('%s: the sequence is left out and reported', async (_, harm, kind, file) => {
    harm()
    const opened = await checked({}, { strict: false })
    expect(names(opened)).toEqual(inOrder.toSpliced(1, 1))
    expect(opened.problems.kept).toMatchObject([{ kind, scope: 'sequence', file: file(), sequence: inOrder[1] }])
    expect(await failure(checked())).toMatchObject({ code: 'ERR_DATA', file: file() })
  })
})

describe('check_integrity false', () => {
  it('leaves out sequences without a folder of frames silently, and does not look into the others', async () => {
    makeTrackingNet(root)
    rmSync(frames(0, 1), { recursive: true })
    rmSync(path.join(frames(3, 1), '2.jpg'))
    const opened = await checked({ check_integrity: false })
    expect(names(opened)).toEqual(inOrder.toSpliced(1, 1))
    expect(opened.records[2]?.frames).toMatchObject({ pattern: '%d.jpg', count: 6 })
    expect(opened.problems.total).toBe(0)
  })

  it('a thousand sequences of 400 lines are read within seconds', async () => {
    const text = '311.00,102.40,94.70,181.20\n'.repeat(400)
    for (let s = 0; s < 1000; s += 1) {
      mkdirSync(path.join(root, 'TRAIN_0/frames', `s${s}`), { recursive: true })
      mkdirSync(path.join(root, 'TRAIN_0/anno'), { recursive: true })
      writeFileSync(path.join(root, 'TRAIN_0/anno', `s${s}.txt`), text)
    }
    const started = performance.now()
    const { records } = await open({ check_integrity: false })
    expect(records).toHaveLength(1000)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
