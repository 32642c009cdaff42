/**
 * The tracker with a memory of templates: the first one, and some that are taken on the way.
 */
import type { MultiTempSpec } from '../native/addon.ts'
import type { TrackerContext } from './registry.ts'
import { SiamFCppTracker } from './siamfcpp-tracker.ts'
import { badParameter, commonSpec } from './spec.ts'

/**
 * Scores are those of the first template, mixed with the mean of the others' (`mem_coef`); boxes are the first template's. Every `mem_step`
 * frames a template of the target as it then is takes the place of the one at `mem_sink_idx`.
 */
export class SiamFCppMultiTempTracker extends SiamFCppTracker {
  override readonly name = 'SiamFCppMultiTempTracker'
}

const defaults = { mem_step: 5, mem_len: 5, mem_coef: 0.7, mem_sink_idx: 1, mem_renew: true }

/** @throws ERR_CONFIG for sizes that do not fit, or a memory that is none */
export function multiTempSpec(context: TrackerContext): MultiTempSpec {
  const params = { ...defaults, ...context.params } as typeof defaults
  const spec: MultiTempSpec = {
    ...commonSpec(context),
    kind: 'multi-temp',
    memStep: params.mem_step,
    memLen: params.mem_len,
    memCoef: params.mem_coef,
    memSinkIdx: params.mem_sink_idx,
    memRenew: params.mem_renew,
  }
  const { memStep, memLen, memCoef, memSinkIdx } = spec
  if (!Number.isSafeInteger(memStep) || memStep < 1) throw badParameter(context, 'mem_step', 'an integer ≥ 1')
  if (!Number.isSafeInteger(memLen) || memLen < 1 || memLen > 256) throw badParameter(context, 'mem_len', 'an integer from 1 to 256')
  if (!(memCoef >= 0 && memCoef <= 1)) throw badParameter(context, 'mem_coef', 'a number from 0 to 1')
  // A memory of one template holds the first for good, wherever the sink would be.
  if (memLen > 1 && (!Number.isSafeInteger(memSinkIdx) || memSinkIdx < 0 || memSinkIdx >= memLen)) throw badParameter(context, 'mem_sink_idx', `an index of the memory, 0 to ${memLen - 1}`)
  return spec
}

/** @throws as multiTempSpec() */
export async function buildMultiTempTracker(context: TrackerContext): Promise<SiamFCppMultiTempTracker> {
  const spec = multiTempSpec(context)
  return new SiamFCppMultiTempTracker(await context.loadModel(), spec, context.ownsModel)
}
