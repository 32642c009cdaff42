/** What bound a stretch of training, and what to do about it: a function of the numbers alone. docs/observability.md explains it to users. */
import { formatPercent } from './format.ts'
import type { LoaderUse } from './loader-use.ts'

export interface Situation {
  /** Seconds of training, and those of them in which it waited for batches. Without the first wait of a run, in which the threads start. */
  seconds: number
  waitSeconds: number
  /** null: the training data is an iterable of the user's own, or has told nothing. */
  loader: Pick<LoaderUse, 'threads' | 'busyShare' | 'stages' | 'coreShare' | 'cacheHitShare'> | null
  /** Whether the frames come from a pack already. */
  packed: boolean
  /** Cores that this process may use. */
  cores: number
  /** Threads of libtorch where it computes on these cores; 0 where a device does. */
  computeThreads: number
}

/**
 * - `compute`: batches were there when they were wanted, and making them took little from the network;
 * - `loader`: all loader threads worked all the time and it was not enough;
 * - `disk`: they did, but mostly waited for reads;
 * - `cores`: there are more threads than cores, so that the loader's and the network's take from each other;
 * - `queue`: they had time left, and yet batches came late;
 * - `data`: an iterable of the user's own was waited for.
 */
export type Bound = 'compute' | 'loader' | 'disk' | 'cores' | 'queue' | 'data'

export interface Verdict {
  bound: Bound
  /** One phrase: what bound it, and on what evidence. */
  text: string
  /** What to do about it; '' where there is nothing to gain. */
  advice: string
}

/** Waiting less than this share of the time is not worth a change. */
export const noticeableWait = 0.05
/** Threads that are busy this share of their time are taken for busy all the time: they pause when a batch ends. */
const allBusy = 0.8
/** From this share on reads are what threads mostly do, if they were off their cores meanwhile. */
const mostlyReading = 0.4
/** Threads that have a core for less of their busy time than this wait for something. */
const onCore = 0.8
/** A loader that has this share of the cores' time makes a network that computes on them noticeably slower, which no wait shows. */
const noticeableTaking = 0.15

export function verdictOf(situation: Situation): Verdict {
  const { seconds, waitSeconds, loader, cores, computeThreads } = situation
  // Two clocks read one after the other may differ: no wait is longer than the time that it was part of.
  const wait = seconds > 0 ? Math.min(1, waitSeconds / seconds) : 0
  const taking = loader === null ? null : takingFrom(situation, loader)
  if (wait < noticeableWait) return taking ?? { bound: 'compute', text: 'compute-bound', advice: '' }
  if (loader === null) {
    return {
      bound: 'data',
      text: `data-bound: ${formatPercent(wait)} of the time went into waiting for the training data`,
      advice: 'have your iterable make batches ahead, before they are asked for',
    }
  }
  const { threads, busyShare, stages, coreShare } = loader
  const pack = situation.packed ? [] : ['make a pack: siamtrain data pack']
  const reading = stages.read >= mostlyReading && coreShare < onCore
  // More threads than cores are never all busy, and yet no core may be free.
  if (threads > cores && busyShare * threads >= allBusy * cores && !reading) {
    const beside = computeThreads > 0 ? `, beside ${plural(computeThreads, 'thread')} of libtorch` : ''
    return { bound: 'cores', text: `cores-bound: ${plural(threads, 'thread')} on ${plural(cores, 'core')}${beside}`, advice: oneOf([`lower --workers to ${cores}`, ...pack, 'use more cores']) }
  }
  const team = threads === 1 ? '1 of 1 thread busy' : `${threads} of ${threads} threads busy`
  const [they, have] = threads === 1 ? ['it', 'shares'] : ['they', 'share']
  if (busyShare < allBusy) {
    if (taking !== null) return taking
    return {
      bound: 'queue',
      text: `queue-bound: batches came late although threads were idle ${formatPercent(1 - busyShare)} of the time`,
      advice: 'raise train.track.data.queue_batches, so that more is ready when it is wanted',
    }
  }
  if (reading) {
    const cache = loader.cacheHitShare === null ? ['give frames memory: --cache 8G'] : ['give frames more memory: --cache']
    return {
      bound: 'disk',
      text: `disk-bound: threads wait ${formatPercent(stages.read)} of their time for reads`,
      advice: oneOf(['raise train.track.data.read_ahead', ...cache, ...pack]),
    }
  }
  if (computeThreads > 0 && threads + computeThreads > cores) {
    return {
      bound: 'cores',
      text: `cores-bound: ${team}, and ${they} ${have} ${plural(cores, 'core')} with ${plural(computeThreads, 'thread')} of libtorch`,
      advice: oneOf([...pack, 'use more cores']),
    }
  }
  if (coreShare < onCore) {
    return {
      bound: 'cores',
      text: `cores-bound: ${team}, but ${they} had a core only ${formatPercent(coreShare)} of that time`,
      advice: oneOf(['see what else runs on this machine', ...pack]),
    }
  }
  const free = cores - threads - computeThreads
  return { bound: 'loader', text: `loader-bound: ${team}`, advice: oneOf([...(free > 0 ? [`raise --workers (${cores} cores)`] : []), ...pack, ...(free > 0 ? [] : ['use more cores'])]) }
}

/** Where the network computes on the cores that the loader's threads work on, and those take much of them; else null. Batches are there in time then, but each takes longer to train on. */
function takingFrom({ packed, cores, computeThreads }: Situation, { threads, busyShare, coreShare }: NonNullable<Situation['loader']>): Verdict | null {
  const share = Math.min(1, (busyShare * threads * coreShare) / cores)
  if (computeThreads === 0 || threads + computeThreads <= cores || share < noticeableTaking) return null
  const fewer = threads > 1 ? ['lower --workers'] : []
  return {
    bound: 'cores',
    text: `cores-bound: the loader takes ${formatPercent(share)} of the time of ${cores === 1 ? 'the core' : `the ${cores} cores`} from the network`,
    advice: oneOf([...(packed ? fewer : ['make a pack: siamtrain data pack']), 'use more cores']),
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** 'a'; 'a, or b'; 'a, b, or c'. */
function oneOf(ways: readonly string[]): string {
  return ways.length < 2 ? (ways[0] ?? '') : `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}`
}
