/** Annotations from a JSON file, and which file or folder is taken. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAnnotationJson } from '../../lib/evaluation/annotation-json.ts'
import { readAnnotations } from '../../lib/evaluation/annotations.ts'
import { shared } from '../helpers/shared.ts'
import { makeZip } from '../helpers/zip-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-annotations-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const read = (value: unknown, protocol: 'ope' | 'vot' = 'ope') => readAnnotationJson(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), 'a.json', protocol)

describe('pysot\'s JSON', () => {
  it('boxes, polygons, attributes, sizes, labels', () => {
    const polygon = [0, 0, 4, 0, 4, 4, 0, 4]
    expect(read({ Dog: { video_dir: 'Dog', init_rect: [1, 2, 3, 4], img_names: ['Dog/img/0006.jpg', 'Dog/img/0007.jpg'], gt_rect: [[1, 2, 3, 4], polygon], attr: ['OCC'], absent: [1, 0], width: 20, height: 10 } })).toEqual([
      { name: 'Dog', truth: [[1, 2, 3, 4], polygon], size: [20, 10], attributes: ['OCC'], absent: [false, true], firstFrame: 6 },
    ])
  })

  it('NaN as Python writes it, a byte order mark, boxes in a list of one', () => {
    expect(read('\ufeff{"A": {"gt_rect": [[1, 2, 3, 4], [NaN, NaN,NaN , NaN], [[1, 2, 3, 4]]], "note": "a, NaN, b"}}')).toEqual([{ name: 'A', truth: [[1, 2, 3, 4], null, [1, 2, 3, 4]] }])
  })

  it('tags of VOT; an empty list is no tag', () => {
    expect(read({ A: { gt_rect: [[1, 2, 3, 4], [1, 2, 3, 4]], occlusion: [0, 1], camera_motion: [] } }, 'vot')[0]?.tags).toEqual({ occlusion: [0, 1] })
  })

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /expected JSON/],
    ['a list', [], /expected a JSON object of sequences/],
    ['nothing', {}, /expected a JSON object of sequences/],
    ['no boxes', { A: {} }, /sequence "A": gt_rect/],
    ['no frames', { A: { gt_rect: [] } }, /sequence "A": gt_rect/],
    ['three numbers', { A: { gt_rect: [[1, 2, 3, 4], [1, 2, 3]] } }, /expected x, y, w, h or a polygon for frame 2 but found 3 numbers/],
    ['words', { A: { gt_rect: [['a', 2, 3, 4]] } }, /sequence "A": gt_rect/],
    ['too few labels', { A: { gt_rect: [[1, 2, 3, 4]], absent: [] } }, /expected one value of absent for each of 1 frames but found 0/],
  ])('%s is an error', (_, value, message) => {
    expect(() => read(value)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', file: 'a.json', message: expect.stringMatching(message) as string }) as Error)
  })
})

describe('annotations', () => {
  it('are taken from a file, or from a folder that holds it under any of its names', async () => {
    const direct = await readAnnotations('otb', shared('eval', 'otb2015', 'OTB2015.json'))
    expect(direct).toMatchObject({ benchmark: 'OTB2015', protocol: 'ope' })
    expect(direct.sequences).toHaveLength(100)
    expect(direct.sequences.find(({ name }) => name === 'tiger1')).toMatchObject({ firstFrame: 6 })
    expect((await readAnnotations('TB-100', shared('eval', 'otb2015'))).sequences).toHaveLength(100)
    writeFileSync(path.join(dir, 'otb100.json'), JSON.stringify({ Basketball: { gt_rect: [[1, 2, 3, 4]] }, Doll: { gt_rect: [[1, 2, 3, 4]] } }))
    writeFileSync(path.join(dir, 'LaSOT.json'), '{}')
    const found = await readAnnotations('OTB50', dir)
    expect(found.sequences.map(({ name }) => name)).toEqual(['Basketball'])
    expect(found.source).toBe(path.join(dir, 'otb100.json'))
  })

  it('of a data set come from its folder', async () => {
    const sequence = path.join(dir, 'val', 'S')
    mkdirSync(sequence, { recursive: true })
    writeFileSync(path.join(dir, 'val', 'list.txt'), 'S\n')
    writeFileSync(path.join(sequence, '00000001.jpg'), '')
    writeFileSync(path.join(sequence, 'groundtruth.txt'), '1,2,3,4\n')
    writeFileSync(path.join(sequence, 'cover.label'), '8\n')
    writeFileSync(path.join(sequence, 'meta_info.ini'), '[METAINFO]\nresolution: (20, 10)\n')
    expect(await readAnnotations('got10k/val', dir)).toMatchObject({ benchmark: 'GOT-10k', subset: 'val', sequences: [{ name: 'S', truth: [[1, 2, 3, 4]], cover: [8], size: [20, 10] }] })
  })

  it('are read without frames, from a folder or a zip', async () => {
    const files = {
      'GOT-10k/val/list.txt': 'S\nR\n',
      'GOT-10k/val/S/groundtruth.txt': '1,2,3,4\n5,6,7,8\n',
      'GOT-10k/val/S/cover.label': '8\n0\n',
      'GOT-10k/val/S/absence.label': '0\n1\n',
      'GOT-10k/val/S/meta_info.ini': '[METAINFO]\nresolution: (20, 10)\n',
      'GOT-10k/val/R/groundtruth.txt': '1,2,3,4\nnan,nan,nan,nan\n',
      'GOT-10k/train/T/groundtruth.txt': '1,2,3,4\n',
      'OTB2015/Human4/groundtruth_rect.1.txt': '',
      'OTB2015/Human4/groundtruth_rect.2.txt': '1\t2\t3\t4\n',
      'OTB2015/Jogging/groundtruth_rect.1.txt': '1,2,3,4\n',
      'OTB2015/Jogging/groundtruth_rect.2.txt': '1,2,3,4\n',
      'UAV/anno/UAV123/bike1.txt': '1,2,3,4\n',
      'UAV/anno/UAV20L/bike1.txt': '5,2,3,4\n',
    }
    const zips: Record<string, { name: string; data: string }[]> = {}
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
      writeFileSync(path.join(dir, name), text)
      ;(zips[name.split('/')[0] as string] ??= []).push({ name, data: text })
    }
    for (const [set, entries] of Object.entries(zips)) writeFileSync(path.join(dir, `${set}.zip`), makeZip(entries))
    for (const end of ['', '.zip']) {
      const got = await readAnnotations('GOT-10k', path.join(dir, `GOT-10k${end}`))
      expect(got.sequences).toEqual([
        { name: 'R', truth: [[1, 2, 3, 4], null] },
        { name: 'S', truth: [[1, 2, 3, 4], [5, 6, 7, 8]], size: [20, 10], absent: [false, true], cover: [8, 0] },
      ])
      expect((await readAnnotations('OTB2015', path.join(dir, `OTB2015${end}`))).sequences.map(({ name }) => name)).toEqual(['Human4', 'Jogging.1', 'Jogging.2'])
      expect((await readAnnotations('UAV20L', path.join(dir, `UAV${end}`))).sequences).toEqual([{ name: 'bike1', truth: [[5, 2, 3, 4]] }])
    }
    await expect(readAnnotations('VOT2018', path.join(dir, 'UAV.zip'))).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/no annotations of VOT2018/) as string })
    writeFileSync(path.join(dir, 'GOT-10k', 'val', 'S', 'cover.label'), '8\n')
    await expect(readAnnotations('GOT-10k', path.join(dir, 'GOT-10k'))).rejects.toMatchObject({ code: 'ERR_DATA', message: 'expected a number for each of 2 frames but found 1 entries' })
  })

  it('of some sequences only', async () => {
    const file = shared('eval', 'otb2015', 'OTB2015.json')
    expect((await readAnnotations('OTB2015', file, { sequences: ['Jogging-2', 'dog'] })).sequences.map(({ name }) => name)).toEqual(['jogging_2', 'dog'])
    await expect(readAnnotations('OTB2015', file, { sequences: ['Unicorn'] })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('too large a file is refused before it is read', async () => {
    const file = path.join(dir, 'a.json')
    writeFileSync(file, '')
    truncateSync(file, 600 * 2 ** 20)
    await expect(readAnnotations('OTB2015', file)).rejects.toMatchObject({ code: 'ERR_DATA', file, message: expect.stringMatching(/629145600 bytes, more than/) as string })
  })

  it('that are not there are an error', async () => {
    await expect(readAnnotations('OTB2015', path.join(dir, 'none.json'))).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(dir, 'none.json') })
    await expect(readAnnotations('unicorns', dir)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})
