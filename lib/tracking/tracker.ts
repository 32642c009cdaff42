/**
 * What every tracker is: a box in the first frame, then a box and a score for each frame after it.
 */
import type { Frame } from './frame.ts'

/** x, y, w, h in pixels; x, y is the left-top corner. */
export type Box = readonly [x: number, y: number, w: number, h: number]

export interface TrackResult {
  box: [number, number, number, number]
  /** The network's score of the chosen place, 0 to 1. */
  score: number
  /**
   * How sure the tracker is that the box holds the target, where it says so: the score after penalty and window, which long-term
   * benchmarks take (VOT-LT). All trackers of this package give it.
   */
  confidence?: number
}

/** Calls take their turns; init() may be called again for another sequence. */
export interface Tracker extends Disposable {
  /** The name that configurations know it by. */
  readonly name: string
  readonly disposed: boolean
  /**
   * Takes the target's look from its first frame.
   * @param box of positive size, at least partly inside of the frame
   * @throws ERR_ARGUMENT for a bad box or frame, ERR_IO, ERR_DATA for a frame that cannot be decoded, ERR_DISPOSED
   */
  init(frame: Frame, box: Box): Promise<void>
  /**
   * Finds the target in the next frame.
   * @throws ERR_ARGUMENT before init(), ERR_DATA for a frame that cannot be decoded or has another size than the first one, ERR_IO,
   *   ERR_NONFINITE, ERR_DISPOSED. After a failed update the state is that of the frame before it.
   */
  update(frame: Frame): Promise<TrackResult>
  dispose(): void
}
