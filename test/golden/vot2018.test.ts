/** The published results of the AlexNet tracker on VOT2018: scores of these files by the original's evaluator. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { AnnotatedSequence } from '../../lib/evaluation/types.ts'
import { evaluateVot, readVotResults } from '../../lib/evaluation/vot/index.ts'
import { shared } from '../helpers/shared.ts'
import { annotationsOf } from '../helpers/vot.ts'

interface Sequence {
  gt_rect: number[][]
  width: number
  height: number
}

it('A .588, R .243, EAO .373', async () => {
  const json = JSON.parse(readFileSync(shared('eval', 'vot2018', 'VOT2018.json'), 'utf8')) as Record<string, Sequence>
  const sequences: AnnotatedSequence[] = Object.entries(json).map(([name, { gt_rect: truth, width, height }]) => ({ name, truth, size: [width, height] }))
  const results = await readVotResults(shared('eval', 'vot2018', 'siamfcpp_alexnet.zip'), annotationsOf(sequences))
  expect(results.map(({ tracker, sequences: read }) => [tracker, read.size])).toEqual([['siamfc++_alexnet', 60]])
  const { scores, missing, curves } = evaluateVot(annotationsOf(sequences), results).trackers[0] ?? expect.fail('no tracker')
  expect(missing).toEqual([])
  // ± .001 is what is known of them; the evaluator's arithmetic, written anew in Python, gives .58755, .24349 and .37335.
  expect(Math.abs((scores.accuracy as number) - 0.58755)).toBeLessThan(5e-5)
  expect(Math.abs((scores.robustness as number) - 0.24349)).toBeLessThan(5e-5)
  expect(Math.abs((scores.eao as number) - 0.37335)).toBeLessThan(5e-5)
  expect(scores.lost).toBe(52)
  expect(curves[0]?.x).toHaveLength(1500)

  // The same through vot-toolkit 0.9's own functions.
  const official = evaluateVot(annotationsOf(sequences), results, { compat: 'vot' }).trackers[0]?.scores
  expect(Math.abs((official?.accuracy as number) - 0.59056)).toBeLessThan(5e-5)
  expect(Math.abs((official?.robustness as number) - 0.9329)).toBeLessThan(5e-5)
  expect(Math.abs((official?.eao as number) - 0.37054)).toBeLessThan(5e-5)
})
