/** `siamtrain train --dry-run`: exit codes, text, JSON, and that it writes nothing anywhere. */
import { mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { DryRunReport } from '../../lib/engine/dry-run.ts'
import { load } from '../helpers/config.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { runCli } from '../helpers/run-cli.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
let env: Record<string, string>

beforeAll(() => {
  experiment = makeExperiment('dry-run-cli', { iterations: 2, epochs: 2 })
  const home = path.join(experiment.dir, 'home')
  mkdirSync(home)
  env = { HOME: home, XDG_CACHE_HOME: path.join(home, 'cache') }
})
afterAll(() => removeFolder(experiment.dir))

/** Every file and folder below the experiment's, where the data, the output, the working directory and the user's cache lie. */
const everything = (): string[] => readdirSync(experiment.dir, { recursive: true, encoding: 'utf8' }).sort()
const dry = (...more: string[]) => runCli(['train', experiment.config, ...experiment.overrides, ...more, '--dry-run'], { cwd: experiment.dir, env })

it('a run that would start: exit code 0, every section, nothing written', async () => {
  const before = everything()
  const { code, stdout, stderr } = await dry()
  expect([code, stderr]).toEqual([0, ''])
  for (const title of ['Configuration', 'Network', 'Learning rate', 'Monitors', 'Data', 'Output', 'Memory', 'Result']) expect(stdout).toMatch(new RegExp(`^${title}`, 'm'))
  expect(stdout).toMatch(/^ +minibatch: 2 +# override$/m)
  expect(stdout).toMatch(/^head\.bi +\S+ +1 +all +1$/m)
  expect(stdout).toMatch(/^GOT10kDataset +100\.0 % +3 sequences, 18 frames/m)
  expect(stdout).toMatch(/^in all +\d+\.\d$/m)
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('The run would start.')
  expect(everything()).toEqual(before)
  // The configuration that is printed is one.
  const yaml = /^train:\n(?: .*\n)+/m.exec(stdout)?.[0] as string
  expect((await load(yaml)).config.train?.track?.data?.minibatch).toBe(2)
})

it('--json is one object with the same', async () => {
  const { code, stdout } = await dry('--json')
  const report = JSON.parse(stdout) as DryRunReport
  expect([code, report.dry_run, report.ok, report.problems]).toEqual([0, true, true, []])
  expect(report.memory?.minibatch).toBe(2)
  expect(report.data?.datasets[0]?.frames).toBe(18)
})

it('--cache and --workers are in the memory, and a cache that cannot be meant is warned of', async () => {
  const loaderBytes = async (...flags: string[]): Promise<[number, string[]]> => {
    const { memory, warnings } = JSON.parse((await dry('--json', '--workers', '1', ...flags)).stdout) as DryRunReport
    return [memory!.loader_bytes, warnings]
  }
  const [[plain, none], [full, many]] = [await loaderBytes(), await loaderBytes('--cache', '900T')]
  expect([full - plain, none]).toEqual([900 * 2 ** 40, []])
  expect(many).toEqual([expect.stringMatching(/^a cache of \d+\.\d GB is larger than the memory of this machine \(/)])
  const { stdout } = await dry('--cache', '1')
  expect(stdout).toMatch(/^batches, decoding, cache +\d+\.\d$/m)
  expect(stdout).toContain('Warning: a cache of 1 byte keeps next to no frames: a size without a unit is in bytes; did you mean 1G?\n')
})

it('what is missing: exit code 1, and all of it', async () => {
  const before = everything()
  const data = 'train.track.data.sampler.submodules.dataset'
  const { code, stdout, stderr } = await dry(`${data}.names=[GOT10kDataset, LaSOTDataset]`, `${data}.GOT10kDataset.dataset_root=/nowhere/got`, `${data}.LaSOTDataset.dataset_root=/nowhere/lasot`)
  expect([code, stderr]).toEqual([1, ''])
  expect(stdout).toContain('The run would not start: 2 things are wrong or missing.')
  expect(stdout).toMatch(/^ {2}data: ERR_\w+ .*GOT10kDataset: /m)
  expect(stdout).toMatch(/^ {2}data: ERR_\w+ .*LaSOTDataset: /m)
  expect(stdout.match(/MISSING/g)?.length).toBe(2)
  expect(everything()).toEqual(before)
})

it('a wrong call is 2, a configuration that is none 1', async () => {
  const both = await dry('--resume', 'latest', '--overwrite')
  expect([both.code, both.stdout]).toEqual([2, ''])
  expect(both.stderr).toContain('contradict')
  const none = await runCli(['train', 'nowhere.yaml', '--dry-run'], { cwd: experiment.dir, env })
  expect([none.code, none.stdout]).toEqual([1, ''])
  expect(none.stderr).toContain('No such configuration file')
})
