/** Long-term tracking: precision, recall and F-score, by hand and by the official toolkit. */
import { describe, expect, it } from 'vitest'
import { confidenceThresholds, fScores, precisionRecall } from '../../lib/evaluation/vot/confidence.ts'
import { evaluateVotLongTerm, type VotLine } from '../../lib/evaluation/vot/index.ts'
import { annotationsOf, madeBy, officialNumbers, resultsOf } from '../helpers/vot.ts'

describe('thresholds', () => {
  it('are all confidences where there are few, from high to low between infinities', () => {
    expect(confidenceThresholds([0.2, Number.NaN, 0.9, 0.5], 'pysot')).toEqual([Infinity, 0.9, 0.5, 0.2, -Infinity])
  })

  it('part many confidences evenly, from either end', () => {
    // 196 confidences: delta = 2. Pysot: places 1, 1 + 193/97, …, 194 from below; official: places 2 … 194 from above.
    const values = Array.from({ length: 196 }, (_, i) => i)
    const pysot = confidenceThresholds(values, 'pysot')
    expect([pysot.length, pysot[1], pysot[2], pysot[98]]).toEqual([100, 194, Math.floor(1 + (96 * 193) / 97 + 0.5), 1])
    const official = confidenceThresholds(values, 'vot')
    expect([official.length, official[1], official[98]]).toEqual([100, 195 - 2, 195 - 194])
  })
})

it('precision and recall at each threshold', () => {
  const overlaps = [0, 0.8, 0.4, 0, 0.6]
  const confidences = [Number.NaN, 0.9, 0.5, 0.5, 0]
  const { precision, recall } = precisionRecall(overlaps, confidences, [Infinity, 0.9, 0.5, -Infinity], 4, false)
  // Nothing; frame 1; frames 1 to 3; these again, for a confidence of 0 does not reach −∞.
  const expected = { precision: [1, 0.8, 1.2 / 3, 1.2 / 3], recall: [0, 0.8 / 4, 1.2 / 4, 1.2 / 4] }
  for (let i = 0; i < 4; i++) {
    expect(precision[i]).toBeCloseTo(expected.precision[i] as number, 14)
    expect(recall[i]).toBeCloseTo(expected.recall[i] as number, 14)
  }
  const official = precisionRecall(overlaps, confidences, [-Infinity], 4, true)
  expect([official.precision[0], official.recall[0]]).toEqual([1.8 / 4, 1.8 / 4].map((value) => expect.closeTo(value, 14) as number))
  expect(fScores({ precision: [1, 0.5, 0], recall: [0, 0.5, 0] })).toEqual([0, 0.5, 0])
})

describe('evaluateVotLongTerm', () => {
  const truth = [10, 10, 9, 9]
  const half = [15, 10, 9, 9]
  const annotations = annotationsOf(
    [
      { name: 'a', truth: [truth, truth, null, truth], size: [100, 100], attributes: ['fast'] },
      { name: 'b', truth: [truth, truth], size: [100, 100] },
    ],
    { benchmark: 'VOT2018LT', protocol: 'vot-lt' },
  )
  const a = { runs: [[1, truth, truth, half] as VotLine[]], confidences: [[Number.NaN, 0.9, 0.2, 0.6]] }
  const b = { runs: [[1, half] as VotLine[]], confidences: [[Number.NaN, 0.7]] }

  it('averages precision and recall over sequences and takes the best threshold', () => {
    const evaluation = evaluateVotLongTerm(annotations, [resultsOf({ a, b })])
    const scores = evaluation.trackers[0]?.scores
    // Best at 0.6: a claims frames 1 and 3, overlaps 1 and 1/3, of three with a target; b claims frame 1, 1/3, of two.
    const precision = ((1 + 1 / 3) / 2 + 1 / 3) / 2
    const recall = ((1 + 1 / 3) / 3 + 1 / 3 / 2) / 2
    expect(scores?.precision).toBeCloseTo(precision, 6)
    expect(scores?.recall).toBeCloseTo(recall, 6)
    expect(scores?.f1).toBeCloseTo((2 * precision * recall) / (precision + recall), 6)
    // On its own, a has precision 2/3 and recall 4/9 there; b 1/3 and 1/6.
    expect(evaluation.trackers[0]?.sequences.map(({ scores: own }) => own.precision)).toEqual([expect.closeTo(2 / 3, 6), expect.closeTo(1 / 3, 6)])
    expect(evaluation.trackers[0]?.attributes).toMatchObject([{ attribute: 'fast', count: 1 }])
    expect(evaluation.trackers[0]?.curves.map(({ id, x }) => [id, x.length])).toEqual([['precision_recall', 6], ['f1', 4]])
    expect([evaluation.main, evaluation.protocol]).toEqual(['f1', 'vot-lt'])
  })

  it('names what is missing', () => {
    const evaluation = evaluateVotLongTerm(annotations, [resultsOf({ a })])
    expect(evaluation.trackers[0]?.missing).toEqual(['b'])
    expect(evaluation.warnings.join()).toContain('no result for 1 of 2 sequences (b)')
  })

  it('a sequence without a target does not count', () => {
    const only = annotationsOf([annotations.sequences[1]!, { name: 'a', truth: [null, null, null, null], size: [100, 100] }], { protocol: 'vot-lt' })
    const evaluation = evaluateVotLongTerm(only, [resultsOf({ a, b })])
    expect(evaluation.trackers[0]?.sequences.map(({ sequence }) => sequence)).toEqual(['b'])
    expect(evaluation.warnings.join()).toContain('a has no frame with a target')
  })

  it('refuses other benchmarks, conventions and nothing at all', () => {
    expect(() => evaluateVotLongTerm({ ...annotations, protocol: 'vot' }, [resultsOf({ a })])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }))
    expect(() => evaluateVotLongTerm(annotations, [])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }))
    expect(() => evaluateVotLongTerm(annotations, [resultsOf({ a })], { compat: 'otb' as 'vot' })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })

  it("gives the official toolkit's own numbers with compat vot", () => {
    const { long_term: made } = officialNumbers()
    const { annotations: official, results } = madeBy(made.sequences, 'vot-lt')
    const scores = evaluateVotLongTerm(official, [results], { compat: 'vot' }).trackers[0]?.scores
    for (const key of ['f1', 'precision', 'recall']) expect(scores?.[key]).toBeCloseTo(made.expected[key] as number, 12)
  })
})
