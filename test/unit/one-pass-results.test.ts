/** Reading one-pass results: layouts, names, formats, and what cannot be read. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readTrackerResults } from '../../lib/evaluation/results/index.ts'
import { onePassLayout } from '../../lib/evaluation/results/layout.ts'
import { matchNames } from '../../lib/evaluation/results/names.ts'
import type { Annotations, TrackerResults } from '../../lib/evaluation/types.ts'
import { makeZip } from '../helpers/zip-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-results-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function annotations(benchmark: string, names: readonly string[], frames = 3): Annotations {
  return { benchmark, protocol: 'ope', source: 'made', sequences: names.map((name) => ({ name, truth: Array.from({ length: frames }, () => [1, 2, 3, 4]) })) }
}

function put(files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    writeFileSync(path.join(dir, name), text)
  }
  return dir
}

const three = '1,2,3,4\n5,6,7,8\n9,10,11,12\n'
const boxes = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
const found = (trackers: readonly TrackerResults[]): Record<string, string[]> => Object.fromEntries(trackers.map(({ tracker, sequences }) => [tracker, [...sequences.keys()]]))

describe('names of sequences', () => {
  it.each<[string, string[], string[], Record<string, string>]>([
    ['case, dots, dashes, underscores', ['jogging_1', 'skating2_2', 'carDark', 'faceocc1'], ['Jogging-1', 'Skating2.2', 'CarDark', 'FaceOcc1'], { jogging_1: 'Jogging-1', skating2_2: 'Skating2.2', carDark: 'CarDark', faceocc1: 'FaceOcc1' }],
    ['a number of a target that is left out', ['human4_2'], ['Human4'], { human4_2: 'Human4' }],
    ['or is there', ['Human4'], ['human4-2'], { Human4: 'human4-2' }],
    ['two targets are never one', ['jogging_1', 'jogging_2'], ['Jogging'], {}],
    ['the exact name wins', ['human4_2', 'human4_1'], ['Human4', 'human4_2'], { human4_2: 'human4_2', human4_1: 'Human4' }],
    ['car1_1 is not car11', ['car1_1', 'car11'], ['car11'], { car11: 'car11' }],
    ['names that differ in case only', ['-aB_0', '-Ab_0'], ['-Ab_0', '-aB_0'], { '-aB_0': '-aB_0', '-Ab_0': '-Ab_0' }],
    ['a benchmark before the name', ['bike1', 'person1_s'], ['uav_bike1', 'uav_person1_s'], { bike1: 'uav_bike1', person1_s: 'uav_person1_s' }],
    ['no separators at all', ['Singer-Two', 'Dog'], ['singertwo', 'cat'], { 'Singer-Two': 'singertwo' }],
  ])('%s', (_, sequences, stems, expected) => {
    expect(Object.fromEntries(matchNames(sequences, stems))).toEqual(expected)
  })
})

describe('layouts', () => {
  const otb = ['Dog', 'Human4', 'Jogging.1']
  it.each<[string, string, string[], string[], Record<string, string[]>]>([
    ['files at the top', 'OTB2015', otb, ['Dog.txt', 'human4-2.txt', 'Jogging-1.txt'], { own: otb }],
    ['one folder down, as published', 'OTB2015', otb, ['T/Dog.txt', 'T/Human4.txt', 'T/Jogging.1.txt', 'T/times/Dog_time.txt'], { T: otb }],
    ['several trackers', 'OTB2015', otb, ['A/Dog.txt', 'A/Human4.txt', 'B/Dog.txt'], { A: ['Dog', 'Human4'], B: ['Dog'] }],
    ['as the original writes them', 'OTB2015', otb, ['GOT-Benchmark/result/OTB2015/T/Dog.txt', 'GOT-Benchmark/result/LaSOT/T/dog-1.txt'], { T: ['Dog'] }],
    ['other benchmarks beside it', 'OTB2015', otb, ['OTB2013/T/Dog.txt', 'OTB2015/T/Dog.txt', 'OTB2015/T/Human4.txt'], { T: ['Dog', 'Human4'] }],
    ['the benchmark below the tracker', 'OTB2015', otb, ['A/OTB100/Dog.txt', 'B/OTB100/Dog.txt'], { A: ['Dog'], B: ['Dog'] }],
    ['trackers of one name', 'OTB2015', otb, ['x/T/Dog.txt', 'y/T/Dog.txt'], { 'x/T': ['Dog'], 'y/T': ['Dog'] }],
    ['pytracking', 'UAV123', ['bike1'], ['dimp/dimp50_000/uav_bike1.txt', 'dimp/dimp50_000/uav_bike1_time.txt', 'dimp/dimp50_001/uav_bike1.txt'], { dimp50_000: ['bike1'], dimp50_001: ['bike1'] }],
    ['GOT-10k', 'GOT-10k', ['GOT-10k_Val_000001'], ['GOT-10k/T/GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt', 'GOT-10k/T/GOT-10k_Val_000001/GOT-10k_Val_000001_time.txt'], { T: ['GOT-10k_Val_000001'] }],
    ['GOT-10k, packed for submission', 'GOT-10k', ['GOT-10k_Val_000001'], ['GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt'], { own: ['GOT-10k_Val_000001'] }],
    ['LaSOT by class', 'LaSOT', ['dog-1', 'dog-7', 'cat-1'], ['T/dog/dog-1.txt', 'T/dog/dog-7.txt', 'T/cat/cat-1.txt'], { T: ['dog-1', 'dog-7', 'cat-1'] }],
    ['nothing of it', 'OTB2015', otb, ['readme.txt', 'a/b.json'], {}],
  ])('%s', (_, benchmark, sequences, entries, expected) => {
    const layout = onePassLayout(entries, benchmark, sequences, 'own')
    expect(Object.fromEntries(layout.map((one) => [one.tracker, sequences.filter((name) => one.sequences.has(name))]))).toEqual(expected)
  })

  it('folders of another part of the benchmark are left aside', () => {
    const entries = ['NFS30/T/a.txt', 'NFS240/T/a.txt', 'nfs_240/U/a.txt']
    const found = (subset: string): unknown[] => onePassLayout(entries, 'NfS', ['a'], 'own', subset).map(({ tracker, sequences }) => [tracker, sequences.get('a')?.runs])
    expect(found('30')).toEqual([['T', ['NFS30/T/a.txt']]])
    expect(found('240')).toEqual([['T', ['NFS240/T/a.txt']], ['U', ['nfs_240/U/a.txt']]])
  })

  it('runs and times of GOT-10k', () => {
    const [tracker] = onePassLayout(['T/S/S_time.txt', 'T/S/S_003.txt', 'T/S/S_001.txt', 'T/S/S_002.txt'], 'GOT-10k', ['S'], 'own')
    expect(tracker?.sequences.get('S')).toEqual({ runs: ['T/S/S_001.txt', 'T/S/S_002.txt', 'T/S/S_003.txt'], times: 'T/S/S_time.txt' })
  })

  it('a sequence may end in a number like a run\'s', () => {
    const [tracker] = onePassLayout(['T/seq_001.txt', 'T/seq_002.txt'], 'OTB2015', ['seq_001', 'seq_002'], 'own')
    expect([...(tracker?.sequences ?? [])]).toEqual([['seq_001', { runs: ['T/seq_001.txt'] }], ['seq_002', { runs: ['T/seq_002.txt'] }]])
  })
})

describe('files', () => {
  it.each([
    ['commas', three],
    ['tabs', three.replaceAll(',', '\t')],
    ['spaces', three.replaceAll(',', '  ')],
    ['comma and space', three.replaceAll(',', ', ')],
    ['Windows line ends', three.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${three}`],
    ['empty lines at the end', `${three}\n\r\n  \n`],
    ['no line end at the end', three.trimEnd()],
    ['a separator behind the last number', three.replaceAll('\n', ' ,\n')],
    ['exponents', three.replace('5,', '0.5e1,')],
  ])('with %s', async (_, text) => {
    const [tracker] = await readTrackerResults(put({ 'T/Dog.txt': text }), annotations('OTB2015', ['Dog']))
    expect(tracker?.sequences.get('Dog')?.boxes).toEqual(boxes)
  })

  it('a zip gives what its folder gives', async () => {
    const files = { 'T/Dog.txt': three, 'T/times/Dog_time.txt': '0\n0.5\n0.25\n', 'T/Cat.txt': three }
    put(files)
    const zip = path.join(dir, 'r.zip')
    writeFileSync(zip, makeZip([...Object.entries(files).map(([name, data]) => ({ name, data })), { name: '__MACOSX/T/._Dog.txt', data: 'x' }]))
    const both = annotations('OTB2015', ['Dog', 'Cat'])
    const [fromZip] = await readTrackerResults(zip, both)
    rmSync(zip)
    const [fromFolder] = await readTrackerResults(dir, both)
    expect(fromZip?.tracker).toBe('T')
    for (const name of ['Dog', 'Cat']) expect({ ...fromZip?.sequences.get(name), file: '' }).toEqual({ ...fromFolder?.sequences.get(name), file: '' })
    expect(fromZip?.sequences.get('Dog')?.seconds).toEqual([0, 0.5, 0.25])
  })

  it('several runs with their times in columns', async () => {
    const other = three.replace('5', '50')
    const [tracker] = await readTrackerResults(put({ 'T/S/S_001.txt': three, 'T/S/S_002.txt': other, 'T/S/S_time.txt': '0.1,nan\n0.2,0.4\n0.3,0.6\n' }), annotations('GOT-10k', ['S']))
    const result = tracker?.sequences.get('S')
    expect(result?.boxes).toEqual(boxes)
    expect(result?.moreRuns?.[0]?.[1]).toEqual([50, 6, 7, 8])
    expect(result?.seconds).toEqual([0.1, Number.NaN, 0.2, 0.4, 0.3, 0.6])
  })

  it.each<[string, string, number | undefined, RegExp]>([
    ['a word', '1,2,3,4\n1,two,3,4\n1,2,3,4\n', 2, /expected a number but found "two"/],
    ['three numbers', '1,2,3,4\n1,2,3\n1,2,3,4\n', 2, /expected 4 numbers x,y,w,h but found 3 fields/],
    ['an empty line in the middle', '1,2,3,4\n\n1,2,3,4\n', 2, /an empty line/],
    ['nothing', '\n', undefined, /empty/],
    ['bytes that are no text', '\u0000\u0001\u0002', 1, /found 1 field/],
    ['too few boxes', '1,2,3,4\n1,2,3,4\n', undefined, /expected 3 boxes for Dog, one for each annotated frame, but found 2/],
  ])('%s is an error', async (_, text, line, message) => {
    const file = path.join(put({ 'T/Dog.txt': text }), 'T/Dog.txt')
    await expect(readTrackerResults(dir, annotations('OTB2015', ['Dog']))).rejects.toMatchObject({ code: 'ERR_DATA', file, ...(line === undefined ? {} : { line }), message: expect.stringMatching(message) as string })
  })

  it('two files for one run are an error', async () => {
    put({ 'T/Dog.txt': three, 'T/Dog/Dog.txt': three })
    await expect(readTrackerResults(dir, annotations('OTB2015', ['Dog']))).rejects.toMatchObject({ code: 'ERR_DATA', message: 'there are two files for one run over Dog' })
  })

  it('all faulty sequences are named', async () => {
    put({ 'T/A.txt': 'x', 'T/B.txt': three, 'T/C.txt': '', 'T/D.txt': three })
    await expect(readTrackerResults(dir, annotations('OTB2015', ['A', 'B', 'C', 'D']))).rejects.toMatchObject({ message: expect.stringMatching(/\(and 1 more sequences of T are faulty: C\)/) as string })
  })

  it('an empty folder and one of other files say what was expected', async () => {
    const expected = annotations('OTB2015', ['Dog'])
    await expect(readTrackerResults(dir, expected)).rejects.toMatchObject({ code: 'ERR_DATA', file: dir, message: 'the folder of results is empty' })
    put({ 'notes.txt': 'hello' })
    await expect(readTrackerResults(dir, expected)).rejects.toMatchObject({ code: 'ERR_DATA', hint: expect.stringMatching(/TRACKER\/Dog\.txt.*; the first file is notes\.txt$/) as string })
  })

  it('a folder of zips says that they have to be named', async () => {
    put({ 'x.zip': '' })
    await expect(readTrackerResults(dir, annotations('OTB2015', ['Dog']))).rejects.toMatchObject({ hint: expect.stringMatching(/zips are not looked into, name them: .*x\.zip$/) as string })
  })

  it('a zip in a zip has to be unpacked', async () => {
    const zip = path.join(dir, 'r.zip')
    writeFileSync(zip, makeZip([{ name: 'T.zip', data: 'PK' }]))
    await expect(readTrackerResults(zip, annotations('OTB2015', ['Dog']))).rejects.toMatchObject({ hint: expect.stringMatching(/unpack this one: .*r\.zip:T\.zip$/) as string })
  })

  it('zips beside results are told of, but for that of a tracker whose folder is there', async () => {
    const warnings: string[] = []
    await readTrackerResults(put({ 'T/Dog.txt': three, 'T.zip': '', 'U.zip': '' }), annotations('OTB2015', ['Dog']), { onWarning: (text) => warnings.push(text) })
    expect(warnings).toEqual([`${dir}: zips in it are not looked into: U.zip`])
  })

  it('nan and inf are failures, with a warning', async () => {
    const warnings: string[] = []
    const [tracker] = await readTrackerResults(put({ 'T/Dog.txt': '1,2,3,4\nnan,nan,nan,nan\n1,2,inf,4\n' }), annotations('OTB2015', ['Dog']), { onWarning: (text) => warnings.push(text) })
    expect(tracker?.sequences.get('Dog')?.boxes.slice(1).flat()).toEqual(Array.from({ length: 8 }, () => Number.NaN))
    expect(warnings).toEqual([expect.stringMatching(/Dog\.txt: 2 of 3 boxes are nan or inf/)])
  })

  it('times that are no numbers are left out, with a warning', async () => {
    const warnings: string[] = []
    const [tracker] = await readTrackerResults(put({ 'T/Dog.txt': three, 'T/Dog_time.txt': 'fast\n' }), annotations('OTB2015', ['Dog']), { onWarning: (text) => warnings.push(text) })
    expect(tracker?.sequences.get('Dog')).not.toHaveProperty('seconds')
    expect(warnings).toEqual([expect.stringMatching(/Dog_time\.txt/)])
  })

  it('files that are of no sequence are told when a sequence is missing', async () => {
    const warnings: string[] = []
    const trackers = await readTrackerResults(put({ 'T/Dog.txt': three, 'T/Dug.txt': three }), annotations('OTB2015', ['Dog', 'Cat']), { onWarning: (text) => warnings.push(text) })
    expect(found(trackers)).toEqual({ T: ['Dog'] })
    expect(warnings).toEqual([expect.stringMatching(/1 files are of no sequence of OTB2015: Dug/)])
  })
})

describe('more boxes than annotations', () => {
  const text = '0,0,1,1\n0,0,2,2\n0,0,3,3\n0,0,4,4\n0,0,5,5\n'
  const widths = async (benchmark: string, more: object, warnings: string[] = []): Promise<number[] | undefined> => {
    const base = annotations(benchmark, ['Tiger1'])
    const sequences = base.sequences.map((sequence) => ({ ...sequence, ...more }))
    const [tracker] = await readTrackerResults(put({ 'T/Tiger1.txt': text }), { ...base, sequences }, { onWarning: (warning) => warnings.push(warning) })
    return tracker?.sequences.get('Tiger1')?.boxes.map((box) => box[2])
  }

  it('are taken from the frame at which annotations begin', async () => {
    const warnings: string[] = []
    expect(await widths('OTB2015', { firstFrame: 3 }, warnings)).toEqual([3, 4, 5])
    expect(await widths('OTB2015', { files: ['img/0003.jpg', 'img/0004.jpg', 'img/0005.jpg'] }, warnings)).toEqual([3, 4, 5])
    expect(warnings).toEqual([expect.stringMatching(/annotations begin at frame 3/), expect.stringMatching(/begin at frame 3/)])
  })

  it('are cut at the end otherwise', async () => {
    const warnings: string[] = []
    expect(await widths('OTB2015', {}, warnings)).toEqual([1, 2, 3])
    expect(await widths('OTB2015', { firstFrame: 9 }, warnings)).toEqual([1, 2, 3])
    expect(warnings[0]).toMatch(/5 boxes for the 3 annotated frames of Tiger1; those at the end are left out/)
  })

  it('are an error in GOT-10k, and where only the first frame is annotated', async () => {
    await expect(widths('GOT-10k', {})).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/expected 3 boxes/) as string })
    await expect(widths('TrackingNet', { truth: [[1, 2, 3, 4]] })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/only the first frame/) as string })
  })

  it('and fewer may be all that counts', async () => {
    put({ 'T/Dog.txt': '1,2,3,4\n5,6,7,8\n' })
    const warnings: string[] = []
    const [tracker] = await readTrackerResults(dir, annotations('OTB2015', ['Dog']), { short: 'cut', onWarning: (text) => warnings.push(text) })
    expect(tracker?.sequences.get('Dog')).toMatchObject({ boxes: [[1, 2, 3, 4], [5, 6, 7, 8]], partial: true })
    expect(warnings).toEqual([expect.stringMatching(/2 boxes for the 3 annotated frames of Dog; the others do not count/)])
    await expect(readTrackerResults(dir, annotations('GOT-10k', ['Dog']), { short: 'cut' })).rejects.toMatchObject({ code: 'ERR_DATA' })
  })

  it('and fewer are padded when asked', async () => {
    const warnings: string[] = []
    const [tracker] = await readTrackerResults(put({ 'T/Dog.txt': '1,2,3,4\n' }), annotations('OTB2015', ['Dog']), { short: 'pad', onWarning: (text) => warnings.push(text) })
    expect(tracker?.sequences.get('Dog')?.boxes).toHaveLength(3)
    expect(warnings).toEqual([expect.stringMatching(/1 boxes for the 3 annotated frames of Dog; the others count as failures/)])
  })
})
