/** Expected average overlap, by hand. */
import { describe, expect, it } from 'vitest'
import { eaoRange, expectedOverlaps, fragmentsPysot, fragmentsVot, meanExpectedOverlap } from '../../lib/evaluation/vot/eao.ts'
import { evaluateVot, type VotLine } from '../../lib/evaluation/vot/index.ts'
import { annotationsOf, resultsOf } from '../helpers/vot.ts'

const none = Number.NaN
const all = (): number => 1

describe('fragments, as pysot cuts them', () => {
  it('are the whole run where there is no failure', () => {
    expect(fragmentsPysot([none, 0.8, 0.6], [], all)).toEqual([{ overlaps: [0, 0.8, 0.6], failed: false, weight: 1 }])
  })

  it('end and begin with the frame of the restart, five after the failure', () => {
    // Frames: 0 start, 1 tracked, 2 failure, 3 to 6 skipped, 7 start, 8 and 9 tracked.
    const overlaps = [none, 0.5, none, none, none, none, none, none, 0.9, 0.7]
    expect(fragmentsPysot(overlaps, [2], all)).toEqual([
      { overlaps: [0, 0.5, 0, 0, 0, 0, 0, 0], failed: true, weight: 1 },
      { overlaps: [0, 0.9, 0.7], failed: false, weight: 1 },
    ])
  })

  it('a failure in the last frames cuts nothing', () => {
    expect(fragmentsPysot([none, 0.5, none, none, none], [2], all)).toEqual([{ overlaps: [0, 0.5, 0, 0, 0], failed: false, weight: 1 }])
  })

  it('a restart that would be just behind the end leaves an empty fragment of no weight', () => {
    expect(fragmentsPysot([none, 0.5, none, none, none, none, none], [2], all)).toEqual([
      // Its frames are seven, its planned length eight.
      { overlaps: [0, 0.5, 0, 0, 0, 0, 0], failed: true, weight: 7 / 8 },
      { overlaps: [], failed: false, weight: 0 },
    ])
  })
})

describe('fragments, as the official toolkit cuts them', () => {
  it('end before the failure', () => {
    const box = [0, 0, 9, 9]
    const lines: VotLine[] = [1, box, 2, 0, 0, 0, 0, 1, box, box]
    expect(fragmentsVot([0, 0.5, 0, 0, 0, 0, 0, 0, 0.9, 0.7], lines)).toEqual([
      { overlaps: [0, 0.5], failed: true, weight: 1 },
      { overlaps: [0, 0.9, 0.7], failed: false, weight: 1 },
    ])
    expect(fragmentsVot([0, 0.5], [1, box])).toEqual([{ overlaps: [0, 0.5], failed: false, weight: 1 }])
  })
})

describe('expectedOverlaps', () => {
  it('is the mean over fragments of their means since the start, failures staying at 0', () => {
    const curve = expectedOverlaps(
      [
        { overlaps: [0, 0.8, 0.6, 0.4], failed: false, weight: 1 },
        { overlaps: [0, 0.5, 0], failed: true, weight: 1 },
      ],
      6,
    )
    const expected = [
      1,
      (0.8 + 0.5) / 2,
      ((0.8 + 0.6) / 2 + 0.5 / 2) / 2,
      ((0.8 + 0.6 + 0.4) / 3 + 0.5 / 3) / 2,
      // The first fragment says nothing about longer sequences.
      0.5 / 4,
      0.5 / 5,
    ]
    expect(curve).toHaveLength(6)
    for (const [i, value] of expected.entries()) expect(curve[i]).toBeCloseTo(value, 14)
  })

  it('weighs', () => {
    const curve = expectedOverlaps([{ overlaps: [0, 1], failed: false, weight: 3 }, { overlaps: [0, 0.2], failed: false, weight: 1 }], 2)
    expect(curve[1]).toBeCloseTo((3 * 1 + 0.2) / 4, 14)
  })

  it('is NaN where no fragment that counts is long enough', () => {
    expect(expectedOverlaps([{ overlaps: [0, 1], failed: false, weight: 1 }, { overlaps: [0, 1, 1], failed: false, weight: 0 }], 3)).toEqual([1, 1, none])
  })
})

it('meanExpectedOverlap ends with the curve and skips what is not known', () => {
  expect(meanExpectedOverlap([1, 0.8, 0.6, 0.4], 1, 2)).toBeCloseTo(0.7, 14)
  expect(meanExpectedOverlap([1, 0.8, none, 0.4], 1, 9)).toBeCloseTo(0.6, 14)
  expect(meanExpectedOverlap([1], 4, 9)).toBeNaN()
})

it('knows the official ranges', () => {
  expect(['VOT2015', 'VOT2016', 'VOT2017', 'vot-2018', 'VOT2019', 'OTB2015'].map(eaoRange)).toEqual([[108, 371], [108, 371], [100, 356], [100, 356], [46, 291], undefined])
})

describe('from results to the score', () => {
  // A box of 10 × 10 pixels by pysot's rule, w + 1 wide; boxes that share 10 and 5 of its columns.
  const truth = [10, 10, 9, 9]
  const [same, half] = [truth, [15, 10, 9, 9]]
  const steady: VotLine[] = [1, same, half, same]
  const lost: VotLine[] = [1, half, 2, 0, 0, 0, 0, 1, same, half]
  const annotations = annotationsOf([
    { name: 'steady', truth: steady.map(() => truth), size: [100, 100], tags: { occlusion: [0, 1, 1, 0], camera_motion: [] } },
    { name: 'lost', truth: lost.map(() => truth), size: [100, 100], tags: { occlusion: [1, 1, 0, 0, 0, 0, 0, 0, 0, 1], camera_motion: [] } },
  ])
  const third = 1 / 3
  const curve = [
    1,
    // steady: 1; lost, from frame 0: 1/3; lost, from frame 7: 1.
    (1 + third + 1) / 3,
    // … (1 + 1/3)/2; (1/3 + 0)/2; (1 + 1/3)/2.
    ((1 + third) / 2 + third / 2 + (1 + third) / 2) / 3,
    // … (1 + 1/3 + 1)/3; (1/3)/3; the last fragment has ended.
    ((1 + third + 1) / 3 + third / 3) / 2,
    // Only the fragment that failed goes on.
    third / 4,
    third / 5,
    third / 6,
    third / 7,
    third / 8,
    third / 9,
  ]

  it('gives the expected overlap over sequence lengths 2 to 4 (indices 1 to 3)', () => {
    const [tracker] = evaluateVot(annotations, [resultsOf({ steady: { runs: [steady] }, lost: { runs: [lost] } })], { range: [2, 4] }).trackers
    const drawn = tracker?.curves.find(({ id }) => id === 'expected_overlap')
    expect(drawn?.x).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    for (const [i, value] of curve.entries()) expect(drawn?.y[i]).toBeCloseTo(value, 6)
    expect(tracker?.scores.eao).toBeCloseTo(((curve[1] as number) + (curve[2] as number) + (curve[3] as number)) / 3, 6)
  })

  it('weighs fragments by the share of their frames that have a tag', () => {
    const [tracker] = evaluateVot(annotations, [resultsOf({ steady: { runs: [steady] }, lost: { runs: [lost] } })], { range: [2, 3] }).trackers
    const found = tracker?.attributes.find(({ attribute }) => attribute === 'occlusion')
    // Fragments: 4 frames with 2 tagged; 8 frames (0 … 7) with 2; 3 frames (7 … 9) with 1.
    const [a, b, c] = [2 / 4, 2 / 8, 1 / 3]
    const at1 = (a * 1 + b * third + c * 1) / (a + b + c)
    const at2 = (a * ((1 + third) / 2) + b * (third / 2) + c * ((1 + third) / 2)) / (a + b + c)
    expect(found?.count).toBe(5)
    expect(found?.scores.eao).toBeCloseTo((at1 + at2) / 2, 6)
    // No frame has it.
    expect(tracker?.attributes.find(({ attribute }) => attribute === 'camera_motion')).toMatchObject({ count: 0, scores: { accuracy: none, eao: none, lost: 0 } })
    expect(tracker?.attributes.find(({ attribute }) => attribute === 'empty')?.count).toBe(14 - 5)
  })
})
