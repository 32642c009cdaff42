/**
 * From the testers that a configuration names to what is to be run: which benchmark, from which folder, with results where.
 */
import path from 'node:path'
import { requireTest, whereIs, type Config } from '../../config/index.ts'
import { SiamError } from '../../errors.ts'
import { findBenchmark, isSecret } from '../benchmarks/names.ts'
import type { Protocol } from '../types.ts'

/** A benchmark named in the call instead of in the configuration. */
export interface BenchmarkRequest {
  /** Any name of the benchmark, with or without its part. */
  benchmark: string
  root: string
  subset?: string
}

export interface TestPlan {
  /** The tester's name in the configuration; of a benchmark named in the call, the benchmark's. */
  tester: string
  benchmark: string
  subset: string | undefined
  protocol: Protocol
  /** Only the benchmark's server can score the results. */
  secret: boolean
  root: string
  /** The tracker's name in result folders (`exp_name`). */
  tracker: string
  /** The tracker's folder of results. */
  folder: string
  /** Only these sequences; empty: all. */
  sequences: readonly string[]
}

/** Folder of the results that the original's GOT-10k toolkit writes, below `exp_save`. */
const toolkitFolder = path.join('GOT-Benchmark', 'result')

interface Section {
  readonly exp_name?: unknown
  readonly exp_save?: unknown
  readonly data_root?: unknown
  readonly subsets?: unknown
  readonly dataset_names?: unknown
  readonly video_name_list?: unknown
}

/**
 * @param out       instead of the configuration's `exp_save`
 * @param requests  instead of the configuration's testers
 * @returns one plan for each part of each benchmark, in the configuration's order
 * @throws ERR_CONFIG when the configuration names no tester, or one has no data, ERR_ARGUMENT for an unknown benchmark in the call
 */
export function testPlans(config: Config, out?: string, requests: readonly BenchmarkRequest[] = []): TestPlan[] {
  const track = requireTest(config)
  if (requests.length > 0) {
    const names = namesOf(config, 'test.track', track, {}, out)
    return requests.map(({ benchmark, root, subset }) => planOf('', names, findBenchmark(benchmark, subset), root)).map((plan) => ({ ...plan, tester: plan.benchmark }))
  }
  const testers = track.tester?.names ?? []
  if (testers.length === 0) {
    throw new SiamError('ERR_CONFIG', 'Expected the name of a tester at test.track.tester.names but there is none', { ...whereIs(config, 'test.track.tester'), hint: 'name one there, or name a benchmark in the call' })
  }
  return testers.flatMap((name) => plansOfTester(config, name, ((track.tester as Record<string, unknown>)[name] ?? {}) as Section, out))
}

interface Names {
  tracker: string
  save: string
}

function namesOf(config: Config, at: string, track: Section, tester: Section, out: string | undefined): Names {
  const text = (key: 'exp_name' | 'exp_save'): string => {
    const own = tester[key]
    const value = own === undefined || own === '' ? track[key] : own
    return typeof value === 'string' ? value : ''
  }
  const tracker = text('exp_name')
  if (tracker === '' || tracker === '.' || tracker === '..' || /[/\\\0]/.test(tracker)) {
    throw new SiamError('ERR_CONFIG', `Expected the name of a folder for ${at}.exp_name but received ${JSON.stringify(tracker)}`, whereIs(config, `${at}.exp_name`))
  }
  return { tracker, save: path.resolve(out ?? (text('exp_save') === '' ? 'logs' : text('exp_save'))) }
}

function plansOfTester(config: Config, tester: string, section: Section, out: string | undefined): TestPlan[] {
  const at = `test.track.tester.${tester}`
  const names = namesOf(config, at, requireTest(config), section, out)
  const found = (benchmark: string, subset: string | undefined, key: string): ReturnType<typeof findBenchmark> => {
    try {
      return findBenchmark(benchmark, subset)
    } catch (error) {
      if (error instanceof SiamError) throw new SiamError('ERR_CONFIG', `${at}.${key}: ${error.message}`, { ...whereIs(config, `${at}.${key}`), hint: error.hint })
      throw error
    }
  }
  if (tester === 'VOTTester' || tester === 'VOTLTTester') {
    const roots = (section.data_root ?? {}) as Readonly<Record<string, string>>
    return texts(section.dataset_names).map((name) => {
      const root = roots[name]
      if (root === undefined || root === '') throw new SiamError('ERR_CONFIG', `Expected the folder of ${name} at ${at}.data_root.${name} but there is none`, whereIs(config, `${at}.data_root`))
      return { ...planOf(tester, names, found(name, undefined, 'dataset_names'), root), sequences: texts(section.video_name_list) }
    })
  }
  const root = typeof section.data_root === 'string' ? section.data_root : ''
  return texts(section.subsets).map((subset) => {
    const plan = planOf(tester, names, benchmarkOf(tester, subset, found), root)
    // The original names OTB's folder after the text of the part: otb2015, but OTB2015 for 2015.
    return tester === 'OTBTester' && !/^\d+$/.test(subset) ? { ...plan, folder: path.join(path.dirname(path.dirname(plan.folder)), path.basename(subset), plan.tracker) } : plan
  })
}

function benchmarkOf(tester: string, subset: string, found: (benchmark: string, subset: string | undefined, key: string) => ReturnType<typeof findBenchmark>): ReturnType<typeof findBenchmark> {
  if (tester === 'GOT10kTester') return found('GOT-10k', subset, 'subsets')
  if (tester === 'LaSOTTester') return found('LaSOT', subset, 'subsets')
  if (tester === 'TrackingNetTester') return found('TrackingNet', subset, 'subsets')
  return found(subset, undefined, 'subsets')
}

function planOf(tester: string, { tracker, save }: Names, { benchmark, subset }: ReturnType<typeof findBenchmark>, root: string): TestPlan {
  const below = benchmark.protocol === 'ope' ? [toolkitFolder, ...(benchmark.name === 'NfS' ? ['NfS', subset as string] : [benchmark.name])] : [benchmark.name]
  return {
    tester,
    benchmark: benchmark.name,
    subset,
    protocol: benchmark.protocol,
    secret: isSecret(benchmark, subset),
    root,
    tracker,
    folder: path.join(save, ...below, tracker),
    sequences: [],
  }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
