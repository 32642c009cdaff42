/**
 * One-pass scores against the toolkits': made-up boxes that the GOT-10k toolkit scored (test/fixtures/one_pass.py), and the published
 * results of the original's AlexNet tracker on OTB2015.
 */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { readAnnotations } from '../../lib/evaluation/annotations.ts'
import { evaluate } from '../../lib/evaluation/evaluate.ts'
import { evaluateOnePass } from '../../lib/evaluation/ope/index.ts'
import type { Rect } from '../../lib/evaluation/overlap.ts'
import type { Annotations, Region, Scores, TrackerEvaluation, TrackerResults } from '../../lib/evaluation/types.ts'
import { shared } from '../helpers/shared.ts'

interface ToolkitReport {
  overall: Record<string, number | number[]>
  seq_wise: Record<string, Record<string, number>>
}
interface Formulas {
  auc: number
  precision: number
  norm_at: number
  norm_area: number
  success: number[]
}
interface MadeSequence {
  truth: (number | null)[][]
  boxes: Rect[]
  seconds: number[]
  absent: number[]
}
interface Fixture {
  got10k: ToolkitReport & { size: [number, number]; sequences: Record<string, { truth: number[][]; cover: number[]; runs: Rect[][]; seconds: number[] }> }
  otb: { sequences: Record<string, MadeSequence>; got10k: ToolkitReport; otb: Formulas; pysot: Formulas }
  uav: { sequences: Record<string, MadeSequence>; got10k: ToolkitReport; lasot: Formulas; pysot: Formulas }
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/one-pass.json', import.meta.url), 'utf8')) as Fixture

/** Sums of a few dozen numbers in another order. */
const tolerance = 1e-12
const close = (actual: number | undefined, expected: number): void => expect(Math.abs((actual as number) - expected)).toBeLessThan(tolerance)
const closeAll = (actual: readonly number[] | undefined, expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length)
  for (const [i, value] of expected.entries()) close(actual?.[i], value)
}

function made(benchmark: string, sequences: Record<string, MadeSequence>): [Annotations, TrackerResults[]] {
  const annotated = Object.entries(sequences).map(([name, { truth, absent }]) => ({
    name,
    truth: truth.map((box): Region => (box.includes(null) ? null : (box as number[]))),
    absent: absent.map((label) => label === 1),
  }))
  const results = new Map(Object.entries(sequences).map(([name, { boxes, seconds }]) => [name, { boxes, seconds, file: name }]))
  return [{ benchmark, protocol: 'ope', source: 'made', sequences: annotated }, [{ tracker: 'T', source: 'made', sequences: results }]]
}

const sequenceScores = (tracker: TrackerEvaluation, name: string): Scores => tracker.sequences.find(({ sequence }) => sequence === name)?.scores as Scores

describe('the GOT-10k toolkit', () => {
  it('AO, SR and speed of GOT-10k: absent targets, boxes out of the frame, several runs', () => {
    const { size, sequences, overall, seq_wise } = fixture.got10k
    const annotations: Annotations = { benchmark: 'GOT-10k', subset: 'val', protocol: 'ope', source: 'made', sequences: Object.entries(sequences).map(([name, { truth, cover }]) => ({ name, truth, cover, size })) }
    const results = new Map(Object.entries(sequences).map(([name, { runs: [boxes = [], ...moreRuns], seconds }]) => [name, { boxes, moreRuns, seconds, file: name }]))
    const { trackers, main, compat } = evaluateOnePass(annotations, [{ tracker: 'T', source: 'made', sequences: results }])
    expect([main, compat]).toEqual(['ao', 'got10k'])
    const tracker = trackers[0] as TrackerEvaluation
    close(tracker.scores.ao, overall.ao as number)
    close(tracker.scores.sr50, overall.sr as number)
    expect((tracker.scores.fps as number) / (overall.speed_fps as number)).toBeCloseTo(1, 12)
    closeAll(tracker.curves[0]?.y, overall.succ_curve as number[])
    for (const [name, expected] of Object.entries(seq_wise)) {
      const scores = sequenceScores(tracker, name)
      close(scores.ao, expected.ao as number)
      close(scores.sr50, expected.sr as number)
      expect((scores.fps as number) / (expected.speed_fps as number)).toBeCloseTo(1, 12)
    }
  })

  it.each(['otb', 'uav'] as const)('success, precision and speed of its %s class', (which) => {
    const [annotations, results] = made(which === 'otb' ? 'OTB2015' : 'UAV123', fixture[which].sequences)
    const { overall, seq_wise } = fixture[which].got10k
    const tracker = evaluateOnePass(annotations, results, { compat: 'got10k' }).trackers[0] as TrackerEvaluation
    close(tracker.scores.auc, overall.success_score as number)
    close(tracker.scores.precision, overall.precision_score as number)
    close(tracker.scores.sr50, overall.success_rate as number)
    expect((tracker.scores.fps as number) / (overall.speed_fps as number)).toBeCloseTo(1, 12)
    closeAll(tracker.curves[0]?.y, overall.success_curve as number[])
    closeAll(tracker.curves[1]?.y, overall.precision_curve as number[])
    for (const [name, expected] of Object.entries(seq_wise)) {
      const scores = sequenceScores(tracker, name)
      close(scores.auc, expected.success_score as number)
      close(scores.precision, expected.precision_score as number)
    }
  })
})

describe('other toolkits', () => {
  function check(tracker: TrackerEvaluation | undefined, expected: Formulas, norm: 'norm_at' | 'norm_area'): void {
    close(tracker?.scores.auc, expected.auc)
    close(tracker?.scores.precision, expected.precision)
    close(tracker?.scores.norm_precision, expected[norm])
    closeAll(tracker?.curves[0]?.y, expected.success)
  }

  it('the original\'s class for LaSOT', () => {
    const [annotations, results] = made('LaSOT', fixture.uav.sequences)
    check(evaluateOnePass(annotations, results).trackers[0], fixture.uav.lasot, 'norm_area')
  })

  it('pysot: absent frames and frames without annotation', () => {
    const [annotations, results] = made('UAV123', fixture.uav.sequences)
    check(evaluateOnePass(annotations, results, { compat: 'pysot' }).trackers[0], fixture.uav.pysot, 'norm_at')
  })

  it('pysot with empty annotations counted as failures, as it does itself', () => {
    const [annotations, results] = made('OTB2015', fixture.otb.sequences)
    check(evaluateOnePass(annotations, results, { compat: 'pysot', conventions: { empty: 'miss' } }).trackers[0], fixture.otb.pysot, 'norm_at')
  })

  it('the OTB toolkit', () => {
    const [annotations, results] = made('OTB2015', Object.fromEntries(Object.entries(fixture.otb.sequences).map(([name, one]) => [name, { ...one, absent: [] }])))
    check(evaluateOnePass(annotations, results, { compat: 'otb' }).trackers[0], fixture.otb.otb, 'norm_area')
  })
})

describe('OTB2015', () => {
  let annotations: Annotations
  const json = (): string => shared('eval', 'otb2015', 'OTB2015.json')
  beforeAll(async () => {
    annotations = await readAnnotations('OTB2015', json())
  })

  it('gives the published results of the AlexNet tracker their published scores', async () => {
    const evaluation = await evaluate('otb-100', { annotations, results: [shared('eval', 'otb2015', 'siamfcpp_alexnet.zip')] })
    expect(evaluation.trackers).toHaveLength(1)
    const { tracker, scores, sequences, missing } = evaluation.trackers[0] as TrackerEvaluation
    expect([tracker, sequences.length, missing]).toEqual(['siamfcpp_alexnet', 100, []])
    // 68.0 and 88.4, ± 0.1; to all digits what the toolkit's formulas give in numpy.
    expect(Math.abs((scores.auc as number) - 0.68)).toBeLessThan(0.001)
    expect(Math.abs((scores.precision as number) - 0.884)).toBeLessThan(0.001)
    expect(scores.auc).toBeCloseTo(0.6796721351364093, 12)
    expect(scores.precision).toBeCloseTo(0.884046212709392, 12)
    expect(evaluation.warnings).toEqual([expect.stringMatching(/Tiger1\.txt: 354 boxes for the 349 annotated frames of tiger1; annotations begin at frame 6/)])
  })

  it('the truth against itself: 20/21 by pysot, 1 by the exact rule', () => {
    const truth: TrackerResults = { tracker: 'truth', source: 'itself', sequences: new Map(annotations.sequences.map(({ name, truth: boxes }) => [name, { boxes: boxes as unknown as Rect[], file: name }])) }
    const auc = (compat: 'pysot' | 'exact'): number => evaluateOnePass(annotations, [truth], { compat }).trackers[0]?.scores.auc as number
    expect(auc('pysot')).toBe(20 / 21)
    expect(auc('exact')).toBe(1)
  })

  it('OTB2013 is a part of its file', async () => {
    expect((await readAnnotations('OTB2013', json())).sequences).toHaveLength(51)
    expect((await readAnnotations('OTB50', json())).sequences).toHaveLength(50)
  })
})
