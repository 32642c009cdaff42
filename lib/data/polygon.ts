/** Rotated boxes to upright ones, by the VOT toolkit's rule. */
import { invalidArgument } from '../errors.ts'

/** Centre and size, pixels. */
export interface CenterBox {
  cx: number
  cy: number
  w: number
  h: number
}

/**
 * The upright box that stands for a VOT region: for a polygon of four corners the box around its centroid with the polygon's area and the
 * aspect of its bounding box; for x,y,w,h that box (centre = x + (w − 1)/2).
 *
 * @param region  8 numbers x1,y1,…,x4,y4, or 4 numbers x,y,w,h
 * @returns centre and size; sizes count both border pixels (+1), as the VOT toolkit and SiamFC++ have it
 * @throws ERR_ARGUMENT for another number of values
 */
export function axisAlignedBox(region: ArrayLike<number>): CenterBox {
  const n = region.length
  const at = (i: number): number => region[i] ?? Number.NaN
  if (n === 4) return { cx: at(0) + (at(2) - 1) / 2, cy: at(1) + (at(3) - 1) / 2, w: at(2), h: at(3) }
  if (n !== 8) throw invalidArgument('8 numbers (a polygon of 4 corners) or 4 (x, y, w, h)', 'region', Array.from(region))
  let [sumX, sumY] = [0, 0]
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i < n; i += 2) {
    sumX += at(i)
    sumY += at(i + 1)
    minX = Math.min(minX, at(i))
    maxX = Math.max(maxX, at(i))
    minY = Math.min(minY, at(i + 1))
    maxY = Math.max(maxY, at(i + 1))
  }
  // VOT's area of a region is that of the parallelogram spanned by its first two sides.
  const side1 = Math.hypot(at(0) - at(2), at(1) - at(3))
  const side2 = Math.hypot(at(2) - at(4), at(3) - at(5))
  const boundingArea = (maxX - minX) * (maxY - minY)
  const scale = boundingArea > 0 ? Math.sqrt((side1 * side2) / boundingArea) : 0
  return { cx: sumX / 4, cy: sumY / 4, w: scale * (maxX - minX) + 1, h: scale * (maxY - minY) + 1 }
}

/** Centre and size → left, top, width, height with SiamFC++'s convention x = cx − (w − 1)/2. */
export function centerToRect(box: CenterBox): [number, number, number, number] {
  return [box.cx - (box.w - 1) / 2, box.cy - (box.h - 1) / 2, box.w, box.h]
}
