/** Reading VOT results: layouts, lines, what is refused. */
import { describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { readVotResults } from '../../lib/evaluation/vot/index.ts'
import { annotationsOf, memorySource } from '../helpers/vot.ts'

const box = [1, 2, 3, 4]
const annotations = annotationsOf([{ name: 'bag', truth: [box, box, box] }, { name: 'ball1', truth: [box, box] }])
const longTerm = { ...annotations, protocol: 'vot-lt' as const }
const bag = '1\n1.5,2,3,4\n2\n'
const ball = '1\n0\n'

async function failing(files: Record<string, string | Uint8Array>, protocol: typeof annotations | typeof longTerm = annotations): Promise<SiamError> {
  const error: unknown = await readVotResults(memorySource(files), protocol).catch((cause: unknown) => cause)
  if (error instanceof SiamError) return error
  throw new Error('nothing was refused')
}

describe('layouts', () => {
  it.each([
    ['the toolkits\' own', 'trk/baseline/', 'trk'],
    ['without the experiment', 'trk/', 'trk'],
    ['at the root', '', 'results'],
    ['the experiment at the root', 'baseline/', 'results'],
    ['one folder down', 'VOT2018/trk/baseline/', 'trk'],
    ['two folders down', 'out/VOT2018/trk/baseline/', 'trk'],
    ['a folder that names the benchmark', 'VOT2018/baseline/', 'results'],
    ['a folder that says nothing', 'trk/results/baseline/', 'trk'],
    ['another case', 'trk/Baseline/', 'trk'],
  ])('%s', async (_, folder, tracker) => {
    const [read, ...others] = await readVotResults(memorySource({ [`${folder}bag/bag_001.txt`]: bag, [`${folder}ball1/ball1_001.txt`]: ball }), annotations)
    expect(others).toEqual([])
    expect(read?.tracker).toBe(tracker)
    expect([...(read?.sequences.keys() ?? [])]).toEqual(['bag', 'ball1'])
    expect(read?.sequences.get('bag')?.runs).toEqual([[1, [1.5, 2, 3, 4], 2]])
    expect(read?.sequences.get('bag')?.file).toBe(`made/results/${folder}bag/bag_001.txt`)
  })

  it('without the sequences\' folders, in a zip', async () => {
    const read = await readVotResults(memorySource({ 'bag_001.txt': bag, 'ball1_001.txt': ball }, 'there/mine.zip'), annotations)
    expect(read.map(({ tracker, sequences }) => [tracker, sequences.size])).toEqual([['mine', 2]])
  })

  it('several trackers, sorted; other experiments, files and sequences are left aside', async () => {
    const read = await readVotResults(
      memorySource({
        'b/baseline/bag/bag_001.txt': bag,
        'a/baseline/Bag/Bag_001.txt': bag,
        'a/realtime/bag/bag_001.txt': 'not read',
        'a/unsupervised/bag/bag_001.txt': 'not read',
        'a/baseline/cat/cat_001.txt': 'not read',
        'a/baseline/bag/bag_001_overlap.value': 'not read',
        'a.csv': 'not read',
      }),
      annotations,
    )
    expect(read.map(({ tracker, sequences }) => [tracker, [...sequences.keys()]])).toEqual([['a', ['bag']], ['b', ['bag']]])
  })

  it('of several benchmarks in one folder the one that is meant', async () => {
    const read = await readVotResults(memorySource({ 'VOT2018/a/baseline/bag/bag_001.txt': bag, 'VOT2016/a/baseline/bag/bag_001.txt': 'not read', 'VOT2016/b/baseline/bag/bag_001.txt': 'not read' }), annotations)
    expect(read.map(({ tracker, sequences }) => [tracker, sequences.get('bag')?.file])).toEqual([['a', 'made/results/VOT2018/a/baseline/bag/bag_001.txt']])
  })

  it('trackers of one name in two folders are told apart', async () => {
    const read = await readVotResults(memorySource({ 'x/a/baseline/bag/bag_001.txt': bag, 'y/a/baseline/bag/bag_001.txt': bag }), annotations)
    expect(read.map(({ tracker }) => tracker)).toEqual(['x/a', 'y/a'])
  })

  it('a folder is called by its name, however its path is written', async () => {
    const [read] = await readVotResults(memorySource({ 'bag/bag_001.txt': bag }, 'made/trk/.'), annotations)
    expect(read?.tracker).toBe('trk')
  })

  it('endings in capitals and line ends of one carriage return', async () => {
    const [read] = await readVotResults(memorySource({ 'a/bag/bag_001.TXT': bag.replaceAll('\n', '\r') }), annotations)
    expect(read?.sequences.get('bag')?.runs).toEqual([[1, [1.5, 2, 3, 4], 2]])
  })

  it('repetitions in the order of their numbers', async () => {
    const files = Object.fromEntries([3, 1, 2].map((k) => [`t/bag/bag_00${k}.txt`, `1\n${k},0,1,1\n0\n`]))
    const [read] = await readVotResults(memorySource(files), annotations)
    expect(read?.sequences.get('bag')?.runs.map((run) => run[1])).toEqual([[1, 0, 1, 1], [2, 0, 1, 1], [3, 0, 1, 1]])
  })

  it('times, of which the first repetition\'s count; what is no time becomes a warning', async () => {
    const [read] = await readVotResults(memorySource({ 't/bag/bag_001.txt': bag, 't/bag/bag_time.txt': '0.5,9\n0.25,9\n0,9\n' }), annotations)
    expect(read?.sequences.get('bag')?.seconds).toEqual([0.5, 0.25, 0])
    const [odd] = await readVotResults(memorySource({ 't/bag/bag_001.txt': bag, 't/bag/bag_time.txt': '0.5\nfast\n0\n' }), annotations)
    expect(odd?.sequences.get('bag')?.seconds).toBeUndefined()
    expect(odd?.warnings.join()).toContain('bag_time.txt: expected 3 times')
  })
})

describe('lines', () => {
  const lineOf = async (line: string) => (await readVotResults(memorySource({ 't/bag/bag_001.txt': `1\n${line}\n0` }), annotations))[0]?.sequences.get('bag')?.runs[0]?.[1]

  it.each([
    ['1,2,3,4', [1, 2, 3, 4]],
    [' 1.5 , -2e1,3,4 \r', [1.5, -20, 3, 4]],
    ['1\t2\t3\t4', [1, 2, 3, 4]],
    ['1,2,3,4,5,6', [1, 2, 3, 4, 5, 6]],
    ['1,2,3,4,5,6,7,8', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['2', 2],
    ['0.0000', 0],
    // Unknown, and the toolkit's older form of a code.
    ['nan,nan,nan,nan', 0],
    ['NaN', 0],
    ['1,2,3,inf', 0],
    ['-Infinity,2,3,4', 0],
    ['NaN,NaN,NaN,-2', 2],
  ])('%j', async (line, expected) => {
    expect(await lineOf(line)).toEqual(expected)
  })

  it.each(['', '3', '1,2,3', '1,2,3,4,5', '1,2,three,4', '1,2,3,', '1,2,3,infinite', '0x10', 'm0,0,5,5,1,2'])('%j is refused with file and line', async (line) => {
    const error = await failing({ 't/bag/bag_001.txt': `1\n${line}\n0` })
    expect([error.code, error.file, error.line]).toEqual(['ERR_DATA', 'made/results/t/bag/bag_001.txt', 2])
    expect(error.message).toContain('Expected a code (0, 1 or 2)')
  })
})

/** Bytes as the Python toolkit packs them: `number, bytes, 'f' for a float`. */
function packed(...fields: [value: number, bytes: 1 | 2 | 4, kind?: 'f'][]): Buffer {
  return Buffer.concat(
    fields.map(([value, bytes, kind]) => {
      const field = Buffer.alloc(bytes)
      if (kind === 'f') field.writeFloatLE(value)
      else field.writeUIntLE(value, 0, bytes)
      return field
    }),
  )
}

describe('binary results', () => {
  const head = packed([1, 2], [3, 4])
  const code = (value: number): Buffer => packed([0, 1], [value, 4])
  const rectangle = packed([1, 1], [1.5, 4, 'f'], [2, 4, 'f'], [3, 4, 'f'], [4, 4, 'f'])
  const polygon = packed([2, 1], [3, 2], [0, 4, 'f'], [0, 4, 'f'], [8, 4, 'f'], [0, 4, 'f'], [0, 4, 'f'], [4, 4, 'f'])

  it('are read where there is no text', async () => {
    const bin = Buffer.concat([head, code(1), rectangle, polygon])
    const [read] = await readVotResults(memorySource({ 't/baseline/bag/bag_001.bin': bin, 't/baseline/bag/bag_001_time.value': '1\n1\n1\n' }), annotations)
    expect(read?.sequences.get('bag')).toMatchObject({ runs: [[1, [1.5, 2, 3, 4], [0, 0, 8, 0, 0, 4]]], seconds: [1, 1, 1] })
    const [text] = await readVotResults(memorySource({ 't/bag/bag_001.bin': bin, 't/bag/bag_001.txt': bag }), annotations)
    expect(text?.sequences.get('bag')?.runs).toEqual([[1, [1.5, 2, 3, 4], 2]])
  })

  it.each([
    ['another version', packed([2, 2], [3, 4]), 'Expected version 1'],
    ['another number of frames', packed([1, 2], [4, 4]), 'Expected 3 regions'],
    ['a code that is none', Buffer.concat([head, code(3)]), 'Expected a code (0, 1 or 2) in frame 1'],
    ['a mask', Buffer.concat([head, code(1), packed([3, 1])]), 'in frame 2 but found a mask'],
    ['a polygon of two corners', Buffer.concat([head, packed([2, 1], [2, 2]), Buffer.alloc(16)]), 'three corners or more in frame 1'],
    ['half a file', Buffer.concat([head, code(1), rectangle.subarray(0, 9)]), 'the file ends within a region'],
    ['nothing', Buffer.alloc(0), 'the file ends within a region'],
  ])('%s is refused', async (_, bytes, words) => {
    const error = await failing({ 't/bag/bag_001.bin': bytes })
    expect([error.code, error.file]).toEqual(['ERR_DATA', 'made/results/t/bag/bag_001.bin'])
    expect(error.message).toContain(words)
  })
})

describe('what is refused', () => {
  it('a file with too few or too many lines', async () => {
    for (const text of ['1\n0\n', '1\n0\n0\n0\n']) {
      const error = await failing({ 't/bag/bag_001.txt': text })
      expect(error).toMatchObject({ code: 'ERR_DATA', file: 'made/results/t/bag/bag_001.txt' })
      expect(error.message).toContain('Expected 3 lines')
    }
    expect((await failing({ 't/bag/bag_001.txt': '\n' })).message).toContain('empty')
  })

  it('a source without a result, with the layout that was expected', async () => {
    const error = await failing({ 'bag.txt': bag, 'notes.txt': '' })
    expect(error).toMatchObject({ code: 'ERR_DATA', file: 'made/results', hint: 'expected TRACKER/baseline/SEQUENCE/SEQUENCE_001.txt' })
  })

  it('two files for one repetition', async () => {
    expect((await failing({ 't/bag/bag_001.txt': bag, 't/bag_001.txt': bag })).message).toBe('two files hold repetition 001 of bag')
  })
})

describe('long-term results', () => {
  const files = { 't/longterm/bag/bag_001.txt': '1\n1,2,3,4\n1,2,3,4\n', 't/longterm/bag/bag_001_confidence.value': '\n0.5\nnan\n', 't/longterm/bag/bag_time.txt': '1\n1\n1\n' }

  it('have confidences beside their boxes', async () => {
    const [read] = await readVotResults(memorySource({ ...files, 't/baseline/ball1/ball1_001.txt': ball }), longTerm)
    expect([...(read?.sequences.keys() ?? [])]).toEqual(['bag'])
    expect(read?.sequences.get('bag')).toMatchObject({ runs: [[1, box, box]], confidences: [[Number.NaN, 0.5, Number.NaN]], seconds: [1, 1, 1] })
  })

  it.each([
    ['\n0.5\n', 'Expected 3 lines', 2],
    ['\n0.5\nhigh\n', 'Expected a number but found "high"', 3],
    ['\n\n0.5\n', 'Expected a number but found ""', 2],
  ])('with confidences %j are refused', async (text, words, line) => {
    const error = await failing({ ...files, 't/longterm/bag/bag_001_confidence.value': text }, longTerm)
    expect(error).toMatchObject({ code: 'ERR_DATA', file: 'made/results/t/longterm/bag/bag_001_confidence.value', line })
    expect(error.message).toContain(words)
  })

  it('without confidences are refused', async () => {
    const error = await failing({ 't/longterm/bag/bag_001.txt': files['t/longterm/bag/bag_001.txt'] }, longTerm)
    expect(error).toMatchObject({ code: 'ERR_DATA', hint: 'expected t/longterm/bag/bag_001_confidence.value beside it' })
  })
})
