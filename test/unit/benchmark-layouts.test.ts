/** Every benchmark's layout is opened: names, order, frames, boxes, labels; and what is wrong with one is said. */
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { openBenchmark } from '../../lib/evaluation/benchmarks/index.ts'
import { otbFolders } from '../../lib/evaluation/benchmarks/otb-sequences.ts'
import { uavSequences } from '../../lib/evaluation/benchmarks/uav-sequences.ts'
import { cornersOf, makeDtb70, makeGot10kPart, makeLasotTest, makeNfs, makeOtb, makeTColor128, makeTrackingNetTest, makeUav, makeVot, makeVotLongTerm } from '../helpers/benchmarks/make.ts'
import { plainBox } from '../helpers/datasets/moving-object.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let root: string
const folders: string[] = []
beforeEach(() => {
  root = temporaryFolder('benchmark')
  folders.push(root)
})
afterAll(() => folders.forEach(removeFolder))

const there = { allowMissing: true }
const base = (files: readonly string[]): string[] => files.map((file) => path.basename(file))

describe('GOT-10k', () => {
  it('val has boxes, labels and the size from meta_info.ini', async () => {
    const names = makeGot10kPart(root, 'val')
    const benchmark = await openBenchmark('got10k', root)
    expect(benchmark).toMatchObject({ benchmark: 'GOT-10k', subset: 'val', protocol: 'ope', source: root })
    expect(benchmark.sequences.map(({ name }) => name)).toEqual(names)
    const [first] = benchmark.sequences
    expect(base(first!.files)).toEqual(['00000001.jpg', '00000002.jpg', '00000003.jpg', '00000004.jpg', '00000005.jpg', '00000006.jpg'])
    expect(first!.truth[3]).toEqual(plainBox(0, 3))
    expect(first!.absent).toEqual([false, false, true, false, false, false])
    expect(first!.cover).toEqual([8, 8, 0, 8, 8, 8])
    expect(first!.size).toEqual([160, 120])
  })

  it('test has the first box only, and the root may be the part itself', async () => {
    makeGot10kPart(root, 'test')
    for (const folder of [root, path.join(root, 'test')]) {
      const { sequences } = await openBenchmark('GOT-10k/test', folder)
      expect(sequences.map(({ files, truth }) => [files.length, truth.length])).toEqual([[6, 1], [7, 1]])
    }
  })

  it('chosen sequences alone are read', async () => {
    const names = makeGot10kPart(root, 'val', { sequences: 3 })
    rmSync(path.join(root, 'val', names[0]!), { recursive: true })
    const { sequences } = await openBenchmark('GOT-10k', root, { sequences: [names[2]!] })
    expect(sequences.map(({ name }) => name)).toEqual([names[2]])
    await expect(openBenchmark('GOT-10k', root, { sequences: ['bag'] })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: 'GOT-10k has no sequence bag', hint: expect.stringContaining(names[0]!) })
  })
})

describe('OTB', () => {
  it('knows the sequences of each set', () => {
    expect(['OTB2013', 'OTB2015', 'OTB50'].map((set) => new Set(otbFolders(set)).size)).toEqual([50, 98, 49])
    const all = new Set(otbFolders('OTB2015'))
    expect([...otbFolders('OTB2013'), ...otbFolders('OTB50')].filter((name) => !all.has(name))).toEqual([])
  })

  it('names several targets of a folder apart, and passes an empty annotation file over', async () => {
    makeOtb(root, ['Jogging', 'Human4', 'Basketball'])
    const { sequences } = await openBenchmark('OTB2015', root, there)
    expect(sequences.map(({ name }) => name)).toEqual(['Basketball', 'Human4', 'Jogging.1', 'Jogging.2'])
    expect(sequences[0]!.truth[1]).toEqual(plainBox(2, 1))
    // Tabs instead of commas.
    expect(sequences[1]!.truth[1]).toEqual(plainBox(1, 1))
    expect(sequences[3]!.truth[5]).toEqual(plainBox(0, 0))
  })

  it('takes the annotated frames of folders that have more', async () => {
    makeOtb(root, ['Football1', 'Tiger1'], { frames: 349, more: { Football1: [0, 0], Tiger1: [5, 0] } })
    makeOtb(root, ['David'], { frames: 471, more: { David: [299, 20] } })
    const { sequences } = await openBenchmark('OTB100', root, there)
    const first = Object.fromEntries(sequences.map(({ name, files }) => [name, [path.basename(files[0]!), path.basename(files.at(-1)!), files.length]]))
    expect(first).toEqual({ David: ['0300.jpg', '0770.jpg', 471], Football1: ['0001.jpg', '0349.jpg', 349], Tiger1: ['0006.jpg', '0354.jpg', 349] })
  })

  it('reads attributes where they are given', async () => {
    makeOtb(root, ['Basketball', 'Bolt'])
    writeFileSync(path.join(root, 'Basketball', 'attrs.txt'), 'IV, OCC\n')
    mkdirSync(path.join(root, 'att'))
    writeFileSync(path.join(root, 'att', 'Bolt.txt'), '0,0,1,0,0,0,0,0,0,0,1\n')
    const { sequences } = await openBenchmark('OTB2013', root, there)
    expect(sequences.map(({ attributes }) => attributes)).toEqual([['IV', 'OCC'], ['OCC', 'LR']])
  })
})

describe('VOT', () => {
  it.each([['', 'color'], ['VOT2018', 'color'], ['sequences', ''], ['', '']])('finds the list in %j and frames in %j', async (folder, frameFolder) => {
    makeVot(path.join(root, folder), ['bag', 'ants1'], { frameFolder, tags: true })
    const { protocol, sequences } = await openBenchmark('VOT2018', root)
    expect([protocol, ...sequences.map(({ name }) => name)]).toEqual(['vot', 'bag', 'ants1'])
    expect(sequences[0]!.files).toHaveLength(6)
    expect(sequences[0]!.truth[2]).toEqual(cornersOf(plainBox(0, 2)))
    expect(sequences[0]!.tags).toEqual({ occlusion: [0, 1, 0, 0, 0, 0] })
  })

  it('takes annotations, tags and sizes from pysot\'s file', async () => {
    makeVot(path.join(root, 'VOT2019'), ['bag'])
    rmSync(path.join(root, 'VOT2019', 'list.txt'))
    rmSync(path.join(root, 'VOT2019', 'bag', 'groundtruth.txt'))
    const region = [1, 2, 3, 4, 5, 6, 7, 8]
    writeFileSync(path.join(root, 'VOT2019.json'), JSON.stringify({ bag: { gt_rect: Array.from({ length: 6 }, () => region), camera_motion: [0, 1, 1, 0, 0, 0], occlusion: [], width: 480, height: 360 } }))
    const { sequences } = await openBenchmark('VOT2019', root)
    expect(sequences[0]).toMatchObject({ name: 'bag', size: [480, 360], tags: { camera_motion: [0, 1, 1, 0, 0, 0] } })
    expect(Object.keys(sequences[0]!.tags!)).toEqual(['camera_motion'])
    expect(sequences[0]!.truth[5]).toEqual(region)
  })

  it('long-term: no region where the target is out of the picture', async () => {
    makeVotLongTerm(path.join(root, 'VOT2018LT'), ['ballet'])
    const { protocol, sequences } = await openBenchmark('VOT2018-LT', root)
    expect(protocol).toBe('vot-lt')
    expect(sequences[0]!.truth.slice(0, 3)).toEqual([plainBox(0, 0), null, plainBox(0, 2)])
  })
})

describe('LaSOT, UAV, TrackingNet', () => {
  it.each([true, false])('LaSOT with class folders: %s', async (classFolders) => {
    const names = makeLasotTest(root, 2, { classFolders })
    const { subset, sequences } = await openBenchmark('LaSOT', root, there)
    expect([subset, ...sequences.map(({ name }) => name)]).toEqual(['test', ...names])
    expect(sequences[0]!.absent).toEqual([false, true, false, true, false, false])
  })

  it('LaSOT\'s parts', async () => {
    makeLasotTest(root, 1)
    for (const [subset, count] of [['test', 280], ['train', 1120], ['train_test', 1400]] as const) {
      await expect(openBenchmark('LaSOT', root, { subset })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining(`of the ${count} sequences`) })
    }
  })

  it('UAV123 and UAV20L are ranges of shared folders', async () => {
    expect([uavSequences('UAV123').length, uavSequences('UAV20L').length]).toEqual([123, 20])
    makeUav(root, 'UAV123', ['uav6', 'bird1_1', 'bird1_2'])
    const { sequences } = await openBenchmark('UAV123', root, { sequences: ['uav6', 'bird1_2', 'bird1_1'] })
    expect(sequences.map(({ name, files }) => [name, path.basename(files[0]!), files.length])).toEqual([['bird1_1', '000001.jpg', 253], ['bird1_2', '000775.jpg', 703], ['uav6', '000001.jpg', 109]])
    expect(sequences[1]!.truth.slice(4, 7)).toEqual([[779, 2, 30, 40], null, [781, 2, 30, 40]])
    expect(sequences[1]!.attributes).toEqual(['Scale Variation', 'Camera Motion'])
    await expect(openBenchmark('UAV123', root, { sequences: ['bird1_3'] })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: 'sequence bird1_3: expected the frames 001573.jpg to 002437.jpg but 865 of them are not there, the first 001573.jpg',
      file: path.join(root, 'data_seq/UAV123/bird1'),
    })
    makeUav(root, 'UAV20L', ['car3'])
    expect((await openBenchmark('UAV20L', root, { sequences: ['car3'] })).sequences[0]!.files).toHaveLength(1717)
  })

  it('TrackingNet: frames by number, of the test set the first box', async () => {
    makeTrackingNetTest(root, ['b', 'a'])
    const { sequences } = await openBenchmark('TrackingNet', root)
    expect(sequences.map(({ name, truth }) => [name, truth.length])).toEqual([['a', 1], ['b', 1]])
    expect(base(sequences[0]!.files).slice(1, 11)).toEqual(['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg', '6.jpg', '7.jpg', '8.jpg', '9.jpg', '10.jpg'])
    renameSync(path.join(root, 'TEST'), path.join(root, 'TRAIN_3'))
    // With all frames in the training set, one box is too few.
    await expect(openBenchmark('TrackingNet', root, { subset: 'train3' })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('each of the 12 frames') })
  })
})

describe('NfS, DTB70, TColor128', () => {
  it('NfS: corners, one annotation too many, and those of 240 frames a second for 30', async () => {
    makeNfs(root, ['airboard_1'], 240, { extra: 1 })
    makeNfs(root, ['airboard_1'], 30, { perFrame: 8 })
    for (const part of ['NfS240', 'NfS30']) {
      const { subset, sequences } = await openBenchmark(part, root)
      expect([`NfS${subset}`, sequences[0]!.name, sequences[0]!.files.length]).toEqual([part, 'airboard_1', 6])
      expect(sequences[0]!.truth).toEqual(Array.from({ length: 6 }, (_, k) => plainBox(0, k)))
    }
  })

  it('DTB70 and TColor128', async () => {
    makeDtb70(path.join(root, 'dtb'), ['Animal1', 'BMX2'])
    makeTColor128(path.join(root, 'tc'), ['Airport_ce'], 3)
    const dtb = await openBenchmark('DTB70', path.join(root, 'dtb'))
    expect(dtb.sequences.map(({ name, truth }) => [name, truth.length])).toEqual([['Animal1', 6], ['BMX2', 6]])
    const tc = await openBenchmark('TC128', path.join(root, 'tc'))
    expect(base(tc.sequences[0]!.files)).toEqual(['0003.jpg', '0004.jpg', '0005.jpg', '0006.jpg'])
    expect(tc.sequences[0]!.truth[0]).toEqual(plainBox(0, 2))
  })
})

describe('what is wrong is said', () => {
  const annotations = (): string => path.join(root, 'val', 'GOT-10k_Val_000001', 'groundtruth.txt')
  const open = () => openBenchmark('GOT-10k', root)

  it('sequences that are missing are all named, and can be left out', async () => {
    const names = makeGot10kPart(root, 'val', { sequences: 4 })
    for (const name of [names[1]!, names[3]!]) rmSync(path.join(root, 'val', name), { recursive: true })
    await expect(open()).rejects.toMatchObject({ code: 'ERR_DATA', message: `2 of the 4 sequences of GOT-10k are not there: ${names[1]}, ${names[3]}`, file: root, hint: expect.stringContaining('--allow-missing') })
    expect((await openBenchmark('GOT-10k', root, there)).sequences.map(({ name }) => name)).toEqual([names[0], names[2]])
    for (const name of [names[0]!, names[2]!]) rmSync(path.join(root, 'val', name), { recursive: true })
    await expect(openBenchmark('GOT-10k', root, there)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('none of the 4 sequences') })
  })

  it.each([
    ['one annotation too few', () => writeFileSync(annotations(), readFileSync(annotations(), 'utf8').split('\n').slice(0, 5).join('\n')), /one annotation for each of the 6 frames in .* but found 5/],
    ['one too many', () => appendFileSync(annotations(), '1,2,3,4\n'), /each of the 6 frames.* found 7/],
    ['a line that is no box', () => writeFileSync(annotations(), readFileSync(annotations(), 'utf8').replace(/\n.*\n/, '\nx,2,3,4\n')), /expected a number but found "x"/],
    ['no annotations', () => rmSync(annotations()), /the annotations are not there/],
    ['no target in the first frame', () => writeFileSync(annotations(), readFileSync(annotations(), 'utf8').replace(/^.*\n/, 'nan,nan,nan,nan\n')), /a target in the first frame/],
    ['a label too few', () => writeFileSync(path.join(path.dirname(annotations()), 'absence.label'), '0\n0\n'), /one label for each of 6 frames but found 2/],
    ['no frames', () => { for (let k = 1; k <= 6; k += 1) rmSync(path.join(path.dirname(annotations()), `0000000${k}.jpg`)) }, /expected frames/],
  ])('%s', async (_, damage, message) => {
    makeGot10kPart(root, 'val')
    damage()
    await expect(open()).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(message), file: expect.stringContaining('GOT-10k_Val_000001') })
    await expect(open()).rejects.toThrow(/^sequence GOT-10k_Val_000001: /)
  })

  it.each(['OTB2015', 'VOT2018', 'GOT-10k', 'LaSOT', 'UAV123', 'TrackingNet', 'NfS', 'DTB70', 'TColor128'])('%s: an empty folder, and none', async (name) => {
    await expect(openBenchmark(name, root)).rejects.toMatchObject({ code: 'ERR_DATA' })
    await expect(openBenchmark(name, path.join(root, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_DATA', message: `the folder of ${name} is not there` })
  })

  it('a list that leads out of its folder', async () => {
    makeGot10kPart(root, 'val')
    writeFileSync(path.join(root, 'val', 'list.txt'), '../train/x\n')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_DATA', line: 1 })
  })

  it('a region of VOT that is none', async () => {
    makeVot(root, ['bag'])
    const file = path.join(root, 'bag', 'groundtruth.txt')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n.*\n/, '\n1,2,3,4,5\n'))
    await expect(openBenchmark('VOT2018', root)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('found 5 numbers'), file, line: 2 })
  })
})
