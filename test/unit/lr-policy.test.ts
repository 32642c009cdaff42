/** Learning-rate policies beyond the golden grid: ends, registration, bad numbers; and the rounding of their functions. */
import { describe, expect, it } from 'vitest'
import type { LrPhase } from '../../lib/config/index.ts'
import { buildLrPolicy, lrPolicyNames, registerLrPolicy } from '../../lib/engine/lr-policy.ts'
import { cos, exp, log } from '../../lib/engine/precise-math.ts'

const warmUp: LrPhase = { name: 'LinearLR', start_lr: 0, end_lr: 1, max_epoch: 2 }
const decay: LrPhase = { name: 'CosineLR', start_lr: 1, end_lr: 0.5, max_epoch: 3 }

describe('a schedule', () => {
  it('goes from one policy to the next', () => {
    const policy = buildLrPolicy([warmUp, decay], 4)
    expect(policy?.epochs).toBe(5)
    expect([0, 1, 2, 3].map((i) => policy?.getLr(0, i))).toEqual([0, 0.125, 0.25, 0.375])
    expect(policy?.getLr(1, 3)).toBe(0.875)
    expect(policy?.getLr(2, 0)).toBe(1)
    expect(policy?.getLr(3, 2)).toBe(0.75)
  })

  it('holds its last rate past its end, where the original would start its last policy again', () => {
    for (const last of [decay, warmUp, { name: 'ExponentialLR', start_lr: 1, end_lr: 0.1, max_epoch: 2 }, { name: 'MultiStageLR', lr_stages: [[1, 0.5], [2, 0.25]] }]) {
      const policy = buildLrPolicy([warmUp, last], 4)
      const end = policy?.getLr((policy?.epochs as number) - 1, 3)
      expect(policy?.getLr(policy.epochs, 0)).toBe(end)
      expect(policy?.getLr(policy.epochs + 7, 2)).toBe(end)
    }
  })

  it('takes the original\'s defaults for what an entry leaves out', () => {
    const policy = buildLrPolicy([{ name: 'LinearLR', end_lr: 1 }], 2)
    expect([policy?.epochs, policy?.getLr(0, 0), policy?.getLr(0, 1)]).toEqual([1, 0, 0.5])
  })

  it('is nothing for no phases', () => {
    expect(buildLrPolicy([], 4)).toBeUndefined()
  })

  it.each<[phases: LrPhase[], iterations: number, message: RegExp]>([
    [[{ name: 'CosinLR' }], 4, /Unknown learning-rate policy "CosinLR"; known are .*CosineLR, ExponentialLR, LinearLR, MultiStageLR/],
    [[{ ...decay, max_epoch: 0 }], 4, /Expected a positive integer for max_epoch of CosineLR but received 0/],
    [[{ ...decay, start_lr: 'x' }], 4, /Expected a number for start_lr of CosineLR but received "x"/],
    [[{ name: 'ExponentialLR', start_lr: 0, end_lr: 1 }], 4, /Expected numbers > 0 for start_lr and end_lr of ExponentialLR/],
    [[{ name: 'MultiStageLR', lr_stages: [1, 2] }], 4, /Expected a list of \[epoch, lr\] pairs/],
    [[decay], 0, /Expected a positive integer for numIterations but received 0/],
  ])('refuses %j with %d iterations', (phases, iterations, message) => {
    expect(() => buildLrPolicy(phases, iterations)).toThrow(message)
  })

  it('refuses a negative epoch', () => {
    expect(() => buildLrPolicy([decay], 4)?.getLr(-1, 0)).toThrow(/Expected numbers ≥ 0/)
  })
})

describe('registerLrPolicy', () => {
  it("adds a user's own", () => {
    registerLrPolicy('TriangleLR', (phase, numIterations) => ({
      epochs: 2,
      getLr: (epoch, iteration) => (phase.top as number) * (1 - Math.abs(epoch * numIterations + iteration - numIterations) / numIterations),
    }))
    expect(lrPolicyNames()).toContain('TriangleLR')
    const policy = buildLrPolicy([warmUp, { name: 'TriangleLR', top: 3 }], 4)
    expect([policy?.epochs, policy?.getLr(2, 2), policy?.getLr(3, 0)]).toEqual([4, 1.5, 3])
  })

  it('refuses a taken name and what is no function', () => {
    expect(() => registerLrPolicy('CosineLR', () => ({ epochs: 1, getLr: () => 1 }))).toThrow(/registered already/)
    expect(() => registerLrPolicy('X', 5 as never)).toThrow(/Expected a function for factory/)
  })
})

describe('rounding as in CPython on glibc', () => {
  // Arguments at which V8's own functions differ by one unit in the last place; values printed by Python 3.11.
  it.each<[name: string, fn: (x: number) => number, x: number, value: number]>([
    ['cos', cos, 2.6076340362079367, -0.8607991023042129],
    ['cos', cos, 2.7605736935907763, -0.9282862004140898],
    ['cos', cos, 2.8319178785763612, -0.9524327322101286],
    ['cos', cos, 2.861952528178995, -0.9611548294511151],
    ['exp', exp, -13.624804479009317, 0.000001210103724854582],
    ['exp', exp, -14.967231132050042, 3.160924407721907e-7],
    ['exp', exp, -7.758004901646464, 0.0004273082528099599],
    ['log', log, 0.000006064188680741207, -12.013109795210307],
    ['log', log, 0.15636556056865444, -1.8555586760864016],
    ['log', log, 2.836004760653847, 1.0423962873193349],
    ['log', log, 4.775656718680463, 1.5635314971838883],
  ])('%s(%s)', (name, fn, x, value) => {
    expect(fn(x)).toBe(value)
  })

  it('is right at the edges', () => {
    expect([cos(0), cos(Math.PI), cos(Math.PI / 2), exp(0), log(1), log(Math.E)]).toEqual([1, -1, 6.123233995736766e-17, 1, 0, 1])
    expect([cos(4), exp(-800), log(0), log(-1)]).toEqual([Math.cos(4), 0, -Infinity, Number.NaN])
  })
})
