/** `siamtrain hpo` as a user calls it: files, killed and called again, two at a time, wrong calls. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseXml } from '@rgrove/parse-xml'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerHpoCommand } from '../../lib/cli/hpo.ts'
import { openSearchBenchmark } from '../../lib/hpo/benchmark.ts'
import { testerTrials } from '../../lib/hpo/tester-trial.ts'
import { lockFolder } from '../../lib/lock-folder.ts'
import { makeGot10kPart } from '../helpers/benchmarks/make.ts'
import { configFile, resultsIn, tinyConfig, tracker, weights } from '../helpers/benchmarks/run.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'

let dir: string
const ranges = (): string => path.join(dir, 'ranges.yaml')
const file = (out: string, ending: string): string => path.join(dir, out, `hpo_${tracker}${ending}`)
const call = (out: string, ...more: string[]): string[] => ['hpo', configFile(), `test.track.tester.GOT10kTester.data_root=${path.join(dir, 'got')}`, '--hpo-config', ranges(), '--weights', weights(), '--out', path.join(dir, out), '--trials', '2', '--workers', '2', ...more]
const journalLines = (out: string): number => (existsSync(file(out, '.jsonl')) ? readFileSync(file(out, '.jsonl'), 'utf8').split('\n').length - 1 : 0)

beforeAll(() => {
  dir = temporaryFolder('hpo-command')
  makeGot10kPart(path.join(dir, 'got'), 'val', { jpeg: 'real', frames: 4, sequences: 2 })
  writeFileSync(ranges(), 'test:\n  track:\n    pipeline:\n      SiamFCppTracker:\n        test_lr_hpo_range: [0.2, 0.9]\n        penalty_k_hpo_range: [0.0, 0.2]\n')
})
afterAll(() => removeFolder(dir))

describe('siamtrain hpo', () => {
  it('writes a table, CSV, JSON and a plot; killed and called again it gives the same', async () => {
    const whole = await runCli(call('whole'))
    expect([whole.code, whole.stderr]).toEqual([0, expect.stringContaining('not a fair result: search on a validation set')])
    expect(whole.stderr).toContain('Warning: only the first benchmark of the configuration is searched on, not GOT-10k test')
    expect(whole.stderr).toContain('GOT-10k val: 2 trials on 2 sequences; a sequence is tracked 4 times')
    const lines = whole.stdout.trimEnd().split('\n')
    expect(lines[0]!.trim().split(/ +/)).toEqual(['trial', 'test_lr', 'penalty_k', 'AO'])
    const overrides = lines.at(-1)!.split(' ')
    expect(overrides.map((override) => override.split('=')[0])).toEqual(['test.track.pipeline.SiamFCppTracker.test_lr', 'test.track.pipeline.SiamFCppTracker.penalty_k'])
    const json = JSON.parse(readFileSync(file('whole', '.json'), 'utf8')) as { best: { score: number; overrides: string[] }; trials: { trial: number; score: number }[] }
    expect(json.best.overrides).toEqual(overrides)
    expect(json.trials.map(({ trial }) => trial).toSorted()).toEqual([0, 1])
    expect(json.best.score).toBeGreaterThan(0)
    expect(json.best.score).toBe(Math.max(...json.trials.map(({ score }) => score)))
    parseXml(readFileSync(file('whole', '.svg'), 'utf8'))
    expect(readdirSync(file('whole', '')).sort()).toEqual(['trial-0000', 'trial-0001'])

    // Killed at some time after its first trial: what is in the journal then does not matter.
    const child = startCli(call('killed'))
    const ended = collect(child)
    while (journalLines('killed') < 2 && child.exitCode === null) await sleep(10)
    child.kill('SIGKILL')
    await ended
    const again = await runCli(call('killed'))
    expect([again.code, again.stdout]).toEqual([0, whole.stdout])
    for (const ending of ['.csv', '.json', '.svg']) expect(readFileSync(file('killed', ending), 'utf8')).toBe(readFileSync(file('whole', ending), 'utf8'))
    expect(resultsIn(file('killed', ''))).toEqual(resultsIn(file('whole', '')))
  })

  it('leaves a folder alone in which another one searches', async () => {
    mkdirSync(file('locked', ''), { recursive: true })
    using _lock = lockFolder(file('locked', ''), 'searching with this folder')
    const { code, stderr } = await runCli(call('locked', '--quiet'))
    expect([code, stderr]).toEqual([1, expect.stringContaining('ERR_IO')])
    expect(stderr).toContain('another process is searching with this folder')
    expect(existsSync(file('locked', '.jsonl'))).toBe(false)
  })

  it('scores no trial with weights that were replaced meanwhile', async () => {
    const own = path.join(dir, 'own.pkl')
    copyFileSync(weights(), own)
    const overrides = [`test.track.tester.GOT10kTester.data_root=${path.join(dir, 'got')}`]
    const { plan, sequences } = await openSearchBenchmark(await tinyConfig(...overrides), undefined, {})
    const evaluate = await testerTrials({ file: configFile(), overrides, plan, folder: path.join(dir, 'replaced'), run: { weights: own } })
    copyFileSync(own, `${own}.new`)
    renameSync(`${own}.new`, own)
    await expect(evaluate({ trial: 0, overrides: [], sequences, workers: 1, signal: new AbortController().signal })).rejects.toMatchObject({ code: 'ERR_IO', file: own, message: expect.stringContaining('the weights were changed') })
    expect(existsSync(path.join(dir, 'replaced'))).toBe(false)
  })

  it('refuses bad ranges before anything is written', async () => {
    const bad = path.join(dir, 'bad.yaml')
    writeFileSync(bad, 'test:\n  track:\n    pipeline:\n      SiamFCppTracker:\n        test_lr_hpo_range: [0.9, 0.2]\n')
    const { code, stderr } = await runCli(call('bad', '--hpo-config', bad))
    expect([code, stderr]).toEqual([1, expect.stringContaining('bad.yaml:5: Expected [low, high]')])
    expect(existsSync(path.join(dir, 'bad'))).toBe(false)
  })

  it.each([
    ['--trials', '0'],
    ['--method', 'grid'],
    ['--eta', '1'],
    ['--seed', '-1'],
    ['--benchmark', 'OTB2015'],
  ])('%s %s is a wrong call', async (option, value) => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} })
    registerHpoCommand(program)
    program.commands[0]!.exitOverride()
    await expect(program.parseAsync(call('wrong', option, value), { from: 'user' })).rejects.toMatchObject({ code: 'commander.invalidArgument', message: expect.stringContaining(`'${option} `) })
  })
})
