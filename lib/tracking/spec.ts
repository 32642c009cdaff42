/**
 * Hyper-parameters of `test.track.pipeline` → what the native trackers take, checked against the network's head.
 */
import { requireTest, whereIs, type DeepReadonly, type TrackerHyperParams } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import type { SiamFCppSpec } from '../native/addon.ts'
import type { TrackerContext } from './registry.ts'

/** The original's, for a configuration that names a tracker but has no section for it. */
const defaults = { total_stride: 8, context_amount: 0.5, test_lr: 0.52, penalty_k: 0.04, window_influence: 0.21, windowing: 'cosine', z_size: 127, x_size: 303, num_conv3x3: 3, min_w: 10, min_h: 10 } as const

/** Dotted path of a tracker's hyper-parameters. */
export function sectionOf(context: TrackerContext): string {
  return `test.track.pipeline.${context.name}`
}

/** An ERR_CONFIG about one hyper-parameter, with file and line. */
export function badParameter(context: TrackerContext, key: string, expected: string): SiamError {
  const at = `${sectionOf(context)}.${key}`
  return new SiamError('ERR_CONFIG', `Expected ${expected} for ${at} but received ${JSON.stringify(context.params[key])}`, whereIs(context.config, at))
}

/**
 * What all trackers of the family share.
 * @throws ERR_CONFIG for sizes that leave no score map or are not those of the network's head
 */
export function commonSpec(context: TrackerContext): SiamFCppSpec {
  const params = { ...defaults, ...context.params } as Pick<DeepReadonly<TrackerHyperParams>, keyof typeof defaults>
  const spec: SiamFCppSpec = {
    totalStride: params.total_stride,
    contextAmount: params.context_amount,
    testLr: params.test_lr,
    penaltyK: params.penalty_k,
    windowInfluence: params.window_influence,
    windowing: params.windowing,
    zSize: params.z_size,
    xSize: params.x_size,
    numConv3x3: params.num_conv3x3,
    minW: params.min_w,
    minH: params.min_h,
    precision: context.precision,
    ...(context.network === undefined ? {} : { network: context.network }),
  }
  checkSearchSize(context, spec, 'x_size', spec.xSize)
  if (!(spec.contextAmount >= 0)) throw badParameter(context, 'context_amount', 'a number ≥ 0')
  return spec
}

/**
 * @param key the hyper-parameter that `size`, a search crop's side in pixels, comes from
 * @throws ERR_CONFIG when a crop of that size leaves no score map, or another one than the network's head has
 */
export function checkSearchSize(context: TrackerContext, spec: SiamFCppSpec, key: string, size: number): void {
  const { config } = context
  const at = sectionOf(context)
  const scoreSize = Math.floor((size - spec.zSize) / spec.totalStride) + 1 - 2 * spec.numConv3x3
  if (scoreSize < 1) {
    throw new SiamError('ERR_CONFIG', `${key} ${size}, z_size ${spec.zSize}, total_stride ${spec.totalStride} and num_conv3x3 ${spec.numConv3x3} leave no score map at ${at}`, whereIs(config, `${at}.${key}`))
  }
  const head = requireTest(config).model?.task_head.DenseboxHead
  if (head === undefined) return
  const adapts = head.input_size_adapt
  if (head.total_stride !== spec.totalStride || (!adapts && (head.x_size !== size || head.score_size !== scoreSize))) {
    throw new SiamError(
      'ERR_CONFIG',
      `the tracker's ${key} ${size}, score map of ${scoreSize} cells and stride ${spec.totalStride} (${at}) are not those of the network's head: ${head.x_size}, ${head.score_size}, ${head.total_stride} (test.track.model.task_head.DenseboxHead)`,
      { ...whereIs(config, `${at}.${key}`), ...(adapts ? {} : { hint: 'a head with input_size_adapt: true takes search images of any size' }) },
    )
  }
}
