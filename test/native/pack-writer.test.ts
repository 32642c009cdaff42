/** What packs hold: pictures, table, and the same bytes whoever writes them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packShardFile } from '../../lib/data/pack/format.ts'
import { lockFolder } from '../../lib/lock-folder.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { makeCocoExample } from '../helpers/datasets/coco.ts'
import { failure } from '../helpers/indexing.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingFiles, manifestOf, packTiny, pictureOf, rowsOf } from '../helpers/packs-made.ts'
import { testPicture } from '../helpers/pixels.ts'

const addon = loadAddon()
let folder = ''
let root = ''
beforeAll(() => {
  folder = temporaryFolder('pack-writer')
  root = makeTinyDataset(path.join(folder, 'set'), { sequences: 4, frames: 9 })
})
afterAll(() => removeFolder(folder))
const out = (name: string): string => path.join(folder, name)
const packOf = (name: string): string => path.join(folder, name, 'GOT10kDataset')

/** A data set of one sequence with these frames and boxes (x, y, w, h). */
function setOf(name: string, frames: Uint8Array[], boxes: number[][]): string {
  const dir = sequenceDir(out(name), 0)
  mkdirSync(dir, { recursive: true })
  frames.forEach((bytes, k) => writeFileSync(frameFile(out(name), 0, k), bytes))
  writeFileSync(path.join(dir, 'groundtruth.txt'), boxes.map((box) => `${box.join(',')}\n`).join(''))
  writeFileSync(path.join(out(name), 'train', 'list.txt'), 'seq_001\n')
  return out(name)
}

/** SOF marker, restart interval and number of restart markers of a JPEG. */
function structureOf(jpeg: Uint8Array): { frame: number; interval: number; restarts: number; width: number } {
  let [frame, interval, width, at] = [0, 0, 0, 2]
  for (;;) {
    const marker = jpeg[at + 1]!
    const length = (jpeg[at + 2]! << 8) | jpeg[at + 3]!
    if (marker >= 0xc0 && marker <= 0xc2) [frame, width] = [marker, (jpeg[at + 7]! << 8) | jpeg[at + 8]!]
    if (marker === 0xdd) interval = (jpeg[at + 4]! << 8) | jpeg[at + 5]!
    at += 2 + length
    if (marker === 0xda) break
  }
  let restarts = 0
  for (; at < jpeg.length - 1; at += 1) if (jpeg[at] === 0xff && jpeg[at + 1]! >= 0xd0 && jpeg[at + 1]! <= 0xd7) restarts += 1
  return { frame, interval, restarts, width }
}

describe('pictures', () => {
  it.each([
    ['4:2:0', '420', {}],
    ['4:4:4', '444', {}],
    ['4:2:2', '422', {}],
    ['progressive', '420', { progressive: true }],
    ['with restart markers of its own', '420', { restartRows: 1 }],
  ] as const)('small targets keep the frame\'s own pixels, without loss: %s', async (label, subsampling, more) => {
    const [width, height] = [643, 407]
    const frames = [1, 2].map((seed) => addon.encodeJpeg(testPicture(width, height, seed), width, height, { quality: 88, subsampling, format: 'bgr', ...more }))
    const name = `lossless-${label.replace(/\W/g, '')}`
    const boxes = [[300, 200, 20, 24], [3, 380, 30, 20]]
    setOf(name, frames, boxes)
    await packTiny(out(name), out(`${name}-pack`))
    const rows = rowsOf(packOf(`${name}-pack`))
    for (const [k, row] of rows.entries()) {
      expect([row.x.step, row.y.step, row.frameWidth, row.frameHeight]).toEqual([1, 1, width, height])
      const jpeg = pictureOf(packOf(`${name}-pack`), row)
      const [whole, part] = [addon.decodeJpeg(frames[k]!), addon.decodeJpeg(jpeg)]
      const [x0, y0] = [row.x.origin, row.y.origin]
      let inner = 0
      for (let y = 0; y < part.height; y += 1) {
        for (let x = 0; x < part.width; x += 1) {
          // The two columns and rows along a cut edge have other neighbours; edges of the frame are the same.
          const cut = (x < 2 && x0 > 0) || (y < 2 && y0 > 0) || (x >= part.width - 2 && x0 + part.width < width) || (y >= part.height - 2 && y0 + part.height < height)
          if (cut) continue
          inner += 1
          for (let c = 0; c < 3; c += 1) if (part.data[(y * part.width + x) * 3 + c] !== whole.data[((y0 + y) * width + x0 + x) * 3 + c]) throw new Error(`pixel ${x}, ${y} of frame ${k}`)
        }
      }
      expect(inner).toBeGreaterThan(5000)
      const { frame, interval, restarts } = structureOf(jpeg)
      expect(frame).toBe(0xc0)
      const mcu = subsampling === '444' ? [8, 8] : subsampling === '422' ? [16, 8] : [16, 16]
      const [columns, lines] = [Math.ceil(part.width / mcu[0]!), Math.ceil(part.height / mcu[1]!)]
      expect(columns % interval).toBe(0)
      expect(restarts).toBe((columns * lines) / interval - 1)
    }
  })

  it('large targets are means of areas, and the mean is that of the whole frame', async () => {
    const [width, height] = [500, 380]
    const pixels = testPicture(width, height, 3)
    // Smooth, so that JPEG's own error is small beside what a wrong grid would give.
    for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) for (let c = 0; c < 3; c += 1) pixels[(y * width + x) * 3 + c] = Math.round(127 + 60 * Math.sin(x / (9 + c)) + 60 * Math.cos(y / (7 + c)))
    setOf('reduced', [addon.encodeJpeg(pixels, width, height, { quality: 100, subsampling: '444', format: 'bgr' })], [[100, 90, 150, 110]])
    await packTiny(out('reduced'), out('reduced-pack'), { density: 1, quality: 100, subsampling: '444' })
    const row = rowsOf(packOf('reduced-pack'))[0]!
    const whole = addon.decodeJpeg(readFileSync(frameFile(out('reduced'), 0, 0)))
    const picture = addon.decodeJpeg(pictureOf(packOf('reduced-pack'), row))
    expect(row.x.step).toBeGreaterThan(1.5)
    // The square is larger than the frame: all of it is there.
    expect([row.x.origin - (row.x.step - 1) / 2, row.x.step * picture.width]).toEqual([expect.closeTo(0, 9), expect.closeTo(width, 9)])
    const overlap = (a: number, b: number, i: number): number => Math.max(0, Math.min(b, i + 1) - Math.max(a, i))
    let [worst, total, values] = [0, 0, 0]
    for (let j = 0; j < picture.height; j += 3) {
      for (let i = 0; i < picture.width; i += 3) {
        const [left, top] = [row.x.step * i, row.y.step * j]
        const sums = [0, 0, 0]
        for (let y = Math.floor(top); y < Math.min(height, top + row.y.step); y += 1)
          for (let x = Math.floor(left); x < Math.min(width, left + row.x.step); x += 1)
            for (let c = 0; c < 3; c += 1) sums[c]! += whole.data[(y * width + x) * 3 + c]! * overlap(left, left + row.x.step, x) * overlap(top, top + row.y.step, y)
        for (let c = 0; c < 3; c += 1) {
          const error = Math.abs(sums[c]! / (row.x.step * row.y.step) - picture.data[(j * picture.width + i) * 3 + c]!)
          worst = Math.max(worst, error)
          total += error
          values += 1
        }
      }
    }
    // Two roundings of each of three colours, to YCbCr and back; half a pixel of displacement would be 2 levels on the average.
    expect(worst).toBeLessThan(5)
    expect(total / values).toBeLessThan(0.9)
    const means = [0, 1, 2].map((c) => Math.floor(whole.data.reduce((sum, value, i) => (i % 3 === c ? sum + value : sum), 0) / (width * height)))
    expect(row.mean >>> 0).toBe((0xff000000 | (means[2]! << 16) | (means[1]! << 8) | means[0]!) >>> 0)
    expect(structureOf(pictureOf(packOf('reduced-pack'), row))).toMatchObject({ frame: 0xc0, width: picture.width })
  })

  it('a frame that EXIF turns is packed as it is shown', async () => {
    const [width, height] = [200, 120]
    const plain = Buffer.from(addon.encodeJpeg(testPicture(width, height, 5), width, height, { quality: 95, subsampling: '444', format: 'bgr' }))
    const exif = Buffer.from('457869660000' + '4d4d002a00000008' + '0001' + '0112000300000001' + '00060000' + '00000000', 'hex')
    const turned = Buffer.concat([plain.subarray(0, 2), Buffer.from([0xff, 0xe1, 0, exif.length + 2]), exif, plain.subarray(2)])
    setOf('turned', [turned], [[40, 60, 12, 14]])
    await packTiny(out('turned'), out('turned-pack'), { quality: 100, subsampling: '444' })
    const row = rowsOf(packOf('turned-pack'))[0]!
    expect([row.frameWidth, row.frameHeight, row.x.step]).toEqual([height, width, 1])
    const [shown, part] = [addon.decodeJpeg(turned), addon.decodeJpeg(pictureOf(packOf('turned-pack'), row))]
    let sum = 0
    for (let y = 0; y < part.height; y += 1) for (let x = 0; x < part.width * 3; x += 1) sum += Math.abs(part.data[y * part.width * 3 + x]! - shown.data[((y + row.y.origin) * height + row.x.origin) * 3 + x]!)
    expect(sum / part.data.length).toBeLessThan(1.5)
  })
})

describe('a pack', () => {
  it('has the same bytes for any number of threads', async () => {
    for (const workers of [1, 2, 3, 8]) await packTiny(root, out(`threads-${workers}`), { workers })
    expect(manifestOf(packOf('threads-1'))).toMatchObject({ frames: 36, stored: 36, sequences: 4 })
    expect(manifestOf(packOf('threads-1')).shards.length).toBeGreaterThan(3)
    // Those are copies of the frames' own pixels; these are reduced.
    for (const workers of [1, 5]) await packTiny(root, out(`coarse-${workers}`), { workers, density: 0.4 })
    expect(rowsOf(packOf('coarse-1'))[0]!.x.step).toBeGreaterThan(1.4)
    expect(differingFiles(packOf('coarse-1'), packOf('coarse-5'))).toEqual([])
    for (const workers of [2, 3, 8]) expect(differingFiles(packOf('threads-1'), packOf(`threads-${workers}`))).toEqual([])
    expect(readdirSync(packOf('threads-8')).filter((name) => !/^(shard-\d{5}\.tar|pack\.json|index\.siamidx|frames\.siampak)$/.test(name))).toEqual([])
  })

  it('is read by tar, in the order of the table', async () => {
    await packTiny(root, out('tar'))
    const dir = packOf('tar')
    const names = manifestOf(dir).shards.flatMap(({ file }) => execFileSync('tar', ['tf', path.join(dir, file)], { encoding: 'utf8' }).trim().split('\n'))
    expect(names).toEqual([1, 2, 3, 4].flatMap((s) => [1, 2, 3, 4, 5, 6, 7, 8, 9].map((k) => `seq_00${s}/0000000${k}.jpg`)))
    const first = rowsOf(dir)[0]!
    expect(execFileSync('tar', ['xOf', path.join(dir, packShardFile(0)), 'seq_001/00000001.jpg']).equals(Buffer.from(pictureOf(dir, first)))).toBe(true)
  })

  it('leaves out frames that cannot be read and says why; strict ends at the first', async () => {
    const bad = makeTinyDataset(out('bad-set'), { sequences: 3, frames: 6 })
    damage.truncatedJpeg(bad, 0, 2)
    damage.textNamedJpg(bad, 1, 1)
    damage.danglingLink(bad, 2, 5)
    const { packs } = await packTiny(bad, out('bad'))
    expect(packs[0]).toMatchObject({ frames: 18, stored: 15, bad: 3 })
    expect(packs[0]!.badFrames).toEqual([
      { kind: 'undecodable_frame', sequence: sequenceDir(bad, 0), frame: 2, file: frameFile(bad, 0, 2), message: expect.stringContaining('truncated or corrupt') },
      { kind: 'undecodable_frame', sequence: sequenceDir(bad, 1), frame: 1, file: frameFile(bad, 1, 1), message: expect.stringContaining('Expected a JPEG, PNG or WebP frame but it starts with "this is not a pi"') },
      { kind: 'missing_frame', sequence: sequenceDir(bad, 2), frame: 5, file: frameFile(bad, 2, 5), message: 'the frame is missing' },
    ])
    const rows = rowsOf(packOf('bad'))
    expect(rows.flatMap((row, i) => (row.length === 0 ? [i] : []))).toEqual([2, 7, 17])
    expect([rows[2]!.mean, rows[2]!.crc, rows[2]!.frameWidth]).toEqual([0, 0, 0])
    expect(await failure(packTiny(bad, out('strict'), { strict: true, workers: 1 }))).toMatchObject({ code: 'ERR_DATA', file: frameFile(bad, 0, 2) })
    // What was complete is used by a run that is not strict.
    await packTiny(bad, out('strict'))
    expect(differingFiles(packOf('strict'), packOf('bad'))).toEqual([])
    const all = makeTinyDataset(out('all-bad-set'), { sequences: 2, frames: 3, jpeg: 'none' })
    expect(await failure(packTiny(all, out('none')))).toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('no frame of GOT10kDataset could be packed; the first: Expected a JPEG, PNG or WebP frame'), file: frameFile(all, 0, 0) })
  })

  it('has a picture for each object of a still one, decoded once', async () => {
    makeCocoExample(out('coco'), { pictures: 3 })
    const { packs } = await packTiny(root, out('coco-pack'), {}, { names: ['COCODataset'], COCODataset: { dataset_root: out('coco'), subsets: ['train2017'] } })
    const dir = path.join(out('coco-pack'), 'COCODataset')
    const { frames, sequences } = manifestOf(dir)
    expect([packs[0]!.stored, sequences]).toEqual([frames, expect.any(Number)])
    expect(frames).toBeGreaterThan(sequences)
    const names = manifestOf(dir).shards.flatMap(({ file }) => execFileSync('tar', ['tf', path.join(dir, file)], { encoding: 'utf8' }).trim().split('\n'))
    expect(new Set(names).size).toBe(frames)
    expect(names.filter((name) => /^train2017\/\d+\.jpg$/.test(name))).toHaveLength(sequences)
    expect(names.filter((name) => /^train2017\/\d+~\d+\.jpg$/.test(name))).toHaveLength(frames - sequences)
  })

  it('is finished once: the same command does nothing more, another one is refused', async () => {
    await packTiny(root, out('once'))
    const before = readFileSync(path.join(packOf('once'), 'pack.json'))
    const again = await packTiny(root, out('once'))
    expect(again.packs[0]).toMatchObject({ stored: 36, reusedShards: again.packs[0]!.shards })
    expect(readFileSync(path.join(packOf('once'), 'pack.json')).equals(before)).toBe(true)
    expect(await failure(packTiny(root, out('once'), { density: 1.5, quality: 70 }))).toMatchObject({
      code: 'ERR_DATA', file: packOf('once'), message: 'there is another pack in this folder: density is 1.5, was 1.3; quality is 70, was 90', hint: expect.stringContaining('--overwrite'),
    })
    const more = makeTinyDataset(out('more'), { sequences: 5, frames: 9 })
    expect((await failure(packTiny(more, out('once')))).message).toContain('frames is 45, was 36; sequences is 5, was 4')
    damage.line(more, 0, 0, '1,2,30,40')
    writeFileSync(path.join(more, 'train', 'list.txt'), 'seq_001\nseq_002\nseq_003\nseq_004\n')
    expect((await failure(packTiny(more, out('once')))).message).toBe('there is another pack in this folder: its sequences, frames or boxes')
    await packTiny(root, out('once'), { density: 1.5, quality: 70, overwrite: true })
    expect(manifestOf(packOf('once'))).toMatchObject({ density: 1.5, quality: 70 })
  })

  it('has one writer, and is kept out of folders that are something else', async () => {
    const dir = packOf('locked')
    mkdirSync(dir, { recursive: true })
    {
      using _lock = lockFolder(dir, 'writing this pack')
      expect(await failure(packTiny(root, out('locked')))).toMatchObject({ code: 'ERR_IO', file: dir, message: 'another process is writing this pack' })
    }
    await packTiny(root, out('locked'))
    mkdirSync(packOf('foreign'), { recursive: true })
    writeFileSync(path.join(packOf('foreign'), 'notes.txt'), 'mine')
    expect(await failure(packTiny(root, out('foreign'), { overwrite: true }))).toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('"notes.txt"') })
    symlinkSync('/proc', out('readonly'))
    expect(await failure(packTiny(root, out('readonly')))).toMatchObject({ code: 'ERR_IO' })
  })

  it.each([{ density: 0 }, { density: NaN }, { quality: 90.5 }, { quality: 101 }, { workers: 0 }, { shardBytes: -1 }, { subsampling: '422' as never }])('wants sensible options: %j', async (options) => {
    expect(await failure(packTiny(root, out('never'), options))).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining(`for ${Object.keys(options)[0]!} but received`) })
  })

  it('is only estimated with dryRun: nothing is made', async () => {
    const report = await packTiny(root, out('dry'), { dryRun: true })
    expect(report.packs).toEqual([])
    expect(report.estimates[0]).toMatchObject({ dataset: 'GOT10kDataset', frames: 36, samples: 36, unusable: 0 })
    expect(() => readdirSync(out('dry'))).toThrow(/ENOENT/)
    await packTiny(root, out('dry'))
    const { bytes, table, index } = manifestOf(packOf('dry'))
    // All frames were looked at: only the ends of the tars are not counted.
    const left = bytes + table.bytes + index.bytes - report.estimates[0]!.bytes
    expect(left).toBeGreaterThanOrEqual(manifestOf(packOf('dry')).shards.length * 1024)
    expect(left).toBeLessThan(manifestOf(packOf('dry')).shards.length * 1024 + 2048)
  })
})
