/** The report of an evaluation: a page to read and print, its plots, and its tables for programs. */
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { ioError } from '../../checkpoint/io-error.ts'
import { makeFolder } from '../../make-folder.ts'
import type { Evaluation } from '../types.ts'
import { attributesCsv, scoresCsv, sequencesCsv } from './csv-tables.ts'
import { figuresOf } from './figures.ts'
import { reportPage } from './page.ts'

/**
 * Writes `index.html` (self-contained), one SVG for each kind of curve, `scores.csv`, `sequences.csv`, `attributes.csv` (the latter two where
 * the evaluation has any) and `evaluation.json` (the evaluation as it is; what is not a number becomes null). Each file is there whole or not
 * at all; files of these names from an earlier report are replaced, others are left alone. The same evaluation gives the same bytes.
 * @param folder made where it is not there
 * @returns the files, the page first
 * @throws ERR_IO when the folder cannot be made or written to
 */
export async function writeReport(evaluation: Evaluation, folder: string): Promise<string[]> {
  const figures = figuresOf(evaluation)
  const parts: [name: string, text: string][] = [
    ...figures.map(({ file, svg }): [string, string] => [file, svg]),
    ['scores.csv', scoresCsv(evaluation)],
    ...(evaluation.trackers.some(({ sequences }) => sequences.length > 0) ? [['sequences.csv', sequencesCsv(evaluation)] satisfies [string, string]] : []),
    ...(evaluation.trackers.some(({ attributes }) => attributes.length > 0) ? [['attributes.csv', attributesCsv(evaluation)] satisfies [string, string]] : []),
    ['evaluation.json', `${JSON.stringify(evaluation)}\n`],
  ]
  const page = reportPage(evaluation, figures, parts.map(([name]) => name))
  try {
    makeFolder(folder)
  } catch (error) {
    throw ioError(error, 'write', folder)
  }
  const written: string[] = []
  // The page last: when it is there, what it links to is there as well.
  for (const [name, text] of [...parts, ['index.html', page] as const]) {
    const file = path.join(folder, name)
    await writeFileAtomically(file, async (sink) => sink(Buffer.from(text)))
    written.push(file)
  }
  return [written.at(-1) as string, ...written.slice(0, -1)]
}
