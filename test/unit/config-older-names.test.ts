/** Names of the original's earlier releases: read as today's, with a warning that names them. */
import { describe, expect, it } from 'vitest'
import { loadConfig, numIterations, requireTest, requireTrain } from '../../lib/config/index.ts'
import { scheduleOf } from '../../lib/engine/schedule.ts'
import { lineOf, load, refusal, smallYaml } from '../helpers/config.ts'

/** `smallYaml` with one part replaced. */
function edited(...edits: [from: string, to: string][]): string {
  return edits.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`expected ${JSON.stringify(from)} once`)
    return text.replace(from, to)
  }, smallYaml)
}

describe('monitors', () => {
  const text = edited(['names: [TextInfo]', 'names: [TrackInfo]'], ['        TextInfo:', '        TrackInfo: {every: 7}'])

  it('TrackInfo is TextInfo, in the list and as a section', async () => {
    const { config, warnings } = await load(text)
    expect(requireTrain(config).trainer.monitors).toEqual({ names: ['TextInfo'], TextInfo: { every: 7 } })
    expect(warnings.map(({ message, line }) => [message, line])).toEqual([
      ['TrackInfo in train.track.trainer.monitors.names is an older name; it is read as TextInfo', lineOf(text, 'names: [TrackInfo]')],
      ['train.track.trainer.monitors.TrackInfo is an older name of TextInfo; it is read as that', lineOf(text, 'TrackInfo: {')],
    ])
  })

  it('processes is monitors', async () => {
    const { config, warnings } = await load(text.replace('      monitors:', '      processes:'))
    expect(requireTrain(config).trainer.monitors).toEqual({ names: ['TextInfo'], TextInfo: { every: 7 } })
    expect(warnings.map(({ path }) => path)).toEqual(['train.track.trainer.processes', 'train.track.trainer.monitors.names', 'train.track.trainer.monitors.TrackInfo'])
  })

  it('the new name holds where both stand', async () => {
    const both = text.replace('        TrackInfo: {every: 7}', '        TrackInfo: {every: 7}\n        TextInfo: {every: 2}')
    const { config, warnings } = await load(both)
    expect(requireTrain(config).trainer.monitors.TextInfo).toEqual({ every: 2 })
    expect(warnings.map(({ message }) => message)).toContain('train.track.trainer.monitors.TrackInfo is an older name of TextInfo, which stands beside it and holds')
  })
})

describe('epochs counted in iterations', () => {
  // As the files of the first months: the trainer and every phase count iterations, the data set is twice as long.
  const text = edited(
    ['        minibatch: *BATCH\n        nr_image_per_epoch: *IMAGES\n      monitors', '        devices: ["cuda:0", "cuda:1"]\n        num_iterations: 5\n      monitors'],
    ['          minibatch: *BATCH\n          nr_image_per_epoch: *IMAGES\n', ''],
    ['"max_epoch": 2\n', '"max_epoch": 2,\n            "max_iter": 5\n'],
  )

  it('become pairs for trainer, data and schedule', async () => {
    const { config, warnings } = await load(text)
    const { data, trainer, optim } = requireTrain(config)
    expect(numIterations(config)).toBe(5)
    expect([data.minibatch, data.nr_image_per_epoch]).toEqual([4, 20])
    expect(trainer.RegularTrainer).toMatchObject({ minibatch: 4, nr_image_per_epoch: 20 })
    expect(optim.optimizer.SGD).toMatchObject({ minibatch: 4, nr_image_per_epoch: 20, lr_policy: [{ name: 'CosineLR', start_lr: 0.08, end_lr: 0.000001, max_epoch: 2 }] })
    // Half of the two epochs of five iterations are done.
    const halfway = 0.08 + (0.000001 - 0.08) * 0.5
    expect(scheduleOf(config, []).lrAt(1, 0)).toBeCloseTo(halfway, 12)
    expect(warnings.map(({ path }) => path)).toEqual(['train.track.trainer.RegularTrainer.devices', 'train.track.trainer.RegularTrainer.num_iterations', 'train.track.optim.optimizer.SGD.lr_policy.0.max_iter'])
    expect(warnings[0]?.message).toBe('train.track.trainer.RegularTrainer.devices is a key of older files and is not used; --device chooses the device')
    expect(warnings[1]?.message).toContain('is read as nr_image_per_epoch: 20, 5 minibatches of 4')
    expect(warnings[1]?.line).toBe(lineOf(text, 'num_iterations'))
    expect(warnings[2]?.line).toBe(lineOf(text, 'max_iter'))
  })

  it("a user's own trainer keeps its keys", async () => {
    const own = text.replace('name: RegularTrainer', 'name: MyTrainer').replace('RegularTrainer:', 'MyTrainer:')
    const { config } = await load(own)
    expect((requireTrain(config).trainer as Record<string, unknown>).MyTrainer).toMatchObject({ num_iterations: 5, devices: ['cuda:0', 'cuda:1'] })
  })
})

const firstFile = `task_name: "track"
track:
  exp_name: first
  model:
    backbone:
      name: Inception3
      Inception3: {crop_pad: 4, amputated: False}
    losses: {names: []}
    task_head:
      name: DenseboxHead
      DenseboxHead: {score_size: 19, num_conv3x3: 2, head_conv_bn: [False, False]}
    task_model: {name: SiamTrack}
  pipeline:
    name: SiamFCppMultiTempTracker
    SiamFCppMultiTempTracker: {test_lr: 0.52, head_shrink: 4, st_mem_coef: 0.6, st_mem_coef_hpo_range: [0.2, 0.7]}
  tester:
    names: ["VOTTester",]
    VOTTester: {device_num: 1, dataset_names: ["VOT2018"]}
`

describe('the first files', () => {
  it('track is test.track, with its older keys', async () => {
    const { config, warnings } = await load(firstFile)
    const test = requireTest(config)
    expect(test.exp_name).toBe('first')
    expect(test.model?.backbone.Inception3).toMatchObject({ crop_pad: 4, pruned: false })
    expect(test.pipeline?.SiamFCppMultiTempTracker).toMatchObject({ num_conv3x3: 2, mem_coef: 0.4, mem_coef_hpo_range: [0.3, 0.8] })
    expect(warnings.map(({ path }) => path).sort()).toEqual(['track', 'test.track.model.backbone.Inception3.amputated', 'test.track.pipeline.SiamFCppMultiTempTracker.head_shrink', 'test.track.pipeline.SiamFCppMultiTempTracker.st_mem_coef', 'test.track.pipeline.SiamFCppMultiTempTracker.st_mem_coef_hpo_range'].sort())
    expect(warnings.every(({ line }) => line !== undefined)).toBe(true)
  })

  it('an odd head_shrink is no number of convolutions and stays unknown', async () => {
    const { warnings } = await load(firstFile.replace('head_shrink: 4', 'head_shrink: 3'))
    expect(warnings.map(({ message }) => message)).toContain('unknown key test.track.pipeline.SiamFCppMultiTempTracker.head_shrink is ignored')
  })

  it('sections right below train are train.track', async () => {
    const lifted = smallYaml.replace('train:\n  track:\n', 'train:\n').replaceAll('\n  ', '\n')
    const { config, warnings } = await load(lifted)
    const now = await load(smallYaml)
    expect(config.train).toEqual(now.config.train)
    expect(warnings.map(({ message }) => message)).toEqual(['train is an older name; it is read as train.track'])
  })
})

it("COCO's one subset is a list of one", async () => {
  const text = edited(['names: [GOT10kDataset]', 'names: [GOT10kDataset, COCODataset]\n            COCODataset: {subset: train2017}'])
  const { config, warnings } = await load(text)
  expect(requireTrain(config).data.sampler.submodules.dataset.COCODataset?.subsets).toEqual(['train2017'])
  expect(warnings.map(({ message }) => message)).toEqual(['train.track.data.sampler.submodules.dataset.COCODataset.subset is an older name of subsets; it is read as that'])
})

it('an override and an object may use them too', async () => {
  const { config, warnings } = await load(smallYaml, ['train.track.data.dataset_type=iterable', 'train.track.data.sampler.submodules.dataset.COCODataset.subset=val2017'])
  expect(requireTrain(config).data.sampler.submodules.dataset.COCODataset?.subsets).toEqual(['val2017'])
  expect(warnings.map(({ path }) => path)).toEqual(['train.track.data.dataset_type', 'train.track.data.sampler.submodules.dataset.COCODataset.subset'])
  const object = await loadConfig({ track: { exp_name: 'x' } }, [], { onWarning: () => {} })
  expect(object.test?.track?.exp_name).toBe('x')
})

it('a wrong value is reported under the new name, at its line', async () => {
  const text = firstFile.replace('amputated: False', 'amputated: 3')
  const error = await refusal(text)
  expect(error.message).toContain('test.track.model.backbone.Inception3.pruned')
  expect(error.line).toBe(lineOf(text, 'amputated'))
})
