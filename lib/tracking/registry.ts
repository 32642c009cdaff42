/**
 * The trackers that `test.track.pipeline.name` may name.
 */
import type { Config } from '../config/index.ts'
import type { Model } from '../engine/model.ts'
import { invalidArgument } from '../errors.ts'
import type { SiamFCppSpec, TrackPrecision } from '../native/addon.ts'
import { Registry } from '../registry.ts'
import type { Tracker } from './tracker.ts'

/** What a tracker is built from. */
export interface TrackerContext {
  readonly config: Config
  /** `test.track.pipeline.name`. */
  readonly name: string
  /** `test.track.pipeline.NAME`, defaults filled in for the trackers of this package; {} where the file has no such section. */
  readonly params: Readonly<Record<string, unknown>>
  readonly precision: TrackPrecision
  /** @internal for tests: see {@link SiamFCppSpec}. */
  readonly network?: NonNullable<SiamFCppSpec['network']>
  /** Whether the tracker disposes the model when it is disposed itself: not where the caller passed it in. */
  readonly ownsModel: boolean
  /**
   * The network with its weights, built at the first call: what the hyper-parameters lack is best found before.
   * A tracker that never calls it needs no weights. When the factory fails, the model is disposed for it.
   */
  readonly loadModel: () => Promise<Model>
}

export type TrackerFactory = (context: TrackerContext) => Tracker | Promise<Tracker>

export const trackerRegistry = new Registry<TrackerFactory>('tracker')

/**
 * Makes a tracker available to configurations: `test.track.pipeline.name: MyTracker`, its hyper-parameters under its name.
 * @param factory builds the tracker
 * @throws ERR_ARGUMENT when the name is taken, or the factory is no function
 */
export function registerTracker(name: string, factory: TrackerFactory): TrackerFactory {
  if (typeof factory !== 'function') throw invalidArgument('a function (context) => Tracker', `the tracker ${name}`, factory)
  return trackerRegistry.register(name, factory)
}
