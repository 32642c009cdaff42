/** The boxes of a sequence, frame by frame, as its annotations give them. */
import { nameFromPattern } from '../frames.ts'
import type { SequenceRecord } from '../source.ts'

export interface FrameBox {
  x: number
  y: number
  width: number
  height: number
}

/** @returns the number of frames of a sequence; of a still picture, that of the objects on it */
export function frameCountOf(record: SequenceRecord): number {
  if (record.still === true) return Array.isArray(record.boxes) && Array.isArray(record.boxes[0]) ? record.boxes.length : Math.floor(record.boxes.length / 4)
  return 'pattern' in record.frames ? record.frames.count : record.frames.length
}

/** @returns the path of frame k (0-based), as the data set gives it */
export function framePathOf(record: SequenceRecord, k: number): string {
  const { frames } = record
  const picture = record.still === true ? 0 : k
  return 'pattern' in frames ? `${frames.dir}/${nameFromPattern(frames, picture)}` : (frames[picture] ?? '')
}

/** @returns the box of frame k in pixels, NaN where there is none; corners (`xyxy`) become left, top, width, height */
export function boxOf(record: SequenceRecord, k: number): FrameBox {
  const { boxes } = record
  const nested = Array.isArray(boxes) ? (boxes as readonly unknown[])[k] : undefined
  const at = Array.isArray(nested) ? (i: number): number => Number(nested[i] ?? Number.NaN) : (i: number): number => (boxes as ArrayLike<number>)[k * 4 + i] ?? Number.NaN
  const [a, b, c, d] = [at(0), at(1), at(2), at(3)]
  return record.boxFormat === 'xyxy' ? { x: a, y: b, width: c - a + 1, height: d - b + 1 } : { x: a, y: b, width: c, height: d }
}

/** What is wrong with a box by itself, or undefined. A target that is absent needs none. */
export function boxFault(record: SequenceRecord, k: number): { kind: 'unparsable_line' | 'not_finite' | 'empty_box'; message: string } | undefined {
  const reason = record.unparsable?.get(k)
  if (reason !== undefined) return { kind: 'unparsable_line', message: reason }
  const { x, y, width, height } = boxOf(record, k)
  const shown = `[${[x, y, width, height].join(', ')}]`
  if (width > 0 && height > 0 && [x, y, width, height].every((value) => Number.isFinite(value))) return undefined
  if (record.absent?.[k] && !(width < 0 || height < 0)) return undefined
  if (![x, y, width, height].every((value) => Number.isFinite(value))) return { kind: 'not_finite', message: `the box ${shown} is not finite` }
  return { kind: 'empty_box', message: `the box ${shown} has no area: width and height must be above 0` }
}

/** Whether the box shares no pixel with a picture of that size. */
export function isOutside({ x, y, width, height }: FrameBox, frame: { width: number; height: number }): boolean {
  return x >= frame.width || y >= frame.height || x + width <= 0 || y + height <= 0
}
