/** What DynamicFreezer's schedules of the original's 17 files are about: convolutions, in every architecture, and never a BatchNorm. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { FreezeStep } from '../../lib/config/index.ts'
import { freezeActionsAt, frozenAt } from '../../lib/engine/grad-modifier.ts'
import { shared } from '../helpers/shared.ts'

interface Architecture {
  state_dict: [name: string, shape: number[], dtype: string][]
  parameters_in_order: string[]
}

const read = (name: string) => JSON.parse(readFileSync(shared('golden', name), 'utf8'))
const stateDicts = read('state_dicts.json') as Record<string, Architecture>
const allFacts = read('yaml_facts.json') as { yaml: string; schedule: FreezeStep[]; max_epoch: number }[]

function architectureOf(yaml: string): Architecture {
  const name = Object.keys(stateDicts).find((key) => yaml.includes(`_${key}-`))
  if (name === undefined) throw new Error(`no architecture for ${yaml}`)
  return stateDicts[name] as Architecture
}

describe.each(allFacts.map((facts) => [facts.yaml, facts] as const))('%s', (yaml, { schedule, max_epoch }) => {
  const { state_dict, parameters_in_order: parameters } = architectureOf(yaml)
  const shapes = new Map(state_dict.map(([name, shape]) => [name, shape]))
  const isConvolution = (name: string): boolean => shapes.get(name.replace(/\.bias$/, '.weight'))?.length === 4

  it('freezes convolutions of the backbone alone; BatchNorm’s weight and bias train at every epoch', () => {
    const everFrozen = new Set(Array.from({ length: max_epoch }, (_, epoch) => frozenAt(schedule, parameters, epoch)).flat())
    if (schedule.length > 0) expect(everFrozen.size).toBeGreaterThan(0)
    for (const name of everFrozen) {
      expect(isConvolution(name), name).toBe(true)
      expect(name).toMatch(/^basemodel\./)
    }
    const norms = parameters.filter((name) => shapes.has(name.replace(/\.[^.]+$/, '.running_mean')))
    expect(norms.length).toBeGreaterThan(10)
    for (const name of norms) expect(everFrozen.has(name), name).toBe(false)
  })

  it('every step’s expression finds parameters of this architecture, and never names a buffer', () => {
    for (const action of freezeActionsAt(schedule, parameters, 0)) {
      expect(action.parameters.length).toBeGreaterThan(0)
      for (const name of action.parameters) expect(name).not.toMatch(/running_|num_batches_tracked/)
    }
  })

  it('only ever thaws: what trains at an epoch trains at every later one', () => {
    for (let epoch = 1; epoch < max_epoch; epoch++) {
      const before = new Set(frozenAt(schedule, parameters, epoch - 1))
      for (const name of frozenAt(schedule, parameters, epoch)) expect(before.has(name), `${name} at ${epoch}`).toBe(true)
    }
  })
})
