/** Packs whose making was stopped, and packs that were damaged. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packShardFile } from '../../lib/data/pack/format.ts'
import { packsIn, verifyPacks } from '../../lib/data/pack/verify-pack.ts'
import { failure } from '../helpers/indexing.ts'
import { makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingFiles, manifestOf, packTiny, rowsOf } from '../helpers/packs-made.ts'

let folder = ''
let root = ''
let whole = ''
beforeAll(async () => {
  folder = temporaryFolder('pack-resume')
  root = makeTinyDataset(path.join(folder, 'set'), { sequences: 5, frames: 12 })
  await packTiny(root, path.join(folder, 'whole'))
  whole = path.join(folder, 'whole', 'GOT10kDataset')
})
afterAll(() => removeFolder(folder))
const out = (name: string): string => path.join(folder, name)
const packOf = (name: string): string => path.join(folder, name, 'GOT10kDataset')

/** Begins a pack and stops it once so many frames are done. */
async function stopped(name: string, after: number, workers = 2): Promise<void> {
  const stop = new AbortController()
  const reason = new Error('enough')
  const run = packTiny(root, out(name), { workers, signal: stop.signal, onPacking: ({ done }) => done >= after && stop.abort(reason) })
  await run.catch((error: unknown) => expect(error).toBe(reason))
}

describe('a stopped pack', () => {
  it('goes on at any moment, and becomes what it would have been', async () => {
    for (const after of [0, 1, 20, 50]) {
      const name = `stop-${after}`
      await stopped(name, after)
      await packTiny(root, out(name), { workers: 1 + (after % 3) })
      expect(differingFiles(whole, packOf(name))).toEqual([])
    }
  })

  it('uses complete shards, and writes those anew that are damaged', async () => {
    // A run that fails at its end leaves all shards complete: the table cannot be written where a folder is.
    const name = 'damage'
    mkdirSync(path.join(packOf(name), 'frames.siampak.partial'), { recursive: true })
    expect(await failure(packTiny(root, out(name)))).toMatchObject({ code: 'ERR_IO', file: path.join(packOf(name), 'frames.siampak') })
    rmSync(path.join(packOf(name), 'frames.siampak.partial'), { recursive: true })
    const dir = packOf(name)
    const shard = (k: number): string => path.join(dir, packShardFile(k))
    const rows = (k: number): string => path.join(dir, '.making', packShardFile(k).replace('.tar', '.rows'))
    const count = manifestOf(whole).shards.length
    expect(count).toBeGreaterThanOrEqual(6)
    flip(shard(0), 700)
    truncateSync(shard(1), statSync(shard(1)).size - 512)
    rmSync(shard(2))
    flip(rows(3), 100)
    rmSync(rows(4))
    const untouched = statSync(shard(5)).mtimeMs
    const { packs } = await packTiny(root, out(name))
    expect(packs[0]!.reusedShards).toBe(count - 5)
    expect(statSync(shard(5)).mtimeMs).toBe(untouched)
    expect(differingFiles(whole, dir)).toEqual([])
  })

  it('is not trained from nor taken for whole, and says how to go on', async () => {
    await stopped('half', 5)
    rmSync(path.join(packOf('half'), 'pack.json'), { force: true })
    mkdirSync(path.join(packOf('half'), '.making'), { recursive: true })
    const report = await verifyPacks(await packsIn(out('half')))
    expect(report).toMatchObject({ ok: false, counts: { damaged_pack: 1 } })
    expect(report.problems[0]!.message).toContain('not finished')
  })

  it('of other settings or other data is refused, and begun anew with overwrite', async () => {
    mkdirSync(path.join(packOf('other'), 'frames.siampak.partial'), { recursive: true })
    await failure(packTiny(root, out('other')))
    expect((await failure(packTiny(root, out('other'), { density: 0.8 }))).message).toBe('another pack was begun in this folder: density is 0.8, was 1.3')
    expect((await failure(packTiny(root, out('other'), { shardBytes: 30_000 }))).message).toBe('another pack was begun in this folder: shard size is 0.03 MB, was 0.02 MB')
    const changed = path.join(folder, 'changed')
    cpSync(root, changed, { recursive: true })
    const truth = path.join(changed, 'train', 'seq_001', 'groundtruth.txt')
    writeFileSync(truth, readFileSync(truth, 'utf8').replace('40.0000', '41.0000'))
    expect((await failure(packTiny(changed, out('other')))).message).toContain('the data set has changed since the pack was begun')
    await packTiny(root, out('other'), { overwrite: true })
    expect(differingFiles(whole, packOf('other'))).toEqual([])
  })
})

describe('a pack whose plan is lost', () => {
  it('is begun anew: shards of other settings are not taken for its own', async () => {
    mkdirSync(path.join(packOf('lost'), 'frames.siampak.partial'), { recursive: true })
    // Smaller shards: there are more of them than the pack has that is made afterwards.
    await failure(packTiny(root, out('lost'), { quality: 60, density: 0.5, shardBytes: 5000 }))
    rmSync(path.join(packOf('lost'), 'frames.siampak.partial'), { recursive: true })
    const count = readdirSync(packOf('lost')).filter((name) => name.endsWith('.tar')).length
    expect(count).toBeGreaterThan(manifestOf(whole).shards.length)
    rmSync(path.join(packOf('lost'), '.making', 'plan.json'))
    const { packs } = await packTiny(root, out('lost'))
    expect(packs[0]!.reusedShards).toBe(0)
    expect(differingFiles(whole, packOf('lost'))).toEqual([])
  })

  it.each([
    ['damaged', (plan: string) => writeFileSync(plan, readFileSync(plan, 'utf8').slice(0, 40)), { code: 'ERR_DATA', message: expect.stringContaining('the file is damaged'), hint: expect.stringContaining('--overwrite') }],
    ['null', (plan: string) => writeFileSync(plan, 'null'), { code: 'ERR_DATA', message: expect.stringContaining('the file is damaged') }],
    ['not to be read', (plan: string) => (rmSync(plan), symlinkSync('/proc/self/mem', plan)), { code: 'ERR_IO', message: expect.stringContaining('EIO') }],
  ])('says so where it is %s', async (label, harm, error) => {
    const name = `plan-${label.replace(/\W/g, '-')}`
    mkdirSync(path.join(packOf(name), 'frames.siampak.partial'), { recursive: true })
    await failure(packTiny(root, out(name)))
    const plan = path.join(packOf(name), '.making', 'plan.json')
    harm(plan)
    expect(await failure(packTiny(root, out(name)))).toMatchObject({ ...error, file: plan })
    await packTiny(root, out(name), { overwrite: true })
    expect(differingFiles(whole, packOf(name))).toEqual([])
  })
})

function flip(file: string, at: number, bit = 4): void {
  const bytes = readFileSync(file)
  bytes[at < 0 ? bytes.length + at : at]! ^= 1 << bit
  writeFileSync(file, bytes)
}

describe('verification', () => {
  async function verifyDamaged(name: string, harm: (dir: string) => void) {
    cpSync(path.dirname(whole), out(name), { recursive: true })
    harm(packOf(name))
    return verifyPacks(await packsIn(out(name)), { threads: 2 })
  }
  const second = (dir: string): string => path.join(dir, packShardFile(1))

  it('finds nothing wrong in a sound pack, given itself or the folder around it', async () => {
    for (const place of [whole, path.dirname(whole)]) {
      const folders = await packsIn(place)
      expect(folders).toEqual([whole])
      expect(await verifyPacks(folders)).toMatchObject({ ok: true, problems: [], datasets: [{ name: 'GOT10kDataset', sequences: 5, frames: 60, bytes: manifestOf(whole).bytes }] })
    }
    expect(await packsIn(root)).toEqual([])
    expect(await packsIn(path.join(folder, 'nowhere'))).toEqual([])
  })

  it('finds every flipped bit of a shard, and names the member', async () => {
    const rows = rowsOf(whole)
    const part = rows.flatMap((row, i) => (row.shard === 1 ? [{ row, i }] : []))
    const places = [0, 130, 150, 511, part[0]!.row.offset, part[0]!.row.offset + part[0]!.row.length - 1, part[0]!.row.offset + part[0]!.row.length, part[1]!.row.offset - 200, part[2]!.row.offset + 77, -1, -1024]
    for (const [n, at] of places.entries()) {
      const report = await verifyDamaged(`flip-${n}`, (dir) => flip(second(dir), at, n % 8))
      expect(report.ok, `byte ${at}`).toBe(false)
      const member = n < 7 ? part[0]! : n === 7 ? part[1]! : n === 8 ? part[2]! : undefined
      const name = member && `seq_00${Math.floor(member.i / 12) + 1}/${String((member.i % 12) + 1).padStart(8, '0')}.jpg`
      expect(report.counts).toEqual({ [name === undefined ? 'damaged_pack' : 'damaged_member']: 1 })
      expect(report.problems[0]).toMatchObject({ file: second(packOf(`flip-${n}`)), message: expect.stringContaining(name ?? 'zeros'), sequence: name === undefined ? '' : path.dirname(name) })
      removeFolder(out(`flip-${n}`))
    }
  })

  it.each([
    ['a shard that is cut short', (dir: string) => truncateSync(second(dir), 3000), { damaged_pack: 1, damaged_member: 1 }, 'ends before it'],
    ['a shard with bytes behind its end', (dir: string) => writeFileSync(second(dir), Buffer.concat([readFileSync(second(dir)), Buffer.alloc(512)])), { damaged_pack: 2 }, 'pack.json says'],
    ['a missing shard', (dir: string) => rmSync(second(dir)), { damaged_pack: 1 }, 'No such file'],
    ['a flipped bit in the table', (dir: string) => flip(path.join(dir, 'frames.siampak'), 64 * 7 + 9), { damaged_pack: 1 }, 'rows do not have the checksum'],
    ["a flipped bit in the table's header", (dir: string) => flip(path.join(dir, 'frames.siampak'), 40), { damaged_pack: 1 }, 'header of the pack\'s table is damaged'],
    ['a table cut short', (dir: string) => truncateSync(path.join(dir, 'frames.siampak'), 64 * 8), { damaged_pack: 1 }, 'Expected a table of 60 rows'],
    ['no table', (dir: string) => rmSync(path.join(dir, 'frames.siampak')), { damaged_pack: 1 }, 'No such file'],
    ['a flipped bit in the index', (dir: string) => flip(path.join(dir, 'index.siamidx'), 600), { damaged_pack: 1 }, 'damaged'],
    ['a flipped bit in the manifest', (dir: string) => writeFileSync(path.join(dir, 'pack.json'), readFileSync(path.join(dir, 'pack.json'), 'utf8').replace('"stored": 60', '"stored": 61')), { damaged_pack: 1 }, '"stored" says 61'],
    ['a manifest that is no JSON', (dir: string) => truncateSync(path.join(dir, 'pack.json'), 100), { damaged_pack: 1 }, 'no JSON'],
    ['two shards that changed places', (dir: string) => swap(path.join(dir, packShardFile(0)), second(dir)), undefined, ''],
  ])('finds %s', async (label, harm, counts, message) => {
    const report = await verifyDamaged(label.replace(/\W/g, '-'), harm)
    expect(report.ok).toBe(false)
    if (counts !== undefined) expect(report.counts).toEqual(counts)
    expect(report.problems.map((problem) => problem.message).join('\n')).toContain(message)
  })

  it('counts all problems, also those that it does not keep', async () => {
    const rows = rowsOf(whole)
    cpSync(path.dirname(whole), out('counted'), { recursive: true })
    for (const [i, row] of rows.entries()) if (i % 2 === 0) flip(path.join(packOf('counted'), packShardFile(row.shard)), row.offset + 60)
    for (const file of [packShardFile(0), packShardFile(2)]) flip(path.join(packOf('counted'), file), -3)
    for (const keptProblems of [3, 0, 100]) {
      const report = await verifyPacks(await packsIn(out('counted')), { keptProblems, threads: 2 })
      expect(report).toMatchObject({ ok: false, counts: { damaged_member: 30, damaged_pack: 2 }, problemsLeftOut: Math.max(0, 32 - keptProblems) })
      expect(report.problems).toHaveLength(Math.min(32, keptProblems))
    }
  })

  it('finds a shard that the manifest does not list', async () => {
    const extra = packShardFile(manifestOf(whole).shards.length)
    const report = await verifyDamaged('orphan', (dir) => copyFileSync(second(dir), path.join(dir, extra)))
    expect(report).toMatchObject({ ok: false, counts: { damaged_pack: 1 }, problems: [{ file: path.join(packOf('orphan'), extra), message: 'pack.json does not list this shard: it is left over from another making and can be removed' }] })
  })

  it("finds another pack's table", async () => {
    await packTiny(makeTinyDataset(path.join(folder, 'wide'), { sequences: 5, frames: 12, width: 168 }), out('wide-pack'))
    const report = await verifyDamaged('wrong-table', (dir) => copyFileSync(path.join(packOf('wide-pack'), 'frames.siampak'), path.join(dir, 'frames.siampak')))
    expect(report.ok).toBe(false)
    expect(report.counts['damaged_member']).toBeGreaterThan(0)
  })
})

function swap(a: string, b: string): void {
  renameSync(a, `${a}.x`)
  renameSync(b, a)
  renameSync(`${a}.x`, b)
}
