/** GOT-10k: the fixed list, and labels that say where the target cannot be seen. */
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { got10kName, makeGot10k } from '../helpers/datasets/got10k.ts'
import { writeLines } from '../helpers/datasets/moving-object.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { boxesOf, failure, openAll } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const folder = temporaryFolder('got10k')
const root = path.join(folder, 'set')
afterAll(() => removeFolder(folder))
beforeEach(() => {
  removeFolder(root)
  makeGot10k(root)
})

const sequence = (s: number): string => path.join(root, 'train', got10kName(s))
const fixed = (params = {}) => openAll('GOT10kDatasetFixed', { dataset_root: root, ...params }, { cwd: folder })
const names = ({ records }: Awaited<ReturnType<typeof openAll>>): string[] => records.map(({ name }) => name)

describe('GOT10kDatasetFixed', () => {
  it('leaves out what ROOT/unfixed_got10k_list.txt names', async () => {
    writeFileSync(path.join(root, 'unfixed_got10k_list.txt'), `${got10kName(1)}\r\n\r\nGOT-10k_Train_009999\r\n`)
    const opened = await fixed()
    expect(names(opened)).toEqual([got10kName(0), got10kName(2)])
    expect(opened.problems.total).toBe(0)
    expect(opened.progress.at(-1)).toEqual([2, 2])
    expect(opened.dependencies).toContain(path.join(root, 'unfixed_got10k_list.txt'))
  })

  it('takes another list, relative to the working directory, and the other keys of GOT10kDataset', async () => {
    writeLines(path.join(folder, 'lists/mine.txt'), [got10kName(0)])
    rmSync(sequence(2), { recursive: true })
    expect(names(await fixed({ unfixed_list: 'lists/mine.txt', check_integrity: false }))).toEqual([got10kName(1)])
  })

  it('a missing list is ERR_CONFIG and says where there is one', async () => {
    const error = await failure(fixed())
    expect([error.code, error.file]).toEqual(['ERR_CONFIG', path.join(root, 'unfixed_got10k_list.txt')])
    expect(error.message).toContain('dataset.GOT10kDatasetFixed.unfixed_list is ""')
    expect(error.hint).toContain('videoanalyst/data/dataset/dataset_impl/utils/unfixed_got10k_list.txt')
    expect((await failure(fixed({ unfixed_list: 'nowhere.txt' }))).file).toBe(path.join(folder, 'nowhere.txt'))
  })

  it('a missing root is said first; a list that names everything, a wrong type', async () => {
    expect((await failure(fixed({ dataset_root: 'no/such' }))).message).toContain('data root not found')
    writeLines(path.join(root, 'unfixed_got10k_list.txt'), [0, 1, 2].map(got10kName))
    expect((await failure(fixed())).message).toContain('names every sequence')
    expect((await failure(fixed({ unfixed_list: 3 }))).message).toContain('dataset.GOT10kDatasetFixed.unfixed_list')
  })
})

describe('labels', () => {
  const open = (params = {}) => openAll('GOT10kDataset', { dataset_root: root, ...params })
  const index = async (params = {}) => {
    const setting = { name: 'GOT10kDataset', configPath: 'dataset.GOT10kDataset', params: { dataset_root: root, ...params }, ratio: 1, maxDiff: 100 }
    const { indexes, problems } = await indexDatasets({ datasets: [setting] }, { strict: true })
    return { frames: indexes[0]?.sequenceStart, problems }
  }

  it('are not read as long as every frame has a box: the original trains on absent targets', async () => {
    writeLines(path.join(sequence(0), 'absence.label'), ['nonsense'])
    const { records, problems } = await open()
    expect([records.length, problems.total, records[0]?.absent]).toEqual([3, 0, undefined])
  })

  it('absence or cover make an empty box no mistake', async () => {
    const lines = boxesOf((await open()).records[0]!).map((box) => box.join(','))
    writeLines(path.join(sequence(0), 'groundtruth.txt'), lines.with(1, '0,0,0,0').with(4, '0,0,0,0'))
    writeLines(path.join(sequence(0), 'absence.label'), [0, 1, 0, 0, 0, 0])
    writeLines(path.join(sequence(0), 'cover.label'), [8, 8, 8, 8, 0, 8])
    const { frames, problems } = await index()
    expect([...frames!]).toEqual([0, 4, 10, 16])
    expect(problems.absentFrames).toBe(2)
  })

  it('exclude_absent leaves such frames out although they have a box', async () => {
    writeLines(path.join(sequence(1), 'absence.label'), [0, 0, 0, 1, 0, 0])
    writeLines(path.join(sequence(2), 'cover.label'), [8, 0, 0, 8, 1, 8])
    const { frames, problems } = await index({ exclude_absent: true })
    expect([...frames!]).toEqual([0, 6, 11, 15])
    expect(problems.absentFrames).toBe(3)
  })

  it.each<[string, string, number | undefined, RegExp]>([
    ['one too few', '0\n0\n0\n0\n0\n', undefined, /one label for each of 6 frames but found 5/],
    ['one too many', '0\n0\n0\n0\n0\n0\n0\n', undefined, /but found 7/],
    ['a word', '0\n0\nabsent\n0\n0\n0\n', 3, /expected a number but found "absent"/],
  ])('%s: the sequence is left out, with file and line', async (_, text, line, message) => {
    writeFileSync(path.join(sequence(1), 'absence.label'), text)
    const { records, problems } = await open({ exclude_absent: true })
    expect(records).toHaveLength(2)
    expect(problems.kept).toMatchObject([{ kind: 'bad_labels', scope: 'sequence', file: path.join(sequence(1), 'absence.label'), sequence: got10kName(1) }])
    expect(problems.kept[0]?.line).toBe(line)
    expect(problems.kept[0]?.message).toMatch(message)
    await expect(index({ exclude_absent: true })).rejects.toMatchObject({ code: 'ERR_DATA', line })
  })

  it('exclude_absent without any labels is said, and a wrong type refused', async () => {
    for (const name of ['absence.label', 'cover.label']) rmSync(path.join(sequence(0), name))
    expect((await open({ exclude_absent: true })).problems.kept[0]?.message).toContain('exclude_absent needs absence.label or cover.label')
    for (const key of ['exclude_absent', 'check_integrity']) expect(await failure(open({ [key]: 'yes' }))).toMatchObject({ code: 'ERR_CONFIG' })
  })
})

it('names all files that it depends on, those of sequences that are not there too', async () => {
  rmSync(sequence(1), { recursive: true })
  const { dependencies } = await openAll('GOT10kDataset', { dataset_root: root })
  for (const file of ['', 'list.txt']) expect(dependencies).toContain(path.join(root, 'train', file))
  for (let s = 0; s < 3; s += 1) for (const file of ['', 'groundtruth.txt', 'absence.label', 'cover.label']) expect(dependencies).toContain(path.join(sequence(s), file))
})
