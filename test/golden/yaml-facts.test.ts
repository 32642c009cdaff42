/** Parameter groups, their learning rates and frozen parameters of the original's 17 training files (golden/yaml_facts.json). */
import { describe, expect, it } from 'vitest'
import { DynamicFreezer, frozenAt } from '../../lib/engine/grad-modifier.ts'
import { divideIntoGroups, ungroupedParameters } from '../../lib/engine/lr-multiplier.ts'
import { buildLrPolicy } from '../../lib/engine/lr-policy.ts'
import { parametersOf, policyOf, yamlFacts } from '../helpers/yaml-facts.ts'

describe.each(yamlFacts.map((facts) => [facts.yaml, facts] as const))('%s', (yaml, facts) => {
  const parameters = parametersOf(yaml)
  const groups = divideIntoGroups(facts.lr_multiplier, parameters)

  it('divides the parameters into the same groups', () => {
    expect(groups.map((g) => ({ n: g.parameters.length, first: g.parameters.slice(0, 3), last: g.parameters.slice(-2) }))).toEqual(
      facts.groups.map(({ n, first, last }) => ({ n, first, last })),
    )
    expect(ungroupedParameters(groups, parameters)).toEqual([])
  })

  it('gives each group its learning rate at epoch 0, iteration 1', () => {
    const { lr_policy, num_iterations } = policyOf(yaml)
    const base = buildLrPolicy(lr_policy, num_iterations)?.getLr(0, 1) as number
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
})
