/**
 * The tracker without a motion model: each frame's best box, as the network gives it.
 */
import type { TrackerSpec } from '../native/addon.ts'
import type { TrackerContext } from './registry.ts'
import { SiamFCppTracker } from './siamfcpp-tracker.ts'
import { commonSpec } from './spec.ts'

/** No window, no smoothing of the size, no limits: `window_influence`, `test_lr`, `min_w` and `min_h` are not used; `penalty_k` is. */
export class SiamFCppOneShotDetector extends SiamFCppTracker {
  override readonly name = 'SiamFCppOneShotDetector'
}

/** @throws ERR_CONFIG for sizes that do not fit */
export function oneShotSpec(context: TrackerContext): TrackerSpec {
  return { ...commonSpec(context), kind: 'one-shot' }
}

/** @throws as oneShotSpec() */
export async function buildOneShotDetector(context: TrackerContext): Promise<SiamFCppOneShotDetector> {
  const spec = oneShotSpec(context)
  return new SiamFCppOneShotDetector(await context.loadModel(), spec, context.ownsModel)
}
