/** Tables of numbers as HTML. Everything that comes from files is escaped here. */
import { escape } from '../../chart/svg.ts'
import type { ScoreColumn } from '../types.ts'
import { formatScore, marks, noNumber, type Mark } from './ranking.ts'

const longestHeading = 48

export interface TableColumn {
  title: string
  better: ScoreColumn['better'] | undefined
  digits: number
}

export interface TableRow {
  name: string
  /** One for each column. */
  values: readonly (number | undefined)[]
  /** Said in place of a number that is not there. */
  remarks?: readonly (string | undefined)[]
}

export interface NumberTable {
  /** Heading of the first column. */
  of: string
  columns: readonly TableColumn[]
  rows: readonly TableRow[]
  /** Which numbers compete with each other: those of a column, those of a row, or none. */
  compete: 'columns' | 'rows' | 'none'
  sortable?: boolean
  /** Read to those who cannot see the heading above. */
  caption: string
}

/** Text from a file, kept from turning what stands around it about. */
export const named = (name: string): string => `<bdi>${escape(name)}</bdi>`

export function numberTable({ of, columns, rows, compete, sortable = false, caption }: NumberTable): string {
  const byColumn = columns.map((column, c) => (compete === 'columns' && column.better !== undefined ? marks(rows.map(({ values }) => values[c]), { ...column, better: column.better }) : []))
  const head = [of, ...columns.map(({ title }) => title)].map((title) => `<th scope="col" title="${escape(title)}">${named(clip(title))}</th>`).join('')
  const body = rows.map(({ name, values, remarks }, r) => {
    const byRow = compete === 'rows' ? rowMarks(columns, values) : []
    const cells = columns.map(({ digits }, c) => cell(values[c], digits, byRow[c] ?? byColumn[c]?.[r] ?? '', remarks?.[c]))
    return `<tr><th scope="row" title="${escape(name)}">${named(name)}</th>${cells.join('')}</tr>`
  })
  return [
    `<div class="scroll" role="region" aria-label="${escape(caption)}" tabindex="0"><table${sortable ? ' class="sortable"' : ''} aria-label="${escape(caption)}">`,
    `<thead><tr>${head}</tr></thead>`,
    `<tbody>`,
    ...body,
    `</tbody></table></div>`,
  ].join('\n')
}

/** A heading must not make its column wider than the page; the whole of it is in the tooltip. */
function clip(title: string): string {
  const characters = [...title]
  return characters.length <= longestHeading ? title : `${characters.slice(0, longestHeading - 1).join('')}…`
}

/** In a row, columns with a direction compete; those without (a count) stand aside. */
function rowMarks(columns: readonly TableColumn[], values: readonly (number | undefined)[]): Mark[] {
  const competing = columns.findIndex(({ better }) => better !== undefined)
  const column = columns[competing]
  if (column?.better === undefined) return []
  const own = marks(values.slice(competing), { better: column.better, digits: column.digits })
  return [...values.slice(0, competing).map((): Mark => ''), ...own]
}

function cell(value: number | undefined, digits: number, mark: Mark, remark: string | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return `<td class="none">${escape(remark ?? noNumber)}</td>`
  const number = formatScore(value, digits)
  const marked = mark === 'best' ? `<b>${number}</b>` : mark === 'second' ? `<u>${number}</u>` : number
  return `<td data-v="${value}">${marked}${remark === undefined ? '' : ` <span class="note">${escape(remark)}</span>`}</td>`
}
