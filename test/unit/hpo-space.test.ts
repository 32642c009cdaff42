/** Ranges of a search as the original's YAML has them, what is drawn from them, and how sequences are shared out. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { SiamError } from '../../lib/errors.ts'
import { drawTrial, extremes, overridesOf } from '../../lib/hpo/draw.ts'
import { costOf, mixed, planRungs } from '../../lib/hpo/rungs.ts'
import { columnName, parseSearchSpace, readSearchSpace, type ParameterRange, type SearchParameter } from '../../lib/hpo/space.ts'
import { shared } from '../helpers/shared.ts'

/** A file of ranges for the tracker, one line a range. */
const yaml = (...lines: string[]): string => `test:\n  track:\n    pipeline:\n      SiamFCppTracker:\n${lines.map((line) => `        ${line}\n`).join('')}`
const rangesOf = (...lines: string[]): ParameterRange[] => parseSearchSpace(yaml(...lines), 'ranges.yaml').parameters.map(({ range }) => range)

function errorOf(text: string): SiamError {
  try {
    parseSearchSpace(text, 'ranges.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(SiamError)
    return error as SiamError
  }
  throw new Error('nothing was thrown')
}

describe("the original's file", () => {
  it('is read unmodified', async () => {
    const space = await readSearchSpace(shared('reference-configs', 'hpo', 'siamfcpp_SiamFCppTracker-hpo.yaml'))
    expect(space.expSave).toBe('logs/hpo')
    expect(space.warnings).toEqual([])
    expect(space.parameters.map((parameter) => [columnName(parameter), parameter.range])).toEqual([
      ['pipeline/SiamFCppTracker/test_lr', { kind: 'uniform', low: 0.5, high: 0.58 }],
      ['pipeline/SiamFCppTracker/window_influence', { kind: 'uniform', low: 0.2, high: 0.26 }],
      ['pipeline/SiamFCppTracker/penalty_k', { kind: 'uniform', low: 0.04, high: 0.08 }],
    ])
  })
})

describe('ranges', () => {
  it('are uniform where a number has a point, integers without the upper end where none has', () => {
    expect(rangesOf('a_hpo_range: [0.0, 1.0]', 'b_hpo_range: [0, 1]', 'c_hpo_range: [0, 1.]', 'd_hpo_range: [1e-3, 1]', 'e_hpo_range: [-5, 5]')).toEqual([
      { kind: 'uniform', low: 0, high: 1 },
      { kind: 'integer', low: 0, high: 1 },
      { kind: 'uniform', low: 0, high: 1 },
      { kind: 'uniform', low: 0.001, high: 1 },
      { kind: 'integer', low: -5, high: 5 },
    ])
  })

  it('are a choice where there is one value or more than two', () => {
    expect(rangesOf('a_hpo_range: [127, 143, 160]', 'b_hpo_range: [cosine]', 'c_hpo_range: [true, 1, x]')).toEqual([
      { kind: 'choice', choices: [127, 143, 160] },
      { kind: 'choice', choices: ['cosine'] },
      { kind: 'choice', choices: [true, 1, 'x'] },
    ])
  })

  it('may be one value; an empty list is as if it were not there', () => {
    expect(rangesOf('a_hpo_range: [0.5, 0.5]', 'b_hpo_range: []')).toEqual([{ kind: 'uniform', low: 0.5, high: 0.5 }])
  })

  it('under an older name are those of the name of today, with a warning', () => {
    const { parameters, warnings } = parseSearchSpace(yaml('st_mem_coef_hpo_range: [0.1, 0.9]').replace('SiamFCppTracker', 'SiamFCppMultiTempTracker'), 'ranges.yaml')
    expect(parameters.map(columnName)).toEqual(['pipeline/SiamFCppMultiTempTracker/mem_coef'])
    expect(warnings).toHaveLength(1)
  })

  it.each([
    ['low above high', yaml('test_lr_hpo_range: [0.6, 0.5]'), 5, '0.6 is above 0.5'],
    ['text for numbers', yaml('test_lr_hpo_range: [low, high]'), 5, '"low"'],
    ['nothing for a number', yaml('test_lr_hpo_range: [0.5, ]', 'x_hpo_range: [null, 1.0]'), 6, 'null'],
    ['infinity', yaml('test_lr_hpo_range: [0.5, .inf]'), 5, 'two numbers'],
    ['a number for a list', yaml('a_hpo_range: [0.1, 0.2]', 'test_lr_hpo_range: 0.5'), 6, 'a list'],
    ['a map for a list', yaml('test_lr_hpo_range: {low: 1, high: 2}'), 5, 'a map'],
    ['a list in a choice', yaml('test_lr_hpo_range: [1, [2], 3]'), 5, 'a list of 1'],
    ['no integer', yaml('x_size_hpo_range: [303, 303]'), 5, 'no integer'],
    ['a key without a range', yaml('test_lr_hpo_range: [0.5, 0.6]', 'penalty_k: 0.04'), 6, 'test.track.pipeline.SiamFCppTracker.penalty_k'],
    ['nothing to search', 'test:\n  track:\n    exp_save: logs\n', 3, 'Expected a range'],
    ['nothing but empty lists', yaml('test_lr_hpo_range: []'), 3, 'Expected a range'],
    ['no test', 'train:\n  track: {}\n', 1, 'train'],
    ['video object segmentation', 'test:\n  vos:\n    x_hpo_range: [1.0, 2.0]\n', 2, 'vos'],
    ['a list of tracks', 'test:\n  track: [1, 2]\n', 2, 'a list of 2'],
    ['an empty file', '', 1, 'an empty file'],
    ['no YAML', 'test: [\n', undefined, 'Malformed YAML'],
  ])('refuse %s, with file and line', (_, text, line, words) => {
    const error = errorOf(text)
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.file).toBe('ranges.yaml')
    if (line !== undefined) expect(error.line).toBe(line)
    expect(error.message).toContain(words)
  })

  it('of a file that is not there are ERR_CONFIG', async () => {
    await expect(readSearchSpace('/nowhere/ranges.yaml')).rejects.toMatchObject({ code: 'ERR_CONFIG', file: '/nowhere/ranges.yaml' })
  })
})

const parametersOf = (...ranges: ParameterRange[]): SearchParameter[] => ranges.map((range, i) => ({ path: ['pipeline', 'SiamFCppTracker', `p${i}`], range, origin: {} }))

describe('draws', () => {
  const uniform = { kind: 'uniform', low: 0.5, high: 0.58 } as const
  const integer = { kind: 'integer', low: -3, high: 4 } as const
  const choice = { kind: 'choice', choices: ['a', 'b', 'c'] } as const

  it('lie within their ranges and reach all of them', () => {
    const drawn = Array.from({ length: 2000 }, (_, trial) => drawTrial(parametersOf(uniform, integer, choice), 7, trial)) as [number, number, string][]
    const numbers = drawn.map(([value]) => value)
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0.5)
    expect(Math.min(...numbers)).toBeLessThan(0.501)
    expect(Math.max(...numbers)).toBeLessThanOrEqual(0.58)
    expect(Math.max(...numbers)).toBeGreaterThan(0.579)
    // The mean of 2000 uniform draws is within 5 standard errors (0.08 / √12 / √2000 each).
    expect(Math.abs(numbers.reduce((a, b) => a + b, 0) / 2000 - 0.54)).toBeLessThan((5 * 0.08) / Math.sqrt(12 * 2000))
    expect(new Set(drawn.map(([, value]) => value))).toEqual(new Set([-3, -2, -1, 0, 1, 2, 3]))
    expect(new Set(drawn.map(([, , value]) => value))).toEqual(new Set(['a', 'b', 'c']))
  })

  it('of any range stay inside it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), fc.double({ noNaN: true, min: 0, max: 1e6 }), fc.nat(), fc.nat(), (low, width, seed, trial) => {
        const [value] = drawTrial(parametersOf({ kind: 'uniform', low, high: low + width }), seed, trial) as [number]
        return value >= low && value <= low + width
      }),
    )
  })

  it('are the same for the same seed and trial, and depend on nothing else', () => {
    const both = parametersOf(uniform, { ...uniform })
    expect(drawTrial(both, 3, 5)).toEqual(drawTrial(both, 3, 5))
    expect(drawTrial(both, 3, 5)[0]).toBe(drawTrial(both.slice(0, 1), 3, 5)[0])
    expect(drawTrial(both, 3, 5)[0]).not.toBe(drawTrial(both, 3, 5)[1])
    expect(drawTrial(both, 3, 5)).not.toEqual(drawTrial(both, 4, 5))
    expect(drawTrial(both, 3, 5)).not.toEqual(drawTrial(both, 3, 6))
    // Journals hold such numbers, so no version may change them; computed from SHA-256 by another program.
    expect(drawTrial(parametersOf(uniform, integer, choice), 0, 0)).toEqual([0.5137776004794092, -3, 'a'])
  })

  it('as overrides give the configuration exactly the value drawn', async () => {
    const parameters: SearchParameter[] = [
      { path: ['pipeline', 'SiamFCppTracker', 'test_lr'], range: uniform, origin: {} },
      { path: ['pipeline', 'SiamFCppTracker', 'windowing'], range: { kind: 'choice', choices: ['uniform'] }, origin: {} },
      { path: ['pipeline', 'SiamFCppTracker', 'penalty_k'], range: { kind: 'uniform', low: 1e-9, high: 2e-9 }, origin: {} },
    ]
    const values = drawTrial(parameters, 1, 2)
    const overrides = overridesOf(parameters, values)
    expect(overrides[0]).toMatch(/^test\.track\.pipeline\.SiamFCppTracker\.test_lr=0\.5\d+$/)
    const config = await loadConfig(shared('reference-configs', 'test', 'otb', 'siamfcpp_alexnet-otb.yaml'), overrides, { onWarning: () => {} })
    expect(config.test?.track?.pipeline?.SiamFCppTracker).toMatchObject({ test_lr: values[0], windowing: 'uniform', penalty_k: values[2] })
  })

  it('put text that YAML would take for something else between quotes', () => {
    const choices = ['cosine', 'true', 'two words', '1.5', '']
    const overrides = choices.map((value) => overridesOf(parametersOf({ kind: 'choice', choices }), [value])[0]!.split('=')[1])
    expect(overrides).toEqual(['cosine', '"true"', '"two words"', '"1.5"', '""'])
  })

  it('know the ends that they may reach', () => {
    expect([uniform, integer, choice].map(extremes)).toEqual([[0.5, 0.58], [-3, 3], ['a', 'b', 'c']])
  })
})

describe('rungs', () => {
  it('of a random search are one, on everything', () => {
    expect(planRungs('random', 30, 100, 3)).toEqual([{ trials: 30, sequences: 100 }])
  })

  it('of successive halving keep one in eta on eta times as many sequences', () => {
    expect(planRungs('halving', 27, 100, 3)).toEqual([{ trials: 27, sequences: 4 }, { trials: 9, sequences: 12 }, { trials: 3, sequences: 34 }, { trials: 1, sequences: 100 }])
    expect(planRungs('halving', 16, 100, 4)).toEqual([{ trials: 16, sequences: 7 }, { trials: 4, sequences: 25 }, { trials: 1, sequences: 100 }])
  })

  it('are as few as trials and sequences allow, end with all sequences, and cost no more than a random search', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }), fc.integer({ min: 2, max: 5 }), (trials, sequences, eta) => {
        const rungs = planRungs('halving', trials, sequences, eta)
        expect(rungs[0]!.trials).toBe(trials)
        expect(rungs.at(-1)!.sequences).toBe(sequences)
        for (const [k, rung] of rungs.entries()) {
          expect(rung.trials).toBeGreaterThanOrEqual(1)
          expect(rung.sequences).toBeGreaterThanOrEqual(1)
          if (k > 0) expect(rung.trials).toBeLessThanOrEqual(rungs[k - 1]!.trials / eta)
        }
        expect(costOf(rungs)).toBeLessThanOrEqual(trials * sequences)
      }),
    )
  })

  it('cost what their trials track, sequences of an earlier rung being kept', () => {
    expect(costOf(planRungs('random', 30, 100, 3))).toBe(3000)
    expect(costOf(planRungs('halving', 27, 100, 3))).toBe(27 * 4 + 9 * 8 + 3 * 22 + 66)
  })

  it('take sequences in an order that the seed alone decides', () => {
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`)
    expect(mixed(names, 1)).toEqual(mixed(names.toReversed(), 1))
    expect(mixed(names, 1)).not.toEqual(mixed(names, 2))
    expect(mixed(names, 1).toSorted()).toEqual(names.toSorted())
    expect(mixed(names, 1)).not.toEqual(names)
  })
})
