/** Cached indexes between processes: the command line, several that build at once, one that may not write, and memory. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { damage, frameFile, makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'
import { terminateTen } from '../helpers/terminate-workers.ts'

const packageFolder = fileURLToPath(new URL('../..', import.meta.url))
const config = path.join(packageFolder, 'configs/siamfcpp_alexnet-got10k.yaml')

let folder = ''
let root = ''
beforeAll(() => {
  folder = temporaryFolder('index-cache-process')
  chmodSync(folder, 0o755)
  root = path.join(folder, 'set')
  makeTinyDataset(root, { sequences: 6, frames: 8, jpeg: 'none' })
  damage.line(root, 1, 2, '1,2,0,0')
})
afterAll(() => removeFolder(folder))

const args = (...more: string[]): string[] => ['data', 'index', config, `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`, ...more]
const env = (cache: string, mode = ''): Record<string, string> => ({ XDG_CACHE_HOME: path.join(folder, cache), SIAMFCPP_INDEX_CACHE: mode })

interface Entry {
  means?: { file: string; computed: number; known: number; failed: number; firstFailure: { file: string; reason: string } | null; seconds: number }
  dataset: string
  sequences: number
  frames: number
  problems: { total: number; counts: Record<string, number> }
  seconds: number
  fromCache: boolean
  cacheFile: string | null
  cacheBytes: number
  notCached?: string
}
const entryOf = (stdout: string): Entry => (JSON.parse(stdout) as { datasets: Entry[] }).datasets[0]!

/** Lines but for those of the progress, which comes when indexing takes longer than a second: on a busy machine it does. */
function reasons(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('reading GOT10kDataset'))
}

describe('siamtrain data index', () => {
  it('--means decodes each frame once, goes on where it was, and tells what cannot be decoded', async () => {
    const real = path.join(folder, 'real')
    makeTinyDataset(real, { sequences: 2, frames: 4 })
    writeFileSync(frameFile(real, 1, 3), 'no picture')
    const means = (...more: string[]) => runCli(['data', 'index', config, `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${real}`, '--means', ...more], { env: env('means') })
    const first = entryOf((await means('--json', '--threads', '2')).stdout)
    expect(first.means).toMatchObject({ computed: 7, known: 7, failed: 1, firstFailure: { file: frameFile(real, 1, 3) } })
    expect(first.means!.file).toBe(first.cacheFile!.replace('.siamidx', '.siammeans'))
    const text = await means()
    expect(text.stdout).toMatch(/7 means of frames in \/.*\.siammeans, 0 of them computed in [\d.]+ s\n {2}1 frame cannot be decoded, the first is .*00000004\.jpg: Expected/)
    const uncached = await runCli(args('--means'), { env: env('means', 'none') })
    expect([uncached.code, uncached.stderr]).toEqual([1, expect.stringMatching(/ERR_CONFIG.*means are kept beside a cached index/)])
    expect((await runCli(args('--means', '--threads', '0'), { env: env('means') })).code).toBe(2)
  })

  it('builds, then opens, then builds again when told to; results on stdout, reasons on stderr', async () => {
    const first = await runCli(args('--json'), { env: env('a') })
    expect([first.code, reasons(first.stderr)]).toEqual([0, []])
    const built = entryOf(first.stdout)
    expect(built).toMatchObject({ dataset: 'GOT10kDataset', sequences: 6, frames: 47, problems: { total: 1, counts: { empty_box: 1 } }, fromCache: false })
    expect(built.cacheFile).toContain(path.join(folder, 'a/siamfcpp-native/index/GOT10kDataset-'))
    expect(built.cacheBytes).toBeGreaterThan(47 * 16)
    const opened = entryOf((await runCli(args('--json'), { env: env('a') })).stdout)
    expect(opened).toMatchObject({ ...built, seconds: opened.seconds, fromCache: true })
    expect(entryOf((await runCli(args('--json', '--rebuild'), { env: env('a') })).stdout).fromCache).toBe(false)
    const text = await runCli(args(), { env: env('a') })
    expect(text.stdout).toMatch(/^GOT10kDataset: 6 sequences, 47 frames, 1 problem\n {2}opened from the cache in [\d.]+ s\n {2}\/.*\.siamidx \(0\.0 MB\)\n/)
    expect(text.stdout).toContain('empty box')
    writeFileSync(built.cacheFile!, 'junk')
    const mended = await runCli(args('--json'), { env: env('a') })
    expect(entryOf(mended.stdout).fromCache).toBe(false)
    expect(reasons(mended.stderr)).toEqual([expect.stringMatching(/^GOT10kDataset: the cached index .* is not used: it is shorter than a header; reading the annotations again$/)])
  })

  it('takes the mode from the configuration and from the environment, which a wrong word is an error of', async () => {
    const none = await runCli(args('--json', 'train.track.data.index_cache=none'), { env: env('b') })
    expect(entryOf(none.stdout)).toMatchObject({ cacheFile: null, notCached: 'index_cache is none' })
    const beside = await runCli(args('--json', 'train.track.data.index_cache=none'), { env: env('b', 'dataset') })
    expect(path.dirname(entryOf(beside.stdout).cacheFile!)).toBe(path.join(root, '.siamfcpp-index'))
    const wrong = await runCli(args(), { env: env('b', 'maybe') })
    expect([wrong.code, wrong.stdout]).toEqual([1, ''])
    expect(wrong.stderr).toContain('ERR_CONFIG Expected user, dataset or none for the environment variable SIAMFCPP_INDEX_CACHE')
    const config = await runCli(args('train.track.data.index_cache=maybe'), { env: env('b') })
    expect(config.code).toBe(1)
    expect(config.stderr).toContain('ERR_CONFIG')
    expect(config.stderr).toContain('index_cache')
  })

  it('fails at the first problem with --strict, from the cache too', async () => {
    await runCli(args(), { env: env('a') })
    for (let i = 0; i < 2; i += 1) {
      const { code, stderr } = await runCli(args('--strict'), { env: env(i === 0 ? 'a' : 'never') })
      expect(code).toBe(1)
      expect(stderr).toContain('ERR_DATA')
      expect(stderr).toContain('seq_002/groundtruth.txt:3')
    }
  })

  it('has help with an example, and says what is wrong with a call', async () => {
    const { code, stdout } = await runCli(['data', 'index', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('siamtrain data index my.yaml')
    expect((await runCli(['data', 'index'])).code).toBe(2)
    expect((await runCli(['data', 'nonsense'])).code).toBe(2)
  })
})

it('six processes that build at once all give the same, and one whole file stays', async () => {
  const results = await Promise.all(Array.from({ length: 6 }, () => runCli(args('--json', '--rebuild'), { env: env('many') })))
  for (const { code, stdout } of results) {
    expect(code).toBe(0)
    expect(entryOf(stdout)).toMatchObject({ sequences: 6, frames: 47, fromCache: false, cacheFile: expect.stringContaining('.siamidx') })
  }
  expect(readdirSync(path.join(folder, 'many/siamfcpp-native/index'))).toHaveLength(1)
  expect(entryOf((await runCli(args('--json'), { env: env('many') })).stdout).fromCache).toBe(true)
})

it('one that is killed while it builds leaves nothing that the next one trusts', async () => {
  for (let i = 0; i < 4; i += 1) {
    const child = startCli(args('--rebuild'), { env: env('killed') })
    const ended = collect(child)
    setTimeout(() => child.kill('SIGKILL'), 350 + i * 120)
    await ended
    const { code, stdout } = await runCli(args('--json'), { env: env('killed') })
    expect(code).toBe(0)
    expect(entryOf(stdout)).toMatchObject({ sequences: 6, frames: 47 })
    expect(readdirSync(path.join(folder, 'killed/siamfcpp-native/index')).filter((name) => !name.endsWith('.siamidx'))).toEqual([])
  }
})

// Root may write everywhere: the rule is tried as somebody else.
it.skipIf(process.getuid?.() !== 0)('a user who may write neither beside the data nor to the cache has the index all the same', async () => {
  const locked = path.join(folder, 'locked')
  mkdirSync(locked, { mode: 0o755 })
  const plain = path.join(locked, 'set')
  makeTinyDataset(plain, { sequences: 2, jpeg: 'none' })
  execFileSync('chmod', ['-R', 'a+rX', locked])
  const script = `
    const { indexDatasets } = await import(${JSON.stringify(path.join(packageFolder, 'lib/data/index.ts'))})
    process.setgid(65534); process.setuid(65534)
    const lines = []
    const { reports, indexes } = await indexDatasets({ datasets: [{ name: 'GOT10kDataset', configPath: 'x', params: { dataset_root: ${JSON.stringify(plain)} }, ratio: 1, maxDiff: 1 }], indexCache: 'dataset' }, { log: (line) => lines.push(line) })
    console.log(JSON.stringify({ lines, notCached: reports[0].notCached, frames: indexes[0].boxes.length / 4 }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, XDG_CACHE_HOME: locked, SIAMFCPP_INDEX_CACHE: 'dataset' }, stdio: ['ignore', 'pipe', 'pipe'] })
  const { stdout, stderr, code } = await collect(child)
  expect([code, stderr]).toEqual([0, ''])
  const { lines, notCached, frames } = JSON.parse(stdout) as { lines: string[]; notCached: string; frames: number }
  expect(frames).toBe(12)
  expect(notCached).toBe('no folder for it can be written to')
  expect(lines).toEqual([expect.stringMatching(/cannot write to .*\.siamfcpp-index \(EACCES\); the user's cache is used instead/), expect.stringMatching(/not cached: cannot write to .*siamfcpp-native\/index \(EACCES\)/)])
})

it('an index of 2,000 sequences and a million frames opens at once and in little memory', async () => {
  const bench = spawn(process.execPath, [path.join(packageFolder, 'bench/index.ts'), '--sequences', '2000', '--frames-per-sequence', '500', '--rounds', '1', '--json', '--check'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const { stdout, code } = await collect(bench)
  const report = JSON.parse(stdout) as { frames: number; cacheMegabytes: number; open: { seconds: { min: number }; beforeMegabytes: number; residentMegabytes: number } }
  expect([code, report.frames]).toEqual([0, 1_000_000])
  expect(report.cacheMegabytes).toBeLessThan(17)
  expect(report.open.seconds.min).toBeLessThan(0.5)
  // The machine's other work does not change this: JavaScript and the mapping together, beyond what the addon took.
  expect(report.open.residentMegabytes - report.open.beforeMegabytes).toBeLessThan(16)
})

it('worker_threads that are terminated while they open an index leave the process alive', async () => {
  const cached = entryOf((await runCli(args('--json'), { env: env('worker') })).stdout).cacheFile!
  const load = path.join(packageFolder, 'lib/native/load.ts')
  const worker = `Promise.all([import(${JSON.stringify(load)}), import('node:worker_threads')]).then(async ([{ loadAddon }, { parentPort }]) => {
    const addon = loadAddon()
    parentPort.postMessage('begins')
    for (;;) {
      const files = await Promise.all(Array.from({ length: 8 }, () => addon.openIndexFile(${JSON.stringify(cached)})))
      await Promise.all(files.map((file) => file.firstChange()))
      files[0].dispose()
    }
  })`
  const { code, signal, stdout, stderr } = await terminateTen(worker, 3)
  expect([code, signal, stdout], stderr).toEqual([0, null, 'alive\n'])
})
