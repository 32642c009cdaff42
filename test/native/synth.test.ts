/** Whole synthetic data sets: the same files for the same seed, complete or not there, and readable as GOT-10k. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { type SynthOptions, SyntheticSequence, makeSyntheticDataset } from '../../lib/data/synth/index.ts'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder('synth')
})
afterAll(() => removeFolder(folder))

const small = { sequences: 2, val: 1, frames: 5, width: 160, height: 120, seed: 7 } as const
const make = (name: string, more: Partial<SynthOptions> = {}) => makeSyntheticDataset({ out: path.resolve(folder, name), ...small, ...more })

function hashes(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(path.join(root, name)).isFile())
  return Object.fromEntries(files.sort().map((name) => [name, createHash('sha256').update(readFileSync(path.join(root, name))).digest('hex')]))
}

describe('makeSyntheticDataset', () => {
  it('writes what GOT-10k has: frames, boxes, labels, meta information and lists', async () => {
    const seen: number[] = []
    const report = await make('layout', { onProgress: (done, total) => seen.push(done / total) })
    expect(report).toMatchObject({ train: { sequences: 2, frames: 10 }, val: { sequences: 1, frames: 5 }, width: 160, height: 120, seed: 7 })
    expect(seen).toHaveLength(15)
    expect(seen.at(-1)).toBe(1)
    const root = path.join(folder, 'layout')
    expect(readFileSync(path.join(root, 'train/list.txt'), 'utf8')).toBe('GOT-10k_Train_000001\nGOT-10k_Train_000002\n')
    const dir = path.join(root, 'val/GOT-10k_Val_000001')
    expect(readdirSync(dir).sort()).toEqual(['00000001.jpg', '00000002.jpg', '00000003.jpg', '00000004.jpg', '00000005.jpg', 'absence.label', 'cover.label', 'cut_by_image.label', 'groundtruth.txt', 'meta_info.ini'])
    const lines = readFileSync(path.join(dir, 'groundtruth.txt'), 'utf8').trim().split('\n')
    expect(lines).toHaveLength(5)
    for (const line of lines) expect(line).toMatch(/^(\d+\.\d{4},){3}\d+\.\d{4}$/)
    for (const label of ['absence', 'cover', 'cut_by_image']) expect(readFileSync(path.join(dir, `${label}.label`), 'utf8').trim().split('\n')).toHaveLength(5)
    // GOT-10k's toolkit splits each line after the first at ': ' and takes the two halves.
    const meta = readFileSync(path.join(dir, 'meta_info.ini'), 'utf8').trim().split('\n')
    expect(meta[0]).toBe('[METAINFO]')
    const keys = meta.slice(1).map((line) => line.split(': '))
    expect(keys.every((pair) => pair.length === 2)).toBe(true)
    expect(Object.fromEntries(keys)).toMatchObject({ anno_fps: '10Hz', resolution: '(160, 120)' })
    const size = loadAddon().jpegInfo(readFileSync(path.join(dir, '00000005.jpg')))
    expect([size.width, size.height]).toEqual([160, 120])
  })

  it('stores the pixels that were drawn, red as red', async () => {
    await make('pixels', { quality: 100 })
    const drawn = new SyntheticSequence({ seed: 7, split: 'train', index: 1, frames: 5, width: 160, height: 120 }).frame(3)
    const stored = loadAddon().decodeJpeg(readFileSync(path.join(folder, 'pixels/train/GOT-10k_Train_000002/00000004.jpg')))
    let difference = 0
    for (let i = 0; i < 160 * 120; i += 1) for (let c = 0; c < 3; c += 1) difference += Math.abs((drawn.pixels[i * 3 + c] as number) - (stored.data[i * 3 + 2 - c] as number))
    expect(difference / (160 * 120 * 3)).toBeLessThan(6)
    const box = readFileSync(path.join(folder, 'pixels/train/GOT-10k_Train_000002/groundtruth.txt'), 'utf8').split('\n')[3]
    expect(box?.split(',').map(Number)).toEqual(drawn.box)
  })

  it('gives the same files for the same seed, whatever the number of threads', async () => {
    await make('one', { threads: 1 })
    await make('two', { threads: 2 })
    expect(hashes(path.join(folder, 'two'))).toEqual(hashes(path.join(folder, 'one')))
    await make('other', { seed: 8 })
    expect(hashes(path.join(folder, 'other'))['train/GOT-10k_Train_000001/00000001.jpg']).not.toBe(hashes(path.join(folder, 'one'))['train/GOT-10k_Train_000001/00000001.jpg'])
  })

  it('is read by the data set of the same layout without a complaint, even a strict one', async () => {
    await make('readable')
    const dataset = { name: 'GOT10kDataset', configPath: 'x', params: { dataset_root: path.join(folder, 'readable'), subset: 'train' }, ratio: 1, maxDiff: 100 }
    const { indexes, problems } = await indexDatasets({ datasets: [dataset] }, { strict: true })
    expect(problems.total).toBe(0)
    expect([...(indexes[0]?.sequenceStart ?? [])]).toEqual([0, 5, 10])
    expect(indexes[0]?.framePatterns).toEqual(['%08d.jpg', '%08d.jpg'])
  })

  it('refuses a folder that is not empty, takes an empty one, replaces with force', async () => {
    const out = path.join(folder, 'occupied')
    mkdirSync(out)
    await make('occupied')
    writeFileSync(path.join(out, 'mine.txt'), 'keep me')
    await expect(make('occupied')).rejects.toMatchObject({ code: 'ERR_IO', file: out })
    expect(existsSync(path.join(out, 'mine.txt'))).toBe(true)
    await make('occupied', { force: true })
    expect(readdirSync(out).sort()).toEqual(['train', 'val'])
    expect(leftovers()).toEqual([])
  })

  it('leaves nothing behind when it is stopped, and the old one in place', async () => {
    const out = path.join(folder, 'stopped')
    mkdirSync(out)
    writeFileSync(path.join(out, 'mine.txt'), 'keep me')
    const controller = new AbortController()
    const reason = new SiamError('ERR_ABORTED', 'stop')
    const work = make('stopped', { force: true, frames: 200, signal: controller.signal, onProgress: (done) => done === 3 && controller.abort(reason) })
    await expect(work).rejects.toBe(reason)
    expect(readdirSync(out)).toEqual(['mine.txt'])
    expect(leftovers()).toEqual([])
  })

  it('removes what a killed run left, but not what a running one is making', async () => {
    const dead = path.join(folder, '.again.partial-999999999-abc')
    const alive = path.join(folder, `.again.partial-${process.ppid}-abc`)
    mkdirSync(dead)
    mkdirSync(alive)
    await make('again')
    expect(existsSync(dead)).toBe(false)
    expect(existsSync(alive)).toBe(true)
    removeFolder(alive)
  })

  it('says where it cannot write', async () => {
    writeFileSync(path.join(folder, 'file'), '')
    await expect(make('file')).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(folder, 'file') })
    await expect(make('file/below')).rejects.toMatchObject({ code: 'ERR_IO' })
    await expect(make('/proc/nowhere/set')).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(leftovers()).toEqual([])
  })

  it.each<[string, Partial<SynthOptions>]>([
    ['no sequence at all', { sequences: 0, val: 0 }],
    ['one frame', { frames: 1 }],
    ['a tiny picture', { width: 8 }],
    ['a fraction', { sequences: 1.5 }],
    ['a negative seed', { seed: -1 }],
    ['quality 0', { quality: 0 }],
  ])('refuses %s', async (_, more) => {
    await expect(make('refused', more)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(existsSync(path.join(folder, 'refused'))).toBe(false)
  })
})

function leftovers(): string[] {
  return readdirSync(folder).filter((name) => name.includes('.partial-'))
}
