/** Benchmarks run by worker processes: results do not depend on how many, nor on being stopped; faults cost one sequence. */
import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openBenchmark } from '../../lib/evaluation/benchmarks/index.ts'
import { lockResults } from '../../lib/evaluation/tester/manifest.ts'
import { runTesters, type TestOutcome, type TestProgress } from '../../lib/evaluation/tester/index.ts'
import { makeGot10kPart, makeOtb, makeTrackingNetTest, makeVot, makeVotLongTerm } from '../helpers/benchmarks/make.ts'
import { lineCount, resultsIn, tinyConfig, tracker, weights } from '../helpers/benchmarks/run.ts'
import { removeFolder, temporaryFolder, tinyJpeg } from '../helpers/make-dataset.ts'
import { readZip } from '../helpers/read-zip.ts'

let dir: string
const data = (...parts: string[]): string => path.join(dir, 'data', ...parts)
const out = (name: string): string => path.join(dir, 'out', name)
const jpeg = { jpeg: 'real', frames: 5 } as const

beforeAll(() => {
  dir = temporaryFolder('benchmark-run')
  makeGot10kPart(data('got'), 'val', { ...jpeg, sequences: 3 })
  makeGot10kPart(data('got'), 'test', jpeg)
})
afterAll(() => removeFolder(dir))

describe('runTesters', () => {
  it('gives the same boxes with one worker and with two, as many as frames, beginning with the given one', async () => {
    const config = await tinyConfig('test.track.tester.names=["GOT10kTester"]', 'test.track.tester.GOT10kTester.subsets=["val"]', `test.track.tester.GOT10kTester.data_root=${data('got')}`)
    const seen: TestProgress[] = []
    const [first] = await runTesters(config, { weights: weights(), workers: 2, out: out('two'), onProgress: (progress) => seen.push(progress) })
    const [second] = await runTesters(config, { weights: weights(), workers: 1, out: out('one') })
    const folder = path.join(out('two'), 'GOT-Benchmark', 'result', 'GOT-10k', tracker)
    expect(first).toMatchObject({ tester: 'GOT10kTester', benchmark: 'GOT-10k', subset: 'val', results: folder, sequences: 3, kept: 0, failed: [] })
    const results = resultsIn(folder)
    expect(resultsIn(second!.results)).toEqual(results)
    const { sequences } = await openBenchmark('GOT-10k', data('got'))
    expect(Object.keys(results)).toEqual(sequences.map(({ name }) => `${name}/${name}_001.txt`))
    for (const { name, files, truth } of sequences) {
      const text = results[`${name}/${name}_001.txt`]
      expect(lineCount(text)).toBe(files.length)
      expect(text!.split('\n')[0]).toBe(truth[0]!.map((value) => value.toFixed(3)).join(','))
      expect(lineCount(readFileSync(path.join(folder, name, `${name}_time.txt`), 'utf8'))).toBe(files.length)
    }
    expect(seen.at(-1)).toEqual({ benchmark: 'GOT-10k', subset: 'val', sequencesDone: 3, sequences: 3, framesDone: 18, frames: 18, framesKept: 0 })
    const [evaluated] = first!.evaluation!.trackers
    expect(evaluated).toMatchObject({ tracker, missing: [] })
    expect(evaluated!.scores.ao).toBeGreaterThan(0)
    expect(second!.evaluation!.trackers[0]!.scores.ao).toBe(evaluated!.scores.ao)
  })

  it('keeps finished sequences, does cut ones again, and refuses to mix settings', async () => {
    const config = await tinyConfig()
    const run = (more: object = {}) => runTesters(config, { weights: weights(), workers: 1, out: out('two'), benchmarks: [{ benchmark: 'GOT-10k', root: data('got') }], evaluate: false, ...more })
    const folder = path.join(out('two'), 'GOT-Benchmark', 'result', 'GOT-10k', tracker)
    const before = resultsIn(folder)
    const [cut] = Object.keys(before)
    truncateSync(path.join(folder, cut!), 20)
    expect(await run()).toMatchObject([{ sequences: 3, kept: 2, failed: [] }])
    expect(resultsIn(folder)).toEqual(before)
    // Without anything to do, no worker is started.
    expect(await run({ modules: ['file:///nowhere.js'] })).toMatchObject([{ sequences: 3, kept: 3 }])
    await expect(run({ threads: 2 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('threads is 2 and was 1') })
    await expect(run({ weights: data('got', 'val', 'list.txt') })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('weights_sha256') })
    expect(resultsIn(folder)).toEqual(before)
  })

  it('a broken frame and one of another size cost their sequences; mended, they alone are run', async () => {
    makeOtb(data('otb'), ['Basketball', 'Biker', 'Bird1', 'Bird2'], jpeg)
    const broken = data('otb', 'Biker', 'img', '0003.jpg')
    const other = data('otb', 'Bird1', 'img', '0004.jpg')
    for (const file of [broken, other]) copyFileSync(file, `${file}.whole`)
    truncateSync(broken, 300)
    writeFileSync(other, tinyJpeg(64, 48, 0, 0))
    const run = () => runTestersOn('OTB2015', data('otb'), { allowMissing: true })
    const [outcome] = await run()
    expect(outcome).toMatchObject({ sequences: 2, kept: 0 })
    expect(outcome!.failed.map(({ sequence, error }) => [sequence, error.code, error.file])).toEqual([['Biker', 'ERR_DATA', broken], ['Bird1', 'ERR_DATA', other]])
    expect(outcome!.evaluation).toBeUndefined()
    expect(Object.keys(resultsIn(outcome!.results))).toEqual(['Basketball.txt', 'Bird2.txt'])
    for (const file of [broken, other]) copyFileSync(`${file}.whole`, file)
    const [mended] = await run()
    expect(mended).toMatchObject({ sequences: 4, kept: 2, failed: [] })
    expect(mended!.evaluation!.trackers[0]!.sequences.map(({ sequence }) => sequence).sort()).toEqual(['Basketball', 'Biker', 'Bird1', 'Bird2'])
    expect(existsSync(path.join(mended!.results, 'times', 'Bird1_time.txt'))).toBe(true)
  })

  it('refuses weights that are replaced while it runs', async () => {
    const own = data('own.pkl')
    copyFileSync(weights(), own)
    vi.stubEnv('REPLACING_WEIGHTS', weights())
    vi.stubEnv('REPLACED_WEIGHTS', own)
    const replacing = new URL('../helpers/benchmarks/replacing-worker.ts', import.meta.url).href
    await expect(runTestersOn('GOT-10k', data('got'), { out: out('replaced'), weights: own, modules: [replacing] })).rejects.toMatchObject({ code: 'ERR_IO', file: own, message: expect.stringContaining('the weights were changed') })
    vi.unstubAllEnvs()
    expect(readdirSync(out('replaced'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('_001.txt'))).toEqual([])
  })

  it('leaves results alone into which another run writes', async () => {
    const folder = path.join(out('two'), 'GOT-Benchmark', 'result', 'GOT-10k', tracker)
    const before = resultsIn(folder)
    const run = () => runTestersOn('GOT-10k', data('got'), { out: out('two'), fresh: true, evaluate: false, modules: ['file:///nowhere.js'] })
    {
      using _lock = lockResults([folder])
      await expect(run()).rejects.toMatchObject({ code: 'ERR_IO', message: 'another process is testing into this folder', file: folder })
      expect(resultsIn(folder)).toEqual(before)
    }
    expect(existsSync(`${folder}.run.lock`)).toBe(false)
  })

  it('a worker that dies costs its sequence, and another one goes on', async () => {
    const dying = new URL('../helpers/benchmarks/dying-worker.ts', import.meta.url).href
    const [outcome] = await runTestersOn('GOT-10k', data('got'), { out: out('dying'), modules: [dying] })
    expect(outcome!.failed.map(({ sequence, error }) => [sequence, error.code, error.message])).toEqual([['GOT-10k_Val_000002', 'ERR_INTERNAL', 'the worker that tracked it was ended by SIGKILL']])
    expect(outcome!.sequences).toBe(2)
  })

  it('weights of another network end the run', async () => {
    const run = runTestersOn('GOT-10k', data('got'), { out: out('wrong'), weights: path.join(path.dirname(weights()), 'odd.zip.pkl') })
    await expect(run).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
  })

  it('no weights, a bad number of workers, an aborted signal', async () => {
    const config = await tinyConfig('test.track.model.task_model.SiamTrack.pretrain_model_path=')
    await expect(runTesters(config, { benchmarks: [{ benchmark: 'GOT-10k', root: data('got') }] })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: 'there are no weights to track with' })
    await expect(runTestersOn('GOT-10k', data('got'), { workers: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('for workers') })
    await expect(runTestersOn('TOB', data('got'), {})).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: 'there is no benchmark "TOB"' })
    await expect(runTestersOn('OTB', '/nowhere', { weights: '/nowhere.pkl' })).rejects.toMatchObject({ code: 'ERR_IO', file: '/nowhere.pkl' })
    const reason = new Error('enough')
    await expect(runTestersOn('GOT-10k', data('got'), { out: out('aborted'), signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('protocols and submissions', () => {
  const outcomes = new Map<string, TestOutcome>()

  beforeAll(async () => {
    makeVot(data('vot'), ['bag', 'ball1'], { ...jpeg, frames: 9, tags: true })
    // The target of frame 3 is elsewhere: a failure, whatever the tracker does, and a start five frames later.
    const truth = data('vot', 'bag', 'groundtruth.txt')
    writeFileSync(truth, readFileSync(truth, 'utf8').split('\n').with(2, '0,0,1,0,1,1,0,1').join('\n'))
    makeVotLongTerm(data('lt', 'VOT2018LT'), ['ballet'], jpeg)
    makeTrackingNetTest(data('tn'), ['b', 'a'], { ...jpeg, frames: 11 })
    const benchmarks = [['VOT2018', 'vot'], ['VOT2018LT', 'lt'], ['GOT-10k/test', 'got'], ['TrackingNet', 'tn']].map(([benchmark, root]) => ({ benchmark: benchmark!, root: data(root!) }))
    for (const outcome of await runTesters(await tinyConfig(), { weights: weights(), workers: 1, out: out('all'), benchmarks })) outcomes.set(outcome.benchmark, outcome)
  })

  it('VOT: starts, failures and restarts', () => {
    const outcome = outcomes.get('VOT2018')!
    const lines = readFileSync(path.join(outcome.results, 'baseline', 'bag', 'bag_001.txt'), 'utf8').trimEnd().split('\n')
    expect(lines).toEqual(['1', expect.stringMatching(/^-?\d+\.\d{4}(,-?\d+\.\d{4}){3}$/), '2', '0', '0', '0', '0', '1', expect.any(String)])
    expect(outcome.results).toBe(path.join(out('all'), 'VOT2018', tracker))
    expect(Object.keys(outcome.evaluation!.trackers[0]!.scores)).toEqual(expect.arrayContaining(['accuracy', 'robustness', 'eao']))
  })

  it('VOT long-term: confidences, and none in the first frame', () => {
    const outcome = outcomes.get('VOT2018LT')!
    const results = resultsIn(outcome.results)
    expect(Object.keys(results)).toEqual(['longterm/ballet/ballet_001.txt', 'longterm/ballet/ballet_001_confidence.value'])
    expect(results['longterm/ballet/ballet_001.txt']!.split('\n')[0]).toBe('1')
    expect(results['longterm/ballet/ballet_001_confidence.value']).toMatch(/^\n([01]\.\d{6}\n){4}$/)
    expect(outcome.evaluation!.trackers[0]!.sequences).toHaveLength(1)
  })

  it('where annotations are secret, a zip is packed and nothing scored', () => {
    const [got, tn] = ['GOT-10k', 'TrackingNet'].map((name) => outcomes.get(name)!)
    const name = 'GOT-10k_Test_000001'
    expect([...readZip(got!.submission!).keys()].slice(0, 2)).toEqual([`${name}/${name}_001.txt`, `${name}/${name}_time.txt`])
    const zip = readZip(tn!.submission!)
    expect([...zip.keys()]).toEqual(['a.txt', 'b.txt'])
    expect(lineCount(zip.get('b.txt')!.toString())).toBe(11)
    expect([got!.evaluation, tn!.evaluation]).toEqual([undefined, undefined])
  })

  it('of a part of such a benchmark no zip is packed, and a whole one stays', async () => {
    const { submission } = outcomes.get('TrackingNet')!
    const before = readFileSync(submission!)
    const [part] = await runTestersOn('TrackingNet', data('tn'), { out: out('all'), sequences: ['a'] })
    expect(part).toMatchObject({ kept: 1, sequences: 1, secret: true })
    expect(part!.submission).toBeUndefined()
    expect(readFileSync(submission!)).toEqual(before)
  })
})

async function runTestersOn(benchmark: string, root: string, options: Parameters<typeof runTesters>[1]) {
  return runTesters(await tinyConfig(), { weights: weights(), workers: 1, out: out(benchmark), benchmarks: [{ benchmark, root }], ...options })
}
