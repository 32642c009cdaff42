/** What a search found, as a table, as the original's CSV and as JSON. */
import { shortNumber } from '../chart/svg.ts'
import { csvText, type CsvCell } from '../csv.ts'
import { costOf } from './rungs.ts'
import type { SearchResult, TrialResult } from './search.ts'
import { columnName, configKey, type ParameterValue, type SearchParameter } from './space.ts'

export interface SearchReport {
  /** As tables name it, with its part. */
  benchmark: string
  method: string
  seed: number
  sequences: number
  parameters: readonly SearchParameter[]
  result: SearchResult
}

/** The best trials, a line each. @param top how many; the rest is counted */
export function searchTable({ parameters, result, sequences }: SearchReport, top: number): string {
  const { main } = result
  const halving = result.rungs.length > 1
  const head = ['trial', ...shortNames(parameters), ...(halving ? ['sequences'] : []), main.title]
  const rows = result.trials.slice(0, top).map((trial) => [String(trial.trial), ...trial.values.map(shown), ...(halving ? [`${trial.sequences}/${sequences}`] : []), scoreText(trial, main.digits)])
  const widths = head.map((title, c) => Math.max(title.length, ...rows.map((row) => (row[c] as string).length)))
  const line = (cells: readonly string[]): string => cells.map((cell, c) => cell.padStart(widths[c] as number)).join('  ').trimEnd()
  const rest = result.trials.length - rows.length
  return [line(head), ...rows.map(line), ...(rest > 0 ? [`… and ${rest} more`] : []), ''].join('\n')
}

/**
 * The original's columns: hpo_id, a column for each parameter (pipeline/SiamFCppTracker/test_lr), main_performance. Successive halving adds
 * `sequences`, as scores on fewer sequences cannot be compared with the others. Rows are in the order of the trials.
 */
export function searchCsv({ parameters, result }: SearchReport): string {
  const halving = result.rungs.length > 1
  const rows = result.trials.toSorted((a, b) => a.trial - b.trial).map(({ trial, values, score, sequences }): CsvCell[] => [trial, ...values.map(cell), score ?? undefined, ...(halving ? [sequences] : [])])
  return csvText([['hpo_id', ...parameters.map(columnName), 'main_performance', ...(halving ? ['sequences'] : [])], ...rows])
}

/** pandas writes booleans so. */
const cell = (value: ParameterValue): CsvCell => (typeof value === 'boolean' ? (value ? 'True' : 'False') : value)

/** The whole result, JSON.stringify-able. */
export function searchJson({ benchmark, method, seed, sequences, parameters, result }: SearchReport): Record<string, unknown> {
  const trialJson = ({ values, ...rest }: TrialResult): Record<string, unknown> => ({ ...rest, values: Object.fromEntries(parameters.map((parameter, i) => [configKey(parameter), values[i]])) })
  return {
    benchmark,
    score: result.main.id,
    method,
    seed,
    sequences,
    sequence_runs: costOf(result.rungs),
    rungs: result.rungs,
    parameters: Object.fromEntries(parameters.map((parameter) => [configKey(parameter), parameter.range])),
    best: result.best === undefined ? null : trialJson(result.best),
    trials: result.trials.map(trialJson),
  }
}

export function scoreText({ score, error }: TrialResult, digits: number): string {
  return score === null ? (error === undefined ? '–' : 'failed') : score.toFixed(digits)
}

/** A value for readers: six digits. */
export const shown = (value: ParameterValue): string => (typeof value === 'number' ? shortNumber(value) : String(value))

/** The last word of each parameter's name, with as many of those before it as tell it from the others. */
export function shortNames(parameters: readonly SearchParameter[]): string[] {
  return parameters.map(({ path }) => {
    for (let words = 1; words < path.length; words++) {
      const name = path.slice(-words).join('.')
      if (parameters.filter((other) => other.path.slice(-words).join('.') === name).length === 1) return name
    }
    return path.join('.')
  })
}
