// Boxes [x, y, width, height] in pixels of the frame: what mouse and keyboard do to them.

/** @typedef {[number, number, number, number]} Box */
/** @typedef {{ width: number, height: number }} Size */
/** @typedef {'move' | 'n' | 'e' | 's' | 'w' | 'ne' | 'se' | 'sw' | 'nw'} Grip */

export const smallest = 4

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high))

/** Tenths of a pixel are as exact as anybody points. @param {number} value */
const tenth = (value) => Math.round(value * 10) / 10

/**
 * Inside of the frame and not smaller than can be tracked.
 * @param {Box} box @param {Size} frame @returns {Box}
 */
export function fitted([x, y, w, h], frame) {
  const width = clamp(w, smallest, frame.width)
  const height = clamp(h, smallest, frame.height)
  return [tenth(clamp(x, 0, frame.width - width)), tenth(clamp(y, 0, frame.height - height)), tenth(width), tenth(height)]
}

/** @param {Box} box @param {number} dx @param {number} dy @param {Size} frame @returns {Box} */
export function moved([x, y, w, h], dx, dy, frame) {
  return fitted([x + dx, y + dy, w, h], frame)
}

/** The right and lower edge move. @param {Box} box @param {number} dx @param {number} dy @param {Size} frame @returns {Box} */
export function resized([x, y, w, h], dx, dy, frame) {
  return [x, y, tenth(clamp(w + dx, smallest, frame.width - x)), tenth(clamp(h + dy, smallest, frame.height - y))]
}

/** Around its middle. @param {Box} box @param {number} factor @param {Size} frame @returns {Box} */
export function grown([x, y, w, h], factor, frame) {
  return fitted([x + (w * (1 - factor)) / 2, y + (h * (1 - factor)) / 2, w * factor, h * factor], frame)
}

/** @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 @param {Size} frame @returns {Box} */
export function between(x1, y1, x2, y2, frame) {
  const left = clamp(Math.min(x1, x2), 0, frame.width)
  const top = clamp(Math.min(y1, y2), 0, frame.height)
  const right = clamp(Math.max(x1, x2), 0, frame.width)
  const bottom = clamp(Math.max(y1, y2), 0, frame.height)
  return fitted([left, top, right - left, bottom - top], frame)
}

/** A box to begin with, where there is nothing better. @param {Size} frame @returns {Box} */
export function middle({ width, height }) {
  return fitted([width * 0.4, height * 0.4, width * 0.2, height * 0.2], { width, height })
}

/**
 * What a pointer would take hold of.
 * @param {Box} box @param {number} px @param {number} py @param {number} reach pixels of the frame around edges
 * @returns {Grip | undefined}
 */
export function gripAt([x, y, w, h], px, py, reach) {
  if (px < x - reach || px > x + w + reach || py < y - reach || py > y + h + reach) return undefined
  // In a small box there must be room to take it by its middle.
  const inner = Math.min(reach, w / 4, h / 4)
  const row = py < y + inner ? 'n' : py > y + h - inner ? 's' : ''
  const column = px < x + inner ? 'w' : px > x + w - inner ? 'e' : ''
  return /** @type {Grip} */ (`${row}${column}` || 'move')
}

/**
 * The box after its grip was dragged from one place to another.
 * @param {Box} box @param {Grip} grip @param {number} dx @param {number} dy @param {Size} frame @returns {Box}
 */
export function dragged(box, grip, dx, dy, frame) {
  if (grip === 'move') return moved(box, dx, dy, frame)
  const [x, y, w, h] = box
  return between(
    grip.includes('w') ? x + dx : x,
    grip.includes('n') ? y + dy : y,
    grip.includes('e') ? x + w + dx : x + w,
    grip.includes('s') ? y + h + dy : y + h,
    frame,
  )
}
