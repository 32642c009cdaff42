/**
 * Overlap of two regions by the rule of the pysot toolkit, which the original's VOT tester and evaluator use: both polygons are filled on
 * the pixel grid within the frame, and pixels are counted. The rule is that of the TraX library's region.c of 2018, in single precision:
 *
 * - x,y,w,h is the polygon (x, y), (x + w, y), (x + w, y + h), (x, y + h): its right and lower border pixels count, so it covers
 *   (w + 1)(h + 1) pixels at whole coordinates;
 * - corners are rounded, halves away from zero, relative to the left-top corner of the part of the frame that both regions need;
 * - a row is filled between its crossings with the edges, both included; crossings are cut to whole pixels; an edge crosses the rows of
 *   both of its ends; horizontal edges cross none. A row whose crossings are all one pixel stays empty.
 *
 * Measured: 21,356 pairs of VOT2018 take about 0.1 s, so exact clipping would gain no time, only other numbers.
 */
import type { Bound } from '../overlap.ts'
import { addRun, newRuns, runPixels, sharedPixels, sortNodes, type Runs } from './scanline.ts'

interface Polygon {
  x: Float32Array
  y: Float32Array
}

interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

const f32 = Math.fround

/**
 * @param a, b  x,y,w,h or x1,y1,x2,y2,… of three corners or more, pixels
 * @param bound  right and lower limit of the frame: what lies beyond it does not count (the limit itself does)
 * @returns 0 to 1 as a single-precision number; NaN where neither region covers a pixel
 */
export function overlapPysot(a: readonly number[], b: readonly number[], bound: Bound): number {
  const first = polygonOf(a)
  const second = polygonOf(b)
  const b1 = clipped(first, bound)
  const b2 = clipped(second, bound)
  const x = Math.min(b1.left, b2.left)
  const y = Math.min(b1.top, b2.top)
  const width = Math.trunc(f32(Math.max(b1.right, b2.right) - x)) + 1
  const height = Math.trunc(f32(Math.max(b1.bottom, b2.bottom) - y)) + 1
  const area1 = f32(f32(b1.right - b1.left) * f32(b1.bottom - b1.top))
  const area2 = f32(f32(b2.right - b2.left) * f32(b2.bottom - b2.top))
  // A region that has no area within the frame (or, seen from the other one, next to none) overlaps nothing.
  if (area1 / area2 < 1e-10 || area2 / area1 < 1e-10 || !(width >= 1) || !(height >= 1)) return 0
  if (boxOverlap(b1, b2, area1, area2) === 0) return 0

  moveAndRound(first, x, y)
  moveAndRound(second, x, y)
  const rows1 = new Rows(first)
  const rows2 = new Rows(second)
  let [total, shared] = [0, 0]
  for (let row = 0; row < height; row++) {
    const runs1 = rows1.at(row, width)
    const runs2 = rows2.at(row, width)
    const both = sharedPixels(runs1, runs2)
    shared += both
    total += runPixels(runs1) + runPixels(runs2) - both
  }
  return f32(shared / total)
}

function polygonOf(region: readonly number[]): Polygon {
  if (region.length === 4) {
    const [x, y, w, h] = region as [number, number, number, number]
    return { x: Float32Array.of(x, x + w, x + w, x), y: Float32Array.of(y, y, y + h, y + h) }
  }
  const corners = region.length >> 1
  const polygon = { x: new Float32Array(corners), y: new Float32Array(corners) }
  for (let i = 0; i < corners; i++) {
    polygon.x[i] = region[2 * i] as number
    polygon.y[i] = region[2 * i + 1] as number
  }
  return polygon
}

/** The whole pixels around a polygon, within the frame. Right may end up left of left for one that lies outside. */
function clipped({ x, y }: Polygon, [width, height]: Bound): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i < x.length; i++) {
    left = Math.min(left, x[i] as number)
    right = Math.max(right, x[i] as number)
    top = Math.min(top, y[i] as number)
    bottom = Math.max(bottom, y[i] as number)
  }
  return {
    left: Math.max(Math.floor(left), 0),
    top: Math.max(Math.floor(top), 0),
    right: Math.min(Math.ceil(right), width),
    bottom: Math.min(Math.ceil(bottom), height),
  }
}

function boxOverlap(a: Box, b: Box, area1: number, area2: number): number {
  const width = f32(Math.min(a.right, b.right) - Math.max(a.left, b.left))
  const height = f32(Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top))
  const intersection = f32(width * height)
  const ratio = f32(intersection / f32(f32(area1 + area2) - intersection))
  return ratio < 0 ? 0 : ratio
}

function moveAndRound(polygon: Polygon, x: number, y: number): void {
  for (let i = 0; i < polygon.x.length; i++) {
    polygon.x[i] = roundAway(f32((polygon.x[i] as number) - x))
    polygon.y[i] = roundAway(f32((polygon.y[i] as number) - y))
  }
}

/** C's round(): halves away from zero. */
function roundAway(value: number): number {
  return value < 0 ? -Math.floor(-value + 0.5) : Math.floor(value + 0.5)
}

/** The rows of one polygon of whole coordinates. */
class Rows {
  readonly #polygon: Polygon
  readonly #nodes: Float64Array
  readonly #runs: Runs

  constructor(polygon: Polygon) {
    this.#polygon = polygon
    this.#nodes = new Float64Array(polygon.x.length)
    this.#runs = newRuns(polygon.x.length)
  }

  /** What the polygon covers of a row that is `width` pixels wide; valid until the next call. */
  at(row: number, width: number): Runs {
    const runs = this.#runs
    const nodes = this.#nodes
    runs.length = 0
    const count = this.#crossings(row)
    for (let i = 0; i < count - 1; ) {
      const from = nodes[i] as number
      const to = nodes[i + 1] as number
      // Two edges meet here: one crossing too many.
      if (from === to) {
        i++
        continue
      }
      if (from >= width) break
      if (to >= 0) addRun(runs, Math.max(from, 0), Math.min(to, width - 1))
      i += 2
    }
    return runs
  }

  #crossings(row: number): number {
    const { x, y } = this.#polygon
    const nodes = this.#nodes
    let count = 0
    for (let i = 0, j = x.length - 1; i < x.length; j = i++) {
      const yi = y[i] as number
      const yj = y[j] as number
      if (yi === yj || row < Math.min(yi, yj) || row > Math.max(yi, yj)) continue
      nodes[count++] = Math.trunc((x[i] as number) + ((row - yi) / (yj - yi)) * ((x[j] as number) - (x[i] as number)))
    }
    sortNodes(nodes, count)
    return count
  }
}
