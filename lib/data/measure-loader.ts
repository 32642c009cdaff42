/**
 * How fast a configuration's data comes, and how near that is to the limit that decoding sets. Both are measured in turns within one run: a
 * machine's speed changes from minute to minute.
 */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { invalidArgument } from '../errors.ts'
import type { LoaderStats } from '../native/addon.ts'
import { type LoaderUse, loaderUse } from '../pipeline/loader-use.ts'
import { median } from '../pipeline/median.ts'
import { type Verdict, verdictOf } from '../pipeline/verdict.ts'
import { buildDataloader, type Dataloader, type DataloaderOptions, disposeTrainingData } from './dataloader.ts'
import type { DataConfig } from './settings.ts'

/** Of one round after the other. */
export interface Spread {
  median: number
  min: number
  max: number
}

export interface LoaderMeasurement {
  threads: number
  batchSize: number
  packed: boolean
  cores: number
  rounds: number
  /** That the loader was measured, all rounds together. */
  seconds: number
  /** Pairs made in that time. */
  pairs: number
  skipped: number
  pairsPerSecond: Spread
  /** Pairs for each second of the threads' processor time: what other programs take away does not count. */
  pairsPerCpuSecond: number
  bytesPerSecond: number
  use: LoaderUse
  /** The same regions decoded from memory by as many threads, and nothing else done. */
  decodeLimit: { pairsPerSecond: Spread; pairsPerCpuSecond: number }
  /** Median over the rounds of the loader's speed by the limit beside it. */
  shareOfLimit: number
  /** The same by processor time. */
  shareOfLimitCpu: number
  verdict: Verdict
}

export interface MeasureOptions extends Pick<DataloaderOptions, 'threads' | 'pack' | 'log' | 'onProgress'> {
  /** To measure for, about. Default 10. */
  seconds?: number
  signal?: AbortSignal
}

/** Each round takes as long as this for the loader and for the limit, or a part of the time that was given. */
const roundSeconds = 0.5
/** Samples whose regions the limit is measured on, anew in each round: some tens of megabytes of frames. */
const limitSamples = 64

/**
 * Makes batches of a configuration as fast as they come, with no training beside.
 * @throws ERR_ARGUMENT for a bad option; what buildDataloader and its batches throw; the signal's reason
 */
export async function measureLoader(config: DataConfig, options: MeasureOptions = {}): Promise<LoaderMeasurement> {
  const { seconds = 10, signal } = options
  if (!Number.isFinite(seconds) || seconds <= 0) throw invalidArgument('a positive number', 'seconds', seconds)
  const { threads, pack, log, onProgress } = options
  // A short queue: it is waited for until it is full, round after round, and its length has no bearing on the speed.
  const dataloader = await buildDataloader(config, { threads, pack, log, onProgress, signal, queueBatches: 2 })
  try {
    return await measure(dataloader, seconds, signal)
  } finally {
    await dataloader.close()
  }
}

async function measure(dataloader: Dataloader, seconds: number, signal: AbortSignal | undefined): Promise<LoaderMeasurement> {
  const roundMs = Math.min(roundSeconds, seconds / 6) * 1000
  const rounds: { seconds: number; made: number; cpu: number; limit: number }[] = []
  const limits: { pairsPerSecond: number; pairs: number; cpuSeconds: number }[] = []
  const marks: [before: LoaderStats, after: LoaderStats, seconds: number][] = []
  // The threads' start, and what a first frame takes longer.
  await drop(dataloader)
  const end = performance.now() + seconds * 1000
  while (rounds.length < 3 || performance.now() < end) {
    // The limit must have the cores to itself: the loader's threads stop when the queue is full.
    await queueFull(dataloader, signal)
    const limit = await dataloader.measureDecodeLimit({ samples: limitSamples, seconds: roundMs / 1000 })
    limits.push({ pairsPerSecond: limit.pairs / limit.seconds, pairs: limit.pairs, cpuSeconds: limit.cpuSeconds })
    const [before, start] = [dataloader.stats(), performance.now()]
    do await drop(dataloader)
    while (performance.now() - start < roundMs)
    const [after, took] = [dataloader.stats(), (performance.now() - start) / 1000]
    marks.push([before, after, took])
    // Samples made are counted, not batches taken: what was ready at the start or the end would falsify the rate.
    rounds.push({ seconds: took, made: after.samples - before.samples, cpu: after.cpuSeconds - before.cpuSeconds, limit: limit.pairs / limit.seconds })
  }
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
  const [made, cpu, took] = [total(rounds.map((round) => round.made)), total(rounds.map((round) => round.cpu)), total(rounds.map((round) => round.seconds))]
  const [zero, last] = sumOf(marks)
  const use = loaderUse(zero, last, took)!
  const limitPerCpu = total(limits.map(({ pairs }) => pairs)) / total(limits.map(({ cpuSeconds }) => cpuSeconds))
  const cores = availableParallelism()
  return {
    threads: use.threads,
    batchSize: dataloader.settings.batchSize,
    packed: dataloader.packed,
    cores,
    rounds: rounds.length,
    seconds: took,
    pairs: made,
    skipped: dataloader.skipped,
    pairsPerSecond: spreadOf(rounds.map((round) => round.made / round.seconds)),
    pairsPerCpuSecond: made / cpu,
    bytesPerSecond: use.bytesPerSecond,
    use,
    decodeLimit: { pairsPerSecond: spreadOf(limits.map(({ pairsPerSecond }) => pairsPerSecond)), pairsPerCpuSecond: limitPerCpu },
    shareOfLimit: spreadOf(rounds.map((round) => round.made / round.seconds / round.limit)).median,
    shareOfLimitCpu: made / cpu / limitPerCpu,
    // Nobody trains here: all of the time goes into waiting for batches.
    verdict: verdictOf({ seconds: took, waitSeconds: took, loader: use, packed: dataloader.packed, cores, computeThreads: 0 }),
  }
}

async function drop(dataloader: Pick<Dataloader, 'next'>): Promise<void> {
  disposeTrainingData(await dataloader.next())
}

/**
 * Waits until as many batches are ready as are made ahead.
 * @internal exported for its test
 * @throws what stopped the loader: once its threads have ended, no batch gets ready any more; the signal's reason
 */
export async function queueFull(dataloader: Pick<Dataloader, 'next' | 'queueBatches' | 'stats'>, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    const { queueDepthBatches, failedThreads } = dataloader.stats()
    if (failedThreads > 0) return drop(dataloader)
    if (queueDepthBatches >= dataloader.queueBatches) return
    await sleep(2, undefined, { signal })
  }
}

/** Counts at the beginning and the end as if the measured stretches were one. */
function sumOf(marks: readonly [before: LoaderStats, after: LoaderStats, seconds: number][]): [LoaderStats, LoaderStats] {
  const last = { ...marks.at(-1)![1] }
  const zero = { ...last }
  for (const key of Object.keys(last) as (keyof LoaderStats)[]) zero[key] = last[key] - marks.reduce((sum, [before, after]) => sum + (after[key] - before[key]), 0)
  return [zero, last]
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}
