/** dryRun(): what it tells of a run that would start, and all that is missing of one that would not. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildTrainer } from '../../lib/engine/builders.ts'
import { dryRun, type DryRunReport } from '../../lib/engine/dry-run.ts'
import { smallYaml } from '../helpers/config.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
const withFreezer = smallYaml.replace(
  '      optimizer:\n',
  "      grad_modifier:\n        name: DynamicFreezer\n        DynamicFreezer:\n          schedule:\n          - {name: convs, regex: 'basemodel.*conv\\.weight', epoch: 0, freezed: true}\n          - {name: last, regex: 'basemodel\\.conv3b\\.conv\\.weight', epoch: 1, freezed: false}\n      optimizer:\n",
)

beforeAll(() => {
  experiment = makeExperiment('dry-run', { iterations: 2, epochs: 2 })
  writeFileSync(experiment.config, withFreezer)
})
afterAll(() => removeFolder(experiment.dir))

async function plan(more: string[] = [], options: Parameters<typeof dryRun>[1] = {}): Promise<DryRunReport> {
  return dryRun(await loadConfig(experiment.config, [...experiment.overrides, ...more], { onWarning: () => {} }), options)
}

describe('a run that would start', () => {
  let report: DryRunReport
  beforeAll(async () => {
    report = await plan()
  })

  it('has no problems', () => {
    expect([report.ok, report.problems, report.warnings]).toEqual([true, [], []])
    expect(report.sources['train.track.data.minibatch']).toBe('override')
    expect((report.config as { data: { minibatch: number } }).data.minibatch).toBe(2)
  })

  it('lists the parameters with group, rate and the epoch that thaws them', () => {
    const { parameters, totals } = report.model as NonNullable<DryRunReport['model']>
    const of = (name: string) => parameters.find((parameter) => parameter.name === name)
    expect(of('basemodel.conv1.conv.weight')).toMatchObject({ group: 'all', ratio: 1, frozen_until: null })
    expect(of('basemodel.conv3b.conv.weight')).toMatchObject({ frozen_until: 1 })
    expect(of('basemodel.conv3b.bn.weight')).toMatchObject({ frozen_until: 0 })
    expect(of('head.bi')).toEqual({ name: 'head.bi', shape: [], count: 1, group: 'all', ratio: 1, frozen_until: 0 })
    expect(totals.parameters).toBe(parameters.reduce((sum, { count }) => sum + count, 0))
    expect(totals.tensors).toBe(parameters.length)
    expect(totals.trained_first_epoch).toBeLessThan(totals.parameters)
  })

  it('plans rates, data, output and memory', () => {
    expect(report.schedule).toMatchObject({ max_epoch: 2, num_iterations: 2, groups: [{ name: 'all', ratio: 1 }] })
    expect(report.schedule?.epochs[0]).toMatchObject({ epoch: 0, first_lr: 0.08, frozen_tensors: 5 })
    expect(report.schedule?.epochs[1]).toMatchObject({ epoch: 1, frozen_tensors: 4 })
    expect(report.data?.datasets).toMatchObject([{ name: 'GOT10kDataset', found: true, sequences: 3, frames: 18 }])
    expect(report.output).toEqual({ folder: path.join(experiment.dir, 'out', 'small'), snapshots: [], start: 'new', snapshot: null, epoch: 0, iteration: 0 })
    expect(report.monitors).toEqual([{ name: 'TextInfo', params: { every: 1 } }])
    expect(report.memory?.total_bytes).toBeGreaterThan(report.memory?.activations_bytes as number)
  })
})

it('names everything that is missing, not only the first', async () => {
  const names = '[GOT10kDataset, LaSOTDataset, NoSuchDataset]'
  const blocked = path.join(experiment.dir, 'a-file')
  writeFileSync(blocked, '')
  const report = await plan([
    `train.track.data.sampler.submodules.dataset.names=${names}`,
    'train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=/nowhere/got',
    'train.track.data.sampler.submodules.dataset.LaSOTDataset.dataset_root=/nowhere/lasot',
    'train.track.model.backbone.TinyConv.pretrain_model_path=/nowhere/weights.pkl',
    'train.track.trainer.name=NoSuchTrainer',
    'train.track.trainer.monitors.names=[TextInfo, NoSuchMonitor]',
    `train.track.trainer.NoSuchTrainer.exp_save=${blocked}`,
  ], { device: 'cuda' })
  expect(report.ok).toBe(false)
  const byPart = report.problems.map(({ part, code, message }) => [part, code, message] as const)
  expect(byPart.filter(([part]) => part === 'data').map(([, , message]) => message.split(':')[0])).toEqual(['GOT10kDataset', 'LaSOTDataset', 'NoSuchDataset'])
  for (const expected of [['trainer', 'ERR_CONFIG'], ['monitors', 'ERR_CONFIG'], ['output', 'ERR_IO'], ['pretrained', 'ERR_IO'], ['device', 'ERR_DEVICE']]) {
    expect(byPart.map(([part, code]) => [part, code])).toContainEqual(expected)
  }
  // What can be told all the same is told.
  expect(report.model?.totals.tensors).toBeGreaterThan(20)
  expect(report.monitors.map(({ name }) => name)).toEqual(['TextInfo'])
  expect(report.memory).not.toBeNull()
})

it('a network, groups or data settings that do not work are problems of their own', async () => {
  const report = await plan(['train.track.model.task_head.DenseboxHead.head_width=32', 'train.track.data.transformer.RandomCropTransformer.x_size=303'])
  expect(report.problems.map(({ part }) => part)).toEqual(['data', 'model'])
  expect([report.model, report.memory, report.data]).toEqual([null, null, null])
  // The schedule needs no network.
  expect(report.schedule?.num_iterations).toBe(2)
  const twice = await plan(["train.track.optim.optimizer.SGD.lr_multiplier=[{name: a, regex: '', ratio: 1}, {name: b, regex: head, ratio: 1}]"])
  expect(twice.problems.map(({ part, code }) => [part, code])).toContainEqual(['optimizer', 'ERR_CONFIG'])
})

it('says what would be resumed', async () => {
  const trainer = await buildTrainer(await loadConfig(experiment.config, experiment.overrides, { onWarning: () => {} }), { progress: 'none', log: () => {} })
  await trainer.train({ maxIterations: 1 })
  const file = await trainer.saveSnapshot()
  await trainer.close()

  const fresh = await plan([], { measure: false })
  expect(fresh.output.snapshots).toEqual(['epoch-0-iter-1.pkl'])
  expect(fresh.problems).toMatchObject([{ part: 'output', code: 'ERR_ARGUMENT' }])
  expect((await plan([], { overwrite: true, measure: false })).ok).toBe(true)

  const resumed = await plan([], { resume: 'latest', measure: false })
  expect([resumed.ok, resumed.output]).toMatchObject([true, { start: 'resume', snapshot: file, epoch: 0, iteration: 1 }])
  const absent = await plan([], { resume: '7', measure: false })
  expect(absent.problems).toMatchObject([{ part: 'output', code: 'ERR_CHECKPOINT' }])
  mkdirSync(path.join(experiment.dir, 'other'))
  writeFileSync(path.join(experiment.dir, 'other', 'broken.pkl'), 'no snapshot')
  const broken = await plan([], { resume: path.join(experiment.dir, 'other', 'broken.pkl'), measure: false })
  expect(broken.problems).toMatchObject([{ part: 'output', code: 'ERR_CHECKPOINT' }])
})

describe('a DistributedRegularTrainer in one process', () => {
  const distributed = [
    'train.track.trainer.name=DistributedRegularTrainer',
    ...['minibatch=2', 'nr_image_per_epoch=4', 'max_epoch=1', 'exp_name=dist'].map((text) => `train.track.trainer.DistributedRegularTrainer.${text}`),
  ]

  async function trained(more: string[]): Promise<{ sha: string; lines: string[] }> {
    const lines: string[] = []
    const config = await loadConfig(experiment.config, [...experiment.overrides, ...more, `train.track.trainer.DistributedRegularTrainer.exp_save=${experiment.dir}`], { onWarning: () => {} })
    const trainer = await buildTrainer(config, { progress: 'none', threads: 1, log: (line) => void lines.push(line) })
    try {
      await trainer.train()
      return { sha: await trainer.stateSha256(), lines }
    } finally {
      await trainer.close()
    }
  }

  it('is the RegularTrainer to the bit, and says what several processes would change', async () => {
    const regular = await trained([])
    const one = await trained(distributed)
    expect(one.sha).toBe(regular.sha)
    expect(one.lines.filter((line) => line.includes('num_processes'))).toEqual([])
    const two = await trained([...distributed, 'train.track.num_processes=2'])
    expect(two.sha).toBe(regular.sha)
    expect(two.lines.find((line) => line.includes('num_processes'))).toBe(
      'Warning: train.track.num_processes is 2, but this run is one process, which takes the whole minibatch of 2. BatchNorm statistics and losses are then those of 2 pairs, not of 1 in each process',
    )
  })

  it('a dry run says it too', async () => {
    const report = await plan([...distributed, 'train.track.num_processes=2', `train.track.trainer.DistributedRegularTrainer.exp_save=${experiment.dir}`], { measure: false })
    expect(report.ok).toBe(true)
    expect(report.warnings.some((warning) => warning.startsWith('train.track.num_processes is 2'))).toBe(true)
  })
})
