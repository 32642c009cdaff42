/**
 * One network for all tabs, and a tracker of its own for each. All of them compute on the one engine thread, a frame at a time, in turns.
 */
import type { Config } from '../config/index.ts'
import { Model } from '../engine/model.ts'
import { buildTracker, type TrackerOptions } from '../tracking/index.ts'
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
  const first: Tracker = await buildTracker(config, options)
  const { weights: _weights, ema: _ema, threads: _threads, log: _log, ...others } = options
  const model = 'model' in first && first.model instanceof Model ? first.model : undefined
  return {
    name: first.name,
    // A tracker that does not show its network has one for each tab.
    make: () => buildTracker(config, model === undefined ? options : { ...others, model }),
    dispose: () => first.dispose(),
  }
}
