/** Tables as comma-separated values (RFC 4180), for programs and for spreadsheets. */

export type CsvCell = string | number | undefined

/**
 * A line for each row. Numbers are written in full; what is not a number, and undefined, is an empty cell.
 *
 * Text that a spreadsheet would run as a formula (`=…`, `+…`, `-…`, `@…`) gets an apostrophe in front: names in results come from other
 * people's files.
 */
export function csvText(rows: Iterable<readonly CsvCell[]>): string {
  let text = ''
  for (const row of rows) text += `${row.map(cellText).join(',')}\n`
  return text
}

function cellText(cell: CsvCell): string {
  if (cell === undefined) return ''
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : ''
  const harmless = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]|^\s|\s$/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
