/** Annotations → index: GOT-10k's layout, what is checked, and users' own data sets. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import type { NativeDatasetIndex } from '../../lib/native/addon.ts'
import { nameFromPattern } from '../../lib/data/frames.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { registerDataset } from '../../lib/data/registry.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from '../../lib/data/source.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder, tinyBox } from '../helpers/make-dataset.ts'

let folder = ''
let root = ''
beforeAll(() => {
  folder = temporaryFolder('index')
})
afterAll(() => removeFolder(folder))
beforeEach(() => {
  root = path.join(folder, 'set')
  removeFolder(root)
  makeTinyDataset(root, { sequences: 3, frames: 6, jpeg: 'none' })
})

const setting = (params: DatasetParams = {}, name = 'GOT10kDataset') => ({
  name,
  configPath: `train.track.data.sampler.submodules.dataset.${name}`,
  params: { dataset_root: root, subset: 'train', ...params },
  ratio: 1,
  maxDiff: 100,
})

async function index(options: { strict?: boolean; params?: DatasetParams; cwd?: string } = {}) {
  const { indexes, problems } = await indexDatasets({ datasets: [setting(options.params)] }, options)
  return { index: indexes[0] as NativeDatasetIndex, problems }
}

async function failure(work: Promise<unknown>): Promise<SiamError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(SiamError)
  return error as SiamError
}

/** Paths of all frames, as the native side forms them. */
function paths(i: NativeDatasetIndex): string[] {
  return i.sequenceDirs.flatMap((dir, s) => {
    const count = (i.sequenceStart[s + 1] ?? 0) - (i.sequenceStart[s] ?? 0)
    return Array.from({ length: count }, (_, k) =>
      path.join(dir, i.frameNames[s]?.[k] ?? nameFromPattern({ pattern: i.framePatterns[s] ?? '', first: i.firstNumbers[s] ?? 0, count }, k)),
    )
  })
}

describe('a good data set', () => {
  it('becomes a flat index with corners x2 = x1 + w - 1 and no string a frame', async () => {
    const { index: i, problems } = await index()
    expect(problems.total).toBe(0)
    expect(i.sequenceDirs).toEqual([0, 1, 2].map((s) => sequenceDir(root, s)))
    expect(i.framePatterns).toEqual(['%08d.jpg', '%08d.jpg', '%08d.jpg'])
    expect(i.frameNames).toEqual([null, null, null])
    expect([...i.firstNumbers]).toEqual([1, 1, 1])
    expect([...i.sequenceStart]).toEqual([0, 6, 12, 18])
    for (let s = 0; s < 3; s += 1) {
      for (let k = 0; k < 6; k += 1) {
        const [x, y, w, h] = tinyBox(s, k)
        expect([...i.boxes.subarray((s * 6 + k) * 4, (s * 6 + k) * 4 + 4)]).toEqual([x, y, x + w - 1, y + h - 1])
      }
    }
    expect(paths(i)[7]).toBe(frameFile(root, 1, 1))
  })

  it('rounds as float32 arithmetic does', async () => {
    damage.line(root, 0, 0, '347.3333,0.1,428.7777,271.9')
    const { index: i } = await index()
    const f = Math.fround
    expect([...i.boxes.subarray(0, 4)]).toEqual([f(347.3333), f(0.1), f(f(f(428.7777) + f(347.3333)) - 1), f(f(f(271.9) + f(0.1)) - 1)])
  })

  it('takes the order of list.txt, and the folders in order where there is none', async () => {
    writeFileSync(path.join(root, 'train/list.txt'), 'seq_003\r\nseq_001\r\n')
    expect((await index()).index.sequenceDirs.map((dir) => path.basename(dir))).toEqual(['seq_003', 'seq_001'])
    rmSync(path.join(root, 'train/list.txt'))
    mkdirSync(path.join(root, 'train/notes'))
    expect((await index()).index.sequenceDirs.map((dir) => path.basename(dir))).toEqual(['seq_001', 'seq_002', 'seq_003'])
  })

  it('reads tabs, blanks, a byte order mark, CRLF and trailing empty lines', async () => {
    writeFileSync(path.join(sequenceDir(root, 0), 'groundtruth.txt'), '\ufeff1\t2\t30\t40\r\n1 2 30 40\r\n 1, 2, 30, 40 \r\n1,2,30,40\r\n1.0e0,2,3e1,40\r\n1,2,30,40\r\n\r\n\r\n')
    const { index: i, problems } = await index()
    expect(problems.total).toBe(0)
    for (let k = 0; k < 6; k += 1) expect([...i.boxes.subarray(k * 4, k * 4 + 4)]).toEqual([1, 2, 30, 41])
  })

  it('keeps names where they follow no pattern', async () => {
    renameSync(frameFile(root, 1, 5), path.join(sequenceDir(root, 1), '00000009.jpg'))
    renameSync(frameFile(root, 2, 0), path.join(sequenceDir(root, 2), '00000000.JPG'))
    const { index: i } = await index()
    expect(i.framePatterns).toEqual(['%08d.jpg', '', ''])
    expect(i.frameNames[1]?.at(-1)).toBe('00000009.jpg')
    expect(i.frameNames[2]?.[0]).toBe('00000000.JPG')
    expect(paths(i)).toHaveLength(18)
  })

  it('takes a relative root from the given working directory, and another subset', async () => {
    makeTinyDataset(root, { sequences: 1, frames: 2, split: 'val', jpeg: 'none' })
    const { index: i } = await index({ cwd: folder, params: { dataset_root: 'set', subset: 'val' } })
    expect(i.sequenceDirs).toEqual([sequenceDir(root, 0, 'val')])
  })

  it('uses the one annotated frame of a test sequence', async () => {
    makeTinyDataset(root, { sequences: 1, frames: 4, split: 'test' as 'val', jpeg: 'none' })
    writeFileSync(path.join(sequenceDir(root, 0, 'test'), 'groundtruth.txt'), '1,2,30,40\n')
    const { index: i } = await index({ params: { subset: 'test' } })
    expect([...i.sequenceStart]).toEqual([0, 1])
  })

  it('reports progress up to the number of sequences', async () => {
    const seen: [number, number | undefined][] = []
    await indexDatasets({ datasets: [setting()] }, { onProgress: ({ done, total }) => seen.push([done, total]) })
    expect(seen).toEqual([[1, 3], [2, 3], [3, 3]])
  })

  it('stops at an abort', async () => {
    const controller = new AbortController()
    const reason = new SiamError('ERR_ABORTED', 'stop')
    const work = indexDatasets({ datasets: [setting()] }, { signal: controller.signal, onProgress: () => controller.abort(reason) })
    await expect(work).rejects.toBe(reason)
  })
})

describe('what is missing altogether', () => {
  it('the root: says which folder, how it was found and what is expected', async () => {
    const error = await failure(index({ cwd: folder, params: { dataset_root: 'datasets/GOT-10k' } }))
    expect(error.code).toBe('ERR_DATA')
    expect(error.file).toBe(path.join(folder, 'datasets/GOT-10k'))
    expect(error.message).toContain('"datasets/GOT-10k"')
    expect(error.message).toContain(`working directory ${folder}`)
    expect(error.hint).toContain('groundtruth.txt')
  })

  it('the subset: also when the root is itself one', async () => {
    expect((await failure(index({ params: { subset: 'val' } }))).message).toContain('no folder "val"')
    const error = await failure(index({ params: { dataset_root: path.join(root, 'train') } }))
    expect(error.hint).toContain(`set dataset_root to ${root}`)
  })

  it('every sequence', async () => {
    writeFileSync(path.join(root, 'train/list.txt'), '\n\n')
    const error = await failure(index())
    expect(error.code).toBe('ERR_DATA')
    expect(error.message).toContain('empty')
  })

  it('every usable frame: the error is the first problem', async () => {
    for (let s = 0; s < 3; s += 1) damage.shortGroundTruth(root, s)
    const error = await failure(index())
    expect(error.code).toBe('ERR_DATA')
    expect(error.file).toBe(path.join(sequenceDir(root, 0), 'groundtruth.txt'))
    expect(error.message).toMatch(/6 frames but found 4.*first of 3 problems.*no usable frame/)
  })

  it('an unknown subset or a list that leaves the folder', async () => {
    expect((await failure(index({ params: { subset: 'trian' } }))).code).toBe('ERR_CONFIG')
    writeFileSync(path.join(root, 'train/list.txt'), 'seq_001\n../val/x\n')
    const error = await failure(index())
    expect([error.code, error.line]).toEqual(['ERR_DATA', 2])
    writeFileSync(path.join(root, 'train/list.txt'), 'seq_001\nseq_002\nseq_001\n')
    expect((await failure(index())).message).toContain('listed twice')
  })
})

const sequenceDamage: [string, (s: number) => void, string][] = [
  ['groundtruth shorter than the frames', (s) => damage.shortGroundTruth(root, s), 'short_groundtruth'],
  ['groundtruth longer than the frames', (s) => damage.longGroundTruth(root, s), 'long_groundtruth'],
  ['groundtruth missing', (s) => damage.noGroundTruth(root, s), 'missing_groundtruth'],
  ['no frames', (s) => damage.noFrames(root, s, 6), 'no_frames'],
  ['no folder', (s) => damage.noFolder(root, s), 'missing_sequence'],
]

describe('a bad sequence among good ones', () => {
  it.each(sequenceDamage)('%s: left out, counted, fatal when strict', async (_, harm, kind) => {
    harm(1)
    const { index: i, problems } = await index()
    expect(i.sequenceDirs).toEqual([0, 2].map((s) => sequenceDir(root, s)))
    expect(problems.counts).toEqual({ [kind]: 1 })
    expect([problems.skippedSequences, problems.excludedFrames]).toEqual([1, 0])
    expect(problems.summary().join('\n')).toContain('"seq_002"')
    const error = await failure(index({ strict: true }))
    expect(error.code).toBe('ERR_DATA')
    expect(error.file).toContain(sequenceDir(root, 1))
  })

  it('a folder that list.txt names and that is not there passes silently when check_integrity is off', async () => {
    damage.noFolder(root, 1)
    const { problems } = await index({ params: { check_integrity: false }, strict: true })
    expect(problems.total).toBe(0)
  })
})

const badLines: [string, string, string][] = [
  ['NaN', 'NaN,2,30,40', 'not_finite'],
  ['nan as Python writes it', '1,2,nan,40', 'not_finite'],
  ['infinite', '1,2,inf,40', 'not_finite'],
  ['overflow', '1,2,1e999,40', 'not_finite'],
  ['zero width', '1,2,0,40', 'empty_box'],
  ['zero height', '1,2,30,0.0000', 'empty_box'],
  ['negative width', '1,2,-30,40', 'empty_box'],
  ['both negative', '1,2,-30,-40', 'empty_box'],
  ['three numbers', '1,2,30', 'unparsable_line'],
  ['eight numbers', '1,2,3,4,5,6,7,8', 'unparsable_line'],
  ['words', 'x,y,w,h', 'unparsable_line'],
  ['a missing number', '1,,30,40', 'unparsable_line'],
  ['an empty line', '', 'unparsable_line'],
  ['hexadecimal rubbish', '1,2,3z,40', 'unparsable_line'],
]

describe('a bad box among good ones', () => {
  it.each(badLines)('%s: its frame is left out, counted, named by file and line; fatal when strict', async (_, line, kind) => {
    damage.line(root, 1, 2, line)
    const { index: i, problems } = await index()
    expect([...i.sequenceStart]).toEqual([0, 6, 11, 17])
    expect(paths(i).slice(6, 11)).toEqual([0, 1, 3, 4, 5].map((k) => frameFile(root, 1, k)))
    expect([...i.boxes].every(Number.isFinite)).toBe(true)
    expect(problems.counts).toEqual({ [kind]: 1 })
    expect(problems.excludedFrames).toBe(1)
    expect(problems.kept[0]).toMatchObject({ sequence: 'seq_002', line: 3, file: path.join(sequenceDir(root, 1), 'groundtruth.txt') })
    const error = await failure(index({ strict: true }))
    expect([error.code, error.line]).toEqual(['ERR_DATA', 3])
    expect(error.message).toContain('frame 3')
  })

  it('at the ends of a sequence: the pattern stays', async () => {
    damage.line(root, 1, 0, '0,0,0,0')
    damage.line(root, 1, 5, '0,0,0,0')
    const { index: i } = await index()
    expect(i.framePatterns[1]).toBe('%08d.jpg')
    expect(i.firstNumbers[1]).toBe(2)
    expect(paths(i).slice(6, 10)).toEqual([1, 2, 3, 4].map((k) => frameFile(root, 1, k)))
  })

  it('where the target is labelled absent: left out without complaint, even when strict', async () => {
    damage.line(root, 1, 2, '0,0,0,0')
    writeFileSync(path.join(sequenceDir(root, 1), 'absence.label'), '0\n0\n1\n0\n0\n0\n')
    const { index: i, problems } = await index({ strict: true })
    expect([...i.sequenceStart]).toEqual([0, 6, 11, 17])
    expect([problems.total, problems.absentFrames]).toEqual([0, 1])
  })

  it('an absent target that has a box is used, as the original does', async () => {
    writeFileSync(path.join(sequenceDir(root, 1), 'absence.label'), '1\n1\n1\n1\n1\n1\n')
    expect((await index()).index.sequenceStart[3]).toBe(18)
  })

  it('a sequence with bad boxes only goes out whole', async () => {
    for (let k = 0; k < 6; k += 1) damage.line(root, 0, k, '1,2,0,0')
    const { index: i, problems } = await index()
    expect(i.sequenceDirs).toHaveLength(2)
    expect(problems.excludedFrames).toBe(6)
  })
})

describe("a user's own data set", () => {
  const record = (more: Partial<SequenceRecord> = {}): SequenceRecord => ({
    name: 'mine',
    frames: ['a/img1.png', 'a/img2.png', 'a/img3.png'],
    boxes: [[1, 2, 30, 40], [2, 3, 30, 40], [3, 4, 30, 40]],
    ...more,
  })
  const own = async (name: string, options: { strict?: boolean } = {}) =>
    (await indexDatasets({ datasets: [setting({ level: 3 }, name)] }, { cwd: '/data', ...options })).indexes[0] as NativeDatasetIndex

  it('as a generator function, with nested boxes and paths relative to the working directory', async () => {
    registerDataset('OwnGenerator', function* (params: DatasetParams, context: DatasetContext) {
      expect(params['level']).toBe(3)
      expect(context.name).toBe('OwnGenerator')
      yield record()
    })
    const i = await own('OwnGenerator')
    expect([i.sequenceDirs, i.framePatterns, [...i.firstNumbers]]).toEqual([['/data/a'], ['img%d.png'], [1]])
    expect([...i.boxes.subarray(0, 8)]).toEqual([1, 2, 30, 41, 2, 3, 31, 42])
  })

  it('as a class with sequences(), with a pattern, flat corners', async () => {
    class Own {
      readonly params: DatasetParams
      constructor(params: DatasetParams) {
        this.params = params
      }
      async *sequences() {
        yield record({ frames: { dir: '/x', pattern: 'f_%06d.jpg', first: 10, count: 2 }, boxes: new Float32Array([5, 6, 7, 8, 5, 6, 5, 6]), boxFormat: 'xyxy' })
      }
    }
    registerDataset('OwnClass', Own)
    const i = await own('OwnClass')
    expect([i.sequenceDirs, i.framePatterns, [...i.firstNumbers]]).toEqual([['/x'], ['f_%06d.jpg'], [10]])
    expect([...i.boxes]).toEqual([5, 6, 7, 8, 5, 6, 5, 6])
  })

  it.each<[string, Partial<SequenceRecord>, RegExp]>([
    ['too few boxes', { boxes: [[1, 2, 3, 4]] }, /4 numbers for each of 3 frames.*received 4/],
    ['a bad pattern', { frames: { dir: '/x', pattern: '%s.jpg', first: 0, count: 3 } }, /frames\.pattern/],
    ['frames of another type', { frames: 7 as unknown as string[] }, /frames of/],
    ['boxes of another type', { boxes: 'none' as unknown as number[] }, /array of boxes/],
  ])('%s is ERR_DATA and names the sequence', async (what, more, message) => {
    registerDataset(`Bad ${what}`, () => [record(more)])
    const error = await failure(own(`Bad ${what}`))
    expect(error.code).toBe('ERR_DATA')
    expect(error.message).toMatch(message)
    expect(error.message).toContain('mine')
  })

  it('bad boxes in it are treated as in ours', async () => {
    registerDataset('OwnBadBox', () => [record({ boxes: [[1, 2, 30, 40], [2, 3, 0, 40], [3, 4, 30, 40]] })])
    expect([...(await own('OwnBadBox')).sequenceStart]).toEqual([0, 2])
    expect((await failure(own('OwnBadBox', { strict: true }))).code).toBe('ERR_DATA')
  })

  it('names are checked', async () => {
    expect(() => registerDataset('GOT10kDataset', () => [])).toThrow(SiamError)
    expect(() => registerDataset('', () => [])).toThrow(SiamError)
    expect(() => registerDataset('X', 3 as unknown as () => [])).toThrow(SiamError)
    const error = await failure(own('Nope'))
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.hint).toContain('GOT10kDataset')
    registerDataset('NoIterable', () => 5 as unknown as [])
    expect((await failure(own('NoIterable'))).message).toContain('iterable')
    registerDataset('Empty', () => [])
    expect((await failure(own('Empty'))).message).toContain('empty')
  })
})

it('two thousand sequences are read within seconds', async () => {
  const many = path.join(folder, 'many')
  const names: string[] = []
  for (let s = 0; s < 2000; s += 1) {
    const name = `s${String(s).padStart(5, '0')}`
    const dir = path.join(many, 'train', name)
    mkdirSync(dir, { recursive: true })
    for (let k = 1; k <= 3; k += 1) writeFileSync(path.join(dir, `0000000${k}.jpg`), '')
    writeFileSync(path.join(dir, 'groundtruth.txt'), '1,2,30,40\n'.repeat(3))
    names.push(name)
  }
  writeFileSync(path.join(many, 'train/list.txt'), names.join('\n'))
  const started = performance.now()
  const { index: i } = await index({ params: { dataset_root: many } })
  const seconds = (performance.now() - started) / 1000
  expect(i.sequenceDirs).toHaveLength(2000)
  expect(seconds).toBeLessThan(10)
})
