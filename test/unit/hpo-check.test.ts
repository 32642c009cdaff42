/** Whether a configuration has what a search is to change, and which benchmarks can be searched on. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { openSearchBenchmark } from '../../lib/hpo/benchmark.ts'
import { checkSpace } from '../../lib/hpo/check-space.ts'
import { parseSearchSpace, readSearchSpace } from '../../lib/hpo/space.ts'
import { makeGot10kPart, makeOtb } from '../helpers/benchmarks/make.ts'
import { configFile, tinyConfig } from '../helpers/benchmarks/run.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'

async function check(text: string, file = configFile(), overrides: string[] = []): Promise<void> {
  const config = await loadConfig(file, overrides, { onWarning: () => {} })
  await checkSpace(config, file, overrides, parseSearchSpace(text, 'ranges.yaml'))
}
const ranges = (...lines: string[]): string => `test:\n  track:\n    pipeline:\n      SiamFCppTracker:\n${lines.map((line) => `        ${line}\n`).join('')}`

describe('ranges beside a configuration', () => {
  it("of the original fit the original's configuration", async () => {
    const file = shared('reference-configs', 'test', 'otb', 'siamfcpp_alexnet-otb.yaml')
    const config = await loadConfig(file, [], { onWarning: () => {} })
    await expect(checkSpace(config, file, [], await readSearchSpace(shared('reference-configs', 'hpo', 'siamfcpp_SiamFCppTracker-hpo.yaml')))).resolves.toBeUndefined()
  })

  it('may be of what only the defaults have', async () => {
    await expect(check(ranges('context_amount_hpo_range: [0.4, 0.6]', 'windowing_hpo_range: [cosine]'))).resolves.toBeUndefined()
  })

  it.each([
    ['an unknown key, with the nearest', ranges('test_lr_hpo_range: [0.5, 0.6]', 'penaltyk_hpo_range: [0.0, 0.1]'), 6, 'has no test.track.pipeline.SiamFCppTracker.penaltyk', 'did you mean penalty_k?'],
    ["another tracker's section", ranges('mem_coef_hpo_range: [0.5, 0.6]').replace('SiamFCppTracker', 'SiamFCppMultiTempTracker'), 5, "the configuration's tracker is SiamFCppTracker", 'test.track.pipeline.name'],
    ['a section', 'test:\n  track:\n    pipeline:\n      SiamFCppTracker_hpo_range: [0.5, 0.6]\n', 4, 'is a section', undefined],
    ['what changes no box', 'test:\n  track:\n    tester:\n      GOT10kTester:\n        device_num_hpo_range: [1, 4]\n', 5, 'changes no box', undefined],
    ['what is computed', ranges('score_size_hpo_range: [17, 25]'), 5, 'is computed from other sizes', undefined],
    ['a value of another type', ranges('total_stride_hpo_range: [4.5, 8.0]'), 5, 'a value that the configuration refuses', undefined],
    ['a choice that is none', ranges('windowing_hpo_range: [cosine, hann, uniform]'), 5, 'hann', undefined],
  ])('refuse %s: ERR_CONFIG with file and line', async (_, text, line, words, hint) => {
    await expect(check(text)).rejects.toMatchObject({ code: 'ERR_CONFIG', file: 'ranges.yaml', line, message: expect.stringContaining(words), ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }) })
  })
})

describe('the benchmark of a search', () => {
  let dir: string
  beforeAll(() => {
    dir = temporaryFolder('hpo-benchmark')
    makeGot10kPart(path.join(dir, 'got'), 'val', { sequences: 3 })
    makeGot10kPart(path.join(dir, 'got'), 'test', { sequences: 2 })
    makeOtb(path.join(dir, 'otb'), ['Basketball', 'Biker'])
  })
  afterAll(() => removeFolder(dir))
  const root = (): string => `test.track.tester.GOT10kTester.data_root=${path.join(dir, 'got')}`

  it('is the first of the configuration; the others are named', async () => {
    const { title, sequences, others } = await openSearchBenchmark(await tinyConfig(root()), undefined, {})
    expect([title, sequences, others]).toEqual(['GOT-10k val', ['GOT-10k_Val_000001', 'GOT-10k_Val_000002', 'GOT-10k_Val_000003'], ['GOT-10k test']])
  })

  it('may be given in the call', async () => {
    const { title, sequences } = await openSearchBenchmark(await tinyConfig(), { benchmark: 'OTB2015', root: path.join(dir, 'otb') }, { allowMissing: true })
    expect([title, sequences]).toEqual(['OTB2015', ['Basketball', 'Biker']])
  })

  it.each([
    ['by its name', (): string => path.join(dir, 'got')],
    ['before its frames are looked for', (): string => path.join(dir, 'nothing')],
  ])('is refused where its annotations are secret, %s', async (_, folder) => {
    const config = await tinyConfig('test.track.tester.GOT10kTester.subsets=[test]', `test.track.tester.GOT10kTester.data_root=${folder()}`)
    await expect(openSearchBenchmark(config, undefined, {})).rejects.toMatchObject({ code: 'ERR_CONFIG', file: configFile(), message: expect.stringContaining('GOT-10k test cannot be searched on: its annotations are secret') })
  })

  it('is missed where the configuration names no part of one', async () => {
    await expect(openSearchBenchmark(await tinyConfig('test.track.tester.GOT10kTester.subsets=[]'), undefined, {})).rejects.toMatchObject({ code: 'ERR_CONFIG', file: configFile() })
  })
})
