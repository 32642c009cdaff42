/** Accuracy, robustness and what else the evaluation of reset-based results gives. */
import { describe, expect, it } from 'vitest'
import { evaluateVot, type VotLine } from '../../lib/evaluation/vot/index.ts'
import { annotationsOf, madeBy, officialNumbers, resultsOf } from '../helpers/vot.ts'

const truth = [10, 10, 9, 9]
const half = [15, 10, 9, 9]
const third = Math.fround(1 / 3)

/** A start, then `frames − 1` times the same box. */
function steady(frames: number, box: readonly number[]): VotLine[] {
  return [1, ...Array.from({ length: frames - 1 }, () => box)]
}

function annotated(sequences: Record<string, number>) {
  return annotationsOf(Object.entries(sequences).map(([name, frames]) => ({ name, truth: Array.from({ length: frames }, () => truth), size: [100, 100] as const })))
}

describe('accuracy and robustness, as pysot has them', () => {
  it('leave out ten frames from each start on, and count failures per 100 frames', () => {
    // Frames 1 … 9 are burnt in with the start; 10 and 11 count; failure at 12; restart at 17; 27 … 29 count.
    const lines: VotLine[] = [...steady(10, half), truth, half, 2, 0, 0, 0, 0, ...steady(10, half), truth, truth, half]
    const evaluation = evaluateVot(annotated({ a: 30, b: 20 }), [resultsOf({ a: { runs: [lines] }, b: { runs: [steady(20, half)] } })])
    const [tracker] = evaluation.trackers
    const counted = [1, third, 1, 1, third, ...Array.from({ length: 10 }, () => third)]
    expect(tracker?.scores.accuracy).toBeCloseTo(counted.reduce((sum, value) => sum + value, 0) / 15, 12)
    expect(tracker?.scores.lost).toBe(1)
    expect(tracker?.scores.robustness).toBeCloseTo(100 / 50, 12)
    expect(tracker?.sequences[0]?.scores).toMatchObject({ lost: 1, robustness: (1 / 30) * 100 })
    expect(tracker?.sequences[0]?.scores.accuracy).toBeCloseTo((3 + 2 * third) / 5, 12)
    expect(tracker?.curves.find(({ id }) => id === 'ar')?.x[0]).toBeCloseTo(Math.exp((-30 * 1) / 50), 12)
    expect([evaluation.main, evaluation.compat, evaluation.columns.map(({ id }) => id)]).toEqual(['eao', 'pysot', ['accuracy', 'robustness', 'lost', 'eao', 'fps']])
  })

  it('average 15 repetitions frame by frame, but take the first of any other number', () => {
    const frames = 12
    const good = steady(frames, truth)
    const bad: VotLine[] = [...steady(11, half), 2]
    const annotations = annotated({ a: frames })
    const fifteen = evaluateVot(annotations, [resultsOf({ a: { runs: [...Array.from({ length: 14 }, () => good), bad] } })])
    // Frame 10: 14 times 1 and once 1/3; frame 11: 14 times 1, none in the run that failed there.
    expect(fifteen.trackers[0]?.scores.accuracy).toBeCloseTo(((14 + third) / 15 + 1) / 2, 12)
    expect(fifteen.trackers[0]?.scores.lost).toBeCloseTo(1 / 15, 12)
    const three = evaluateVot(annotations, [resultsOf({ a: { runs: [good, bad, bad] } })])
    expect(three.trackers[0]?.scores).toMatchObject({ accuracy: 1, lost: 0 })
    expect(three.warnings.join()).toContain('only the first one counts')
    const official = evaluateVot(annotations, [resultsOf({ a: { runs: [good, bad, bad] } })], { compat: 'vot' })
    expect(official.trackers[0]?.scores.lost).toBeCloseTo(2 / 3, 12)
  })

  it('do not know frames without a target', () => {
    const sequence = { name: 'a', truth: Array.from({ length: 12 }, (_, i) => (i === 10 ? null : truth)), size: [100, 100] as const }
    const [tracker] = evaluateVot(annotationsOf([sequence]), [resultsOf({ a: { runs: [steady(12, half)] } })]).trackers
    expect(tracker?.scores.accuracy).toBeCloseTo(third, 12)
  })

  it('let the frame end one pixel earlier for the expected overlap', () => {
    // Truth: columns 90 … 100 at the right border of a frame that is 100 wide; the box: 100 … 109, of which column 100 lies in it.
    const sequence = { name: 'a', truth: Array.from({ length: 12 }, () => [90, 0, 20, 9]), size: [100, 100] as const }
    const lines = steady(12, [95, 0, 20, 9])
    const [tracker] = evaluateVot(annotationsOf([sequence]), [resultsOf({ a: { runs: [lines] } })], { range: [2, 12] }).trackers
    expect(tracker?.scores.accuracy).toBeCloseTo(6 / 11, 6)
    expect(tracker?.scores.eao).toBeCloseTo(5 / 10, 6)
  })
})

describe('what is odd', () => {
  const annotations = annotated({ a: 12, b: 12 })
  const results = resultsOf({ a: { runs: [steady(12, truth)] } })

  it('sequences without a result are named and do not count', () => {
    const evaluation = evaluateVot(annotations, [results])
    expect(evaluation.trackers[0]).toMatchObject({ missing: ['b'], scores: { accuracy: 1 } })
    expect(evaluation.warnings.join()).toContain('made has no result for 1 of 2 sequences (b)')
  })

  it('a benchmark without official range takes all lengths, and says so', () => {
    const evaluation = evaluateVot({ ...annotations, benchmark: 'Mine' }, [results])
    expect(evaluation.warnings.join()).toContain('Mine has no official range')
    expect(evaluation.trackers[0]?.scores.eao).toBe(1)
    expect(evaluation.conventions.eao).toContain('2 to 12')
  })

  it('sequences that are too short for the range have no expected overlap, and it says so', () => {
    const evaluation = evaluateVot(annotations, [results])
    expect(evaluation.trackers[0]?.scores.eao).toBeNaN()
    expect(evaluation.warnings.join()).toContain('no sequence is as long as 100 frames')
  })

  it('frames of unknown size are not cut, and it says so', () => {
    const sequences = annotations.sequences.map(({ name, truth: boxes }) => ({ name, truth: boxes }))
    expect(evaluateVot(annotationsOf(sequences), [results]).warnings.join()).toContain('size of the frames of 2 sequences is not known')
  })

  it('reports the speed that the result files tell', () => {
    const timed = resultsOf({})
    const sequences = new Map([['a', { runs: [steady(12, truth)], file: 'a', seconds: [0, ...Array.from({ length: 11 }, () => 0.5)] }]])
    expect(evaluateVot(annotations, [{ ...timed, sequences }]).trackers[0]?.scores.fps).toBe(2)
  })

  it.each([
    [() => evaluateVot(annotations, [results], { compat: 'otb' as 'vot' }), 'ERR_ARGUMENT', "Expected 'pysot' or 'vot' for compat"],
    [() => evaluateVot(annotations, [results], { range: [5, 2] }), 'ERR_ARGUMENT', 'for range'],
    [() => evaluateVot({ ...annotations, protocol: 'ope' }, [results]), 'ERR_DATA', 'reset-based'],
    [() => evaluateVot(annotations, []), 'ERR_DATA', 'no results'],
  ] as [() => unknown, string, string][])('wrong calls: %#', (call, code, words) => {
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }))
  })
})

it("compat vot gives the official toolkit's own numbers", () => {
  const { supervised } = officialNumbers()
  const { annotations, results } = madeBy(supervised.sequences, 'vot')
  const [low, high] = supervised.range
  const evaluation = evaluateVot(annotations, [results], { compat: 'vot', range: [low, high] })
  const { accuracy, robustness, eao } = evaluation.trackers[0]?.scores ?? {}
  expect(accuracy).toBeCloseTo(supervised.expected.accuracy as number, 10)
  expect(robustness).toBeCloseTo(supervised.expected.robustness as number, 10)
  // The toolkit adds these up in single precision.
  expect(eao).toBeCloseTo(supervised.expected.eao as number, 6)
})
