/**
 * Overlap of boxes, and the mean overlap (AO) of GOT-10k's protocol.
 */

/** Left, top, width, height in pixels. */
export type Rect = readonly [number, number, number, number]

/** Width and height of a frame in pixels. */
export type Bound = readonly [width: number, height: number]

/**
 * Intersection over union of two boxes, from 0 to 1; 0 where one of them is empty or not finite.
 * @param bound cuts both at the frame's border first, by GOT-10k's rule (a corner outside moves to the border, the size stays if it fits)
 * @param epsilon added to the union, as some toolkits do, who then need not ask whether it is 0
 */
export function overlap(first: Rect, second: Rect, bound?: Bound, epsilon = 0): number {
  const a = bound === undefined ? first : cut(first, bound)
  const b = bound === undefined ? second : cut(second, bound)
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1])
  if (!(width > 0 && height > 0)) return 0
  const intersection = width * height
  // (x + w) − x may be a little more than w, so that equal boxes of fractional numbers would have more than 1.
  return Math.min(1, intersection / (a[2] * a[3] + b[2] * b[3] - intersection + epsilon))
}

function cut([x, y, w, h]: Rect, [width, height]: Bound): Rect {
  const left = clamp(x, width)
  const top = clamp(y, height)
  return [left, top, clamp(w, width - left), clamp(h, height - top)]
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max)
}

/**
 * Mean overlap of one sequence. Frame 0 does not count (the tracker is given its box), nor do frames without a target.
 * @param truth  null where the target is absent
 * @param bound  size of the frames: boxes are cut at their border
 * @returns NaN when no frame counts
 */
export function meanOverlap(tracked: readonly Rect[], truth: readonly (Rect | null)[], bound?: Bound): number {
  let sum = 0
  let count = 0
  for (let k = 1; k < truth.length; k++) {
    const expected = truth[k]
    const given = tracked[k]
    if (expected === undefined || expected === null) continue
    sum += given === undefined ? 0 : overlap(given, expected, bound)
    count++
  }
  return sum / count
}
