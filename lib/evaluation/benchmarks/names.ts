/**
 * The benchmarks that are known: how tables name them, what else they are called, their parts, and how they are run.
 */
import { SiamError } from '../../errors.ts'
import type { Protocol } from '../types.ts'

export interface BenchmarkName {
  /** As the tables name it. */
  name: string
  protocol: Protocol
  /** Parts that can be asked for; the first is the default. Empty: the benchmark has no parts. */
  subsets: readonly string[]
  /** Other names, as {@link key} writes them. */
  aliases: readonly string[]
  /** Parts whose annotations only the benchmark's server has: results are sent there. */
  secret?: readonly string[]
}

const otb = { protocol: 'ope', subsets: [] } as const
const vot = { protocol: 'vot', subsets: [] } as const
const longTerm = { protocol: 'vot-lt', subsets: [] } as const

/** TrackingNet's training set lies in twelve chunks. */
const chunks = Array.from({ length: 12 }, (_, i) => `train${i}`)

export const benchmarks: readonly BenchmarkName[] = [
  { name: 'OTB2013', aliases: ['cvpr2013', 'otb51', '2013'], ...otb },
  { name: 'OTB2015', aliases: ['otb', 'otb100', 'tb100', '2015'], ...otb },
  { name: 'OTB50', aliases: ['tb50'], ...otb },
  { name: 'VOT2016', aliases: [], ...vot },
  // The sequences of 2018 are those of 2017.
  { name: 'VOT2017', aliases: [], ...vot },
  { name: 'VOT2018', aliases: ['vot'], ...vot },
  { name: 'VOT2019', aliases: [], ...vot },
  { name: 'VOT2018LT', aliases: ['votlt', 'votlt2018'], ...longTerm },
  { name: 'VOT2019LT', aliases: ['votlt2019'], ...longTerm },
  { name: 'GOT-10k', protocol: 'ope', subsets: ['val', 'test', 'train'], aliases: ['got10k', 'got'], secret: ['test'] },
  { name: 'LaSOT', protocol: 'ope', subsets: ['test', 'train', 'train_test'], aliases: [] },
  { name: 'UAV123', aliases: ['uav'], ...otb },
  { name: 'UAV20L', aliases: [], ...otb },
  { name: 'TrackingNet', protocol: 'ope', subsets: ['test', 'train', ...chunks], aliases: [], secret: ['test'] },
  { name: 'NfS', protocol: 'ope', subsets: ['30', '240'], aliases: ['needforspeed'] },
  { name: 'DTB70', aliases: [], ...otb },
  { name: 'TColor128', aliases: ['tc128', 'templecolor128'], ...otb },
]

/** Names are compared without case, dots, dashes, underscores and spaces: `got_10k` is `GOT-10k`. */
function key(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/**
 * Finds a benchmark by any of its names, which may end in a part: `GOT-10k/test`, `got10k-val`, `NfS30`, `lasot_test`.
 * @param subset  the part, where it is given on its own
 * @throws ERR_ARGUMENT for a name or a part that is not known, with those that are
 */
export function findBenchmark(name: string, subset?: string): { benchmark: BenchmarkName; subset: string | undefined } {
  const wanted = key(name)
  for (const benchmark of benchmarks) {
    for (const known of [key(benchmark.name), ...benchmark.aliases]) {
      if (wanted === known) return { benchmark, subset: subsetOf(benchmark, subset) }
      const part = wanted.startsWith(known) ? benchmark.subsets.find((each) => key(each) === wanted.slice(known.length)) : undefined
      if (part !== undefined) return { benchmark, subset: subsetOf(benchmark, subset ?? part) }
    }
  }
  throw new SiamError('ERR_ARGUMENT', `there is no benchmark ${JSON.stringify(name)}`, { hint: `known are ${benchmarks.map((each) => each.name).join(', ')}` })
}

function subsetOf({ name, subsets }: BenchmarkName, subset: string | undefined): string | undefined {
  if (subset === undefined || subset === '') return subsets[0]
  const found = subsets.find((each) => key(each) === key(subset))
  if (found === undefined) {
    throw new SiamError('ERR_ARGUMENT', `${name} has no part ${JSON.stringify(subset)}`, { hint: subsets.length === 0 ? 'leave it out' : `it has ${subsets.join(', ')}` })
  }
  return found
}

/** Whether only the benchmark's server can score results of this part. */
export function isSecret(benchmark: BenchmarkName, subset: string | undefined): boolean {
  return subset !== undefined && benchmark.secret?.includes(subset) === true
}
