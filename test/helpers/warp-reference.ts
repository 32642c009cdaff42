/** WarpCrop in plain TypeScript, operation by operation in float32, so that its bits can be compared. */
import type { PicturePlace } from '../../lib/native/addon.ts'

const f = Math.fround
const mix = (a: number, b: number, weight: number): number => f(a + f(weight * f(b - a)))

/** Nearest, half to even. */
function rint(value: number): number {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 === 0 ? low : low + 1
}

/** Of one axis of the crop: where output i lies in the frame. */
function axisOf(centre: number, size: number, outSize: number): (i: number) => number {
  const side = f(size)
  const half = f(f(side - 1) / 2)
  const origin = f(f(centre) - half)
  const step = f(f(f(f(centre) + half) - origin) / f(outSize - 1))
  return (i) => origin + step * i
}

interface Tap {
  /** Index in the pixels given. */
  left: number
  weight: number
  /** Share of the picture against the border, and which of the two the blend starts from. */
  side: 'inside' | 'before' | 'after' | 'outside'
  blend: number
}

function tapOf(at: number, extent: number, grid: { origin: number; step: number }, first: number, count: number): Tap {
  if (at <= -1 || at >= extent) return { left: 0, weight: 0, side: 'outside', blend: 0 }
  const inFrame = Math.min(Math.max(at, 0), extent - 1)
  const source = Math.min(Math.max((inFrame - grid.origin) / grid.step, first), first + count - 1)
  const left = Math.floor(source)
  return {
    left: left - first,
    weight: f(source - left),
    side: at < 0 ? 'before' : at > extent - 1 ? 'after' : 'inside',
    blend: f(at - Math.floor(at)),
  }
}

function toBorder(value: number, border: number, tap: Tap): number {
  if (tap.side === 'outside') return border
  if (tap.side === 'before') return mix(border, value, tap.blend)
  return tap.side === 'after' ? mix(value, border, tap.blend) : value
}

export function referenceCrop(
  pixels: Uint8Array,
  width: number,
  height: number,
  [cx, cy, size]: [number, number, number],
  outSize: number,
  border: [number, number, number],
  place: PicturePlace = { frame: { width, height }, grid: { x: { origin: 0, step: 1 }, y: { origin: 0, step: 1 } } },
): Uint8Array {
  const [columnAt, rowAt] = [axisOf(cx, size, outSize), axisOf(cy, size, outSize)]
  const all = Array.from({ length: outSize }, (_, i) => i)
  const columns = all.map((i) => tapOf(columnAt(i), place.frame.width, place.grid.x, place.at?.x ?? 0, width))
  const rows = all.map((i) => tapOf(rowAt(i), place.frame.height, place.grid.y, place.at?.y ?? 0, height))
  const out = new Uint8Array(3 * outSize * outSize)
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      for (let c = 0; c < 3; c += 1) {
        const pixel = (dx: number, dy: number) => pixels[((row.left + dy) * width + column.left + dx) * 3 + c] ?? 0
        const inRow = (dy: number) => toBorder(column.weight === 0 ? pixel(0, dy) : mix(pixel(0, dy), pixel(1, dy), column.weight), border[c]!, column)
        const value = row.weight === 0 ? inRow(0) : mix(inRow(0), inRow(1), row.weight)
        out[(y * outSize + x) * 3 + c] = rint(toBorder(value, border[c]!, row))
      }
    })
  })
  return out
}
