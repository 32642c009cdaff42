/** LaSOT: layouts, the division into training and testing, labels, and what is wrong with a sequence. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { lasotSequences } from '../../lib/data/lasot-split.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { lasotDir, lasotNames, makeLasot } from '../helpers/datasets/lasot.ts'
import { plainBox, writeLines } from '../helpers/datasets/moving-object.ts'
import { boxesOf, failure, framePaths, openAll } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('lasot')
const root = path.join(folder, 'set')
afterAll(() => removeFolder(folder))
beforeEach(() => removeFolder(root))

const open = (params = {}, options = {}) => openAll('LaSOTDataset', { dataset_root: root, check_integrity: false, ...params }, { strict: true, ...options })
const loosely = (params = {}) => open(params, { strict: false })
const names = ({ records }: Awaited<ReturnType<typeof open>>): string[] => records.map(({ name }) => name)

describe('the division', () => {
  it('is 1,120 and 280 of 70 classes of 20', () => {
    const [train, test] = [lasotSequences('train'), lasotSequences('test')]
    expect([train.length, test.length, new Set([...train, ...test]).size]).toEqual([1120, 280, 1400])
    for (const name of ['airplane-1', 'airplane-9', 'airplane-13', 'airplane-15', 'zebra-10', 'rubicCube-19']) expect(test).toContain(name)
    for (const name of ['airplane-10', 'basketball-20', 'zebra-20']) expect(train).toContain(name)
    const perClass = new Map<string, number>()
    for (const name of test) perClass.set(name.slice(0, name.lastIndexOf('-')), (perClass.get(name.slice(0, name.lastIndexOf('-'))) ?? 0) + 1)
    expect([...perClass.values()]).toEqual(Array(70).fill(4))
  })
})

describe.each([['with class folders', false], ['without', true]])('a layout %s', (_, flat) => {
  beforeEach(() => void makeLasot(root, { flat }))

  it('gives the sequences of the subset, in the order of their names', async () => {
    expect(names(await open())).toEqual(['airplane-2', 'person-3'])
    expect(names(await open({ subset: 'test' }))).toEqual(['airplane-1'])
    expect(names(await open({ subset: 'train_test' }))).toEqual(['airplane-1', 'airplane-2', 'person-3'])
    expect(names(await open({ subset: 'test_train_test' }))).toHaveLength(3)
  })

  it('has frames below img and boxes as they are', async () => {
    const { records, problems } = await open()
    expect(records[0]?.frames).toEqual({ dir: path.join(lasotDir(root, 'airplane-2', flat), 'img'), pattern: '%08d.jpg', first: 1, count: 6 })
    expect(framePaths(records[0]!).every((file) => existsSync(file))).toBe(true)
    expect(boxesOf(records[0]!)).toEqual(Array.from({ length: 6 }, (_unused, k) => plainBox(0, k)))
    expect(problems.total).toBe(0)
  })
})

it('lists in the root come before the built-in division', async () => {
  makeLasot(root, { names: ['airplane-2', 'atv-1', 'airplane-1'] })
  writeLines(path.join(root, 'training_set.txt'), ['atv-1', 'airplane-1'])
  expect(names(await open())).toEqual(['airplane-1', 'atv-1'])
  expect(names(await open({ subset: 'test' }))).toEqual(['airplane-1'])
  writeLines(path.join(root, 'testing_set.txt'), ['airplane-2'])
  expect(names(await open({ subset: 'test' }))).toEqual(['airplane-2'])
  writeLines(path.join(root, 'training_set.txt'), ['atv-1', '../atv-1'])
  expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'training_set.txt'), line: 2 })
  writeLines(path.join(root, 'training_set.txt'), [''])
  expect((await failure(open())).message).toContain('the list is empty')
})

describe('labels', () => {
  const index = async (params = {}) => {
    const setting = { name: 'LaSOTDataset', configPath: 'dataset.LaSOTDataset', params: { dataset_root: root, check_integrity: false, ...params }, ratio: 1, maxDiff: 100 }
    const { indexes, problems } = await indexDatasets({ datasets: [setting] }, { strict: true })
    return { frames: [...(indexes[0]?.sequenceStart ?? [])], problems }
  }

  it('out of view without a box is no mistake; with one, the frame is used as in the original', async () => {
    makeLasot(root, { outOfView: 3 })
    writeFileSync(path.join(lasotDir(root, 'person-3'), 'full_occlusion.txt'), '1,1,0,0,0,0')
    const { frames, problems } = await index()
    expect(frames).toEqual([0, 5, 10])
    expect([problems.total, problems.absentFrames]).toEqual([0, 2])
    expect((await index({ exclude_absent: true })).frames).toEqual([0, 5, 8])
  })

  it('an empty box that no label explains is reported', async () => {
    makeLasot(root, { outOfView: 3 })
    writeFileSync(path.join(lasotDir(root, 'person-3'), 'out_of_view.txt'), '0,0,0,0,0,0')
    await expect(index()).rejects.toMatchObject({ code: 'ERR_DATA', line: 4, file: path.join(lasotDir(root, 'person-3'), 'groundtruth.txt') })
  })

  it.each<[string, string, string]>([
    ['too few', '0,0,0', 'expected one label for each of 6 frames but found 3'],
    ['a word', '0,0,x,0,0,0', 'expected a number but found "x"'],
  ])('%s: the sequence is left out', async (_, text, message) => {
    makeLasot(root, { outOfView: 3 })
    const file = path.join(lasotDir(root, 'person-3'), 'full_occlusion.txt')
    writeFileSync(file, text)
    const { problems, records } = await loosely()
    expect(records).toHaveLength(1)
    expect(problems.kept).toMatchObject([{ kind: 'bad_labels', file, message }])
  })
})

describe('check_integrity', () => {
  it('true: every sequence of the division that is not there is reported', async () => {
    makeLasot(root)
    const { records, problems, dependencies } = await loosely({ check_integrity: true })
    expect([records.length, problems.counts]).toEqual([2, { missing_sequence: 1118 }])
    for (const file of ['', 'training_set.txt', 'zebra/zebra-20/img', 'zebra/zebra-20/groundtruth.txt', 'person/person-3/out_of_view.txt']) {
      expect(dependencies).toContain(path.join(root, file))
    }
    expect(await failure(open({ check_integrity: true }))).toMatchObject({ code: 'ERR_DATA', file: lasotDir(root, 'airplane-10') })
  })
})

describe('errors', () => {
  beforeEach(() => void makeLasot(root))
  const dir = lasotDir(root, lasotNames[0])

  it.each<[string, () => void, string, string, number | undefined]>([
    ['no frames folder', () => rmSync(path.join(dir, 'img'), { recursive: true }), 'no_frames', path.join(dir, 'img'), undefined],
    ['no frame', () => { rmSync(path.join(dir, 'img'), { recursive: true }); mkdirSync(path.join(dir, 'img')) }, 'no_frames', path.join(dir, 'img'), undefined],
    ['no groundtruth.txt', () => rmSync(path.join(dir, 'groundtruth.txt')), 'missing_groundtruth', path.join(dir, 'groundtruth.txt'), undefined],
    ['a line too few', () => writeLines(path.join(dir, 'groundtruth.txt'), Array(5).fill('1,2,3,4')), 'short_groundtruth', path.join(dir, 'groundtruth.txt'), 6],
    ['a line too many', () => writeLines(path.join(dir, 'groundtruth.txt'), Array(7).fill('1,2,3,4')), 'long_groundtruth', path.join(dir, 'groundtruth.txt'), 7],
    ['a folder in place of groundtruth.txt', () => { rmSync(path.join(dir, 'groundtruth.txt')); mkdirSync(path.join(dir, 'groundtruth.txt')) }, 'unreadable', path.join(dir, 'groundtruth.txt'), undefined],
  ])('%s: the sequence is left out, with file and line', async (_, harm, kind, file, line) => {
    harm()
    const { records, problems } = await loosely()
    expect(records.map(({ name }) => name)).toEqual(['person-3'])
    expect(problems.kept).toMatchObject([{ kind, file, sequence: 'airplane-2' }])
    expect(problems.kept[0]?.line).toBe(line)
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file })
  })

  it('a number that cannot be read', async () => {
    writeLines(path.join(dir, 'groundtruth.txt'), ['1,2,3,4', '1,2,three,4', ...Array(4).fill('1,2,3,4')])
    const { records } = await open()
    expect(records[0]?.unparsable?.get(1)).toBe('expected a number but found "three"')
  })

  it('no root, no sequence of the subset, a subset of another name', async () => {
    expect(await failure(open({ dataset_root: 'LaSOT' }, { cwd: folder }))).toMatchObject({ code: 'ERR_DATA', file: path.join(folder, 'LaSOT') })
    const error = await failure(open({ dataset_root: folder }))
    expect([error.code, error.file]).toEqual(['ERR_DATA', folder])
    expect(error.message).toContain('none of the 1120 sequences of "train" is there')
    mkdirSync(path.join(folder, 'LaSOTBenchmark'), { recursive: true })
    expect((await failure(open({ dataset_root: folder }))).hint).toContain(`set dataset_root to ${path.join(folder, 'LaSOTBenchmark')}`)
    for (const subset of ['val', 'train_val', '', 3]) expect((await failure(open({ subset }))).code).toBe('ERR_CONFIG')
  })
})
