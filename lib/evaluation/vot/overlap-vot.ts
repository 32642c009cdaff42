/**
 * Overlap of two regions by the rule of the official toolkit (the Python package vot-toolkit, 0.9): numbers of a region are rounded
 * first, halves to even; x,y,w,h covers w × h pixels; polygons are filled as in overlap-pysot.ts, but horizontal edges count as a crossing
 * and what lies within the frame are the pixels 0 … size − 1. No region at all overlaps nothing, or 1 with another one of no extent.
 */
import type { Bound } from '../overlap.ts'
import type { Region } from '../types.ts'
import { addRun, newRuns, runPixels, sharedPixels, sortNodes, type Runs } from './scanline.ts'

/** Left, top, right, bottom; whole pixels, all included. */
type Edges = readonly [number, number, number, number]

/**
 * @param a, b  x,y,w,h or a polygon, pixels; null for an unknown region
 * @param size  of the frame; what lies outside does not count
 * @returns 0 to 1
 */
export function overlapVot(a: Region, b: Region, size: Bound): number {
  const first = rounded(a)
  const second = rounded(b)
  const [e1, e2] = [edgesOf(first), edgesOf(second)]
  const left = Math.min(e1[0], e2[0])
  const top = Math.min(e1[1], e2[1])
  const right = Math.max(e1[2], e2[2])
  const bottom = Math.max(e1[3], e2[3])
  if (left >= right || top >= bottom) return 1
  const part: Edges = [Math.max(0, left), Math.max(0, top), Math.min(size[0] - 1, right), Math.min(size[1] - 1, bottom)]
  if (part[0] >= part[2] || part[1] >= part[3]) return 0

  const rows1 = rowsOf(first, part)
  const rows2 = rowsOf(second, part)
  let [total, shared] = [0, 0]
  for (let row = 0; row <= part[3] - part[1]; row++) {
    const runs1 = rows1(row)
    const runs2 = rows2(row)
    const both = sharedPixels(runs1, runs2)
    shared += both
    total += runPixels(runs1) + runPixels(runs2) - both
  }
  return total > 0 ? shared / total : 0
}

/** Single precision, then rounded: the toolkit keeps regions so. */
function rounded(region: Region): readonly number[] {
  return region === null ? [] : region.map((value) => roundEven(Math.fround(value)))
}

function roundEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1
}

function edgesOf(region: readonly number[]): Edges {
  if (region.length === 0) return [0, 0, 0, 0]
  if (region.length === 4) {
    const [x, y, w, h] = region as Edges
    return [x, y, x + w - 1, y + h - 1]
  }
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i < region.length; i += 2) {
    left = Math.min(left, region[i] as number)
    right = Math.max(right, region[i] as number)
    top = Math.min(top, region[i + 1] as number)
    bottom = Math.max(bottom, region[i + 1] as number)
  }
  return [left, top, right, bottom]
}

/** A function from a row of `part` to the runs that the region covers there, both counted from the part's left-top corner. */
function rowsOf(region: readonly number[], part: Edges): (row: number) => Runs {
  const runs = newRuns(Math.max(region.length >> 1, 1))
  const width = part[2] - part[0] + 1
  if (region.length <= 4) {
    const [left, top, right, bottom] = edgesOf(region)
    return (row) => {
      const y = row + part[1]
      const from = Math.max(0, left - part[0])
      const to = Math.min(width - 1, right - part[0])
      runs.length = 0
      if (region.length === 4 && y >= top && y <= bottom && from <= to) addRun(runs, from, to)
      return runs
    }
  }
  const nodes = new Float64Array(region.length >> 1)
  return (row) => {
    const count = crossings(region, part, row, nodes)
    runs.length = 0
    for (let i = 0; i < count - 1; ) {
      const from = nodes[i] as number
      const to = nodes[i + 1] as number
      if (from >= width) break
      if (from === to && i < count - 2) {
        i++
        continue
      }
      if (to >= 0) addRun(runs, Math.max(from, 0), Math.min(to, width - 1))
      i += 2
    }
    return runs
  }
}

function crossings(polygon: readonly number[], part: Edges, row: number, nodes: Float64Array): number {
  let count = 0
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const xi = (polygon[i] as number) - part[0]
    const yi = (polygon[i + 1] as number) - part[1]
    const xj = (polygon[j] as number) - part[0]
    const yj = (polygon[j + 1] as number) - part[1]
    if (row < Math.min(yi, yj) || row > Math.max(yi, yj)) continue
    nodes[count++] = yi === yj ? xi : Math.trunc(xi + ((row - yi) / (yj - yi)) * (xj - xi))
  }
  sortNodes(nodes, count)
  return count
}
