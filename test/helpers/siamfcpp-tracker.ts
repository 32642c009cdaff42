import type { Config } from '../../lib/config/index.ts'
import { buildTracker, type TrackerOptions } from '../../lib/tracking/build.ts'
import { SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'

/** buildTracker() for a tracker of the SiamFC++ family, with what only those have: details of a step, crops, the network. */
export async function buildSiamFCpp(config: Config, options: TrackerOptions = {}): Promise<SiamFCppTracker> {
  const tracker = await buildTracker(config, options)
  if (tracker instanceof SiamFCppTracker) return tracker
  tracker.dispose()
  throw new Error(`expected a tracker of the SiamFC++ family but ${tracker.name} is none`)
}
