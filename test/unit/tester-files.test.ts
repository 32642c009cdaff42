/** Result files: digits as numpy and the VOT toolkit write them, whole or not there, and what counts as finished. Manifests. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { claimFolder, manifestFile, runSettings } from '../../lib/evaluation/tester/manifest.ts'
import { isFinished, type ResultFormat, resultPaths, resultTexts, writeResults } from '../../lib/evaluation/tester/result-files.ts'
import type { SequenceRun } from '../../lib/evaluation/tester/sequence-run.ts'
import { packSubmission } from '../../lib/evaluation/tester/submission.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { readZip } from '../helpers/read-zip.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'

let dir: string
const folders: string[] = []
beforeEach(() => {
  dir = temporaryFolder('results')
  folders.push(dir)
})
afterAll(() => folders.forEach(removeFolder))

const run: SequenceRun = { lines: [[1.0005, 2.0625, 3.1875, -0.0001], [100.0015, 0.0005, 1e6 + 0.0625, 7.99951]], seconds: [0.020339025, 0.5], confidences: [Number.NaN, 0.1234565] }
const formats: ResultFormat[] = ['got10k', 'otb', 'vot', 'vot-lt']

describe('result files', () => {
  it('boxes and times are written as numpy.savetxt does with %.3f and %.8f', () => {
    // Ties go to the even digit, as in C.
    for (const format of ['got10k', 'otb'] as const) {
      expect(resultTexts(format, run)).toEqual(['0.02033903\n0.50000000\n', '1.000,2.062,3.188,-0.000\n100.001,0.001,1000000.062,8.000\n'])
    }
  })

  it('VOT\'s regions are 32-bit floats with four digits, or codes', () => {
    const vot: SequenceRun = { lines: [1, [1.00005, 2.06255, 310.123456, -0.00001], 2, 0], seconds: [0.1, 0.2, 0.3, 0], confidences: [] }
    expect(resultTexts('vot', vot)).toEqual(['0.100000\n0.200000\n0.300000\n0.000000\n', '1\n1.0000,2.0626,310.1234,-0.0000\n2\n0\n'])
  })

  it('long-term confidences begin with an empty line', () => {
    expect(resultTexts('vot-lt', { ...run, lines: [1, [1, 2, 3, 4]] }).slice(1)).toEqual(['\n0.123456\n', '1\n1.0000,2.0000,3.0000,4.0000\n'])
  })

  it('lie where the toolkits look for them', () => {
    expect(formats.map((format) => resultPaths(format, '/r/T', 'bag').map((file) => path.relative('/r', file)))).toEqual([
      ['T/bag/bag_time.txt', 'T/bag/bag_001.txt'],
      ['T/times/bag_time.txt', 'T/bag.txt'],
      ['T/baseline/bag/bag_time.txt', 'T/baseline/bag/bag_001.txt'],
      ['T/longterm/bag/bag_time.txt', 'T/longterm/bag/bag_001_confidence.value', 'T/longterm/bag/bag_001.txt'],
    ])
  })

  it.each(formats)('%s: finished when every file has a line for each frame', async (format) => {
    expect(await isFinished(format, dir, 'bag', 2)).toBe(false)
    await writeResults(format, dir, 'bag', run)
    expect(await isFinished(format, dir, 'bag', 2)).toBe(true)
    expect(await isFinished(format, dir, 'bag', 3)).toBe(false)
    for (const file of resultPaths(format, dir, 'bag')) {
      const whole = readFileSync(file)
      writeFileSync(file, whole.subarray(0, -1))
      expect([file, await isFinished(format, dir, 'bag', 2)]).toEqual([file, false])
      writeFileSync(file, whole)
    }
    expect(await isFinished(format, dir, 'bag', 2)).toBe(true)
  })

  it('a folder that cannot be made', async () => {
    writeFileSync(path.join(dir, 'T'), '')
    await expect(writeResults('otb', path.join(dir, 'T'), 'bag', run)).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})

describe('submissions', () => {
  it.each([
    ['got10k', ['a/a_001.txt', 'a/a_time.txt', 'b/b_001.txt', 'b/b_time.txt']],
    ['otb', ['a.txt', 'b.txt']],
  ] as const)('%s: the files that the server takes, of the named sequences', async (format, expected) => {
    const folder = path.join(dir, 'T')
    for (const name of ['b', 'a', 'other']) await writeResults(format, folder, name, run)
    const entries = readZip(await packSubmission(format, folder, ['b', 'a']))
    expect([...entries.keys()]).toEqual(expected)
    for (const [name, bytes] of entries) expect(bytes).toEqual(readFileSync(path.join(folder, name)))
  })
})

describe('manifest', () => {
  const settings = { weights_sha256: 'ab', threads: 1, 'pipeline.SiamFCppTracker.test_lr': 0.52 }
  const folder = (): string => path.join(dir, 'below', 'T')

  it('lets a run with the same settings go on, and no other', async () => {
    await claimFolder(folder(), settings, false)
    await writeResults('otb', folder(), 'bag', run)
    await claimFolder(folder(), { ...settings }, false)
    await expect(claimFolder(folder(), { ...settings, threads: 2, 'pipeline.SiamFCppTracker.test_lr': 0.5 }, false)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'the results there were made with other settings: threads is 2 and was 1; pipeline.SiamFCppTracker.test_lr is 0.5 and was 0.52',
      hint: expect.stringContaining('--fresh'),
    })
    expect(await isFinished('otb', folder(), 'bag', 2)).toBe(true)
  })

  it('fresh removes the earlier results and nothing else', async () => {
    await claimFolder(folder(), settings, false)
    await writeResults('otb', folder(), 'bag', run)
    writeFileSync(path.join(dir, 'below', 'mine.txt'), 'keep')
    await claimFolder(folder(), { ...settings, threads: 2 }, true)
    expect(readdirSync(path.join(dir, 'below')).sort()).toEqual(['T.run.json', 'mine.txt'])
    await claimFolder(folder(), { ...settings, threads: 2 }, false)
  })

  it('a run without results binds nobody', async () => {
    await claimFolder(folder(), settings, false)
    mkdirSync(path.join(folder(), 'bag'), { recursive: true })
    await claimFolder(folder(), { ...settings, threads: 2 }, false)
    expect(JSON.parse(readFileSync(manifestFile(folder()), 'utf8'))).toEqual({ format: 1, settings: { ...settings, threads: 2 } })
  })

  it('results that nobody knows of are left alone, also by fresh', async () => {
    await writeResults('otb', folder(), 'bag', run)
    for (const fresh of [false, true]) await expect(claimFolder(folder(), settings, fresh)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('not known') })
    expect(existsSync(path.join(folder(), 'bag.txt'))).toBe(true)
  })

  it('a damaged manifest', async () => {
    mkdirSync(path.dirname(manifestFile(folder())), { recursive: true })
    for (const text of ['{', '[]', '{"format":2,"settings":{}}']) {
      writeFileSync(manifestFile(folder()), text)
      await expect(claimFolder(folder(), settings, false)).rejects.toMatchObject({ code: 'ERR_DATA', file: manifestFile(folder()) })
    }
  })

  it('settings are what the boxes depend on: weights, network, tracker; not where they come from', async () => {
    const file = shared('reference-configs', 'test', 'got10k', 'siamfcpp_alexnet-got.yaml')
    const weights = path.join(dir, 'w.pkl')
    writeFileSync(weights, 'x')
    const of = async (...overrides: string[]) => runSettings(await loadConfig(file, overrides, { onWarning: () => {} }), weights, { threads: 1 })
    const plain = await of()
    expect(plain).toMatchObject({ weights_sha256: '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', threads: 1, 'pipeline.name': 'SiamFCppTracker', 'pipeline.SiamFCppTracker.penalty_k': 0.04, 'model.backbone.name': 'AlexNet' })
    expect(await of('test.track.model.task_model.SiamTrack.pretrain_model_path=other.pkl', 'test.track.exp_save=elsewhere')).toEqual(plain)
    expect(await of('test.track.pipeline.SiamFCppTracker.penalty_k=0.05')).not.toEqual(plain)
    await expect(runSettings(await loadConfig(file, [], { onWarning: () => {} }), path.join(dir, 'nowhere.pkl'), {})).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})
