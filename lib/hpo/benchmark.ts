/** What a search is scored on: the first benchmark of the configuration, which has to have public annotations. */
import { whereIs, type Config } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import { openBenchmark } from '../evaluation/benchmarks/index.ts'
import { testPlans, type BenchmarkRequest, type TestPlan } from '../evaluation/tester/plan.ts'

export interface SearchBenchmark {
  plan: TestPlan
  /** As tables name it, with its part. */
  title: string
  /** Names of its sequences, in its order. */
  sequences: readonly string[]
  /** Benchmarks of the configuration that are passed over. */
  others: readonly string[]
}

/**
 * @param request a benchmark instead of those of the configuration
 * @throws ERR_CONFIG when its annotations are secret, what {@link openBenchmark} and {@link testPlans} throw
 */
export async function openSearchBenchmark(config: Config, request: BenchmarkRequest | undefined, options: { allowMissing?: boolean; signal?: AbortSignal }): Promise<SearchBenchmark> {
  const plans = testPlans(config, undefined, request === undefined ? [] : [request])
  const plan = plans[0]
  if (plan === undefined) throw new SiamError('ERR_CONFIG', 'Expected a benchmark to search on, but the testers of the configuration name no part of one', whereIs(config, 'test.track.tester'))
  const title = titleOf(plan)
  if (plan.secret) {
    throw new SiamError('ERR_CONFIG', `${title} cannot be searched on: its annotations are secret, so that nobody fits parameters to it`, { ...whereIs(config, 'test.track.tester'), hint: 'search on a validation set, such as GOT-10k val' })
  }
  const { sequences } = await openBenchmark(plan.benchmark, plan.root, { subset: plan.subset, sequences: plan.sequences, ...options })
  return { plan, title, sequences: sequences.map(({ name }) => name), others: plans.slice(1).map(titleOf) }
}

const titleOf = ({ benchmark, subset }: TestPlan): string => (subset === undefined ? benchmark : `${benchmark} ${subset}`)
