/** Opens the data sets of benchmarks, as their toolkits lay them out. */
import path from 'node:path'
import { isDirectory } from '../../data/files.ts'
import { mapOrdered } from '../../data/parallel.ts'
import { SiamError } from '../../errors.ts'
import type { Benchmark, BenchmarkSequence } from '../types.ts'
import { openGot10k } from './got10k.ts'
import { openLasot } from './lasot.ts'
import type { Layout, PlannedSequence } from './layout.ts'
import { findBenchmark } from './names.ts'
import { openNfs } from './nfs.ts'
import { openOtb } from './otb.ts'
import { openDtb70, openTColor128 } from './small-sets.ts'
import { openTrackingNet } from './trackingnet.ts'
import { openUav } from './uav.ts'
import { openVot } from './vot.ts'

export { benchmarks, findBenchmark, isSecret } from './names.ts'
export type { BenchmarkName } from './names.ts'

export interface OpenBenchmarkOptions {
  /** Part of the benchmark (val, test, …); by default the first that {@link findBenchmark} knows. */
  subset?: string
  /** Only these sequences. */
  sequences?: readonly string[]
  /** true: sequences that are not on this machine are left out; by default they are an error. At least one has to be there. */
  allowMissing?: boolean
  signal?: AbortSignal
}

const layouts: Readonly<Record<string, Layout>> = {
  OTB2013: openOtb,
  OTB2015: openOtb,
  OTB50: openOtb,
  VOT2016: openVot,
  VOT2017: openVot,
  VOT2018: openVot,
  VOT2019: openVot,
  VOT2018LT: openVot,
  VOT2019LT: openVot,
  'GOT-10k': openGot10k,
  LaSOT: openLasot,
  UAV123: openUav,
  UAV20L: openUav,
  TrackingNet: openTrackingNet,
  NfS: openNfs,
  DTB70: openDtb70,
  TColor128: openTColor128,
}

/** More than libuv's 4 threads, so that they never wait for JavaScript. */
const sequencesAtATime = 16

/**
 * Opens a benchmark whose frames are on this machine: frames are listed, annotations read, both compared.
 * @param name  any name that {@link findBenchmark} knows, with or without a part
 * @param root  the folder, laid out as the benchmark's toolkit has it; docs/benchmark-runs.md shows each
 * @returns sequences in the toolkit's order
 * @throws ERR_ARGUMENT for an unknown benchmark, part or sequence; ERR_DATA when the root is another data set, when sequences are missing
 *   (all are named), or when annotations cannot be read or do not pair up with the frames
 */
export async function openBenchmark(name: string, root: string, options: OpenBenchmarkOptions = {}): Promise<Benchmark> {
  const { benchmark, subset } = findBenchmark(name, options.subset)
  const source = path.resolve(root)
  if (!(await isDirectory(source))) throw new SiamError('ERR_DATA', `the folder of ${benchmark.name} is not there`, { file: source, hint: 'data_root of the tester in the configuration says where it is, or --benchmark NAME=FOLDER' })
  const all = await (layouts[benchmark.name] as Layout)(source, benchmark.name, subset)
  const planned = chosen(all, options.sequences, benchmark.name)
  const { there, missing } = await lookFor(planned)
  if (there.length === 0 || (missing.length > 0 && options.allowMissing !== true)) throw missingSequences(benchmark.name, source, planned.length, missing)
  const sequences = await readAll(there, options.signal)
  return { benchmark: benchmark.name, ...(subset === undefined ? {} : { subset }), protocol: benchmark.protocol, source, sequences, ...(there.length < all.length ? { partial: true } : {}) }
}

function chosen(all: readonly PlannedSequence[], wanted: readonly string[] | undefined, benchmark: string): readonly PlannedSequence[] {
  if (wanted === undefined || wanted.length === 0) return all
  const known = new Set(all.map(({ name }) => name))
  const unknown = wanted.filter((name) => !known.has(name))
  if (unknown.length > 0) throw new SiamError('ERR_ARGUMENT', `${benchmark} has no sequence ${some(unknown)}`, { hint: `it has ${some([...known])}` })
  const names = new Set(wanted)
  return all.filter(({ name }) => names.has(name))
}

async function lookFor(planned: readonly PlannedSequence[]): Promise<{ there: PlannedSequence[]; missing: string[] }> {
  const there: PlannedSequence[] = []
  const missing: string[] = []
  // Sequences may share a folder: it is looked for once.
  const folders = new Map<string, Promise<boolean>>()
  for (const { dir } of planned) if (!folders.has(dir)) folders.set(dir, isDirectory(dir))
  for (const sequence of planned) {
    if ((await folders.get(sequence.dir)) === true) there.push(sequence)
    else missing.push(sequence.name)
  }
  return { there, missing }
}

function missingSequences(benchmark: string, root: string, total: number, missing: readonly string[]): SiamError {
  const count = missing.length === total ? `none of the ${total} sequences of ${benchmark} is there` : `${missing.length} of the ${total} sequences of ${benchmark} are not there`
  const hint = missing.length === total ? 'docs/benchmark-runs.md shows how the folder should look' : 'allow missing ones (--allow-missing) to go on with those that are there'
  return new SiamError('ERR_DATA', `${count}: ${missing.join(', ')}`, { file: root, hint })
}

/** Reads all before it complains, so that what is wrong is known at once. */
async function readAll(planned: readonly PlannedSequence[], signal: AbortSignal | undefined): Promise<BenchmarkSequence[]> {
  const sequences: BenchmarkSequence[] = []
  const faults: { name: string; error: SiamError }[] = []
  const outcomes = mapOrdered(planned, sequencesAtATime, async ({ name, read }) => {
    try {
      return await read()
    } catch (error) {
      if (error instanceof SiamError) return { name, error }
      throw error
    }
  })
  for await (const outcome of outcomes) {
    signal?.throwIfAborted()
    if ('error' in outcome) faults.push(outcome)
    else sequences.push(outcome)
  }
  const first = faults[0]
  if (first === undefined) return sequences
  const { name, error } = first
  const more = faults.length === 1 ? '' : ` (and ${faults.length - 1} more faulty: ${some(faults.slice(1).map((fault) => fault.name))})`
  throw new SiamError(error.code, `sequence ${name}: ${error.message}${more}`, { file: error.file, line: error.line, cause: error })
}

function some(names: readonly string[]): string {
  return names.length <= 8 ? names.join(', ') : `${names.slice(0, 8).join(', ')}, … (${names.length} in all)`
}
