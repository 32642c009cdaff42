/** Parameter groups, their learning rates and frozen parameters of the original's 17 training files (golden/yaml_facts.json). */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig, numIterations, requireTrain } from '../../lib/config/index.ts'
import type { FreezeStep, LrGroup, LrPhase } from '../../lib/config/index.ts'
import { DynamicFreezer, frozenAt } from '../../lib/engine/grad-modifier.ts'
import { divideIntoGroups, ungroupedParameters } from '../../lib/engine/lr-multiplier.ts'
import { buildLrPolicy } from '../../lib/engine/lr-policy.ts'
import { shared } from '../helpers/shared.ts'

interface Facts {
  yaml: string
  amp_optimizer: boolean
  amp_model: boolean
  lr_multiplier: LrGroup[]
  schedule: FreezeStep[]
  groups: { n: number; first: string[]; last: string[]; momentum: number; weight_decay: number; lr0: number }[]
  lr_at_e0_i1: number[]
  frozen_param_names_from_epoch: Record<string, string[]>
  max_epoch: number
  trainer: string
  num_processes: number
  num_workers: number
  minibatch: number
  nr_image_per_epoch: number
  negative_pair_ratio: number
  datasets: [string, number][]
  losses: [string, Record<string, unknown>][]
  x_size_train: number
  score_size_target: number
  max_scale: number
  max_shift: number
}

const read = (name: string) => JSON.parse(readFileSync(shared('golden', name), 'utf8'))
const allFacts = read('yaml_facts.json') as Facts[]
const stateDicts = read('state_dicts.json') as Record<string, { parameters_in_order: string[] }>
const lrPolicies = read('lr_policy.json') as { distinct: { lr_policy: LrPhase[]; num_iterations: number; yamls: string[] }[] }

function parametersOf(yaml: string): string[] {
  const architecture = Object.keys(stateDicts).find((name) => yaml.includes(`_${name}-`))
  if (architecture === undefined) throw new Error(`no architecture for ${yaml}`)
  return (stateDicts[architecture] as { parameters_in_order: string[] }).parameters_in_order
}

describe.each(allFacts.map((facts) => [facts.yaml, facts] as const))('%s', (yaml, facts) => {
  const parameters = parametersOf(yaml)
  const groups = divideIntoGroups(facts.lr_multiplier, parameters)

  it('divides the parameters into the same groups', () => {
    expect(groups.map((g) => ({ n: g.parameters.length, first: g.parameters.slice(0, 3), last: g.parameters.slice(-2) }))).toEqual(
      facts.groups.map(({ n, first, last }) => ({ n, first, last })),
    )
    expect(ungroupedParameters(groups, parameters)).toEqual([])
  })

  it('gives each group its learning rate at epoch 0, iteration 1', () => {
    const policy = lrPolicies.distinct.find((p) => p.yamls.includes(yaml))
    const base = buildLrPolicy(policy?.lr_policy ?? [], policy?.num_iterations ?? 0)?.getLr(0, 1) as number
    for (const [i, group] of groups.entries()) {
      expect(Math.abs(base * group.ratio - (facts.lr_at_e0_i1[i] as number)) / (facts.lr_at_e0_i1[i] as number)).toBeLessThanOrEqual(1e-15)
    }
    expect(groups.length).toBe(facts.lr_at_e0_i1.length)
  })

  it('freezes the same parameters at every epoch', () => {
    const states = new Map(parameters.map((name) => [name, true]))
    const model = {
      parameterNames: () => parameters,
      setRequiresGrad: (names: string[], requiresGrad: boolean) => {
        for (const name of names) states.set(name, requiresGrad)
      },
    }
    const freezer = new DynamicFreezer(model, { schedule: facts.schedule })
    let expected: string[] = []
    for (let epoch = 0; epoch < facts.max_epoch; epoch++) {
      expected = facts.frozen_param_names_from_epoch[String(epoch)] ?? expected
      expect(frozenAt(facts.schedule, parameters, epoch)).toEqual(expected)
      freezer.modifyGrad(epoch)
      expect(parameters.filter((name) => states.get(name) === false)).toEqual(expected)
      // Inside an epoch nothing may change.
      freezer.modifyGrad(epoch + 10, 3)
      expect(parameters.filter((name) => states.get(name) === false)).toEqual(expected)
    }
  })

  // Some of the 17 files are given; the others are known by their facts only.
  const file = `${shared('reference-configs', 'train')}/${yaml}`
  if (!existsSync(file)) return
  it('is read from its YAML as the original read it', async () => {
    const config = await loadConfig(file, [], { onWarning: () => {} })
    const { data, model, optim, trainer, num_processes } = requireTrain(config)
    expect(trainer.name).toBe(facts.trainer)
    expect(num_processes).toBe(facts.num_processes)
    expect(data.num_workers).toBe(facts.num_workers)
    expect(numIterations(config)).toBe(Math.floor(facts.nr_image_per_epoch / facts.minibatch))
    expect([data.minibatch, data.nr_image_per_epoch, data.num_epochs]).toEqual([facts.minibatch, facts.nr_image_per_epoch, facts.max_epoch])
    expect(data.sampler.TrackPairSampler.negative_pair_ratio).toBe(facts.negative_pair_ratio)
    const { dataset } = data.sampler.submodules
    expect(dataset.names.map((name) => [name, (dataset as unknown as Record<string, { ratio: number }>)[name]?.ratio])).toEqual(facts.datasets)
    expect(model.losses.names.map((name) => [name, model.losses[name]])).toEqual(facts.losses)
    expect(model.task_model.SiamTrack.amp).toBe(facts.amp_model)
    const { SGD: sgd } = optim.optimizer
    expect(sgd.amp).toBe(facts.amp_optimizer)
    expect(facts.groups.map((g) => [g.momentum, g.weight_decay, g.lr0])).toEqual(facts.groups.map(() => [sgd.momentum, sgd.weight_decay, sgd.lr]))
    expect(sgd.lr_multiplier).toEqual(facts.lr_multiplier)
    expect(optim.grad_modifier?.DynamicFreezer?.schedule ?? []).toEqual(facts.schedule)
    expect(sgd.lr_policy).toEqual(lrPolicies.distinct.find((p) => p.yamls.includes(yaml))?.lr_policy)
    const crop = data.transformer.RandomCropTransformer
    expect([crop.x_size, crop.max_scale, crop.max_shift]).toEqual([facts.x_size_train, facts.max_scale, facts.max_shift])
    expect(data.target.DenseboxTarget.score_size).toBe(facts.score_size_target)
  })
})
