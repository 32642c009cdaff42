/**
 * One network for all tabs, and a tracker of its own for each. All of them compute on the one engine thread, a frame at a time, in turns.
 */
import type { Config } from '../config/index.ts'
import { buildTracker, type TrackerOptions } from '../tracking/siamfcpp-tracker.ts'
import type { Tracker } from '../tracking/tracker.ts'

export interface TrackerSupply {
  /** The name that configurations know the tracker by. */
  readonly name: string
  /** The caller disposes it. */
  make: () => Promise<Tracker>
  dispose: () => void
}

/** @throws as buildTracker does */
export async function trackerSupply(config: Config, options: TrackerOptions): Promise<TrackerSupply> {
  // Weights are read and checked once, before anybody opens the page.
  const first = await buildTracker(config, options)
  return {
    name: first.name,
    make: () => buildTracker(config, { model: first.model }),
    dispose: () => first.dispose(),
  }
}
