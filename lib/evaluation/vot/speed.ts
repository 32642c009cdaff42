/** Speed of a tracker, from the times that its result files keep. */
import type { VotTrackerResults } from './results.ts'

/** Frames a second over the sequences whose times were kept; NaN where none were. */
export function speedOf(results: VotTrackerResults, only?: string): number {
  let [frames, seconds] = [0, 0]
  for (const [name, result] of results.sequences) {
    if (result.seconds === undefined || (only !== undefined && name !== only)) continue
    // What took no time was not tracked: initialisations and skipped frames in some toolkits.
    frames += result.seconds.filter((value) => value > 0).length
    seconds += result.seconds.reduce((sum, value) => sum + value, 0)
  }
  return frames / seconds
}
