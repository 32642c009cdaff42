/** An evaluation as text: tables for a terminal, and one object for programs. */
import { csvText } from '../csv.ts'
import { benchmarkTitle, columnsIn, formatScore, namesOf, noNumber, rankTrackers } from './report/ranking.ts'
import type { Evaluation, Scores } from './types.ts'

/**
 * A table of the trackers, the best first.
 * @returns lines without a line end after the last
 */
export function evaluationTable(evaluation: Evaluation): string {
  const trackers = rankTrackers(evaluation).map(({ tracker }) => tracker)
  const columns = columnsIn(evaluation.columns, trackers.map(({ scores }) => scores))
  const count = namesOf(trackers.map(({ sequences }) => sequences), ({ sequence }) => sequence).length
  const rows = trackers.map(({ tracker, scores }) => [tracker, ...columns.map(({ id, digits }) => formatScore(scores[id], digits))])
  return [`${benchmarkTitle(evaluation)}: ${count} ${count === 1 ? 'sequence' : 'sequences'}, conventions of ${evaluation.compat}`, '', ...textTable(['Tracker', ...columns.map(({ title }) => title)], rows)].join('\n')
}

/**
 * Scores by sequence or by attribute: of one tracker all of them, of several the main one.
 * @returns '' when there are none
 */
export function partsTable(evaluation: Evaluation, which: 'sequences' | 'attributes'): string {
  const trackers = rankTrackers(evaluation).map(({ tracker }) => tracker)
  const parts = trackers.map((tracker) =>
    which === 'sequences' ? tracker.sequences.map(({ sequence, frames, scores }) => ({ name: sequence, count: frames, scores })) : tracker.attributes.map(({ attribute, count, scores }) => ({ name: attribute, count, scores })),
  )
  const names = namesOf(parts, ({ name }) => name)
  if (names.length === 0) return ''
  const byName = parts.map((list) => new Map(list.map((part) => [part.name, part])))
  const counts = names.map((name) => String(byName.find((map) => map.has(name))?.get(name)?.count ?? noNumber))
  const head = which === 'sequences' ? ['Sequence', 'Frames'] : ['Attribute', 'Sequences']
  const only = trackers.length === 1 ? byName[0] : undefined
  if (only !== undefined) {
    const columns = columnsIn(evaluation.columns, [...only.values()].map(({ scores }) => scores))
    const rows = names.map((name, i) => [name, counts[i] as string, ...columns.map(({ id, digits }) => formatScore(only.get(name)?.scores[id], digits))])
    return textTable([...head, ...columns.map(({ title }) => title)], rows).join('\n')
  }
  const digits = evaluation.columns.find(({ id }) => id === evaluation.main)?.digits ?? 3
  const rows = names.map((name, i) => [name, counts[i] as string, ...byName.map((map) => formatScore(map.get(name)?.scores[evaluation.main], digits))])
  return textTable([...head, ...trackers.map(({ tracker }) => tracker)], rows).join('\n')
}

/** First column to the left, the others to the right. Control characters, which names in a stranger's zip may have, as escapes. */
function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, (character) => `\\x${character.codePointAt(0)?.toString(16).padStart(2, '0')}`)))
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  ').trimEnd()
  return [line(all[0] as string[]), widths.map((width) => '-'.repeat(width)).join('  '), ...all.slice(1).map(line)]
}

/** All numbers as comma-separated values: a row for each tracker (part: all), and for each sequence and attribute of each. */
export function evaluationCsv(evaluation: Evaluation): string {
  const trackers = rankTrackers(evaluation).map(({ tracker }) => tracker)
  const cells = (scores: Scores): (number | undefined)[] => evaluation.columns.map(({ id }) => scores[id])
  return csvText([
    ['tracker', 'part', 'name', 'count', ...evaluation.columns.map(({ id }) => id)],
    ...trackers.flatMap(({ tracker, scores, sequences, attributes }) => [
      [tracker, 'all', '', sequences.length, ...cells(scores)],
      ...sequences.map((one) => [tracker, 'sequence', one.sequence, one.frames, ...cells(one.scores)]),
      ...attributes.map((one) => [tracker, 'attribute', one.attribute, one.count, ...cells(one.scores)]),
    ]),
  ])
}

/** What `siamtrain eval --json` prints. Numbers that are not there are null. */
export interface EvaluationJson {
  benchmark: string
  subset?: string
  compat: string
  /** Tracker → scores, fractions; the best first. */
  trackers: Record<string, Record<string, number | null>>
  /** Tracker → sequence → scores. */
  sequences: Record<string, Record<string, Record<string, number | null>>>
  attributes: Record<string, Record<string, Record<string, number | null>>>
  /** Tracker → sequences without a result, where there are any. */
  missing: Record<string, string[]>
  conventions: Record<string, string>
  warnings: string[]
}

export function evaluationJson(evaluation: Evaluation): EvaluationJson {
  const trackers = rankTrackers(evaluation).map(({ tracker }) => tracker)
  const numbers = (scores: Scores): Record<string, number | null> => Object.fromEntries(Object.entries(scores).map(([id, value]) => [id, Number.isFinite(value) ? value : null]))
  return {
    benchmark: evaluation.benchmark,
    ...(evaluation.subset === undefined ? {} : { subset: evaluation.subset }),
    compat: evaluation.compat,
    trackers: Object.fromEntries(trackers.map(({ tracker, scores }) => [tracker, numbers(scores)])),
    sequences: Object.fromEntries(trackers.map(({ tracker, sequences }) => [tracker, Object.fromEntries(sequences.map((one) => [one.sequence, numbers(one.scores)]))])),
    attributes: Object.fromEntries(trackers.map(({ tracker, attributes }) => [tracker, Object.fromEntries(attributes.map((one) => [one.attribute, numbers(one.scores)]))])),
    missing: Object.fromEntries(trackers.filter(({ missing }) => missing.length > 0).map(({ tracker, missing }) => [tracker, missing])),
    conventions: evaluation.conventions,
    warnings: evaluation.warnings,
  }
}
