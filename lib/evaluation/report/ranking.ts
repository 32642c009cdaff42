/** What the tables and the plots of a report share: the order of the trackers, which numbers are the best, how a number is written. */
import type { Evaluation, ScoreColumn, Scores, TrackerEvaluation } from '../types.ts'

/** What stands for a number that is not there. */
export const noNumber = '–'

/** A tracker with what every plot and table of the report keeps to. */
export interface RankedTracker {
  tracker: TrackerEvaluation
  /** Its place by the main score, from 0: the same line style everywhere. */
  rank: number
}

/** The trackers, the best by the main score first; those without a number come last. Equal ones stay in their order. */
export function rankTrackers({ trackers, columns, main }: Evaluation): RankedTracker[] {
  const column = columns.find(({ id }) => id === main)
  return sortedByScore(trackers, ({ scores }) => scores[main], column?.better ?? 'higher').map((tracker, rank) => ({ tracker, rank }))
}

/** The items, the best number first, those without one last, equal ones in their order. */
export function sortedByScore<T>(items: readonly T[], scoreOf: (item: T) => number | undefined, better: ScoreColumn['better']): T[] {
  const sign = better === 'higher' ? -1 : 1
  const known = (item: T): number => {
    const value = scoreOf(item)
    return value === undefined || Number.isNaN(value) ? Infinity : sign * value
  }
  return items.toSorted((a, b) => {
    const [left, right] = [known(a), known(b)]
    return left === right ? 0 : left - right
  })
}

/** A score for readers. */
export function formatScore(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? noNumber : value.toFixed(digits)
}

export type Mark = 'best' | 'second' | ''

/**
 * Which of the numbers are the best and the second best as they are printed: what looks equal is marked alike. Nothing is marked in a row
 * of one; the second only among three and more.
 */
export function marks(values: readonly (number | undefined)[], { better, digits }: Pick<ScoreColumn, 'better' | 'digits'>): Mark[] {
  const printed = values.map((value) => (value === undefined || !Number.isFinite(value) ? undefined : Number(value.toFixed(digits))))
  const known = printed.filter((value) => value !== undefined)
  if (known.length < 2) return values.map(() => '')
  const order = [...new Set(known)].sort((a, b) => (better === 'higher' ? b - a : a - b))
  const second = known.length > 2 ? order[1] : undefined
  return printed.map((value) => (value === undefined ? '' : value === order[0] ? 'best' : value === second ? 'second' : ''))
}

/** The columns in which any of these scores has a number, in their order. */
export function columnsIn(columns: readonly ScoreColumn[], scores: Iterable<Scores>): ScoreColumn[] {
  const there = new Set<string>()
  for (const one of scores) for (const [id, value] of Object.entries(one)) if (Number.isFinite(value)) there.add(id)
  return columns.filter(({ id }) => there.has(id))
}

/** Names that the lists of several trackers have, in the order in which they come first. */
export function namesOf<T>(lists: readonly (readonly T[])[], nameOf: (item: T) => string): string[] {
  return [...new Set(lists.flatMap((list) => list.map(nameOf)))]
}

export const benchmarkTitle = ({ benchmark, subset }: Pick<Evaluation, 'benchmark' | 'subset'>): string => (subset === undefined || subset === '' ? benchmark : `${benchmark} ${subset}`)
