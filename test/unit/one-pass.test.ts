/** One-pass scores: each convention by itself, and what holds whatever the boxes are. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compats, conventionsOf, evaluateOnePass, parseConvention } from '../../lib/evaluation/ope/index.ts'
import type { Conventions, OnePassOptions } from '../../lib/evaluation/ope/index.ts'
import type { Rect } from '../../lib/evaluation/overlap.ts'
import type { AnnotatedSequence, Annotations, Evaluation, Region, SequenceResult, TrackerEvaluation } from '../../lib/evaluation/types.ts'

type Made = Omit<AnnotatedSequence, 'name'> & { boxes: readonly Rect[]; seconds?: readonly number[] }

function evaluateMade(sequences: Record<string, Made>, options: OnePassOptions = {}, benchmark = 'OTB2015'): Evaluation {
  const annotations: Annotations = { benchmark, protocol: 'ope', source: 'made', sequences: Object.entries(sequences).map(([name, one]) => ({ name, ...one })) }
  const results = new Map(Object.entries(sequences).map(([name, { boxes, seconds }]): [string, SequenceResult] => [name, { boxes, ...(seconds === undefined ? {} : { seconds }), file: name }]))
  return evaluateOnePass(annotations, [{ tracker: 'T', source: 'made', sequences: results }], options)
}
const first = ({ trackers }: Evaluation): TrackerEvaluation => trackers[0] as TrackerEvaluation
const scores = (made: Made, conventions: Partial<Conventions> = {}, options: OnePassOptions = {}): TrackerEvaluation['scores'] => first(evaluateMade({ A: made }, { ...options, conventions })).scores

const box = (x: number, y = 0, w = 10, h = 10): Rect => [x, y, w, h]
/** Overlaps 1, 1/3 (5 of 15) and 0. */
const truth = [box(0), box(0), box(0)]
const boxes = [box(0), box(5), box(40)]

describe('conventions', () => {
  it('bins and strictness', () => {
    expect(scores({ truth, boxes }, { bins: 2 }).auc).toBe((2 / 3 + 0) / 2)
    expect(scores({ truth, boxes }, { bins: 2, compare: 'greater-equal' }).auc).toBe((1 + 1 / 3) / 2)
    expect(scores({ truth, boxes }, { bins: 5 }).auc).toBeCloseTo((2 / 3 + 2 / 3 + 1 / 3 + 1 / 3 + 0) / 5, 15)
    expect(scores({ truth, boxes }, { bins: 3, area: 'trapezoid' }).auc).toBeCloseTo((2 / 3 + 1 / 3) / 4 + (1 / 3 + 0) / 4, 15)
    expect(scores({ truth, boxes }, { area: 'exact', epsilon: 0 }).auc).toBeCloseTo(4 / 9, 15)
    const half = { truth: [box(0, 0, 10, 10)], boxes: [box(0, 0, 10, 5)] }
    expect(scores(half, { first: 'counts', epsilon: 0 }).sr50).toBe(0)
    expect(scores(half, { first: 'counts', epsilon: 0, compare: 'greater-equal' }).sr50).toBe(1)
  })

  it('the first frame', () => {
    const wrong = { truth, boxes: [box(40), box(0), box(0)] }
    expect(scores(wrong, { first: 'counts' }).ao).toBeCloseTo(2 / 3, 12)
    expect(scores(wrong, { first: 'given' }).ao).toBeCloseTo(1, 12)
    expect(scores(wrong, { first: 'excluded' }).ao).toBeCloseTo(1, 12)
    expect(scores({ truth, boxes: [box(0), box(40), box(40)] }, { first: 'excluded' }).ao).toBe(0)
  })

  it.each(['unannotated', 'empty', 'absent'] as const)('%s frames', (which) => {
    const gone: Region = which === 'unannotated' ? null : which === 'empty' ? [0, 0, 0, 0] : box(0)
    const made = { truth: [box(0), box(0), gone], boxes: [box(0), box(0), box(0)], ...(which === 'absent' ? { absent: [false, false, true] } : {}) }
    expect(scores(made, { [which]: 'skip' }).ao).toBeCloseTo(1, 12)
    expect(scores(made, { [which]: 'miss' }).ao).toBeCloseTo(2 / 3, 12)
    expect(scores(made, { [which]: 'miss' }).precision).toBeCloseTo(2 / 3, 12)
    // A frame without annotation cannot be scored; an empty box has a centre.
    expect(scores(made, { [which]: 'score' }).precision).toBeCloseTo(which === 'unannotated' ? 2 / 3 : 1, 12)
    expect(scores(made, { [which]: 'miss', 'missed-centre': 'hit' }).precision).toBeCloseTo(which === 'absent' ? 2 / 3 : 1, 12)
  })

  it('an empty box has a centre by pysot\'s rule, where both coordinates are positive', () => {
    const pysot = (gone: Rect, given: Rect): TrackerEvaluation['scores'] => scores({ truth: [box(9, 9), gone], boxes: [box(9, 9), given] }, { empty: 'miss' }, { compat: 'pysot' })
    expect(pysot([9, 9, 0, 0], box(9, 9))).toMatchObject({ ao: 0.5, precision: 1, norm_precision: 0.5 })
    expect(pysot([9, 9, 0, 0], box(90, 9))).toMatchObject({ ao: 0.5, precision: 0.5, norm_precision: 0.5 })
    // The slip: a frame without a centre is a hit.
    expect(pysot([0, 0, 0, 0], box(90, 9))).toMatchObject({ ao: 0.5, precision: 1, norm_precision: 1 })
  })

  it('the truth itself gets 20/21, of fractional boxes as well', () => {
    const fractional = Array.from({ length: 50 }, (_, i): Rect => [1.11 * (i + 1), 2.22 * (i + 1), 1.11 + i / 7, 3.33 + i / 9])
    for (const compat of ['got10k', 'otb'] as const) expect(scores({ truth: fractional, boxes: fractional }, {}, { compat }).auc).toBeCloseTo(20 / 21, 12)
  })

  it('GOT-10k\'s cover says which frames show nothing', () => {
    const made = { truth, boxes: [box(40), box(0), box(40)], cover: [8, 1, 0], absent: [false, true, false] }
    expect(first(evaluateMade({ A: made }, {}, 'GOT-10k')).scores).toMatchObject({ ao: 1, sr50: 1 })
  })

  it('results that are no box', () => {
    const made = { truth, boxes: [box(0), box(0, 0, 0, 0), box(Number.NaN)] }
    expect(scores(made, { invalid: 'zero' }).ao).toBeCloseTo(1 / 3, 12)
    expect(scores(made, { invalid: 'previous' }).ao).toBeCloseTo(1, 12)
  })

  it('boxes cut at the border, rounded, or counted only where positive', () => {
    const outside = { truth: [box(0), box(0)], boxes: [box(0), [-10, 0, 20, 10] as Rect], size: [100, 100] as const }
    expect(scores(outside, { clip: false }).ao).toBeCloseTo((1 + 1 / 2) / 2, 12)
    // By GOT-10k's rule the corner moves to the border and the size stays.
    expect(scores(outside, { clip: true }).ao).toBeCloseTo((1 + 1 / 2) / 2, 12)
    expect(scores({ ...outside, boxes: [box(0), [-10, 0, 10, 10]] }, { clip: true }).ao).toBeCloseTo(1, 12)
    expect(scores({ truth: [box(0), box(0)], boxes: [box(0), box(0.5, 0.4)] }, { round: true }).ao).toBeCloseTo(1, 12)
    expect(scores({ truth: [box(0), box(5, 5)], boxes: [box(0), box(5, 5)] }, { box: 'positive', empty: 'skip' }).ao).toBeCloseTo(1, 12)
    expect(scores({ truth: [box(1, 1), box(-1, 5)], boxes: [box(1, 1), box(40, 5)] }, { box: 'positive', empty: 'skip' }).ao).toBeCloseTo(1, 12)
  })

  it('precision: where it is read off, and by which size it is divided', () => {
    const made = { truth: [box(0, 0, 100, 100), box(0, 0, 0.5, 100)], boxes: [box(0, 0, 100, 100), box(0.25, 0, 0.5, 100)] }
    expect(scores(made, { 'norm-at': 0.3 }).norm_precision).toBe(1)
    expect(scores(made, { 'norm-at': 0.3, 'norm-size': 'as-is' }).norm_precision).toBe(0.5)
    expect(scores({ truth, boxes }, { 'precision-at': 4 }).precision).toBeCloseTo(1 / 3, 12)
    expect(scores({ truth, boxes }, { 'precision-at': 5 }).precision).toBeCloseTo(2 / 3, 12)
    expect(scores({ truth, boxes }, { 'precision-at': 'area', 'error-bins': 3 }).precision).toBeCloseTo((1 / 3 + 2 / 3 + 1) / 3, 12)
  })

  it('sequences or frames have the same weight', () => {
    const long = { truth: [box(0), box(0), box(0), box(0)], boxes: [box(0), box(40), box(40), box(40)] }
    const short = { truth: [box(0)], boxes: [box(0)] }
    expect(first(evaluateMade({ long, short }, { conventions: { average: 'sequence' } })).scores.ao).toBeCloseTo((1 / 4 + 1) / 2, 12)
    expect(first(evaluateMade({ long, short }, { conventions: { average: 'frame' } })).scores.ao).toBeCloseTo(2 / 5, 12)
  })

  it('polygons stand for the box around them', () => {
    expect(scores({ truth: [[0, 0, 10, 0, 10, 10, 0, 10]], boxes: [box(0)] }, { first: 'counts' }).ao).toBeCloseTo(1, 12)
  })

  it('are read from text', () => {
    expect(parseConvention('bins=101')).toEqual({ bins: 101 })
    expect(parseConvention('precision-at=area')).toEqual({ 'precision-at': 'area' })
    expect(parseConvention('clip=true')).toEqual({ clip: true })
    for (const wrong of ['bins', 'bins=', 'bins=1', 'bins=2.5', 'norm-at=1', 'clip=yes', 'nope=1', 'constructor=1', 'area=all', '=']) {
      expect(() => parseConvention(wrong)).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT' }) as Error)
    }
  })

  it('of each toolkit are told in words', () => {
    for (const compat of compats) {
      const { conventions, compat: told } = evaluateMade({ A: { truth, boxes } }, { compat })
      expect(told).toBe(compat)
      expect(conventions['Success plot']).toContain(`${conventionsOf('OTB2015', compat).bins} thresholds`)
      expect(Object.values(conventions).every((text) => text.length > 0 && !text.includes('undefined'))).toBe(true)
    }
  })
})

describe('sequences, attributes, speed', () => {
  const good = { truth, boxes: truth, attributes: ['OCC', 'SV'], seconds: [0, 0.5, 0.25] }
  const bad = { truth, boxes: [box(0), box(40), box(40)], attributes: ['SV'] }

  it('are listed', () => {
    const { sequences, attributes, scores: overall, missing } = first(evaluateMade({ good, bad }))
    expect(sequences.map(({ sequence, frames }) => [sequence, frames])).toEqual([['good', 3], ['bad', 3]])
    expect(attributes.map(({ attribute, count, scores: of }) => [attribute, count, Number((of.ao as number).toFixed(4))])).toEqual([['OCC', 1, 1], ['SV', 2, 0.6667]])
    expect(overall.fps).toBe((1 / 0.5 + 1 / 0.25) / 2)
    expect(sequences[1]?.scores.fps).toBeNaN()
    expect(missing).toEqual([])
  })

  it('without times there is no column of speed', () => {
    expect(evaluateMade({ bad }).columns.map(({ id }) => id)).toEqual(['auc', 'precision', 'norm_precision', 'ao', 'sr50', 'sr75'])
    expect(evaluateMade({ good }).columns.at(-1)?.id).toBe('fps')
  })

  it('trackers come from the best to the worst', () => {
    const annotations: Annotations = { benchmark: 'OTB2015', protocol: 'ope', source: 'made', sequences: [{ name: 'A', truth }] }
    const tracker = (name: string, given: readonly Rect[]) => ({ tracker: name, source: name, sequences: new Map([['A', { boxes: given, file: name }]]) })
    expect(evaluateOnePass(annotations, [tracker('worse', boxes), tracker('better', truth)]).trackers.map((one) => one.tracker)).toEqual(['better', 'worse'])
  })
})

describe('sequences without results', () => {
  const annotations: Annotations = { benchmark: 'OTB2015', protocol: 'ope', source: 'made', sequences: ['A', 'B'].map((name) => ({ name, truth })) }
  const results = [{ tracker: 'T', source: 'made', sequences: new Map([['A', { boxes: truth, file: 'A' }]]) }]

  it('are an error, failures, or left out', () => {
    expect(() => evaluateOnePass(annotations, results)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', message: 'T has no result for 1 of the 2 sequences of OTB2015: B' }) as Error)
    for (const [missing, ao] of [['zero', 0.5], ['skip', 1]] as const) {
      const evaluation = evaluateOnePass(annotations, results, { missing })
      expect(first(evaluation).scores.ao).toBeCloseTo(ao, 12)
      expect(first(evaluation).missing).toEqual(['B'])
      expect(evaluation.warnings).toHaveLength(1)
    }
  })

  it('another number of boxes is an error', () => {
    const wrong = [{ tracker: 'T', source: 'made', sequences: new Map([['A', { boxes: truth.slice(1), file: 'a.txt' }], ['B', { boxes: truth, file: 'B' }]]) }]
    expect(() => evaluateOnePass(annotations, wrong)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', file: 'a.txt' }) as Error)
  })

  it('only the frames of a partial result count', () => {
    const partial = [{ tracker: 'T', source: 'made', sequences: new Map([['A', { boxes: truth.slice(0, 2), file: 'A', partial: true }], ['B', { boxes: truth, file: 'B' }]]) }]
    const { sequences, scores: overall } = first(evaluateOnePass(annotations, partial))
    expect(sequences.map(({ frames }) => frames)).toEqual([2, 3])
    expect(overall.ao).toBeCloseTo(1, 12)
  })

  it('no frame to score is an error; a single such sequence is left out', () => {
    const unknown = { truth: [box(0), null, null], boxes }
    expect(() => evaluateMade({ unknown }, { compat: 'exact' })).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }) as Error)
    const evaluation = evaluateMade({ unknown, known: { truth, boxes: truth } }, { compat: 'exact' })
    expect(first(evaluation).scores.auc).toBe(1)
    expect(evaluation.warnings).toEqual(['T: no frame counts in unknown; left out'])
  })

  it('an unknown toolkit is an error', () => {
    expect(() => evaluateMade({ A: { truth, boxes } }, { compat: 'nope' as 'otb' })).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT' }) as Error)
  })
})

describe('whatever the boxes are', () => {
  const number = fc.oneof({ weight: 8, arbitrary: fc.double({ min: -50, max: 200, noNaN: true }) }, { weight: 1, arbitrary: fc.constantFrom(0, Number.NaN, Infinity, -Infinity, 1e300) })
  const anyBox = fc.tuple(number, number, number, number) as fc.Arbitrary<Rect>
  const size = fc.double({ min: 0.5, max: 100, noNaN: true })
  const target: fc.Arbitrary<Region> = fc.oneof({ weight: 8, arbitrary: fc.tuple(fc.double({ min: -20, max: 100, noNaN: true }), fc.double({ min: -20, max: 100, noNaN: true }), size, size) }, { weight: 1, arbitrary: fc.constantFrom(null, [0, 0, 0, 0]) })
  const sequence: fc.Arbitrary<Made> = fc
    .tuple(fc.tuple(fc.double({ min: 0, max: 50, noNaN: true }), fc.double({ min: 0, max: 50, noNaN: true }), size, size), fc.array(fc.tuple(target, anyBox, fc.boolean()), { minLength: 1, maxLength: 6 }), anyBox)
    .map(([start, frames, initial]) => ({ truth: [start, ...frames.map(([region]) => region)], boxes: [initial, ...frames.map(([, given]) => given)], absent: [false, ...frames.map(([, , absent]) => absent)] }))
  const some = fc.array(sequence, { minLength: 1, maxLength: 4 }).map((list) => Object.fromEntries(list.map((one, i): [string, Made] => [`S${i}`, one])))
  // The exact rule may leave out every frame.
  const toolkit = fc.constantFrom(...compats.filter((compat) => compat !== 'exact'))

  it('scores lie in [0, 1] and curves are monotone', () => {
    fc.assert(fc.property(some, toolkit, fc.constantFrom('OTB2015', 'LaSOT', 'UAV123'), (sequences, compat, benchmark) => {
      const { scores: overall, curves } = first(evaluateMade(sequences, { compat }, benchmark))
      for (const id of ['auc', 'precision', 'norm_precision', 'ao', 'sr50', 'sr75']) {
        expect(overall[id]).toBeGreaterThanOrEqual(0)
        expect(overall[id]).toBeLessThanOrEqual(1)
      }
      for (const { id, y, x } of curves) {
        expect(x).toHaveLength(y.length)
        for (let i = 1; i < y.length; i += 1) expect(((y[i] as number) - (y[i - 1] as number)) * (id === 'success' ? -1 : 1)).toBeGreaterThanOrEqual(-1e-15)
      }
    }), { numRuns: 150 })
  })

  it('the order of the sequences does not matter', () => {
    fc.assert(fc.property(some, toolkit, (sequences, compat) => {
      const turned = Object.fromEntries(Object.entries(sequences).toReversed())
      const [a, b] = [first(evaluateMade(sequences, { compat })).scores, first(evaluateMade(turned, { compat })).scores]
      for (const id of Object.keys(a)) if (!Number.isNaN(a[id])) expect(b[id]).toBeCloseTo(a[id] as number, 12)
    }), { numRuns: 60 })
  })

  it('the truth itself is never beaten', () => {
    fc.assert(fc.property(some, toolkit, (sequences, compat) => {
      const itself = Object.fromEntries(Object.entries(sequences).map(([name, one]): [string, Made] => [name, { ...one, boxes: one.truth.map((region) => (region ?? box(0)) as Rect) }]))
      const [best, given] = [first(evaluateMade(itself, { compat })).scores, first(evaluateMade(sequences, { compat })).scores]
      for (const id of ['auc', 'ao', 'precision', 'norm_precision']) expect((best[id] as number) + 1e-12).toBeGreaterThanOrEqual(given[id] as number)
    }), { numRuns: 60 })
  })
})
