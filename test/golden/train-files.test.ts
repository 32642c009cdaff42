/** All 17 of the original's training files, unchanged, against what the original makes of them (golden/yaml_facts.json). */
import { expect, describe, it } from 'vitest'
import { numIterations, requireTest, requireTrain } from '../../lib/config/index.ts'
import { scheduleOf } from '../../lib/engine/schedule.ts'
import { load } from '../helpers/config.ts'
import { originalTrainFile, originalTrainFiles } from '../helpers/original-train-files.ts'
import { parametersOf, policyOf, yamlFacts } from '../helpers/yaml-facts.ts'

it('knows the same 17 files', () => {
  expect(yamlFacts.map(({ yaml }) => yaml).sort()).toEqual(originalTrainFiles)
  expect(originalTrainFiles.length).toBe(17)
})

/** What is odd about a file, and is said: one of them has the key `names` twice. */
const oddities: Record<string, string[]> = {
  'fulldata/siamfcpp_googlenet-trn-fulldata.yaml': ['the key "names" stands twice in one map; the last one wins'],
}

describe.each(yamlFacts.map((fact) => [fact.yaml, fact] as const))('%s', (yaml, fact) => {
  const parameters = parametersOf(yaml)
  const loaded = load(originalTrainFile(yaml))

  it('loads without a complaint', async () => {
    const { warnings, config } = await loaded
    expect(warnings.map(({ message }) => message)).toEqual(oddities[yaml] ?? [])
    expect(requireTest(config).pipeline?.name).toBe('SiamFCppTracker')
    expect(requireTest(config).tester?.names.length).toBeGreaterThan(0)
  })

  it('says the same numbers', async () => {
    const { config } = await loaded
    const { data, model, optim, trainer, num_processes } = requireTrain(config)
    expect([trainer.name, num_processes]).toEqual([fact.trainer, fact.num_processes])
    expect([data.minibatch, data.nr_image_per_epoch, data.num_epochs, data.num_workers]).toEqual([fact.minibatch, fact.nr_image_per_epoch, fact.max_epoch, fact.num_workers])
    expect(numIterations(config)).toBe(Math.floor(fact.nr_image_per_epoch / fact.minibatch))
    expect(data.sampler.TrackPairSampler.negative_pair_ratio).toBe(fact.negative_pair_ratio)
    const { dataset } = data.sampler.submodules
    expect(dataset.names.map((name) => [name, (dataset as unknown as Record<string, { ratio: number }>)[name]?.ratio])).toEqual(fact.datasets)
    expect(model.losses.names.map((name) => [name, model.losses[name]])).toEqual(fact.losses)
    expect([model.task_model.SiamTrack.amp, optim.optimizer.SGD.amp]).toEqual([fact.amp_model, fact.amp_optimizer])
    const crop = data.transformer.RandomCropTransformer
    expect([crop.x_size, crop.max_scale, crop.max_shift]).toEqual([fact.x_size_train, fact.max_scale, fact.max_shift])
    expect(data.target.DenseboxTarget.score_size).toBe(fact.score_size_target)
    const { SGD: sgd } = optim.optimizer
    expect(sgd.lr_multiplier).toEqual(fact.lr_multiplier)
    expect(optim.grad_modifier?.DynamicFreezer?.schedule ?? []).toEqual(fact.schedule)
    const policy = policyOf(yaml)
    expect([sgd.lr_policy, numIterations(config)]).toEqual([policy.lr_policy, policy.num_iterations])
    expect(fact.groups.map((group) => [group.momentum, group.weight_decay, group.lr0])).toEqual(fact.groups.map(() => [sgd.momentum, sgd.weight_decay, sgd.lr]))
  })

  it('plans the same groups, rates and frozen parameters', async () => {
    const plan = scheduleOf((await loaded).config, parameters)
    expect(plan.groups.map((group) => ({ n: group.parameters.length, first: group.parameters.slice(0, 3), last: group.parameters.slice(-2) }))).toEqual(fact.groups.map(({ n, first, last }) => ({ n, first, last })))
    for (const [i, group] of plan.groups.entries()) {
      const expected = fact.lr_at_e0_i1[i] as number
      expect(Math.abs(plan.lrAt(0, 1) * group.ratio - expected) / expected).toBeLessThanOrEqual(1e-15)
    }
    let expected: string[] = []
    expect(plan.frozen.length).toBe(fact.max_epoch)
    for (const [epoch, frozen] of plan.frozen.entries()) {
      expected = fact.frozen_param_names_from_epoch[String(epoch)] ?? expected
      expect(frozen).toEqual(expected)
    }
  })
})
