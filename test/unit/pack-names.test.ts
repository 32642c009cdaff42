/** What the members of packs are called. */
import { describe, expect, it } from 'vitest'
import { DatasetIndex, SectionsBuilder, type SequenceNames } from '../../lib/data/compact-index.ts'
import { packIndexSections } from '../../lib/data/pack/member-names.ts'

interface Given {
  dir: string
  names: SequenceNames
  frames: number
}

/** The packed index of sequences, and the names of all of its frames as FOLDER/FILE. */
function packed(sequences: Given[], still = false): { index: DatasetIndex; paths: string[] } {
  const builder = new SectionsBuilder()
  for (const { dir, names, frames } of sequences) builder.append(dir, names, Float32Array.from({ length: frames * 4 }, (_, i) => i))
  const index = new DatasetIndex({ name: 'test', ratio: 1, maxDiff: 1, still }, packIndexSections(builder.take(), still))
  const paths = index.sequenceDirs.flatMap((dir, s) => {
    const names = index.frameNames[s]
    const count = still ? 1 : index.sequenceStart[s + 1]! - index.sequenceStart[s]!
    return Array.from({ length: count }, (_, k) => `${dir}/${names?.[k] ?? index.framePatterns[s]!.replace('%08d', String(index.firstNumbers[s]! + k).padStart(8, '0'))}`)
  })
  return { index, paths }
}

const counted = (dir: string, frames = 2): Given => ({ dir, names: { pattern: '%08d.jpg', first: 1 }, frames })
const named = (dir: string, ...names: string[]): Given => ({ dir, names: { names }, frames: names.length })

describe('names of members', () => {
  it('leave out what all folders begin with, and keep the rest', () => {
    expect(packed([counted('/data/GOT-10k/train/GOT-10k_Train_000001', 2), counted('/data/GOT-10k/train/GOT-10k_Train_000002', 1)]).paths).toEqual([
      'GOT-10k_Train_000001/00000001.jpg',
      'GOT-10k_Train_000001/00000002.jpg',
      'GOT-10k_Train_000002/00000001.jpg',
    ])
    expect(packed([counted('/d/LaSOT/cat/cat-1/img', 1), counted('/d/LaSOT/dog/dog-2/img', 1)]).paths).toEqual(['cat/cat-1/img/00000001.jpg', 'dog/dog-2/img/00000001.jpg'])
    expect(packed([counted('/only/one', 1)]).paths).toEqual(['one/00000001.jpg'])
  })

  it('tell sequences apart that share a folder', () => {
    expect(packed([counted('/v/a', 1), counted('/v/a', 1), counted('/v/b', 1), counted('/v/a', 1)]).paths).toEqual(['a/00000001.jpg', 'a_2/00000001.jpg', 'b/00000001.jpg', 'a_3/00000001.jpg'])
  })

  it('keep boxes, starts and numbers as they are', () => {
    const { index } = packed([counted('/v/a', 3), { dir: '/v/b', names: { pattern: 'img%04d.png', numbers: Int32Array.of(3, 5, 9) }, frames: 3 }])
    expect(Array.from(index.sequenceStart)).toEqual([0, 3, 6])
    expect(Array.from(index.boxes)).toEqual(Array.from({ length: 24 }, (_, i) => i % 12))
    expect(index.frameNames).toEqual([null, ['img0003.png.jpg', 'img0005.png.jpg', 'img0009.png.jpg']])
  })

  it.each([
    ['another format', ['a.png', 'b.JPG', 'c.jpeg', 'd'], ['s/a.png.jpg', 's/b.JPG', 's/c.jpeg', 's/d.jpg']],
    ['a name twice', ['a.jpg', 'a.jpg', 'a_2.jpg', 'a.jpg'], ['s/a.jpg', 's/a_2.jpg', 's/a_2_2.jpg', 's/a_3.jpg']],
    ['one that becomes another', ['x', 'x.jpg'], ['s/x.jpg', 's/x_2.jpg']],
    ['ways out', ['../../etc/passwd', '/abs.jpg', '..', './y.jpg'], ['s/____etc_passwd.jpg', 's/abs.jpg', 's/_.jpg', 's/y.jpg']],
    ['odd characters', ['a\nb.jpg', 'c~1.jpg', 'd\\e.jpg', 'größe.jpg'], ['s/a_b.jpg', 's/c_1.jpg', 's/d_e.jpg', 's/größe.jpg']],
  ])('%s', (_, names, expected) => {
    const { paths } = packed([named('/v/s', ...names)])
    expect(paths).toEqual(expected)
  })

  it('folders that lead out are taken in', () => {
    const { paths } = packed([counted('../a', 1), counted('/x/../../a', 1), counted('', 1)])
    expect(paths).toHaveLength(3)
    for (const name of paths) expect(name).toMatch(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+\/00000001\.jpg$/)
    expect(new Set(paths).size).toBe(3)
  })

  it('a number that a sequence lists twice is a name of its own', () => {
    expect(packed([{ dir: '/v/s', names: { pattern: '%03d.jpg', numbers: Int32Array.of(7, 8, 7) }, frames: 3 }]).paths).toEqual(['s/007.jpg', 's/008.jpg', 's/007_2.jpg'])
  })

  it('still pictures of one folder stay together, and none has the name of another', () => {
    const { paths, index } = packed([{ dir: '/coco/val', names: { names: ['1.jpg'] }, frames: 3 }, { dir: '/coco/val', names: { names: ['2.jpg'] }, frames: 1 }, { dir: '/coco/val', names: { names: ['1.jpg'] }, frames: 1 }], true)
    expect(paths).toEqual(['val/1.jpg', 'val/2.jpg', 'val/1_2.jpg'])
    expect(Array.from(index.sequenceStart)).toEqual([0, 3, 4, 5])
  })
})
