/** What one frame scores. */
import { overlap } from '../overlap.ts'
import type { Rect } from '../overlap.ts'
import type { AnnotatedSequence, Region } from '../types.ts'
import type { Conventions, FrameRule } from './conventions.ts'

/** The scores of those frames of a sequence that count. */
export interface FrameScores {
  /** Intersection over union, 0 to 1; −1 for a miss, which no threshold lets pass. */
  overlaps: Float64Array
  /** Pixels between the centres; Infinity for a miss, −1 for what a toolkit counts as a hit. */
  errors: Float64Array
  /** The same, divided by the annotated width and height. */
  normErrors: Float64Array
}

const [miss, hit] = [Infinity, -1]

/**
 * Scores the boxes of one run over one sequence.
 * @param boxes  one for each annotated frame; NaN is a failure
 */
export function scoreFrames(sequence: AnnotatedSequence, boxes: readonly Rect[], conventions: Conventions): FrameScores {
  const { truth } = sequence
  const overlaps = new Float64Array(truth.length)
  const errors = new Float64Array(truth.length)
  const normErrors = new Float64Array(truth.length)
  const bound = conventions.clip ? sequence.size : undefined
  const given = resultsOf(boxes, truth, conventions)
  let count = 0
  for (let k = conventions.first === 'excluded' ? 1 : 0; k < truth.length; k += 1) {
    const expected = rounded(rectOf(truth[k] ?? null), conventions)
    const { rule, missed, isEmpty } = ruleOf(sequence, k, expected, conventions)
    if (rule === 'skip') continue
    // By pysot's rule a box without area has no overlap, but a centre all the same.
    const centreOnly = rule === 'miss' && isEmpty && conventions.box === 'pysot'
    if (expected === null || (rule === 'miss' && !centreOnly)) {
      overlaps[count] = -1
      errors[count] = missed
      normErrors[count] = missed
    } else {
      const box = given[k] as Rect
      const [x, y] = [centre(box[0], box[2]) - centre(expected[0], expected[2]), centre(box[1], box[3]) - centre(expected[1], expected[3])]
      const smallest = conventions['norm-size'] === 'at-least-1' ? 1 : 0
      // Of boxes too large for a number it is NaN.
      overlaps[count] = centreOnly ? -1 : overlap(box, expected, bound, conventions.epsilon) || 0
      errors[count] = orMiss(distance(x, y))
      normErrors[count] = orMiss(distance(x / Math.max(smallest, expected[2]), y / Math.max(smallest, expected[3])))
      // A box whose centre lies left of or above the frame has none, by pysot's rule.
      if (conventions.box === 'pysot' && !(centre(expected[0], expected[2]) > 0 && centre(expected[1], expected[3]) > 0)) {
        errors[count] = normErrors[count] = missedCentre(conventions)
      }
    }
    count += 1
  }
  return { overlaps: overlaps.subarray(0, count), errors: errors.subarray(0, count), normErrors: normErrors.subarray(0, count) }
}

/** Whether a frame counts, and what a miss costs in precision. */
function ruleOf(sequence: AnnotatedSequence, k: number, expected: Rect | null, conventions: Conventions): { rule: FrameRule; missed: number; isEmpty?: boolean } {
  const missed = missedCentre(conventions)
  const { cover, absent } = sequence
  const isAbsent = cover === undefined ? absent?.[k] === true : !((cover[k] ?? 0) > 0)
  // Toolkits that know absent frames take them out of both plots, and divide by all frames all the same.
  if (isAbsent && conventions.absent !== 'score') return { rule: conventions.absent, missed: miss }
  if (expected === null) return { rule: conventions.unannotated, missed }
  const isBox = conventions.box === 'positive' ? expected.every((value) => value > 0) : expected[2] > 0 && expected[3] > 0
  return isBox ? { rule: 'score', missed } : { rule: conventions.empty, missed, isEmpty: true }
}

function missedCentre(conventions: Conventions): number {
  return conventions['missed-centre'] === 'hit' ? hit : miss
}

function resultsOf(boxes: readonly Rect[], truth: readonly Region[], conventions: Conventions): readonly Rect[] {
  if (conventions.first !== 'given' && conventions.invalid !== 'previous' && !conventions.round) return boxes
  const results: Rect[] = []
  for (const [k, box] of boxes.entries()) {
    const before = results[k - 1]
    const first = k === 0 && conventions.first === 'given' ? rectOf(truth[0] ?? null) : null
    // Frames without annotation keep what the file says: they have no part in the score, but the next frame may take over their box.
    const takeOver = conventions.invalid === 'previous' && before !== undefined && !isUsable(box) && truth[k] !== null
    results.push(rounded(first ?? (takeOver ? before : box), conventions) as Rect)
  }
  return results
}

function isUsable(box: Rect): boolean {
  return box.every(Number.isFinite) && box[2] > 0 && box[3] > 0
}

/** x,y,w,h; of a polygon, the box around it. */
function rectOf(region: Region): Rect | null {
  if (region === null) return null
  if (region.length === 4) return region as unknown as Rect
  const xs = region.filter((_, i) => i % 2 === 0)
  const ys = region.filter((_, i) => i % 2 === 1)
  const [left, top] = [Math.min(...xs), Math.min(...ys)]
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top]
}

function rounded(box: Rect | null, conventions: Conventions): Rect | null {
  return box === null || !conventions.round ? box : (box.map(roundHalfToEven) as unknown as Rect)
}

/** As numpy rounds. */
function roundHalfToEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + (below % 2 === 0 ? 0 : 1) : Math.round(value)
}

function centre(start: number, size: number): number {
  return start + (size - 1) / 2
}

/** Not Math.hypot, whose last digit may be another than numpy's. */
function distance(x: number, y: number): number {
  return Math.sqrt(x * x + y * y)
}

function orMiss(error: number): number {
  return Number.isNaN(error) ? miss : error
}
