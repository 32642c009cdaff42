/** `siamtrain data pack` as a process: output, exit codes, kill -9 at any moment, full disks. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSyntheticDataset } from '../../lib/data/synth/index.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { differingFiles, manifestOf, packTiny } from '../helpers/packs-made.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'

const config = path.join(fileURLToPath(new URL('../..', import.meta.url)), 'configs/siamfcpp_alexnet-got10k.yaml')
let folder = ''
let root = ''
let whole = ''
const env = { SIAMFCPP_INDEX_CACHE: 'none' }

/** The command for a data set; shards of 1 MB, so that a small one has several. */
const args = (out: string, ...more: string[]): string[] => ['data', 'pack', config, `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`, '--out', out, '--shard-size', '1', ...more]

beforeAll(async () => {
  folder = temporaryFolder('data-pack')
  root = path.join(folder, 'set')
  await makeSyntheticDataset({ out: root, sequences: 5, val: 1, frames: 30, width: 640, height: 480, seed: 3 })
  whole = path.join(folder, 'whole')
  const { code, stderr } = await runCli(args(whole), { env })
  if (code !== 0) throw new Error(stderr)
}, 120_000)
afterAll(() => removeFolder(folder))

describe('siamtrain data pack', () => {
  it('estimates first, then packs, and verify finds nothing wrong', async () => {
    const out = path.join(folder, 'told')
    const dry = await runCli(args(out, '--dry-run'), { env })
    expect([dry.code, dry.stderr, existsSync(out)]).toEqual([0, '', false])
    expect(dry.stdout).toMatch(/^GOT10kDataset: 150 frames, about [\d.]+ MB, (?:less than a second|00:\d\d) with \d+ threads?\n {2}[\d.]+ kB a frame.*, from files of [\d.]+ kB \(48 frames looked at\)\nFree there: [\d.,]+ GB\n$/)
    const { code, stdout, stderr } = await runCli(args(out, '--workers', '1'), { env })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^GOT10kDataset: 5 sequences, 150 frames, [\d.]+ MB in \d+ shards, [\d.]+ kB a frame\n {2}\/.*\/GOT10kDataset\n/)])
    expect(stderr).toContain(dry.stdout.split('\n')[0]!.replace(/, (?:less than a second|00:\d\d) with .*/, ''))
    expect(stderr).toMatch(/pack GOT10kDataset, \d+ MB: +100% 150\/150 \[.*frame\/s\]/)
    expect(differingFiles(whole, out)).toEqual([])
    const manifest = manifestOf(path.join(out, 'GOT10kDataset'))
    expect(Math.abs(manifest.bytes / (Number(/about ([\d.]+) MB/.exec(dry.stdout)![1]) * 1e6) - 1)).toBeLessThan(0.15)
    const verified = await runCli(['data', 'verify', out], { env })
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringMatching(/^GOT10kDataset train: 5 sequences, 150 frames, [\d.]+ MB\nNothing is wrong\.\n/)])

    const shard = path.join(out, 'GOT10kDataset', 'shard-00001.tar')
    const bytes = readFileSync(shard)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(shard, bytes)
    const report = path.join(folder, 'report.json')
    const damaged = await runCli(['data', 'verify', path.join(out, 'GOT10kDataset'), '--threads', '2', '--report', report], { env })
    expect([damaged.code, damaged.stdout]).toEqual([1, expect.stringMatching(/\n1 problem: 1 damaged member\n {2}ERR_DATA \/.*\/shard-00001\.tar: sequence "GOT-10k_Train_\d+" of GOT10kDataset: GOT-10k_Train_\d+\/\d{8}\.jpg: its bytes do not have the checksum/)])
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ ok: false, counts: { damaged_member: 1 }, problems: [{ file: shard }] })
  })

  it('goes on after kill -9 at any moment, to the same bytes', async () => {
    const shards = manifestOf(path.join(whole, 'GOT10kDataset')).shards.length
    expect(shards).toBeGreaterThanOrEqual(3)
    const out = path.join(folder, 'killed')
    const work = path.join(out, 'GOT10kDataset', '.making')
    const done = (): number => (existsSync(work) ? readdirSync(work).filter((name) => name.endsWith('.rows')).length : -1)
    // Before the first shard, between shards, in the middle of one, and at the end.
    for (const [until, more] of [[-1, 300], [0, 20], [1, 0], [1, 60], [shards - 1, 5]] as const) {
      const child = startCli(args(out, '--workers', '2'), { env })
      const ended = collect(child)
      while (child.exitCode === null && done() < until) await setTimeout(1)
      await setTimeout(more)
      child.kill('SIGKILL')
      await ended
    }
    const { code, stdout } = await runCli(args(out, '--json'), { env })
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as { packs: unknown[] }).packs).toEqual([expect.objectContaining({ dataset: 'GOT10kDataset', frames: 150, stored: 150, shards, bad: 0, badFrames: [] })])
    expect(differingFiles(whole, out)).toEqual([])
  }, 120_000)

  it('ends with 1 when more frames are missing than --allow-bad says', async () => {
    const harmed = path.join(folder, 'harmed')
    cpSync(root, harmed, { recursive: true })
    const sequence = path.join(harmed, 'train', readFileSync(path.join(harmed, 'train', 'list.txt'), 'utf8').split('\n')[0]!)
    for (const k of [1, 2, 3]) writeFileSync(path.join(sequence, `0000000${k}.jpg`), 'no picture')
    const out = path.join(folder, 'allowed')
    const command = args(out).map((word) => word.replace(root, harmed))
    const refused = await runCli([...command, '--allow-bad', '2'], { env })
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toContain('GOT10kDataset: 3 frames of 150 could not be used, and at most 2 may be; the first: ')
    expect(refused.stderr).toContain('--allow-bad N makes the pack with up to N frames missing')
    expect(existsSync(path.join(out, 'GOT10kDataset', 'pack.json'))).toBe(false)
    const allowed = await runCli([...command, '--allow-bad', '3'], { env })
    expect([allowed.code, allowed.stdout]).toEqual([0, expect.stringContaining('3 frames could not be used and are not in the pack:')])
    const again = await runCli(command, { env })
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('3 frames could not be used when the pack was made; looking at them again')])
    expect(again.stdout).toContain('all shards were there')
  }, 120_000)

  it('stops at a signal, says so, and goes on', async () => {
    const out = path.join(folder, 'signal')
    const work = path.join(out, 'GOT10kDataset', '.making')
    const child = startCli(args(out, '--workers', '1'), { env })
    const ended = collect(child)
    while (child.exitCode === null && !(existsSync(work) && readdirSync(work).some((name) => name.endsWith('.rows')))) await setTimeout(1)
    child.kill('SIGINT')
    const stopped = await ended
    expect([stopped.code, stopped.stderr]).toEqual([130, expect.stringContaining('the same command goes on from here')])
    expect(readdirSync(path.dirname(work)).filter((name) => name.endsWith('.partial') || name === '.lock')).toEqual([])
    const { code, stdout } = await runCli(args(out), { env })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\n {2}\d+ shards? of an earlier run\n/)])
    expect(differingFiles(whole, out)).toEqual([])
  })

  it('two at once: one writes, the other says so', async () => {
    const out = path.join(folder, 'two')
    const outcomes = await Promise.all([runCli(args(out, '--workers', '1'), { env }), runCli(args(out, '--workers', '1'), { env })])
    expect(outcomes.map(({ code }) => code).sort()).toEqual([0, expect.any(Number)])
    // They may also have come one after the other; then the second found a finished pack.
    for (const { code, stderr } of outcomes) if (code !== 0) expect([code, stderr]).toEqual([1, expect.stringContaining('another process is writing this pack')])
    expect(differingFiles(whole, out)).toEqual([])
  })

  it('ends with the process that it is in, and goes on in the next', async () => {
    const out = path.join(folder, 'exit')
    const script = `
      const { packTiny } = await import(${JSON.stringify(new URL('../helpers/packs-made.ts', import.meta.url).pathname)})
      void packTiny(${JSON.stringify(root)}, ${JSON.stringify(out)}, { shardBytes: 1e6, onPacking: ({ done }) => done > 20 && process.exit(7) })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const { code, signal, stderr } = await collect(child)
    expect([code, signal, stderr]).toEqual([7, null, ''])
    expect(readdirSync(path.join(out, 'GOT10kDataset'))).toContain('.making')
    await packTiny(root, out, { shardBytes: 1e6 })
    expect(manifestOf(path.join(out, 'GOT10kDataset'))).toMatchObject({ stored: 150 })
  })

  it('is told apart from a data set by data stats', async () => {
    for (const named of [whole, path.join(whole, 'GOT10kDataset')]) {
      const { code, stdout, stderr } = await runCli(['data', 'stats', named], { env })
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(/ERR_ARGUMENT .*Expected a data set or a configuration but this is a folder of packs.*siamtrain data verify .*pack\.json/)
    }
  })

  it('refuses another pack in the folder, and says what differs', async () => {
    const { code, stderr } = await runCli(args(whole, '--density', '2', 'train.track.data.transformer.RandomCropTransformer.max_shift=0.3'), { env })
    expect(code).toBe(1)
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/: there is another pack in this folder: context factor is 4\.032, was 4\.342; max_shift is 0.3, was 0.4; density is 2, was [\d.]+ \(choose another folder, or --overwrite to begin anew\)$/)])
  })

  it('packs real frames, bad ones left out', async () => {
    const bag = shared('data', 'vot-bag')
    const own = path.join(folder, 'bag')
    mkdirSync(path.join(own, 'bag'), { recursive: true })
    for (const name of readdirSync(bag).filter((file) => /^000000[0-3]\d\.jpg$|groundtruth/.test(file))) symlinkSync(path.join(bag, name), path.join(own, 'bag', name))
    const frames = readdirSync(path.join(own, 'bag')).filter((name) => name.endsWith('.jpg'))
    const truth = execFileSync('head', ['-n', String(frames.length), path.join(bag, 'groundtruth.txt')])
    execFileSync('rm', [path.join(own, 'bag', 'groundtruth.txt'), path.join(own, 'bag', frames[4]!)])
    writeFileSync(path.join(own, 'bag', 'groundtruth.txt'), truth)
    writeFileSync(path.join(own, 'bag', frames[4]!), 'no picture')
    const dataset = 'train.track.data.sampler.submodules.dataset'
    const out = path.join(folder, 'bag-pack')
    const more = [`${dataset}.names=[ImageFolderDataset]`, `${dataset}.ImageFolderDataset.dataset_root=${own}`]
    const { code, stdout } = await runCli(['data', 'pack', config, ...more, '--out', out], { env })
    expect([code, stdout]).toEqual([0, expect.stringContaining(`\n  1 frame could not be used and is not in the pack:\n    ${path.join(own, 'bag', frames[4]!)}: Expected a JPEG, PNG or WebP frame but it starts with "no picture"\n`)])
    expect(manifestOf(path.join(out, 'ImageFolderDataset'))).toMatchObject({ frames: frames.length, stored: frames.length - 1 })
    const strict = await runCli(['data', 'pack', config, ...more, '--out', `${out}-strict`, '--strict'], { env })
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining(`ERR_DATA ${path.join(own, 'bag', frames[4]!)}: Expected a JPEG, PNG or WebP frame`)])
  })

  it.each([
    [['data', 'pack', '--out', 'x'], "missing required argument 'config'"],
    [['data', 'pack', config], "required option '--out <dir>' not specified"],
    [['data', 'pack', config, '--out', 'x', '--density', '0'], 'from 0.25 to 16'],
    [['data', 'pack', config, '--out', 'x', '--quality', '101'], 'from 1 to 100'],
    [['data', 'pack', config, '--out', 'x', '--subsampling', '422'], '420, 444'],
    [['data', 'pack', config, '--out', 'x', '--workers', 'many'], 'from 1 to 1024'],
    [['data', 'verify', 'WHOLE', '--subset', 'val'], 'no --subset and no overrides with packs'],
    [['data', 'verify', 'WHOLE', '--dataset', 'VIDDataset'], 'Expected one of GOT10kDataset for --dataset'],
  ])('%j is a wrong call', async (words, message) => {
    const { code, stderr } = await runCli(words.map((word) => (word === 'WHOLE' ? whole : word)), { env })
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('has help with examples', async () => {
    const { code, stdout } = await runCli(['data', 'pack', '--help'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('siamtrain data pack configs/siamfcpp_alexnet-got10k.yaml --out packs --dry-run')])
  })
})

/** A file system of a few MB, where this machine lets us make one. */
function smallDisk(dir: string, size: string): boolean {
  mkdirSync(dir, { recursive: true })
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status === 0
}

describe('a disk that is too small', () => {
  it('is told before anything is written, and a full one can be gone on with', async (context) => {
    const disk = path.join(folder, 'disk')
    if (!smallDisk(disk, '1536k')) return context.skip('a file system can only be mounted by root')
    try {
      const out = path.join(disk, 'packs')
      const refused = await runCli(args(out), { env })
      expect([refused.code, existsSync(out)]).toEqual([1, false])
      expect(refused.stderr).toMatch(/ERR_IO .*: expected room for [\d.]+ MB .* --force/)
      const full = await runCli(args(out, '--force', '--workers', '1'), { env })
      expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/ERR_IO .*shard-0000\d\.tar: cannot write it: No space left on device; make room, and the same command goes on from here/)])
      expect(spawnSync('mount', ['-o', 'remount,size=64m', disk]).status).toBe(0)
      expect((await runCli(args(out), { env })).code).toBe(0)
      expect(differingFiles(whole, out)).toEqual([])
    } finally {
      spawnSync('umount', [disk])
    }
  })
})
