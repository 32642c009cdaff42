/** Regions of the TraX protocol: `x,y,w,h` or `x1,y1,x2,y2,…`, pixels. */
import { axisAlignedBox, centerToRect } from '../data/polygon.ts'
import { formatFixed } from '../monitors/python-format.ts'
import type { Box } from '../tracking/tracker.ts'
import { malformed } from './message.ts'

/**
 * The box to start from: a rectangle as it stands, of a polygon of four corners the upright box by VOT's rule (as `siamtrain track` has it),
 * of another polygon the box around it.
 * @throws ERR_DATA for what is neither, or has no area
 */
export function parseRegion(text: string): Box {
  const numbers = text.replace(/^(rect|poly)[a-z]*:/, '').split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  const polygon = numbers.length >= 6 && numbers.length % 2 === 0
  if ((numbers.length !== 4 && !polygon) || !numbers.every(Number.isFinite)) {
    throw malformed(`expected a region x,y,w,h or x1,y1,x2,y2,x3,y3,… but found ${JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)}`)
  }
  // A polygon's box counts its border pixels, so even a point has one.
  const [, , w, h] = polygon ? around(numbers) : (numbers as unknown as Box)
  if (!(w > 0 && h > 0)) throw malformed(`expected a region with an area but found ${JSON.stringify(text)}`)
  if (!polygon) return numbers as unknown as Box
  return numbers.length === 8 ? centerToRect(axisAlignedBox(numbers)) : around(numbers)
}

function around(polygon: readonly number[]): Box {
  const xs = polygon.filter((_, i) => i % 2 === 0)
  const ys = polygon.filter((_, i) => i % 2 === 1)
  const [left, top] = [Math.min(...xs), Math.min(...ys)]
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top]
}

/** Four digits, as the reference library writes them. */
export function formatRegion(box: Box): string {
  return box.map((value) => formatFixed(value, 4)).join(',')
}
