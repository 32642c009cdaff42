/**
 * The long-term tracker: it knows when it has lost the target, and then searches farther.
 */
import type { LongTermSpec } from '../native/addon.ts'
import type { TrackerContext } from './registry.ts'
import { SiamFCppTracker } from './siamfcpp-tracker.ts'
import { badParameter, checkSearchSize, commonSpec } from './spec.ts'

/**
 * While the target is lost the search crop is `lost_search_size` pixels wide and the window next to nothing; where the best score is below
 * `lost_score_th_low` the box stays.
 */
export class SiamFCppLTTracker extends SiamFCppTracker {
  override readonly name = 'SiamFCppLTTracker'
}

const defaults = { lost_score_th_low: 0.3, lost_score_th_high: 0.5, lost_search_size: 399 }

/** @throws ERR_CONFIG for sizes that do not fit (the head needs input_size_adapt), or thresholds the wrong way round */
export function longTermSpec(context: TrackerContext): LongTermSpec {
  const params = { ...defaults, ...context.params } as typeof defaults
  const spec: LongTermSpec = {
    ...commonSpec(context),
    kind: 'lt',
    lostScoreThLow: params.lost_score_th_low,
    lostScoreThHigh: params.lost_score_th_high,
    lostSearchSize: params.lost_search_size,
  }
  if (!Number.isSafeInteger(spec.lostSearchSize) || spec.lostSearchSize < 1) throw badParameter(context, 'lost_search_size', 'a positive integer')
  checkSearchSize(context, spec, 'lost_search_size', spec.lostSearchSize)
  if (spec.lostScoreThLow > spec.lostScoreThHigh) throw badParameter(context, 'lost_score_th_low', `a number ≤ lost_score_th_high (${spec.lostScoreThHigh})`)
  return spec
}

/** @throws as longTermSpec() */
export async function buildLongTermTracker(context: TrackerContext): Promise<SiamFCppLTTracker> {
  const spec = longTermSpec(context)
  return new SiamFCppLTTracker(await context.loadModel(), spec, context.ownsModel)
}
