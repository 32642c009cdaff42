/** An evaluation as text for terminals and programs. */
import { describe, expect, it } from 'vitest'
import { evaluationCsv, evaluationJson, evaluationTable, partsTable } from '../../lib/evaluation/table.ts'
import type { Evaluation, TrackerEvaluation } from '../../lib/evaluation/types.ts'

const tracker = (name: string, auc: number, more: Partial<TrackerEvaluation> = {}): TrackerEvaluation => ({
  tracker: name,
  source: 'x',
  scores: { auc, fps: Number.NaN },
  curves: [],
  sequences: [{ sequence: 'A', frames: 3, scores: { auc, fps: 12.34 } }],
  attributes: [{ attribute: 'OCC', count: 1, scores: { auc } }],
  missing: [],
  ...more,
})
const evaluation = (...trackers: TrackerEvaluation[]): Evaluation => ({
  benchmark: 'OTB2015',
  protocol: 'ope',
  compat: 'otb',
  conventions: { 'First frame': 'counts' },
  columns: [{ id: 'auc', title: 'AUC', better: 'higher', digits: 3 }, { id: 'fps', title: 'FPS', better: 'higher', digits: 1 }],
  main: 'auc',
  trackers,
  warnings: ['odd'],
})

describe('tables', () => {
  it('the best tracker comes first; a number that is not there is a dash', () => {
    expect(evaluationTable(evaluation(tracker('b', 0.5), tracker('longer', 0.68, { scores: { auc: 0.68, fps: 12.34 } })))).toBe(
      ['OTB2015: 1 sequence, conventions of otb', '', 'Tracker    AUC   FPS', '-------  -----  ----', 'longer   0.680  12.3', 'b        0.500     –'].join('\n'),
    )
    expect(evaluationTable(evaluation(tracker('a', 0.5)))).not.toContain('FPS')
  })

  it('sequences and attributes: all scores of one tracker, the main one of several', () => {
    expect(partsTable(evaluation(tracker('a', 0.5)), 'sequences').split('\n').at(-1)).toMatch(/^A +3 +0\.500 +12\.3$/)
    expect(partsTable(evaluation(tracker('a', 0.5), tracker('b', 0.25)), 'attributes').split('\n').at(-1)).toMatch(/^OCC +1 +0\.500 +0\.250$/)
    expect(partsTable(evaluation(tracker('a', 0.5, { attributes: [] })), 'attributes')).toBe('')
  })

  it('control characters in a name are shown as escapes', () => {
    expect(evaluationTable(evaluation(tracker('a\u001B[31m\nb', 0.5)))).toContain('a\\x1b[31m\\x0ab')
  })
})

it('CSV has a row for each tracker, sequence and attribute', () => {
  expect(evaluationCsv(evaluation(tracker('a,b', 0.5))).trim().split(/\r?\n/)).toEqual(['tracker,part,name,count,auc,fps', '"a,b",all,,1,0.5,', '"a,b",sequence,A,3,0.5,12.34', '"a,b",attribute,OCC,1,0.5,'])
})

it('JSON has what programs rely on; NaN is null', () => {
  const json = JSON.parse(JSON.stringify(evaluationJson(evaluation(tracker('b', 0.5), tracker('a', 0.68, { missing: ['B'] }))))) as unknown
  expect(json).toMatchObject({ benchmark: 'OTB2015', compat: 'otb', trackers: { a: { auc: 0.68, fps: null }, b: { auc: 0.5 } }, sequences: { a: { A: { auc: 0.68, fps: 12.34 } } }, missing: { a: ['B'] }, warnings: ['odd'] })
  expect(Object.keys((json as { trackers: object }).trackers)).toEqual(['a', 'b'])
})
