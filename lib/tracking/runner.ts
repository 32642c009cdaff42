/**
 * A tracker over the frames of one sequence.
 */
import type { Frame } from './frame.ts'
import type { Box, Tracker, TrackResult } from './tracker.ts'

export interface SequenceStep extends TrackResult {
  /** 0-based; frame 0 is the one that the tracker was initialized with, its box the given one, its score and confidence 1. */
  frame: number
  /** Wall-clock seconds that init or update took, reading and decoding included. */
  seconds: number
}

export interface RunOptions {
  /** Checked before each frame. */
  signal?: AbortSignal
}

/**
 * Initializes the tracker on the first frame and follows the target through the rest, one step at a time.
 * @param frames in order, all of one size
 * @param init the target in the first frame
 * @throws what init() and update() throw, and the signal's reason once it is aborted
 */
export async function* trackSequence(tracker: Tracker, frames: Iterable<Frame> | AsyncIterable<Frame>, init: Box, options: RunOptions = {}): AsyncGenerator<SequenceStep, void, undefined> {
  let frame = 0
  for await (const image of frames) {
    options.signal?.throwIfAborted()
    const start = performance.now()
    let result: TrackResult
    if (frame === 0) {
      await tracker.init(image, init)
      result = { box: [init[0], init[1], init[2], init[3]], score: 1, confidence: 1 }
    } else {
      result = await tracker.update(image)
    }
    yield { frame, ...result, seconds: (performance.now() - start) / 1000 }
    frame += 1
  }
}
