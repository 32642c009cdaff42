/** The tables of an evaluation as comma-separated values: a row for each tracker, each sequence or each attribute of a tracker. */
import { csvText, type CsvCell } from '../../csv.ts'
import type { Evaluation, ScoreColumn, Scores } from '../types.ts'
import { columnsIn, rankTrackers } from './ranking.ts'

/** tracker, a column for each score, missing (how many sequences have no result). */
export function scoresCsv(evaluation: Evaluation): string {
  const ranked = rankTrackers(evaluation)
  const columns = columnsIn(evaluation.columns, ranked.map(({ tracker }) => tracker.scores))
  return table(['tracker'], columns, ['missing'], ranked.map(({ tracker }) => [[tracker.tracker], tracker.scores, [tracker.missing.length]]))
}

/** tracker, sequence, frames, a column for each score. */
export function sequencesCsv(evaluation: Evaluation): string {
  const rows = rankTrackers(evaluation).flatMap(({ tracker }) => tracker.sequences.map(({ sequence, frames, scores }): Row => [[tracker.tracker, sequence, frames], scores, []]))
  return table(['tracker', 'sequence', 'frames'], columnsIn(evaluation.columns, rows.map(([, scores]) => scores)), [], rows)
}

/** tracker, attribute, count, a column for each score. */
export function attributesCsv(evaluation: Evaluation): string {
  const rows = rankTrackers(evaluation).flatMap(({ tracker }) => tracker.attributes.map(({ attribute, count, scores }): Row => [[tracker.tracker, attribute, count], scores, []]))
  return table(['tracker', 'attribute', 'count'], columnsIn(evaluation.columns, rows.map(([, scores]) => scores)), [], rows)
}

type Row = [before: CsvCell[], scores: Scores, after: CsvCell[]]

function table(before: string[], columns: readonly ScoreColumn[], after: string[], rows: readonly Row[]): string {
  return csvText([[...before, ...columns.map(({ id }) => id), ...after], ...rows.map(([first, scores, last]) => [...first, ...columns.map(({ id }) => scores[id]), ...last])])
}
