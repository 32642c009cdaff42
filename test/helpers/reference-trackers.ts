/**
 * The post-processing of the SiamFC++ trackers once more, plainly, in float64: from a network's outputs to the next box. Written from the
 * paper and the original's behaviour, sharing nothing with native/tracking.
 */
import type { Box } from '../../lib/tracking/tracker.ts'

export interface Center {
  cx: number
  cy: number
  w: number
  h: number
}

/** One template's outputs for one search crop: score [S²], boxes [S²] as x0, y0, x1, y1 in crop pixels. */
export interface Outputs {
  score: number[]
  boxes: [number, number, number, number][]
}

export interface HyperParams {
  z_size: number
  x_size: number
  context_amount: number
  penalty_k: number
  window_influence: number
  test_lr: number
  min_w: number
  min_h: number
}

export interface Chosen {
  best: number
  score: number
  pscore: number
  penalty: number
  /** Difference between the best penalised score and the second best. */
  gap: number
  /** In crop pixels. */
  box: Center
}

export const centered = ([x, y, w, h]: Box): Center => ({ cx: x + (w - 1) / 2, cy: y + (h - 1) / 2, w, h })
export const cornered = ({ cx, cy, w, h }: Center): [number, number, number, number] => [cx - (w - 1) / 2, cy - (h - 1) / 2, w, h]

/** Crop pixels for each frame pixel. */
export function scaleOf(target: Center, { context_amount: c, z_size }: HyperParams): number {
  const context = c * (target.w + target.h)
  return z_size / Math.sqrt((target.w + context) * (target.h + context))
}

function hannOuter(size: number): number[] {
  const hann = Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (size - 1)))
  return hann.flatMap((y) => hann.map((x) => x * y))
}

export function chooseCell({ score, boxes }: Outputs, prior: Center, scale: number, penaltyK: number, influence: number): Chosen {
  const larger = (r: number): number => Math.max(r, 1 / r)
  const side = (w: number, h: number): number => Math.sqrt((w + (w + h) / 2) * (h + (w + h) / 2))
  const window = hannOuter(Math.sqrt(score.length))
  const cells = boxes.map(([x0, y0, x1, y1], i) => {
    const box = { cx: (x0 + x1) / 2, cy: (y0 + y1) / 2, w: x1 - x0 + 1, h: y1 - y0 + 1 }
    const sizeChange = larger(side(box.w, box.h) / side(prior.w * scale, prior.h * scale))
    const ratioChange = larger(prior.w / prior.h / (box.w / box.h))
    const penalty = Math.exp(-(sizeChange * ratioChange - 1) * penaltyK)
    const pscore = penalty * score[i]! * (1 - influence) + window[i]! * influence
    return { best: i, score: score[i]!, pscore, penalty, box }
  })
  const [first, second] = cells.toSorted((a, b) => b.pscore - a.pscore)
  return { ...first!, gap: first!.pscore - second!.pscore }
}

/** Where a chosen box of a crop of `xSize` pixels around `prior` puts the target; `rate` is the share of the new size. */
export function movedTo(chosen: Chosen, prior: Center, scale: number, xSize: number, rate: number): Center {
  const middle = Math.floor(xSize / 2)
  return {
    cx: prior.cx + (chosen.box.cx - middle) / scale,
    cy: prior.cy + (chosen.box.cy - middle) / scale,
    w: prior.w + rate * (chosen.box.w / scale - prior.w),
    h: prior.h + rate * (chosen.box.h / scale - prior.h),
  }
}

export function withinFrame(target: Center, width: number, height: number, { min_w, min_h }: HyperParams): Center {
  const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value))
  return { cx: clamp(target.cx, 0, width), cy: clamp(target.cy, 0, height), w: clamp(target.w, min_w, width), h: clamp(target.h, min_h, height) }
}

/** SiamFCppTracker's step. */
export function follow(outputs: Outputs, prior: Center, frame: { width: number; height: number }, params: HyperParams): { chosen: Chosen; target: Center } {
  const scale = scaleOf(prior, params)
  const chosen = chooseCell(outputs, prior, scale, params.penalty_k, params.window_influence)
  const moved = movedTo(chosen, prior, scale, params.x_size, chosen.penalty * chosen.score * params.test_lr)
  return { chosen, target: withinFrame(moved, frame.width, frame.height, params) }
}
