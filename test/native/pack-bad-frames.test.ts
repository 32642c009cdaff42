/** Frames that cannot be packed: whose fault it is, how many may be missing, and what happens when they are there again. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packShardFile } from '../../lib/data/pack/format.ts'
import { type PackOptions, defaultAllowBad } from '../../lib/data/pack/write-pack.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { failure } from '../helpers/indexing.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingFiles, manifestOf, packTiny, rowsOf } from '../helpers/packs-made.ts'
import { testPicture } from '../helpers/pixels.ts'

let folder = ''
let root = ''
let whole = ''
beforeAll(async () => {
  folder = temporaryFolder('pack-bad')
  root = makeTinyDataset(path.join(folder, 'set'), { sequences: 5, frames: 12 })
  await packTiny(root, path.join(folder, 'whole'))
  whole = path.join(folder, 'whole', 'GOT10kDataset')
})
afterAll(() => removeFolder(folder))
const out = (name: string): string => path.join(folder, name)
const packOf = (name: string): string => path.join(folder, name, 'GOT10kDataset')

/** A copy of the data set that a test may harm. */
function copyOf(name: string): string {
  cpSync(root, out(`${name}-set`), { recursive: true })
  return out(`${name}-set`)
}

/** Takes frames away once the pack is estimated, before the first is written. */
function away(set: string, sequences: readonly number[]): { begin: Partial<PackOptions>; back(): void } {
  const moved = sequences.map((s) => [sequenceDir(set, s), `${sequenceDir(set, s)}-away`] as const)
  return {
    begin: { onEstimate: () => moved.forEach(([from, to]) => renameSync(from, to)) },
    back: () => moved.forEach(([from, to]) => renameSync(to, from)),
  }
}

describe('frames that go away while a pack is made', () => {
  it('end it when they are more than may be; with them back the same command goes on', async () => {
    const set = copyOf('gone')
    const { begin, back } = away(set, [1, 3])
    const error = await failure(packTiny(set, out('gone'), { ...begin, allowBad: 20, workers: 1 }))
    expect(error).toMatchObject({ code: 'ERR_DATA', file: frameFile(set, 1, 0), hint: expect.stringContaining('--allow-bad') })
    expect(error.message).toBe('GOT10kDataset: 21 frames of 60 could not be used, and at most 20 may be; the first: cannot read it: No such file or directory')
    expect(existsSync(path.join(packOf('gone'), 'pack.json'))).toBe(false)
    back()
    const { packs } = await packTiny(set, out('gone'), { allowBad: 20 })
    expect(packs[0]).toMatchObject({ stored: 60, bad: 0 })
    expect(packs[0]!.reusedShards).toBeGreaterThan(0)
    expect(differingFiles(whole, packOf('gone')).filter((name) => name !== 'pack.json')).toEqual([])
  })

  it('are allowed for with allowBad, and taken in by the same command when they are back', async () => {
    const set = copyOf('allowed')
    const { begin, back } = away(set, [1, 3])
    const { packs } = await packTiny(set, out('allowed'), { ...begin, allowBad: 24 })
    expect(packs[0]).toMatchObject({ stored: 36, bad: 24 })
    back()
    expect((await packTiny(set, out('allowed'))).packs[0]).toMatchObject({ stored: 60, bad: 0 })
    expect(differingFiles(whole, packOf('allowed')).filter((name) => name !== 'pack.json')).toEqual([])
  })

  it('may by default be a tenth, or 100 of a small data set', async () => {
    expect([0, 100, 1000, 1009, 2400, 1e6].map(defaultAllowBad)).toEqual([100, 100, 100, 100, 240, 100_000])
    const set = makeTinyDataset(out('many-set'), { sequences: 11, frames: 10 })
    const most = away(set, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].slice(0, 10))
    expect((await packTiny(set, out('hundred'), most.begin)).packs[0]).toMatchObject({ stored: 10, bad: 100 })
    most.back()
    // One more.
    const more = away(set, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    writeFileSync(frameFile(set, 10, 4), 'no picture')
    expect((await failure(packTiny(set, out('hundred-one'), more.begin))).message).toContain('101 frames of 110 could not be used, and at most 100 may be')
    expect((await failure(packTiny(root, out('never'), { allowBad: 0.5 }))).message).toContain('for allowBad but received')
  })

  it('are asked for again of a finished pack, too', async () => {
    const set = copyOf('asked')
    for (let k = 0; k < 12; k += 1) damage.danglingLink(set, 2, k)
    await packTiny(set, out('asked'))
    const lines: string[] = []
    const before = readFileSync(path.join(packOf('asked'), 'pack.json'))
    const told = await failure(packTiny(set, out('asked'), { allowBad: 11 }))
    expect(told).toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('12 frames of 60 could not be used, and at most 11 may be; the first: cannot read it: No such file') })
    expect(readFileSync(path.join(packOf('asked'), 'pack.json')).equals(before)).toBe(true)
    const { packs } = await packTiny(set, out('asked'), { log: (line) => lines.push(line) })
    expect(packs[0]).toMatchObject({ stored: 48, bad: 12, reusedShards: packs[0]!.shards })
    expect(packs[0]!.badFrames[0]).toEqual({ kind: 'missing_frame', sequence: sequenceDir(set, 2), frame: 0, file: frameFile(set, 2, 0), message: 'the frame is missing' })
    expect(lines).toEqual(['GOT10kDataset: 12 frames could not be used when the pack was made; looking at them again'])
  })
})

describe('a fault of the machine', () => {
  it('ends the work and is not written down as a frame\'s', async () => {
    const set = copyOf('fault')
    const frame = frameFile(set, 2, 3)
    // Reading the first byte of a process's memory is an I/O error.
    const fail = (): void => {
      rmSync(frame)
      symlinkSync('/proc/self/mem', frame)
    }
    const error = await failure(packTiny(set, out('fault'), { onEstimate: fail }))
    expect(error).toMatchObject({ code: 'ERR_IO', file: frame, message: expect.stringMatching(/Input\/output error; that is not taken for the frame's fault: .* the same command goes on/) })
    expect(existsSync(path.join(packOf('fault'), 'pack.json'))).toBe(false)
    // An estimate that meets it ends with it, too.
    expect(await failure(packTiny(set, out('fault')))).toMatchObject({ code: 'ERR_IO', file: frame })
    rmSync(frame)
    cpSync(frameFile(root, 2, 3), frame)
    await packTiny(set, out('fault'))
    expect(differingFiles(whole, packOf('fault')).filter((name) => name !== 'pack.json')).toEqual([])
  })

  it.each([
    ['a folder', (frame: string) => mkdirSync(frame), 'Expected a regular file'],
    ['a link to itself', (frame: string) => symlinkSync(path.basename(frame), frame), 'Too many levels of symbolic links'],
    ['a link through a file', (frame: string) => symlinkSync('groundtruth.txt/x', frame), 'Not a directory'],
  ])('is not %s in place of a frame', async (label, put, message) => {
    const name = label.replace(/\W/g, '-')
    const set = copyOf(name)
    rmSync(frameFile(set, 1, 1))
    put(frameFile(set, 1, 1))
    const { packs } = await packTiny(set, out(name))
    expect(packs[0]).toMatchObject({ stored: 59, bad: 1, badFrames: [{ file: frameFile(set, 1, 1), message: expect.stringContaining(message) }] })
  })
})

describe('a frame that was mended', () => {
  const mend = (set: string): void => cpSync(frameFile(root, 1, 4), frameFile(set, 1, 4))
  const bad = (set: string): void => truncateSync(frameFile(set, 1, 4), 300)

  it('is packed by the next run of a stopped pack, strict or not', async () => {
    for (const strict of [true, false]) {
      const name = `mended-${strict}`
      const set = copyOf(name)
      bad(set)
      // The table cannot be written where a folder is: all shards are complete then.
      mkdirSync(path.join(packOf(name), 'frames.siampak.partial'), { recursive: true })
      await failure(packTiny(set, out(name)))
      rmSync(path.join(packOf(name), 'frames.siampak.partial'), { recursive: true })
      expect(existsSync(path.join(packOf(name), '.making', 'shard-00000.rows'))).toBe(true)
      if (strict) expect(await failure(packTiny(set, out(name), { strict }))).toMatchObject({ code: 'ERR_DATA', file: frameFile(set, 1, 4) })
      mend(set)
      const { packs } = await packTiny(set, out(name), { strict })
      expect(packs[0]).toMatchObject({ stored: 60, bad: 0, reusedShards: packs[0]!.shards - 1 })
      expect(differingFiles(whole, packOf(name)).filter((file) => file !== 'pack.json')).toEqual([])
    }
  })

  it('makes the shard of a finished pack anew, and no other', async () => {
    const set = copyOf('finished')
    bad(set)
    await packTiny(set, out('finished'))
    const dir = packOf('finished')
    const hit = rowsOf(dir)[16]!.shard
    expect(rowsOf(dir)[16]!.length).toBe(0)
    expect(await failure(packTiny(set, out('finished'), { strict: true }))).toMatchObject({ code: 'ERR_DATA', file: frameFile(set, 1, 4) })
    expect(manifestOf(dir).stored).toBe(59)
    mend(set)
    const times = manifestOf(dir).shards.map(({ file }) => statSync(path.join(dir, file)).mtimeMs)
    const lines: string[] = []
    const { packs } = await packTiny(set, out('finished'), { strict: true, log: (line) => lines.push(line) })
    expect(packs[0]).toMatchObject({ stored: 60, bad: 0, reusedShards: times.length - 1 })
    expect(lines.at(-1)).toBe(`GOT10kDataset: 1 of them can be used now; 1 shard of ${times.length} is made anew`)
    expect(times.flatMap((time, k) => (statSync(path.join(dir, packShardFile(k))).mtimeMs === time ? [] : [k]))).toEqual([hit])
    expect(differingFiles(whole, dir).filter((file) => file !== 'pack.json')).toEqual([])
  })

  it('is not put into a pack that another version made, nor into one whose table is damaged', async () => {
    const set = copyOf('version')
    bad(set)
    await packTiny(set, out('version'))
    const manifest = path.join(packOf('version'), 'pack.json')
    const text = readFileSync(manifest, 'utf8')
    writeFileSync(manifest, text.replace(/"product": "[^"]*"/, '"product": "0.0.9"'))
    mend(set)
    expect(await failure(packTiny(set, out('version')))).toMatchObject({ code: 'ERR_DATA', message: '1 frame that could not be used before can be now, but version 0.0.9 of the package made this pack', hint: '--overwrite makes it anew' })
    writeFileSync(manifest, text.replace('"stored": 59', '"stored": 58'))
    expect((await failure(packTiny(set, out('version')))).message).toBe("Expected 2 rows without a picture, as the manifest says, but the pack's table has 1")
    writeFileSync(manifest, text)
    await packTiny(set, out('version'))
    expect(manifestOf(packOf('version')).stored).toBe(60)
  })
})

describe('a box that is larger than a pack can say', () => {
  it('is a bad frame, and the pack can be read', async () => {
    const addon = loadAddon()
    const set = out('absurd-set')
    const [width, height] = [20_000, 8]
    mkdirSync(sequenceDir(set, 0), { recursive: true })
    for (const k of [0, 1]) writeFileSync(frameFile(set, 0, k), addon.encodeJpeg(testPicture(width, height, k), width, height, { quality: 80, subsampling: '420', format: 'bgr' }))
    writeFileSync(path.join(sequenceDir(set, 0), 'groundtruth.txt'), '-3000000,-3000000,6000000,6000000\n100,1,20,6\n')
    writeFileSync(path.join(set, 'train', 'list.txt'), 'seq_001\n')
    const { packs } = await packTiny(set, out('absurd'))
    expect(packs[0]).toMatchObject({ stored: 1, bad: 1, badFrames: [{ file: frameFile(set, 0, 0), message: 'its box is too large for a pack: a pixel of the picture would be more than 10000 of the frame\'s' }] })
    const dir = packOf('absurd')
    const shards = manifestOf(dir).shards.map(({ file, bytes }) => ({ path: path.join(dir, file), bytes }))
    const pack = await addon.openPack(path.join(dir, 'frames.siampak'), shards)
    expect([pack.rows, pack.stored]).toEqual([2, 1])
    pack.dispose()
  })
})
