/** Reading and scoring in one: which results are refused and with which words, what trackers are called, which options fit which benchmark. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evaluate } from '../../lib/evaluation/evaluate.ts'
import type { EvaluateOptions } from '../../lib/evaluation/evaluate.ts'
import { shared } from '../helpers/shared.ts'
import { makeZip } from '../helpers/zip-file.ts'
import type { MadeEntry } from '../helpers/zip-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-evaluate-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const three = '10,10,10,10\n12,10,10,10\n14,10,10,10\n'
const good = { 'Dog.txt': three, 'Human4.txt': three }

/** OTB2015's file with two sequences of three frames. */
function annotations(): string {
  const file = path.join(dir, 'OTB2015.json')
  const truth = three.trim().split('\n').map((line) => line.split(',').map(Number))
  writeFileSync(file, JSON.stringify({ dog: { gt_rect: truth }, human4_2: { gt_rect: truth } }))
  return file
}

function folder(name: string, files: Record<string, string>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(dir, name, file)), { recursive: true })
    writeFileSync(path.join(dir, name, file), text)
  }
  return path.join(dir, name)
}

function zip(name: string, entries: readonly MadeEntry[]): string {
  writeFileSync(path.join(dir, name), makeZip(entries))
  return path.join(dir, name)
}

describe('results that are refused', () => {
  it.each<[string, () => string, string, RegExp]>([
    ['other files only', () => folder('r', { 'notes.txt': 'x' }), 'r', /^none of its 1 files is a result of a sequence of OTB2015$/],
    ['a missing sequence', () => folder('r', { 'Dog.txt': three }), 'r', /^r has no result for 1 of the 2 sequences of OTB2015: human4_2$/],
    ['too few boxes', () => folder('r', { ...good, 'Dog.txt': '10,10,10,10\n' }), 'r/Dog.txt', /^expected 3 boxes for dog, one for each annotated frame, but found 1$/],
    ['a word', () => folder('r', { ...good, 'Dog.txt': three.replace('12', 'twelve') }), 'r/Dog.txt', /^expected a number but found "twelve"$/],
    ['no archive', () => path.join(folder('r', { 'a.rar': 'Rar!' }), 'a.rar'), 'r/a.rar', /^the zip cannot be read/],
    ['a link', () => zip('r.zip', [{ name: 'Dog.txt', data: '/etc/passwd', mode: 0o120777 }]), 'r.zip', /^the zip entry "Dog\.txt" is a link$/],
    ['a damaged entry', () => zip('r.zip', [{ name: 'Dog.txt', data: three, says: { crc32: 1 } }]), 'r.zip:Dog.txt', /checksum/],
  ])('%s', async (_, make, file, message) => {
    await expect(evaluate('OTB2015', { annotations: annotations(), results: [make()] })).rejects.toMatchObject({ code: 'ERR_DATA', file: path.join(dir, file), message: expect.stringMatching(message) as string })
  })

  it('what is not there', async () => {
    await expect(evaluate('OTB2015', { annotations: annotations(), results: [path.join(dir, 'none')] })).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(dir, 'none') })
  })

  it('a missing sequence of VOT', async () => {
    const results = [zip('r.zip', [{ name: 'T/baseline/bag/bag_001.txt', data: `1\n${'0,0,9,9\n'.repeat(195)}` }])]
    const options = { annotations: shared('eval', 'vot2018', 'VOT2018.json'), results }
    await expect(evaluate('VOT2018', options)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/^T has no result for 59 of the 60 sequences of VOT2018: ants1/) as string })
    const { trackers } = await evaluate('VOT2018', { ...options, missing: 'skip' })
    expect(trackers[0]?.missing).toHaveLength(59)
  })

  it('those of a part whose annotations are secret', async () => {
    await expect(evaluate('GOT-10k/test', { annotations: dir, results: [dir] })).rejects.toMatchObject({ code: 'ERR_DATA', message: 'the annotations of GOT-10k test are kept by its server, which alone can score results' })
  })
})

describe('trackers', () => {
  const names = async (results: EvaluateOptions['results']): Promise<string[]> => (await evaluate('otb_100', { annotations: annotations(), results })).trackers.map(({ tracker }) => tracker)

  it('of one name from several sources stay apart', async () => {
    const entries = Object.entries(good).map(([name, data]) => ({ name: `T/${name}`, data }))
    expect(await names([zip('a.zip', entries), zip('b.zip', entries)])).toEqual(['T [a.zip]', 'T [b.zip]'])
    expect(await names([zip('a.zip', entries), zip('a.zip', entries)])).toEqual(['T [a.zip]', 'T [a.zip] (2)'])
  })

  it('can be given names, one for each source', async () => {
    expect(await names([{ path: folder('a', good), name: 'ours' }, folder('b', good)])).toEqual(['ours', 'b'])
    await expect(names([{ path: folder('many', { 'A/Dog.txt': three, 'B/Dog.txt': three }), name: 'ours' }])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})

describe('options', () => {
  it.each<[string, string, Partial<EvaluateOptions>]>([
    ['an unknown benchmark', 'unicorns', {}],
    ['no results', 'OTB2015', { results: [] }],
    ['VOT\'s toolkit for OTB', 'OTB2015', { compat: 'vot' }],
    ['OTB\'s toolkit for VOT', 'VOT2018', { compat: 'otb' }],
    ['conventions for VOT', 'VOT2018', { conventions: { bins: 21 } }],
    ['padding for VOT', 'VOT2018', { short: 'pad' }],
    ['failures for missing sequences of VOT', 'VOT2018', { missing: 'zero' }],
  ])('%s', async (_, benchmark, more) => {
    await expect(evaluate(benchmark, { annotations: 'a', results: ['r'], ...more })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})
