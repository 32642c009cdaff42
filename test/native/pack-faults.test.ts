/** A pack that goes bad while a training reads it: bad samples are replaced by the usual rule, and the process lives. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { type PackManifest, packRowBytes } from '../../lib/data/pack/format.ts'
import { type PackRow, packTableHeader, readPackRow, writePackRow } from '../helpers/pack-table.ts'
import { crc32c } from '../../lib/monitors/tfevents/crc32c.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingKeys, takeBatches } from '../helpers/pack-batches.ts'
import { defaultCrop, writeSmallPack } from '../helpers/small-pack.ts'

const folder = temporaryFolder('pack-faults')
const frames = makeGot10k(path.join(folder, 'got10k'), { jpeg: 'real', frames: 6, width: 320, height: 240 })
let dir: string
let manifest: PackManifest
let packs = 0
const opened: DatasetIndex[] = []
afterAll(() => {
  for (const index of opened) index.dispose()
  removeFolder(folder)
})

const setting = { name: 'GOT10kDataset', configPath: 'data.GOT10kDataset', params: {}, ratio: 1, maxDiff: 100 }

/** A fresh pack. */
beforeEach(async () => {
  dir = path.join(folder, `pack${(packs += 1)}`)
  manifest = await writeSmallPack(dir, await readIndex())
})

async function readIndex(): Promise<DatasetIndex> {
  return (await indexDatasets({ datasets: [{ ...setting, params: { dataset_root: frames, subset: 'train' } }] })).indexes[0]!
}

async function openPack(): Promise<DatasetIndex> {
  const { indexes } = await indexDatasets({ datasets: [setting] }, { pack: { dir, crop: defaultCrop } })
  opened.push(indexes[0]!)
  return indexes[0]!
}

const at = (name: string): string => path.join(dir, 'GOT10kDataset', name)
const rowOf = (row: number): PackRow => readPackRow(new DataView(new Uint8Array(readFileSync(at('frames.siampak'))).buffer), (row + 1) * packRowBytes)

function rewriteTable(edit: (view: DataView) => void): void {
  const table = new Uint8Array(readFileSync(at('frames.siampak')).subarray(packRowBytes))
  edit(new DataView(table.buffer, table.byteOffset))
  writeFileSync(at('frames.siampak'), Buffer.concat([packTableHeader(table.length / packRowBytes, crc32c(table), (bytes) => crc32c(bytes)), table]))
}

/** Reasons by file, each once. */
function reasonsOf(skipped: readonly { file: string; reason: string }[]): Map<string, Set<string>> {
  const reasons = new Map<string, Set<string>>()
  for (const { file, reason } of skipped) reasons.set(file, (reasons.get(file) ?? new Set()).add(reason))
  return reasons
}

describe('a pack that changes while it is read', () => {
  it('with a flipped bit in a picture costs the samples of that picture, which is named', async () => {
    const index = await openPack()
    const row = rowOf(9)
    const shard = readFileSync(at(manifest.shards[row.shard]!.file))
    shard[row.offset + Math.floor(row.length / 2)]! ^= 4
    writeFileSync(at(manifest.shards[row.shard]!.file), shard)
    const { skipped, batches } = await takeBatches([index], 12)
    expect(batches).toHaveLength(12)
    const damaged = crc32c(shard, row.offset, row.offset + row.length).toString(16).padStart(8, '0')
    expect([...reasonsOf(skipped)]).toEqual([
      [`${at(manifest.shards[row.shard]!.file)}:s1/000003.jpg`, new Set([`the picture is damaged: the checksum of its ${row.length} bytes at byte ${row.offset} is ${damaged}, expected ${row.crc.toString(16).padStart(8, '0')}`])],
    ])
  })

  it('and a shard that is cut short costs what lay behind the cut', async () => {
    const index = await openPack()
    const before = await takeBatches([index], 2)
    const row = rowOf(17) // the last picture of the last shard
    truncateSync(at(manifest.shards.at(-1)!.file), row.offset + 100)
    const after = await takeBatches([index], 12)
    expect(differingKeys(before.batches, (await takeBatches([await readIndex()], 2)).batches)).not.toContain('bbox_x')
    expect([...reasonsOf(after.skipped)]).toEqual([
      [`${at(manifest.shards.at(-1)!.file)}:s2/000005.jpg`, new Set([`the shard was cut short: expected ${row.length} bytes at byte ${row.offset} but only 100 are there`])],
    ])
  })

  it('and a shard that was removed before it was first read is an error of the file system', async () => {
    const index = await openPack()
    rmSync(at(manifest.shards[0]!.file))
    const { skipped } = await takeBatches([index], 6)
    expect([...reasonsOf(skipped)]).toEqual([[at(manifest.shards[0]!.file), new Set(['cannot read it: No such file or directory'])]])
  })

  it('and a table that is cut short or written over is noticed at each row', async () => {
    const index = await openPack()
    truncateSync(at('frames.siampak'), packRowBytes * 11 + 3)
    const cut = await takeBatches([index], 6)
    expect(new Set(cut.skipped.map(({ file }) => file))).toEqual(new Set([at('frames.siampak')]))
    for (const { reason } of cut.skipped) expect(reason).toMatch(/^the pack's table was cut short after it was opened: it ends before the row of s[12]\/00000\d.jpg$/)
    writeFileSync(at('frames.siampak'), Buffer.alloc(packRowBytes * 19, 0xff))
    await expect(takeBatches([index], 1)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining("the pack's table was changed after it was opened") as string })
  })

  it('ends a strict training at once', async () => {
    const index = await openPack()
    for (const { file } of manifest.shards) truncateSync(at(file), 600)
    await expect(takeBatches([index], 1, { strict: true })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('the shard was cut short') as string })
    await expect(takeBatches([index], 1)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining('50 samples in a row were bad') as string })
  })
})

describe('a pack of bad frames', () => {
  it('skips the pairs that training from frames skips, and makes the same of all others', async () => {
    const [damagedFrames, row] = [await readIndex(), 8]
    const file = path.join(frames, 'train/GOT-10k_Train_000002/00000003.jpg')
    const bytes = readFileSync(file)
    writeFileSync(file, 'no picture')
    const fromFrames = await takeBatches([damagedFrames], 12)
    writeFileSync(file, bytes)
    dir = path.join(folder, `pack${(packs += 1)}`)
    manifest = await writeSmallPack(dir, damagedFrames, { bad: [row], pictures: 'whole' })
    const packed = await takeBatches([await openPack()], 12)
    const places = (skipped: typeof packed.skipped): unknown[] => skipped.map(({ epoch, sample, attempt }) => [epoch, sample, attempt])
    expect(fromFrames.skipped.length).toBeGreaterThan(3)
    expect(places(packed.skipped)).toEqual(places(fromFrames.skipped))
    expect(differingKeys(packed.batches, fromFrames.batches)).toEqual([])
    expect([...reasonsOf(packed.skipped)]).toEqual([[at('frames.siampak'), new Set(['the pack holds no picture of s1/000002.jpg: the frame was bad when the pack was made'])]])
  })
})

describe('a picture that does not serve', () => {
  it('is a bad sample where it holds less than the crop needs: no crop is padded inside of a frame', async () => {
    rewriteTable((view) => {
      const row = readPackRow(view, 3 * packRowBytes)
      writePackRow(view, 3 * packRowBytes, { ...row, frameWidth: row.frameWidth + 400, x: { origin: 150, step: 1 } })
    })
    const { skipped } = await takeBatches([await openPack()], 12, { negativePairRatio: 1 })
    const reasons = reasonsOf(skipped)
    expect([...reasons.keys()]).toEqual([`${at(manifest.shards[0]!.file)}:s0/000003.jpg`])
    for (const reason of [...reasons.values()][0]!) expect(reason).toMatch(/^the picture holds columns 150 to \d+ and rows \d+ to 239 of its frame, but the crop needs \d+ to \d+ and \d+ to \d+$/)
  })

  it('is a bad sample where it is no JPEG, though its checksum agrees', async () => {
    const row = rowOf(2)
    const shard = readFileSync(at(manifest.shards[0]!.file))
    shard.fill(0x20, row.offset, row.offset + row.length)
    writeFileSync(at(manifest.shards[0]!.file), shard)
    rewriteTable((view) => writePackRow(view, 2 * packRowBytes, { ...row, crc: crc32c(shard, row.offset, row.offset + row.length) }))
    const { skipped } = await takeBatches([await openPack()], 12)
    expect([...reasonsOf(skipped).keys()]).toEqual([`${at(manifest.shards[0]!.file)}:s0/000002.jpg`])
  })
})
