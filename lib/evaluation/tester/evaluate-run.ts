/** Scores what a test wrote. */
import type { Benchmark, Evaluation } from '../types.ts'
import type { TestPlan } from './plan.ts'

export async function evaluateRun(benchmark: Benchmark, plan: TestPlan): Promise<Evaluation | undefined> {
  return undefined
}
