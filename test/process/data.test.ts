/** `siamtrain data verify` and `data stats` as processes: output, exit codes, files, signals. */
import { existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { damage, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'

let root: string
let cache: string
let env: Record<string, string>
beforeAll(() => {
  root = makeTinyDataset(temporaryFolder('data-cli'))
  cache = temporaryFolder('data-cache')
  env = { XDG_CACHE_HOME: cache }
})
afterAll(() => [root, cache].forEach(removeFolder))

const linesOf = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length : 0)

describe('siamtrain data verify', () => {
  it('ends with 0 and leaves nothing behind when all is well', async () => {
    const { code, stdout, stderr } = await runCli(['data', 'verify', root], { env })
    expect([code, stdout.split('\n').slice(0, 2)]).toEqual([0, [expect.stringMatching(/^GOT10kDataset train: 3 sequences, 18 frames, \d\.\d MB$/), 'Nothing is wrong.']])
    expect(stderr).toContain('verify: 100%')
    expect(readdirSync(path.join(cache, 'siamfcpp-native', 'verify'))).toEqual([])
  })

  it('ends with 1 and a report when something is wrong', async () => {
    const bad = makeTinyDataset(temporaryFolder('data-bad'))
    try {
      damage.textNamedJpg(bad, 1, 2)
      const file = path.join(cache, 'report.json')
      const { code, stdout } = await runCli(['data', 'verify', bad, '--json', '--report', file], { env })
      const report = JSON.parse(stdout) as unknown
      expect([code, report]).toEqual([1, JSON.parse(readFileSync(file, 'utf8'))])
      expect(report).toMatchObject({ ok: false, counts: { undecodable_frame: 1 }, problems: [{ file: path.join(bad, 'train', 'seq_002', '00000003.jpg') }] })
      expect(existsSync(`${file}.partial`)).toBe(false)
      const text = await runCli(['data', 'verify', bad], { env })
      expect(text.stdout).toContain('1 problem: 1 undecodable frame\n  ERR_DATA ')
    } finally {
      removeFolder(bad)
    }
  })

  it('stops at a signal, and the same command goes on', async () => {
    const large = makeTinyDataset(temporaryFolder('data-large'))
    try {
      const names = Array.from({ length: 5000 }, (_, i) => `link_${i}`)
      for (const [i, name] of names.entries()) symlinkSync(sequenceDir(large, i % 3), path.join(large, 'train', name))
      writeFileSync(path.join(large, 'train', 'list.txt'), names.join('\n'))
      const args = ['data', 'verify', large, '--threads', '1', '--report', path.join(cache, 'large.json')]
      const child = startCli(args, { env })
      const outcome = collect(child)
      // The journal has its header and a sequence: there is something to go on from, and thousands are left.
      while (child.exitCode === null && linesOf(path.join(cache, 'large.json.partial')) < 3) await setTimeout(2)
      child.kill('SIGINT')
      const stopped = await outcome
      expect([stopped.code, stopped.stderr]).toEqual([130, expect.stringContaining('the same command goes on from here')])
      const { code, stdout } = await runCli(args, { env })
      expect([code, stdout]).toEqual([0, expect.stringMatching(/\n[\d,]+ sequences? verified by an earlier run\n/)])
    } finally {
      removeFolder(large)
    }
  })

  it.each([
    [['data'], 'no subcommand was given'],
    [['data', 'verify'], "missing required argument 'root'"],
    [['data', 'verify', 'ROOT', '--threads', '0'], 'at least 1'],
    [['data', 'verify', 'ROOT', '--subset', 'vla'], 'Expected one of train for subset'],
  ])('%j is a wrong call', async (args, message) => {
    const { code, stderr } = await runCli(args.map((arg) => (arg === 'ROOT' ? root : arg)), { env })
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('siamtrain data stats', () => {
  it('prints text, JSON, and draws', async () => {
    const file = path.join(cache, 'stats.svg')
    const text = await runCli(['data', 'stats', root, '--svg', file], { env })
    expect([text.code, text.stdout]).toEqual([0, expect.stringContaining('GOT10kDataset train: 3 sequences, 18 frames\n  frame size  160x120 (100 %)')])
    expect(readFileSync(file, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
    const json = await runCli(['data', 'stats', root, '--json'], { env })
    expect(JSON.parse(json.stdout)).toMatchObject({ datasets: [{ sequences: 3, frames: 18, distributions: { box_width: { count: 18, min: 40, max: 40 } } }] })
  })

  it('ends with 1 where there is no data set', async () => {
    const { code, stderr } = await runCli(['data', 'stats', cache], { env })
    expect([code, stderr]).toEqual([1, expect.stringContaining(`siamtrain: ERR_DATA ${cache}: expected the layout of a data set`)])
  })
})
