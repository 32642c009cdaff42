/** Evaluates trackers' results on any benchmark: reads annotations and results, and calls the evaluator of the benchmark's protocol. */
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { readAnnotations } from './annotations.ts'
import { findBenchmark, isSecret } from './benchmarks/names.ts'
import { compats, evaluateOnePass } from './ope/index.ts'
import type { Compat, Conventions } from './ope/index.ts'
import { rankTrackers } from './report/ranking.ts'
import { readTrackerResults, withResults } from './results/index.ts'
import type { ShortResults } from './results/index.ts'
import type { Annotations, Evaluation, TrackerResults } from './types.ts'
import type { VotCompat, VotTrackerResults } from './vot/index.ts'

export interface EvaluateOptions {
  /** A JSON file as the pysot toolkit has it, the data set's folder, or annotations that are read. */
  annotations: string | Annotations
  /** Folders or zips of results; each may hold several trackers. An entry with a name renames the tracker that it holds. */
  results: readonly (string | { path: string; name: string })[]
  /**
   * Whose conventions. One-pass: got10k (default; what the original's own evaluator gives), otb, pysot, trackingnet, exact. VOT: pysot
   * (default, as the original), vot.
   */
  compat?: string
  /** Part of the benchmark: val, test, … */
  subset?: string
  /** Single conventions of one-pass evaluation that should be others than those of `compat`. */
  conventions?: Partial<Conventions>
  /** Sequences without a result: an error (the default), failures in every frame (one-pass only), or left out. */
  missing?: 'error' | 'zero' | 'skip'
  /** Sequences with fewer boxes than annotations: an error (the default). One-pass only: failures in the frames at the end; or those do not count. */
  short?: ShortResults
  /** Only these sequences. */
  sequences?: readonly string[]
}

/**
 * Evaluates results of trackers, ours or others', on one benchmark. Nothing is written.
 * @param benchmark  any of its names: OTB2015, otb-100, VOT2018, GOT-10k, LaSOT, UAV123, …
 * @returns scores (fractions), curves, scores by sequence and by attribute; trackers from the best to the worst
 * @throws ERR_ARGUMENT for an unknown benchmark or option; ERR_DATA for results or annotations that cannot be made out, sequences without
 *   result, another number of boxes than frames; ERR_IO when a file cannot be read
 */
export async function evaluate(benchmark: string, options: EvaluateOptions): Promise<Evaluation> {
  if (options.results.length === 0) throw invalidArgument('at least one folder or zip', 'results', options.results)
  const known = findBenchmark(benchmark, options.subset)
  checkOptions(known.benchmark.protocol, options)
  if (isSecret(known.benchmark, known.subset) && typeof options.annotations === 'string') {
    throw new SiamError('ERR_DATA', `the annotations of ${known.benchmark.name} ${known.subset} are kept by its server, which alone can score results`, { file: options.annotations, hint: 'send the results there, or evaluate another part (--subset)' })
  }
  const annotations = typeof options.annotations === 'string' ? await readAnnotations(benchmark, options.annotations, { subset: options.subset, sequences: options.sequences }) : options.annotations
  const evaluation = annotations.protocol === 'ope' ? await onePass(annotations, options) : await vot(annotations, options)
  return { ...evaluation, trackers: rankTrackers(evaluation).map(({ tracker }) => tracker) }
}

const votCompats: readonly VotCompat[] = ['pysot', 'vot']

function checkOptions(protocol: Annotations['protocol'], { compat, missing, short, conventions }: EvaluateOptions): void {
  const isVot = protocol !== 'ope'
  const allowed: readonly string[] = isVot ? votCompats : compats
  if (compat !== undefined && !allowed.includes(compat)) throw invalidArgument(`one of ${allowed.join(', ')}`, `compat of a ${isVot ? 'VOT' : 'one-pass'} benchmark`, compat)
  if (!isVot) return
  if (missing === 'zero') throw invalidArgument("'error' or 'skip'", 'missing of a VOT benchmark', missing)
  if (short !== undefined && short !== 'error') throw invalidArgument("'error'", 'short of a VOT benchmark', short)
  if (Object.keys(conventions ?? {}).length > 0) throw invalidArgument('none', 'conventions of a VOT benchmark', conventions)
}

async function onePass(annotations: Annotations, options: EvaluateOptions): Promise<Evaluation> {
  const warnings: string[] = []
  const results = await readAll(options.results, (file) => readTrackerResults(file, annotations, { short: options.short, onWarning: (text) => warnings.push(text) }))
  const evaluation = evaluateOnePass(annotations, results, { compat: options.compat as Compat | undefined, conventions: options.conventions, missing: options.missing })
  return { ...evaluation, warnings: [...warnings, ...evaluation.warnings] }
}

async function vot(annotations: Annotations, options: EvaluateOptions): Promise<Evaluation> {
  const { evaluateVot, evaluateVotLongTerm, readVotResults } = await import('./vot/index.ts')
  const results: VotTrackerResults[] = await readAll(options.results, (file) => withResults(file, (source) => readVotResults(source, annotations)))
  if (options.missing !== 'skip') {
    for (const { tracker, source, sequences } of results) {
      const absent = annotations.sequences.filter(({ name }) => !sequences.has(name)).map(({ name }) => name)
      if (absent.length === 0) continue
      const some = absent.length <= 8 ? absent.join(', ') : `${absent.slice(0, 8).join(', ')}, … (${absent.length} in all)`
      throw new SiamError('ERR_DATA', `${tracker} has no result for ${absent.length} of the ${annotations.sequences.length} sequences of ${annotations.benchmark}: ${some}`, { file: source, hint: 'missing sequences can be left out (--missing skip)' })
    }
  }
  const compat = options.compat as VotCompat | undefined
  return annotations.protocol === 'vot' ? evaluateVot(annotations, results, { compat }) : evaluateVotLongTerm(annotations, results, { compat })
}

/** Reads every source; trackers of one name from several sources get the names of their sources as well. */
async function readAll<T extends TrackerResults<unknown>>(sources: EvaluateOptions['results'], read: (file: string) => Promise<T[]>): Promise<T[]> {
  const all: T[] = []
  for (const source of sources) {
    if (typeof source === 'string') {
      all.push(...(await read(source)))
      continue
    }
    const found = await read(source.path)
    if (found.length > 1) throw new SiamError('ERR_ARGUMENT', `${source.path} holds ${found.length} trackers (${found.map(({ tracker }) => tracker).join(', ')}) and cannot be called ${JSON.stringify(source.name)}`, { hint: 'leave out the name, or give the folder of one tracker' })
    all.push(...found.map((one) => ({ ...one, tracker: source.name })))
  }
  const taken = new Set<string>()
  return all.map((one) => {
    const alone = all.filter(({ tracker }) => tracker === one.tracker).length === 1
    let name = alone ? one.tracker : `${one.tracker} [${path.basename(path.resolve(one.source))}]`
    for (let n = 2; taken.has(name); n += 1) name = `${one.tracker} [${path.basename(path.resolve(one.source))}] (${n})`
    taken.add(name)
    return { ...one, tracker: name }
  })
}
