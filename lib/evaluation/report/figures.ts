/** Every plot of an evaluation, each with the trackers that have its curve, ranked by its number. */
import { safeStem } from '../../chart/document.ts'
import type { Evaluation } from '../types.ts'
import { curveChart, type CurveSeries } from './curve-chart.ts'
import { benchmarkTitle, rankTrackers, sortedByScore } from './ranking.ts'

export interface Figure {
  /** Name of its file. */
  file: string
  title: string
  svg: string
}

/** @returns one figure for each kind of curve, in the order in which the trackers have them */
export function figuresOf(evaluation: Evaluation): Figure[] {
  const ranked = rankTrackers(evaluation)
  const kinds = [...new Set(evaluation.trackers.flatMap(({ curves }) => curves.map(({ id }) => id)))]
  const taken = new Set<string>()
  return kinds.map((kind) => {
    const series = ranked.flatMap(({ tracker, rank }): CurveSeries[] => {
      const curve = tracker.curves.find(({ id }) => id === kind)
      return curve === undefined ? [] : [{ name: tracker.tracker, curve, score: tracker.scores[curve.score ?? evaluation.main], style: rank }]
    })
    const { title, score = evaluation.main } = (series[0] as CurveSeries).curve
    const column = evaluation.columns.find(({ id }) => id === score) ?? { title: score, digits: 3, better: 'higher' as const }
    const stem = safeStem(kind, taken)
    const sorted = sortedByScore(series, (one) => one.score, column.better)
    return { file: `${stem}.svg`, title, svg: curveChart({ id: `plot-${stem}`, benchmark: benchmarkTitle(evaluation), scoreColumn: column, series: sorted }) }
  })
}
