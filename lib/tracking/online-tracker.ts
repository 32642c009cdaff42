/**
 * SiamFC++ with a classifier that is learned while tracking.
 */
import { requireTest } from '../config/index.ts'
import { onlineSpec } from './online-spec.ts'
import type { TrackerContext } from './registry.ts'
import { SiamFCppTracker } from './siamfcpp-tracker.ts'
import { commonSpec } from './spec.ts'

/**
 * A cell's score is the network's mixed with that of a small model of this very target (`online_score_weight`): projection, attention and
 * filter are learned from the first frame's crop and its distortions in init(), the filter is learned on every `train_skipping` frames and
 * wherever something else looked like the target. Boxes are the network's.
 */
export class SiamFCppOnlineTracker extends SiamFCppTracker {
  override readonly name = 'SiamFCppOnlineTracker'
}

/** @throws ERR_CONFIG for hyper-parameters that are none, or sizes that do not fit */
export async function buildOnlineTracker(context: TrackerContext): Promise<SiamFCppOnlineTracker> {
  const spec = { ...commonSpec(context), kind: 'online' as const, online: onlineSpec(context, seedOf(context)) }
  return new SiamFCppOnlineTracker(await context.loadModel(), spec, context.ownsModel)
}

/** The `random_seed` of the first tester that the configuration names, else the testers' default. */
function seedOf(context: TrackerContext): number {
  const tester = requireTest(context.config).tester as Readonly<Record<string, unknown>> | undefined
  const names = (tester?.names ?? []) as readonly string[]
  for (const name of names) {
    const seed = (tester?.[name] as { random_seed?: unknown } | undefined)?.random_seed
    if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return seed
  }
  return 12345
}
