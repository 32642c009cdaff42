/** Scores what a test wrote, by the conventions of the original's evaluator. */
import { evaluateOnePass } from '../ope/index.ts'
import { readTrackerResults, withResults } from '../results/index.ts'
import type { Benchmark, Evaluation } from '../types.ts'
import { evaluateVot, evaluateVotLongTerm, readVotResults } from '../vot/index.ts'

/**
 * @param benchmark  with those sequences only that were run
 * @param folder     the tracker's folder of results
 */
export async function evaluateRun(benchmark: Benchmark, folder: string): Promise<Evaluation> {
  if (benchmark.protocol === 'ope') return evaluateOnePass(benchmark, await readTrackerResults(folder, benchmark))
  const results = await withResults(folder, (source) => readVotResults(source, benchmark))
  return benchmark.protocol === 'vot' ? evaluateVot(benchmark, results) : evaluateVotLongTerm(benchmark, results)
}
