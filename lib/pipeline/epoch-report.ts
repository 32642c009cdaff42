/** Where an epoch's time went: as numbers, as one line of text, as JSON, as curves. */
import { formatDuration, formatPercent, formatRate } from './format.ts'
import { type LoaderUse, loaderStages } from './loader-use.ts'
import type { Verdict } from './verdict.ts'

/** Stages of the training loop, in its order; they add up to the seconds that passed. */
export const loopStages = ['data', 'copy', 'fwd', 'bwd', 'optim', 'sync', 'other'] as const
export type LoopStage = (typeof loopStages)[number]

/** What this process trained of one epoch, at its end (or where the run was stopped). */
export interface EpochReport {
  /** 0-based, as everywhere. */
  epoch: number
  /** Iteration of the epoch that this part begins with: 0, unless a snapshot from inside the epoch was resumed. */
  firstIteration: number
  /** Trained in this part. */
  iterations: number
  /** That a whole epoch has. */
  iterationsPerEpoch: number
  /** Training pairs that went into them. */
  pairs: number
  seconds: number
  /**
   * Seconds by stage. `data`: waited for batches; `copy`: images to the device and from uint8 to what the network computes in (part of
   * `fwd` where the model cannot tell, and then 0); `fwd`, `bwd`, `optim`: as in time_dict; `sync`: waited for losses that a device still
   * computed (0 on the CPU, where they are there already); `other`: monitors, snapshots, the loop.
   */
  stages: Record<LoopStage, number>
  /** Of `stages.data`, the wait for the run's first batch, while which the loader started; 0 in later epochs. */
  startSeconds: number
  /** Bad samples that were replaced. */
  skipped: number
  /** Attempts at them that failed: what is drawn instead of a bad sample may be bad, too. */
  skippedAttempts: number
  /** Iterations that were skipped because a loss or a gradient was not finite; absent where the trainer does not count them. */
  nonFinite?: number
  /** Iterations that the gradient scaler skipped to lower its scale. */
  scaleSkips?: number
  /** null where the training data is no dataloader of ours. */
  loader: LoaderUse | null
  verdict: Verdict
}

/** Pairs a second over all that passed. */
export function pairsPerSecond({ pairs, seconds }: Pick<EpochReport, 'pairs' | 'seconds'>): number {
  return seconds > 0 ? pairs / seconds : 0
}

/** Stages that every line shows; the others only where something went there. */
const alwaysShown: readonly LoopStage[] = ['data', 'fwd', 'bwd', 'optim', 'other']
const stageNames: Partial<Record<LoopStage, string>> = { data: 'data wait', sync: 'device' }

/** The line that a trainer prints at the end of an epoch. */
export function epochLine(report: EpochReport): string {
  const { epoch, iterations, seconds, stages, startSeconds, skipped, loader, verdict } = report
  const shown = loopStages.filter((stage) => alwaysShown.includes(stage) || stages[stage] > 0)
  const part = (stage: LoopStage): string => {
    const text = `${stageNames[stage] ?? stage} ${formatPercent(seconds > 0 ? stages[stage] / seconds : 0)}`
    // Where the start of the threads is a good part of it, the wait says nothing about the rest of the run.
    return stage === 'data' && startSeconds > 0.01 * seconds ? `${text} (the first batch ${formatPercent(startSeconds / seconds)})` : text
  }
  const parts = [
    `Epoch ${epoch}: ${iterations} iteration${iterations === 1 ? '' : 's'}${partOf(report)} in ${formatDuration(seconds)}, ${formatRate(pairsPerSecond(report))} pairs/s`,
    shown.map(part).join(', '),
    ...(loader === null ? [] : [loaderText(loader)]),
    ...(skipped > 0 ? [skippedText(report)] : []),
    ...nonFiniteTexts(report),
    verdict.advice === '' ? verdict.text : `${verdict.text}; ${verdict.advice}`,
  ]
  return parts.join(' · ')
}

/** '2 iterations skipped (not finite)', '3 iterations skipped by the gradient scaler'; nothing where there were none. */
function nonFiniteTexts({ nonFinite = 0, scaleSkips = 0 }: Pick<EpochReport, 'nonFinite' | 'scaleSkips'>): string[] {
  const iterations = (n: number): string => `${n.toLocaleString('en-US')} iteration${n === 1 ? '' : 's'} skipped`
  return [...(nonFinite > 0 ? [`${iterations(nonFinite)} (not finite)`] : []), ...(scaleSkips > 0 ? [`${iterations(scaleSkips)} by the gradient scaler`] : [])]
}

/** '40 bad samples replaced (352 attempts)'; without the bracket where the first replacement of each was good. */
function skippedText({ skipped, skippedAttempts }: Pick<EpochReport, 'skipped' | 'skippedAttempts'>): string {
  const text = `${skipped.toLocaleString('en-US')} bad sample${skipped === 1 ? '' : 's'} replaced`
  return skippedAttempts > skipped ? `${text} (${skippedAttempts.toLocaleString('en-US')} attempts)` : text
}

/** More bad samples than this share of an epoch are no accident: the data is damaged, and what replaces it makes another training. */
const manySkipped = 0.1

/**
 * One line to warn of an epoch of which much could not be read; null where that is not so.
 * @param lastFile  of the last bad sample
 */
export function skippedWarning(report: EpochReport, lastFile: string): string | null {
  const { epoch, pairs, skipped } = report
  if (skipped === 0 || skipped <= manySkipped * pairs) return null
  const share = formatPercent(Math.min(1, skipped / pairs))
  return `Warning: ${skipped.toLocaleString('en-US')} of the ${pairs.toLocaleString('en-US')} samples of epoch ${epoch} (${share}) were bad and had to be replaced, last because of ${lastFile}; siamtrain data verify finds what is damaged`
}

function partOf({ firstIteration, iterations, iterationsPerEpoch }: EpochReport): string {
  if (iterations === iterationsPerEpoch) return ''
  return ` (${firstIteration + 1} to ${firstIteration + iterations} of ${iterationsPerEpoch})`
}

/** 'loader: 2 threads 63 % busy (read 2 %, decode 71 %, mean 9 %, warp 18 %)'. */
export function loaderText(loader: LoaderUse): string {
  const shown = loaderStages.filter((stage) => stage !== 'other' || loader.stages.other >= 0.05)
  const stages = shown.map((stage) => `${stage} ${formatPercent(loader.stages[stage])}`).join(', ')
  const more = loader.cacheHitShare === null ? '' : `, ${formatPercent(loader.cacheHitShare)} of frames from the cache`
  return `loader: ${loader.threads} thread${loader.threads === 1 ? '' : 's'} ${formatPercent(loader.busyShare)} busy (${stages})${more}`
}

/** The numbers by TensorBoard tag: `pipeline/…`, a prefix that the original's tags do not use. Shares are 0 to 1. */
export function epochScalars(report: EpochReport): Record<string, number> {
  const { seconds, stages, loader, skipped, skippedAttempts, nonFinite, scaleSkips } = report
  const scalars: Record<string, number> = { 'pipeline/pairs_per_second': pairsPerSecond(report), 'pipeline/epoch_seconds': seconds, 'pipeline/skipped': skipped, 'pipeline/skipped_attempts': skippedAttempts }
  if (nonFinite !== undefined) scalars['pipeline/nonfinite'] = nonFinite
  if (scaleSkips !== undefined) scalars['pipeline/scale_skips'] = scaleSkips
  for (const stage of loopStages) scalars[`pipeline/share/${stage}`] = seconds > 0 ? stages[stage] / seconds : 0
  if (loader === null) return scalars
  scalars['pipeline/loader/busy'] = loader.busyShare
  scalars['pipeline/loader/on_core'] = loader.coreShare
  for (const stage of loaderStages) scalars[`pipeline/loader/${stage}`] = loader.stages[stage]
  scalars['pipeline/loader/megabytes_per_second'] = loader.bytesPerSecond / 1e6
  if (loader.cacheHitShare !== null) scalars['pipeline/loader/cache_hits'] = loader.cacheHitShare
  return scalars
}

/** For lines of JSON, in snake_case as the rest of `train --json`; seconds and shares as in {@link EpochReport}. */
export function epochJson(report: EpochReport): Record<string, unknown> {
  const { epoch, firstIteration, iterations, pairs, seconds, stages, startSeconds, skipped, skippedAttempts, nonFinite = 0, scaleSkips = 0, loader, verdict } = report
  return {
    epoch,
    first_iteration: firstIteration,
    iterations,
    pairs,
    seconds,
    pairs_per_second: pairsPerSecond(report),
    time: stages,
    start_seconds: startSeconds,
    skipped,
    skipped_attempts: skippedAttempts,
    nonfinite: nonFinite,
    scale_skips: scaleSkips,
    loader:
      loader === null
        ? null
        : {
            threads: loader.threads,
            busy: loader.busyShare,
            on_core: loader.coreShare,
            stages: loader.stages,
            samples: loader.samples,
            bytes_per_second: loader.bytesPerSecond,
            whole_decodes: loader.wholeShare,
            cache_hits: loader.cacheHitShare,
            read_ahead_threads: loader.readAheadThreads,
          },
    bound: verdict.bound,
    advice: verdict.advice,
  }
}
