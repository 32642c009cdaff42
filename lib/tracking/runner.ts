/**
 * A tracker over the frames of one sequence.
 */
import { invalidArgument } from '../errors.ts'
import type { Frame } from './frame.ts'
import type { MultiObjectTracker, ObjectResult } from './multi-object.ts'
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
  checkFrames(frames)
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

export interface ObjectsStep {
  /** 0-based; in frame 0 the objects have the given boxes and scores of 1. */
  frame: number
  objects: ObjectResult[]
  /** Wall-clock seconds that init or update took for all of them, reading and decoding included. */
  seconds: number
}

/**
 * The same for several objects in the frames of one sequence.
 * @param inits the objects in the first frame; their ids are their places here
 */
export async function* trackObjects(tracker: MultiObjectTracker, frames: Iterable<Frame> | AsyncIterable<Frame>, inits: readonly Box[], options: RunOptions = {}): AsyncGenerator<ObjectsStep, void, undefined> {
  checkFrames(frames)
  let frame = 0
  for await (const image of frames) {
    options.signal?.throwIfAborted()
    const start = performance.now()
    let objects: ObjectResult[]
    if (frame === 0) {
      const ids = await tracker.init(image, inits)
      objects = inits.map(([x, y, w, h], i) => ({ id: ids[i] as number, box: [x, y, w, h], score: 1, confidence: 1 }))
    } else {
      objects = await tracker.update(image)
    }
    yield { frame, objects, seconds: (performance.now() - start) / 1000 }
    frame += 1
  }
}

/** A string is iterable, too: of its letters. */
function checkFrames(frames: unknown): void {
  const iterable = typeof frames === 'object' && frames !== null && (Symbol.asyncIterator in frames || Symbol.iterator in frames)
  if (!iterable || ArrayBuffer.isView(frames)) throw invalidArgument('an iterable or async iterable of frames (a list of paths, openVideo(), rawFrames())', 'frames', frames)
}
