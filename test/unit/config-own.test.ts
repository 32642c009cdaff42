/** The configurations that come with the product: each loads without a warning, and those that follow the original plan what it plans. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, numIterations, requireTest, requireTrain, trainerParams } from '../../lib/config/index.ts'
import type { Config } from '../../lib/config/index.ts'
import { shared } from '../helpers/shared.ts'

const folder = fileURLToPath(new URL('../../configs', import.meta.url))
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const read = (file: string) => loadConfig(file, [], { onWarning: () => {} })

describe('configs/', () => {
  it('has them all', () => {
    expect(files).toEqual(expect.arrayContaining([
      'quickstart.yaml', 'siamfcpp_alexnet-got10k.yaml', 'siamfcpp_googlenet-got10k.yaml', 'siamfcpp_shufflenetv2x0_5-got10k.yaml',
      'siamfcpp_shufflenetv2x1_0-got10k.yaml', 'siamfcpp_tinyconv-bag.yaml', 'siamfcpp_tinyconv-got10k.yaml',
    ]))
  })

  it.each(files)('%s is complete, consistent and without a warning', async (name) => {
    const config = await read(path.join(folder, name))
    expect(config.warnings).toEqual([])
    const { optim, data, model, exp_name } = requireTrain(config)
    const { max_epoch, exp_name: trainerName } = trainerParams(config)
    expect(trainerName).toBe(exp_name)
    expect(`${exp_name}.yaml`).toBe(name)
    expect(data.num_epochs).toBe(max_epoch)
    const planned = optim.optimizer.SGD.lr_policy.reduce((sum, phase) => sum + (phase.max_epoch as number), 0)
    expect(planned).toBe(max_epoch)
    const test = requireTest(config)
    expect(test.model?.task_model.SiamTrack.pretrain_model_path).toBe(`snapshots/${exp_name}/final_model.pkl`)
    // GoogLeNet searches a larger crop than it was trained on, as the original does: the score map is larger, the network the same.
    const head = test.model!.task_head.DenseboxHead
    const trained = model.task_head.DenseboxHead
    expect({ ...head, score_size: 0, x_size: 0 }).toEqual({ ...trained, score_size: 0, x_size: 0 })
    expect(test.model?.backbone.name).toBe(model.backbone.name)
    for (const { x_size, total_stride, num_conv3x3, score_size } of [head, trained]) expect(score_size).toBe(Math.floor((x_size - 127) / total_stride) + 1 - 2 * num_conv3x3)
    expect(test.pipeline?.name).toBe('SiamFCppTracker')
  })
})

/** What decides the numbers of a run. */
function essence(config: Config): unknown {
  const { model, data, optim } = requireTrain(config)
  const { losses } = model
  const { submodules, ...sampler } = data.sampler
  return {
    iterations: [numIterations(config), trainerParams(config).max_epoch],
    model: [model.backbone, model.task_head, model.task_model],
    losses: losses.names.map((name) => losses[name]),
    data: [data.minibatch, sampler, data.transformer, data.target, submodules.filter, submodules.dataset.GOT10kDataset],
    sgd: optim.optimizer,
    schedule: optim.grad_modifier?.DynamicFreezer?.schedule ?? [],
  }
}

describe.each([
  ['siamfcpp_alexnet-got10k.yaml', 'siamfcpp_alexnet-trn.yaml'],
  ['siamfcpp_tinyconv-got10k.yaml', 'siamfcpp_tinyconv-trn.yaml'],
  ['siamfcpp_googlenet-got10k.yaml', 'siamfcpp_googlenet-trn.yaml'],
  ['siamfcpp_shufflenetv2x0_5-got10k.yaml', 'siamfcpp_shufflenetv2x0_5-trn.yaml'],
])('%s', (ours, theirs) => {
  it(`trains what the original's ${theirs} trains`, async () => {
    const own = await read(path.join(folder, ours))
    const original = await read(shared('reference-configs', 'train', 'got10k', theirs))
    expect(essence(own)).toEqual(essence(original))
  })
})

it("siamfcpp_shufflenetv2x1_0-got10k.yaml trains what the original's trains, as far as golden/yaml_facts.json tells", async () => {
  const facts = (JSON.parse(readFileSync(shared('golden', 'yaml_facts.json'), 'utf8')) as Record<string, unknown>[]).find(({ yaml }) => yaml === 'got10k/siamfcpp_shufflenetv2x1_0-trn.yaml')!
  const { model, data, optim } = requireTrain(await read(path.join(folder, 'siamfcpp_shufflenetv2x1_0-got10k.yaml')))
  const sgd = optim.optimizer.SGD
  const crop = data.transformer.RandomCropTransformer
  expect({
    lr_multiplier: sgd.lr_multiplier,
    schedule: optim.grad_modifier?.DynamicFreezer?.schedule,
    losses: model.losses.names.map((name) => [name, model.losses[name]]),
    minibatch: data.minibatch, nr_image_per_epoch: data.nr_image_per_epoch, max_epoch: data.num_epochs,
    negative_pair_ratio: data.sampler.TrackPairSampler.negative_pair_ratio,
    datasets: [['GOT10kDataset', data.sampler.submodules.dataset.GOT10kDataset?.ratio]],
    x_size_train: crop.x_size, max_scale: crop.max_scale, max_shift: crop.max_shift, score_size_target: data.target.DenseboxTarget.score_size,
    amp_optimizer: sgd.amp, amp_model: model.task_model.SiamTrack.amp,
  }).toEqual(Object.fromEntries([
    'lr_multiplier', 'schedule', 'losses', 'minibatch', 'nr_image_per_epoch', 'max_epoch', 'negative_pair_ratio', 'datasets', 'x_size_train', 'max_scale', 'max_shift',
    'score_size_target', 'amp_optimizer', 'amp_model',
  ].map((key) => [key, facts[key]])))
})
