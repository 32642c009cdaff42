/**
 * Runs a tracker by VOT's protocols: with restarts after failures (reset-based), and once through with confidences (long-term).
 * Nothing here touches a file but the frames that the tracker reads.
 */
import { axisAlignedBox } from '../../data/polygon.ts'
import { SiamError } from '../../errors.ts'
import type { Frame } from '../../tracking/frame.ts'
import type { Box, Tracker, TrackResult } from '../../tracking/tracker.ts'
import type { Bound } from '../overlap.ts'
import type { Region } from '../types.ts'
import { overlapPysot } from './overlap-pysot.ts'
import type { VotLine } from './trajectory.ts'

/** Frames that are left out after a failure, the failed one included, before the tracker is given the target again. */
export const skippedFrames = 5

export interface VotFrames {
  /** In order, all of one size. */
  frames: readonly Frame[]
  /** The target in each frame; the long-term protocol reads the first only. */
  truth: readonly Region[]
  /** Size of the frames: overlaps are counted within. */
  size: Bound
}

export interface VotStep {
  /** 0-based. */
  frame: number
  /** What the result file says of this frame. */
  line: VotLine
  /** How sure the tracker was; NaN where it was given the target or did not run. */
  confidence: number
  /** Wall-clock seconds of init() or update(), reading and decoding included; 0 in skipped frames. */
  seconds: number
}

export interface VotRunOptions {
  /** Checked before each frame. */
  signal?: AbortSignal
  /** What the long-term result files call confidence. Default: the result's `confidence`, where the tracker gives one, else its score. */
  confidence?: (result: TrackResult) => number
}

/**
 * The box that a tracker starts from, by the rule of the original's testers: x,y,w,h with the upright box's centre and size, the left-top
 * corner being centre − size / 2. For an upright region that is half a pixel left of and above its own corner (the centre counts both
 * border pixels, the corner does not); results of the original depend on it.
 * @param region  x,y,w,h or a polygon; one of other than four corners becomes the box around it
 */
export function votStart(region: readonly number[]): Box {
  const { cx, cy, w, h } = axisAlignedBox(region.length === 4 || region.length === 8 ? region : around(region))
  return [cx - w / 2, cy - h / 2, w, h]
}

function around(polygon: readonly number[]): number[] {
  const xs = polygon.filter((_, i) => i % 2 === 0)
  const ys = polygon.filter((_, i) => i % 2 === 1)
  const [left, top, right, bottom] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  return [left, top, right, top, right, bottom, left, bottom]
}

/** The testers turn x,y,w,h of a ground truth file into the corners of its border pixels. */
function corners(region: readonly number[]): readonly number[] {
  if (region.length !== 4) return region
  const [x, y, w, h] = region as readonly [number, number, number, number]
  return [x, y, x, y + h - 1, x + w - 1, y + h - 1, x + w - 1, y]
}

/**
 * The reset-based protocol. The tracker starts in the first frame; where its box does not overlap the target it has failed, and it starts
 * anew {@link skippedFrames} frames later. Where the target is not annotated it cannot fail; a start that is due there waits for the next
 * frame with a target.
 * @returns one step a frame: line 1 at a start, 2 at a failure, 0 in between, else the tracker's box
 * @throws ERR_DATA when frames and annotations differ in number; what init() and update() throw; the signal's reason once it is aborted
 */
export async function* runWithRestarts(tracker: Tracker, sequence: VotFrames, options: VotRunOptions = {}): AsyncGenerator<VotStep, void, undefined> {
  const { frames, truth, size } = sequence
  if (frames.length !== truth.length) throw new SiamError('ERR_DATA', `Expected an annotation for each of the ${frames.length} frames but found ${truth.length}`)
  let start = 0
  for (const [frame, image] of frames.entries()) {
    options.signal?.throwIfAborted()
    const region = truth[frame] ?? null
    if (frame === start && region === null) start++
    if (frame < start) {
      yield { frame, line: 0, confidence: Number.NaN, seconds: 0 }
      continue
    }
    const before = performance.now()
    const seconds = (): number => (performance.now() - before) / 1000
    if (frame === start) {
      await tracker.init(image, votStart(region as readonly number[]))
      yield { frame, line: 1, confidence: Number.NaN, seconds: seconds() }
      continue
    }
    const result = await tracker.update(image)
    const took = seconds()
    // Regions that both cover no pixel of the frame have no overlap (NaN) rather than none: no failure, as in the original.
    const failed = region !== null && overlapPysot(corners(region), result.box, size) === 0
    if (failed) start = frame + skippedFrames
    yield { frame, line: failed ? 2 : result.box, confidence: confidenceOf(result, options), seconds: took }
  }
}

/**
 * The long-term protocol: the tracker starts in the first frame and runs to the end, whatever happens.
 * @returns one step a frame: line 1 in the first, else the tracker's box
 * @throws ERR_DATA when the target of the first frame is not annotated; what init() and update() throw; the signal's reason
 */
export async function* runLongTerm(tracker: Tracker, sequence: Pick<VotFrames, 'frames' | 'truth'>, options: VotRunOptions = {}): AsyncGenerator<VotStep, void, undefined> {
  const first = sequence.truth[0] ?? null
  if (first === null) throw new SiamError('ERR_DATA', 'the target is not annotated in the first frame')
  for (const [frame, image] of sequence.frames.entries()) {
    options.signal?.throwIfAborted()
    const before = performance.now()
    const result = frame === 0 ? undefined : await tracker.update(image)
    if (result === undefined) await tracker.init(image, votStart(first))
    const seconds = (performance.now() - before) / 1000
    yield { frame, line: result?.box ?? 1, confidence: result === undefined ? Number.NaN : confidenceOf(result, options), seconds }
  }
}

function confidenceOf(result: TrackResult & { confidence?: number }, { confidence }: VotRunOptions): number {
  return confidence?.(result) ?? result.confidence ?? result.score
}
