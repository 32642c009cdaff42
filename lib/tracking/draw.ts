/**
 * Boxes drawn into frames, and frames put side by side, for pictures that people look at. Pixels are BGR or RGB, 8 bit, interleaved.
 */
import type { Rect } from '../evaluation/overlap.ts'

export interface Picture {
  data: Uint8Array
  width: number
  height: number
}

/** Three channel values in the picture's order. */
export type Color = readonly [number, number, number]

/**
 * Draws the outline of a box, `thickness` pixels wide and centred on its edge; what lies outside of the picture is cut.
 */
export function drawBox(picture: Picture, box: Rect, color: Color, thickness = 2): void {
  if (!box.every(Number.isFinite)) return
  const [x, y, w, h] = box
  const outer = Math.ceil(thickness / 2)
  const inner = thickness - outer
  const left = Math.round(x)
  const top = Math.round(y)
  const right = Math.round(x + w)
  const bottom = Math.round(y + h)
  fill(picture, left - outer, top - outer, right + outer, top + inner, color)
  fill(picture, left - outer, bottom - inner, right + outer, bottom + outer, color)
  fill(picture, left - outer, top - outer, left + inner, bottom + outer, color)
  fill(picture, right - inner, top - outer, right + outer, bottom + outer, color)
}

/** Fills [x1, x2) × [y1, y2), cut to the picture. */
function fill(picture: Picture, x1: number, y1: number, x2: number, y2: number, color: Color): void {
  const { data, width, height } = picture
  const left = Math.max(0, x1)
  const right = Math.min(width, x2)
  for (let y = Math.max(0, y1); y < Math.min(height, y2); y++) {
    for (let x = left; x < right; x++) data.set(color, (y * width + x) * 3)
  }
}

/**
 * Puts pictures side by side, with a gap of `gap` black pixels; the highest decides the height.
 */
export function sideBySide(pictures: readonly Picture[], gap = 4): Picture {
  const width = pictures.reduce((sum, picture) => sum + picture.width, 0) + gap * Math.max(0, pictures.length - 1)
  const height = Math.max(0, ...pictures.map((picture) => picture.height))
  const data = new Uint8Array(width * height * 3)
  let x = 0
  for (const picture of pictures) {
    for (let y = 0; y < picture.height; y++) {
      data.set(picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3), (y * width + x) * 3)
    }
    x += picture.width + gap
  }
  return { data, width, height }
}
