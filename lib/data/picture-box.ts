/** What makes a box of no use, where the picture's size is known. */
import type { ProblemKind } from './problems.ts'

/** Why a box (left, top, width, height) is of no use in a picture of that size; 0: not known. */
export function boxProblem(x: number, y: number, w: number, h: number, width: number, height: number): [ProblemKind, string] | null {
  if (!Number.isFinite(x) || !Number.isFinite(y) || !Number.isFinite(w) || !Number.isFinite(h)) return ['not_finite', 'is not finite']
  if (!(w > 0 && h > 0)) return ['empty_box', 'has no area: width and height must be above 0']
  if (width > 0 && height > 0 && (x >= width || y >= height || x + w <= 0 || y + h <= 0)) return ['box_outside', `lies outside of its picture of ${width}x${height}`]
  return null
}
