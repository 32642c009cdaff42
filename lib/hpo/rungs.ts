/** How many trials are run on how many sequences. */
import { uniform } from './draw.ts'

export type SearchMethod = 'random' | 'halving'

export interface Rung {
  /** How many trials take part: all, then the best of the rung before. */
  trials: number
  /** How many sequences they are scored on; those of the rung before are among them. */
  sequences: number
}

/**
 * Random search: every trial on every sequence. Successive halving: all trials on a small share of the sequences, the best 1/eta of them on
 * eta times as many, and so on; the last rung is on all sequences.
 * @param eta 2 or more; a trial in eta goes on
 */
export function planRungs(method: SearchMethod, trials: number, sequences: number, eta: number): Rung[] {
  if (method === 'random') return [{ trials, sequences }]
  let rungs = 1
  while (Math.floor(trials / eta ** rungs) >= 1 && Math.floor(sequences / eta ** rungs) >= 1) rungs++
  return Array.from({ length: rungs }, (_, k) => ({ trials: Math.floor(trials / eta ** k), sequences: Math.ceil(sequences / eta ** (rungs - 1 - k)) }))
}

/** What a plan costs: sequences tracked by all trials together, a trial's results of an earlier rung being kept. */
export function costOf(rungs: readonly Rung[]): number {
  return rungs.reduce((sum, { trials, sequences }, k) => sum + trials * (sequences - (rungs[k - 1]?.sequences ?? 0)), 0)
}

/** Sequences in the order in which the rungs take them: mixed by the seed, because benchmarks sort theirs by name or kind. */
export function mixed(sequences: readonly string[], seed: number): string[] {
  const keyed = sequences.map((name) => [uniform(`${seed}/sequence/${name}`), name] as const)
  return keyed.sort(([a], [b]) => a - b).map(([, name]) => name)
}
