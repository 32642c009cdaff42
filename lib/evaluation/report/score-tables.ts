/** The tables of a report: overall, speed, and for each attribute and each sequence. */
import { escape } from '../../chart/svg.ts'
import type { Evaluation, ScoreColumn, Scores, TrackerEvaluation } from '../types.ts'
import { numberTable, type TableColumn } from './html-tables.ts'
import { columnsIn, namesOf, rankTrackers } from './ranking.ts'

/** The score that is a speed; it has a table of its own. */
const speedId = 'fps'

export function overallTable(evaluation: Evaluation): string {
  const trackers = rankTrackers(evaluation).map(({ tracker }) => tracker)
  const columns = columnsIn(evaluation.columns, trackers.map(({ scores }) => scores)).filter(({ id }) => id !== speedId)
  const incomplete = trackers.some(({ missing }) => missing.length > 0)
  const extra: TableColumn[] = incomplete ? [{ title: 'Missing', better: undefined, digits: 0 }] : []
  return numberTable({
    of: 'Tracker',
    columns: [...columns.map((column) => ({ ...column, title: `${column.title} ${column.better === 'higher' ? '↑' : '↓'}` })), ...extra],
    rows: trackers.map(({ tracker, scores, missing }) => ({ name: tracker, values: [...columns.map(({ id }) => scores[id]), ...(incomplete ? [missing.length] : [])] })),
    compete: 'columns',
    caption: 'Overall scores',
  })
}

/** Frames a second and milliseconds a frame; '' where no tracker's speed is known. */
export function speedTable(evaluation: Evaluation): string {
  const known = rankTrackers(evaluation).filter(({ tracker }) => Number.isFinite(tracker.scores[speedId]))
  if (known.length === 0) return ''
  return numberTable({
    of: 'Tracker',
    columns: [{ title: 'Frames per second', better: 'higher', digits: 1 }, { title: 'Milliseconds per frame', better: 'lower', digits: 1 }],
    rows: known.map(({ tracker: { tracker, scores } }) => ({ name: tracker, values: [scores[speedId], 1000 / (scores[speedId] as number)] })),
    compete: 'columns',
    caption: 'Speed',
  })
}

interface Part {
  name: string
  /** Frames of a sequence, sequences (or frames) of an attribute. */
  size: number
  scores: Scores
}

interface PartKind {
  of: string
  size: string
  caption: string
  sortable: boolean
  partsOf: (tracker: TrackerEvaluation) => Part[]
}

const kinds = {
  attributes: {
    of: 'Attribute',
    size: 'Count',
    caption: 'Scores of each attribute',
    sortable: true,
    partsOf: ({ attributes }) => attributes.map(({ attribute, count, scores }) => ({ name: attribute, size: count, scores })),
  },
  sequences: {
    of: 'Sequence',
    size: 'Frames',
    caption: 'Scores of each sequence',
    sortable: true,
    partsOf: ({ sequences }) => sequences.map(({ sequence, frames, scores }) => ({ name: sequence, size: frames, scores })),
  },
} satisfies Record<string, PartKind>

/**
 * Attributes or sequences down, trackers across: one table for each score, the main one open. With a single tracker its scores stand side
 * by side instead. '' where the evaluation has none.
 */
export function partTables(evaluation: Evaluation, which: keyof typeof kinds): string {
  const kind: PartKind = kinds[which]
  const trackers = rankTrackers(evaluation).map(({ tracker }) => ({ tracker, parts: new Map(kind.partsOf(tracker).map((part) => [part.name, part])) }))
  const names = namesOf(trackers.map(({ parts }) => [...parts.keys()]), (name) => name)
  if (names.length === 0) return ''
  const columns = columnsIn(evaluation.columns, trackers.flatMap(({ parts }) => [...parts.values()].map(({ scores }) => scores)))
  const sizeOf = (name: string): number | undefined => trackers.map(({ parts }) => parts.get(name)?.size).find((size) => size !== undefined)
  const sizeColumn: TableColumn = { title: kind.size, better: undefined, digits: 0 }
  const common = { of: kind.of, sortable: kind.sortable }
  const only = trackers.length === 1 ? trackers[0] : undefined
  if (only !== undefined) {
    const rows = names.map((name) => ({ name, values: [sizeOf(name), ...columns.map(({ id }) => only.parts.get(name)?.scores[id])], remarks: remark(only.tracker, name, columns.length) }))
    return numberTable({ ...common, columns: [sizeColumn, ...columns], rows, compete: 'none', caption: kind.caption })
  }
  const tableOf = ({ id, title, better, digits }: ScoreColumn): string =>
    numberTable({
      ...common,
      columns: [sizeColumn, ...trackers.map(({ tracker }) => ({ title: tracker.tracker, better, digits }))],
      rows: names.map((name) => ({
        name,
        values: [sizeOf(name), ...trackers.map(({ parts }) => parts.get(name)?.scores[id])],
        remarks: [undefined, ...trackers.map(({ tracker }) => (tracker.missing.includes(name) ? 'missing' : undefined))],
      })),
      compete: 'rows',
      caption: `${kind.caption}: ${title}`,
    })
  const [first, ...others] = mainFirst(columns, evaluation.main)
  if (first === undefined) return ''
  const more = others.map((column) => `<details><summary>${escape(column.title)}</summary>\n${tableOf(column)}\n</details>`)
  return [`<p class="note">${escape(first.title)}</p>`, tableOf(first), ...more].join('\n')
}

function remark({ missing }: TrackerEvaluation, name: string, columns: number): (string | undefined)[] {
  return [undefined, ...Array.from({ length: columns }, (_, c) => (missing.includes(name) && c === 0 ? 'missing' : undefined))]
}

function mainFirst(columns: readonly ScoreColumn[], main: string): ScoreColumn[] {
  return [...columns.filter(({ id }) => id === main), ...columns.filter(({ id }) => id !== main)]
}
