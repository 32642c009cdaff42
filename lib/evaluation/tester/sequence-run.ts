/**
 * Runs a tracker over one sequence by a benchmark's protocol.
 */
import { frameSize } from '../../data/frame-size.ts'
import { SiamError } from '../../errors.ts'
import type { Box, Tracker } from '../../tracking/tracker.ts'
import type { Bound } from '../overlap.ts'
import type { Protocol, Region } from '../types.ts'
import { runLongTerm, runWithRestarts, type VotLine, type VotStep, votStart } from '../vot/index.ts'

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
  /** Boxes, the given one first; by VOT's protocols also 1 (start), 2 (failure) and 0 (not run). */
  lines: VotLine[]
  /** Seconds of reading the frame and tracking. */
  seconds: number[]
  /** How sure the tracker was; NaN where it was given the target or did not run. */
  confidences: number[]
}

/**
 * @param onFrame  called after each frame
 * @throws what the tracker throws, with the frame's file; ERR_DATA when a box has to be compared and the size of the frames cannot be read
 */
export async function runSequence(tracker: Tracker, task: SequenceTask, onFrame: () => void): Promise<SequenceRun> {
  const run: SequenceRun = { lines: [], seconds: [], confidences: [] }
  try {
    for await (const { line, seconds, confidence } of stepsOf(tracker, task)) {
      run.lines.push(line)
      run.seconds.push(seconds)
      run.confidences.push(confidence)
      onFrame()
    }
  } catch (error) {
    // The frame that it was about is the one after those that are done.
    const file = task.files[run.lines.length]
    if (error instanceof SiamError && error.file === undefined && file !== undefined) throw new SiamError(error.code, error.message, { file, hint: error.hint, cause: error })
    throw error
  }
  return run
}

function stepsOf(tracker: Tracker, task: SequenceTask): AsyncIterable<VotStep> {
  if (task.protocol === 'vot-lt') return runLongTerm(tracker, { frames: task.files, truth: task.truth })
  return task.protocol === 'vot' ? runReset(tracker, task) : runOnePass(tracker, task)
}

async function* runReset(tracker: Tracker, task: SequenceTask): AsyncGenerator<VotStep, void, undefined> {
  const size = task.size ?? (await sizeOf(task.files[0] as string))
  yield* runWithRestarts(tracker, { frames: task.files, truth: task.truth, size })
}

async function sizeOf(file: string): Promise<Bound> {
  const size = await frameSize(file)
  if (size === null) throw new SiamError('ERR_DATA', 'expected a frame (JPEG, PNG or WebP) but its size cannot be read', { file })
  return [size.width, size.height]
}

/** The tracker starts in the first frame and runs to the end; the given box is its result there, as the one-pass toolkits have it. */
async function* runOnePass(tracker: Tracker, { files, truth }: SequenceTask): AsyncGenerator<VotStep, void, undefined> {
  const init = startOf(truth[0] ?? null)
  for (const [frame, file] of files.entries()) {
    const before = performance.now()
    const result = frame === 0 ? undefined : await tracker.update(file)
    if (result === undefined) await tracker.init(file, init)
    yield { frame, line: result?.box ?? init, confidence: result?.score ?? Number.NaN, seconds: (performance.now() - before) / 1000 }
  }
}

function startOf(region: Region): Box {
  if (region === null) throw new SiamError('ERR_DATA', 'expected a target to start from but the first frame has none')
  return region.length === 4 ? (region as unknown as Box) : votStart(region)
}
