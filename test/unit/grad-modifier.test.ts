/** Freezing schedules, parameter groups and a user's own modifier. */
import { describe, expect, it } from 'vitest'
import type { FreezeStep } from '../../lib/config/index.ts'
import { buildGradModifier, DynamicFreezer, freezeActionsAt, frozenAt, GradModifier, gradModifierNames, registerGradModifier } from '../../lib/engine/grad-modifier.ts'
import { divideIntoGroups, ungroupedParameters } from '../../lib/engine/lr-multiplier.ts'

const names = ['basemodel.conv1.weight', 'basemodel.conv2.weight', 'head.weight']

function recordingModel() {
  const calls: [string[], boolean][] = []
  return { calls, parameterNames: () => [...names], setRequiresGrad: (parameters: string[], requiresGrad: boolean) => void calls.push([parameters, requiresGrad]) }
}

describe('DynamicFreezer', () => {
  const schedule: FreezeStep[] = [
    { name: 'all', regex: 'basemodel', epoch: 1, freezed: true },
    { name: 'second', regex: 'conv2', epoch: 3, freezed: false },
  ]

  it('freezes from an epoch on, and before the epoch of a thaw', () => {
    // A thaw freezes what it is about until its epoch comes: at epoch 0 conv2 is frozen by it alone.
    expect(frozenAt(schedule, names, 0)).toEqual(['basemodel.conv2.weight'])
    expect(frozenAt(schedule, names, 1)).toEqual(['basemodel.conv1.weight', 'basemodel.conv2.weight'])
    expect(frozenAt(schedule, names, 3)).toEqual(['basemodel.conv1.weight'])
    expect(freezeActionsAt(schedule, names, 3)).toEqual([
      { parameters: names.slice(0, 2), requiresGrad: false },
      { parameters: ['basemodel.conv2.weight'], requiresGrad: true },
    ])
  })

  it('acts at the start of an epoch only, and on what the schedule names only', () => {
    const model = recordingModel()
    const freezer = new DynamicFreezer(model, { schedule })
    freezer.modifyGrad(1, 0)
    expect(model.calls).toEqual([])
    freezer.modifyGrad(1)
    expect(model.calls).toEqual([[names.slice(0, 2), false], [['basemodel.conv2.weight'], false]])
    expect(freezer.frozenAt(1)).toEqual(names.slice(0, 2))
  })

  it('does nothing without a schedule', () => {
    const model = recordingModel()
    new DynamicFreezer(model).modifyGrad(0)
    expect(model.calls).toEqual([])
  })

  it('refuses a schedule that is none', () => {
    expect(() => new DynamicFreezer(recordingModel(), { schedule: 5 })).toThrow(/Expected a list of freezing steps/)
    expect(() => new DynamicFreezer(recordingModel(), { schedule: [{ regex: '(', epoch: 0, freezed: true }] })).toThrow(/Expected a Python regular expression/)
  })
})

describe('buildGradModifier', () => {
  it('builds what the section names, or nothing', () => {
    const model = recordingModel()
    expect(buildGradModifier(undefined, model)).toBeUndefined()
    expect(buildGradModifier({ name: '' }, model)).toBeUndefined()
    expect(buildGradModifier({ name: 'DynamicFreezer', DynamicFreezer: { schedule: [] } }, model)).toBeInstanceOf(DynamicFreezer)
    expect(() => buildGradModifier({ name: 'DynamicFreeser' }, model)).toThrow(/Unknown grad modifier "DynamicFreeser"; known are DynamicFreezer/)
  })

  it("builds a user's own", async () => {
    class Log extends GradModifier {
      readonly seen: unknown[] = []
      override modifyGrad(epoch: number, iteration?: number): void {
        this.seen.push([epoch, iteration, this.params.label])
      }
    }
    registerGradModifier('Log', Log)
    expect(gradModifierNames()).toContain('Log')
    const modifier = buildGradModifier({ name: 'Log', Log: { label: 'x' } }, recordingModel()) as Log
    await modifier.modifyGrad(2, 3)
    expect(modifier.seen).toEqual([[2, 3, 'x']])
    expect(() => registerGradModifier('Other', class {} as never)).toThrow(/Expected a class with modifyGrad/)
  })
})

describe('divideIntoGroups', () => {
  it('takes what an expression finds anywhere in the name, in the order of lr_multiplier', () => {
    const groups = divideIntoGroups([{ name: 'other', regex: '^((?!basemodel).)*$', ratio: 1 }, { name: 'backbone', regex: 'basemodel', ratio: 0.1 }], names)
    expect(groups).toEqual([
      { name: 'other', ratio: 1, parameters: ['head.weight'] },
      { name: 'backbone', ratio: 0.1, parameters: names.slice(0, 2) },
    ])
  })

  it('leaves out what no expression finds, and tells', () => {
    const groups = divideIntoGroups([{ name: 'first', regex: 'conv1', ratio: 1 }], names)
    expect(groups.map((g) => g.parameters)).toEqual([['basemodel.conv1.weight']])
    expect(ungroupedParameters(groups, names)).toEqual(['basemodel.conv2.weight', 'head.weight'])
  })

  it('refuses a parameter in two groups, as torch does', () => {
    expect(() => divideIntoGroups([{ name: 'a', regex: 'conv', ratio: 1 }, { name: 'b', regex: 'conv2', ratio: 2 }], names)).toThrow(
      'The parameter basemodel.conv2.weight is in two groups of lr_multiplier, "a" and "b"; expected at most one',
    )
  })

  it('is one group without lr_multiplier', () => {
    expect(divideIntoGroups([], names)).toEqual([{ name: 'all', ratio: 1, parameters: names }])
  })
})
