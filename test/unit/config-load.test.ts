/** Loading: the original's files, defaults, YAML as PyYAML reads it, overrides and anchors, the effective dump. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { effectiveConfigYaml, loadConfig, numIterations, requireTest, requireTrain, selected, trainerParams, whereIs } from '../../lib/config/index.ts'
import { lineOf, load, smallYaml } from '../helpers/config.ts'
import { shared } from '../helpers/shared.ts'

const references = shared('reference-configs')
const referenceFiles = readdirSync(references, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml')).sort()

describe("the original's files", () => {
  it.each(referenceFiles)('%s loads, and its effective form loads to the same', async (name) => {
    const config = await loadConfig(path.join(references, name), [], { onWarning: () => {} })
    // Nothing in them is unknown to the schema.
    expect(config.warnings.filter((w) => w.message.includes('unknown key'))).toEqual([])
    const again = await load(effectiveConfigYaml(config))
    expect(again.config.train).toEqual(config.train)
    expect(again.config.test).toEqual(config.test)
    expect(again.warnings.filter((w) => w.message.includes('unknown key'))).toEqual([])
  })

  it('the last of duplicate keys wins, and it is said', async () => {
    const name = path.join(references, 'train/fulldata/siamfcpp_googlenet-trn-fulldata.yaml')
    const config = await loadConfig(name, [], { onWarning: () => {} })
    expect(requireTest(config).tester?.names).toEqual(['TrackingNetTester'])
    expect(config.warnings).toEqual([{ message: 'the key "names" stands twice in one map; the last one wins', path: '', file: name, line: 40 }])
  })

  it('a range for hyper-parameter search is kept', async () => {
    const config = await loadConfig(path.join(references, 'hpo/siamfcpp_SiamFCppTracker-hpo.yaml'))
    expect(config.test?.track?.pipeline?.SiamFCppTracker).toMatchObject({ test_lr: 0.52, test_lr_hpo_range: [0.5, 0.58] })
    expect(() => requireTrain(config)).toThrow(/Training needs train.track/)
  })
})

describe('defaults and access', () => {
  it("fills in the original's defaults and ours", async () => {
    const { config, warnings } = await load(smallYaml)
    expect(warnings).toEqual([])
    const { model, data, trainer, optim, num_processes } = requireTrain(config)
    expect(num_processes).toBe(1)
    expect(model.backbone).toEqual({ name: 'TinyConv', TinyConv: { pretrain_model_path: '' } })
    expect(model.task_head.DenseboxHead).toEqual({
      total_stride: 8, score_size: 17, x_size: 303, num_conv3x3: 3, head_conv_bn: [false, false, true], head_width: 64, conv_weight_std: 0.0001, input_size_adapt: false,
    })
    expect(model.losses.FocalLoss).toEqual({ name: 'cls', background: 0, ignore_label: -1, weight: 1, alpha: 0.25, gamma: 2 })
    expect([model.precision, model.memory_format]).toEqual(['fp32', 'channels_last'])
    expect(data.transformer.RandomCropTransformer).toEqual({ context_amount: 0.5, max_scale: 0.3, max_shift: 0.4, max_scale_temp: 0, max_shift_temp: 0, z_size: 127, x_size: 303 })
    expect(data.sampler.submodules.filter.TrackPairFilter).toEqual({ max_area_rate: 0.6, min_area_rate: 0.001, max_ratio: 10, target_type: 'bbox', apply_area_limits: false })
    expect(data.sampler.TrackPairSampler).toEqual({ negative_pair_ratio: 0, target_type: 'bbox', symmetric_window: false })
    expect(trainer.monitors.TextInfo).toEqual({ every: 1 })
    expect(optim.optimizer.SGD).toMatchObject({ momentum: 0.9, weight_decay: 0.00005, lr: 0.1, amp: false, dampening: 0, nesterov: false })
    expect(optim.grad_modifier).toBeUndefined()
    expect(numIterations(config)).toBe(10)
    expect(trainerParams(config).max_epoch).toBe(2)
    expect(selected(config, model.backbone, 'train.track.model.backbone')).toEqual({ name: 'TinyConv', params: { pretrain_model_path: '' } })
  })

  it('is frozen, and the raw file is at hand', async () => {
    const { config } = await load(smallYaml, ['train.track.data.sampler.TrackPairSampler.negative_pair_ratio=0.5'])
    expect(Object.isFrozen(config.train?.track?.data?.sampler)).toBe(true)
    expect(() => {
      ;(config as { file?: string }).file = 'other'
    }).toThrow(TypeError)
    expect(config.raw).toMatchObject({ train: { track: { model: { backbone: { name: 'TinyConv' } }, data: { sampler: { TrackPairSampler: { negative_pair_ratio: 0.5 } } } } } })
    expect((config.raw.train as { track: object }).track).not.toHaveProperty('num_processes')
  })

  it('knows the line of a key', async () => {
    const { config, file } = await load(smallYaml)
    expect(whereIs(config, 'train.track.trainer.name')).toEqual({ file, line: lineOf(smallYaml, 'name: RegularTrainer') })
    expect(whereIs(config, 'train.track.optim.optimizer.SGD.lr_policy.0.end_lr')).toEqual({ file, line: lineOf(smallYaml, '"end_lr"') })
  })

  it('takes an object in place of a file', async () => {
    const { config } = await load(smallYaml)
    const made = await loadConfig(structuredClone(config.raw), ['train.track.data.seed=7'])
    expect(made.train?.track?.data).toEqual({ ...config.train?.track?.data, seed: 7 })
    expect(made.file).toBeUndefined()
  })

  it("keeps the section of a user's own component", async () => {
    const text = smallYaml
      .replace('name: RegularTrainer', 'name: MyTrainer')
      .replace('RegularTrainer:', 'MyTrainer:')
      .replace('names: [TextInfo]', 'names: [TextInfo, Mine]')
      .replace('        TextInfo:\n', '        TextInfo:\n        Mine: {path: out.csv}\n')
    const { config, warnings } = await load(text)
    expect(warnings).toEqual([])
    expect(trainerParams(config)).toMatchObject({ max_epoch: 2, minibatch: 4 })
    expect(trainerParams((await load(text.replace('exp_save: *SAVE\n        max_epoch', 'max_epoch'))).config)).toMatchObject({ exp_save: 'snapshots', max_epoch: 2, timer: 'wall' })
    expect(config.train?.track?.trainer?.monitors).toMatchObject({ Mine: { path: 'out.csv' } })
  })
})

describe('YAML as PyYAML reads it', () => {
  const track = async (lines: string) => (await load(`test:\n  track:\n${lines.replace(/^/gm, '    ')}`)).config.raw.test as { track: Record<string, unknown> }
  it.each<[text: string, value: unknown]>([
    ['True', true],
    ['off', false],
    ['y', 'y'],
    ['n', 'n'],
    ['1e-6', 1e-6],
    ['1.0e-6', 1e-6],
    ['.5', 0.5],
    ['0x10', 16],
    ['010', 8],
    ['1_000', 1000],
    ['1:30', 90],
    ['2020-01-01', '2020-01-01'],
    ['~', null],
    ['"1e-6"', '1e-6'],
    ['>\n  folded\n  text', 'folded text\n'],
  ])('exp_name: %s', async (text, value) => {
    expect((await track(`x_value: ${text}`)).track.x_value).toEqual(value)
  })

  it('text that is a number where a number is meant is one, as the original evaluates it', async () => {
    const { config } = await load(smallYaml, ['train.track.optim.optimizer.SGD.momentum="8e-1"', 'train.track.optim.optimizer.SGD.amp="True"'])
    expect(config.train?.track?.optim?.optimizer.SGD).toMatchObject({ momentum: 0.8, amp: true })
  })

  it('merges <<, own keys first', async () => {
    const raw = await track('a: &A {x: 1, y: 2}\nb:\n  <<: *A\n  y: 3')
    expect(raw.track.b).toEqual({ x: 1, y: 3 })
  })

  it('accepts a byte order mark and CRLF', async () => {
    const { config } = await load(`\uFEFF${smallYaml.replaceAll('\n', '\r\n')}`)
    expect(numIterations(config)).toBe(10)
  })
})

describe('overrides', () => {
  it('empty a text by nothing behind the equals sign', async () => {
    const { config } = await load(smallYaml, ['train.track.exp_name=', 'train.track.trainer.monitors.TextInfo='])
    expect(config.train?.track?.exp_name).toBe('')
    expect(config.train?.track?.trainer?.monitors.TextInfo).toEqual({ every: 1 })
  })

  it('cannot reach out of the configuration', async () => {
    const made = await loadConfig({}, ['__proto__.polluted=1', 'train.constructor.prototype.polluted=1'], { onWarning: () => {} })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(made.warnings.map((w) => w.path).sort()).toEqual(['__proto__', 'train.constructor'])
  })

  it('reach every place that shares the anchor, from any of them', async () => {
    for (const place of ['data.minibatch', 'trainer.RegularTrainer.minibatch', 'optim.optimizer.SGD.minibatch']) {
      const { config, warnings } = await load(smallYaml, [`train.track.${place}=8`])
      const { data, trainer, optim } = requireTrain(config)
      expect([data.minibatch, trainer.RegularTrainer?.minibatch, optim.optimizer.SGD.minibatch]).toEqual([8, 8, 8])
      expect(warnings).toEqual([])
    }
  })

  it('change a shared map for all that share it', async () => {
    const { config } = await load(smallYaml, ['train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=/data/got'])
    const { dataset } = requireTrain(config).data.sampler.submodules
    expect([dataset.GOT10kDataset?.dataset_root, dataset.GOT10kDatasetFixed?.dataset_root]).toEqual(['/data/got', '/data/got'])
  })

  it('leave places without the anchor alone, and the difference is warned about', async () => {
    const { config, warnings, file } = await load(smallYaml.replace('minibatch: *BATCH\n        nr', 'minibatch: 4\n        nr'), ['train.track.data.minibatch=8'])
    expect(trainerParams(config).minibatch).toBe(4)
    expect(warnings).toEqual([
      {
        message: 'train.track.trainer.RegularTrainer.minibatch is 4 but train.track.data.minibatch is 8; they are meant to be equal',
        path: 'train.track.trainer.RegularTrainer.minibatch',
        file,
        line: lineOf(smallYaml, 'minibatch: *BATCH'),
      },
    ])
  })

  it('make what is missing, read lists and maps, enter lists and embedded JSON; the last one wins', async () => {
    const { config } = await load(smallYaml, [
      'train.track.optim.grad_modifier.name=DynamicFreezer',
      'train.track.optim.grad_modifier.DynamicFreezer.schedule=[{regex: basemodel, epoch: 0, freezed: true}]',
      'train.track.optim.optimizer.SGD.lr_policy.0.end_lr=0.04',
      'train.track.optim.optimizer.SGD.lr_policy.0.end_lr=0.02',
      'train.track.trainer.monitors.TextInfo.every=10',
      'train.track.exp_name=a=b',
    ])
    const { optim, trainer, exp_name } = requireTrain(config)
    expect(optim.grad_modifier).toEqual({ name: 'DynamicFreezer', DynamicFreezer: { schedule: [{ name: '', regex: 'basemodel', epoch: 0, freezed: true }] } })
    expect(optim.optimizer.SGD.lr_policy).toEqual([{ name: 'CosineLR', start_lr: 0.08, end_lr: 0.02, max_epoch: 2 }])
    expect(trainer.monitors.TextInfo?.every).toBe(10)
    expect(exp_name).toBe('a=b')
  })
})
