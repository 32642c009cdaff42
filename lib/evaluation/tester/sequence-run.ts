/**
 * Runs a tracker over one sequence by a benchmark's protocol.
 */
import { axisAlignedBox, centerToRect } from '../../data/polygon.ts'
import { SiamError } from '../../errors.ts'
import type { Tracker, TrackResult } from '../../tracking/tracker.ts'
import type { Bound, Rect } from '../overlap.ts'
import type { Protocol, Region } from '../types.ts'

/** What a worker is told of a sequence. */
export interface SequenceTask {
  name: string
  protocol: Protocol
  files: readonly string[]
  /** All of it where the protocol starts anew after failures, else of the first frame. */
  truth: readonly Region[]
  size?: Bound
}

/** One entry a frame in each list. */
export interface SequenceRun {
  /** Boxes; in VOT also 1 (start), 2 (failure) and 0 (not run). */
  regions: (Rect | number)[]
  /** Seconds of reading the frame and tracking. */
  seconds: number[]
  /** How sure the tracker was; 1 in the first frame. */
  scores: number[]
}

/** The box that a tracker starts from: x,y,w,h as it stands, of a polygon the upright box by VOT's rule. */
export function initialBox(region: Region): Rect {
  if (region === null) throw new SiamError('ERR_DATA', 'expected a target to start from but the frame has none')
  return region.length === 4 ? (region as unknown as Rect) : centerToRect(axisAlignedBox(region))
}

/**
 * @param onFrame  called after each frame
 * @throws what the tracker throws, with the frame's file
 */
export async function runSequence(tracker: Tracker, task: SequenceTask, onFrame: () => void): Promise<SequenceRun> {
  if (task.protocol === 'vot') return runWithRestarts(tracker, task, onFrame)
  const run: SequenceRun = { regions: [], seconds: [], scores: [] }
  const init = initialBox(task.truth[0] ?? null)
  for (const [k, file] of task.files.entries()) {
    const start = performance.now()
    if (k === 0) await named(file, () => tracker.init(file, init))
    const result = k === 0 ? undefined : await named(file, () => tracker.update(file))
    run.seconds.push((performance.now() - start) / 1000)
    // VOT's files say "started here" instead of repeating the given box.
    run.regions.push(result?.box ?? (task.protocol === 'vot-lt' ? 1 : init))
    run.scores.push(result === undefined ? 1 : confidenceOf(result))
    onFrame()
  }
  return run
}

async function runWithRestarts(tracker: Tracker, task: SequenceTask, onFrame: () => void): Promise<SequenceRun> {
  throw new SiamError('ERR_INTERNAL', 'to come')
}

function confidenceOf(result: TrackResult): number {
  return (result as { confidence?: number }).confidence ?? result.score
}

/** An error about a frame names it. */
async function named<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SiamError && error.file === undefined) throw new SiamError(error.code, error.message, { file, hint: error.hint, cause: error })
    throw error
  }
}
