/** A plot's scales, its ticks and what is drawn for them. */
import { line, niceStep, round, shortNumber, text, textWidth } from './svg.ts'

export interface Box {
  left: number
  top: number
  width: number
  height: number
}

export interface Scale {
  low: number
  high: number
  ticks: number[]
  /** Value → pixel. */
  at: (value: number) => number
}

/** Ends of an axis that holds these values: 0 to a round number, where none is below 0. */
export function niceDomain(values: readonly number[]): [low: number, high: number] {
  const finite = values.filter(Number.isFinite)
  const most = finite.reduce((a, b) => Math.max(a, b), -Infinity)
  const least = finite.reduce((a, b) => Math.min(a, b), Infinity)
  if (finite.length === 0) return [0, 1]
  if (least >= 0 && most > 0) return [0, ceilTo(most, niceStep(most / 5))]
  return spreadDomain(values)
}

/**
 * Ends of an axis that shows the spread of these values; it need not hold 0.
 * @param room at both ends, as a share of the spread
 */
export function spreadDomain(values: readonly number[], room = 0.06): [low: number, high: number] {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return [0, 1]
  const most = finite.reduce((a, b) => Math.max(a, b))
  const least = finite.reduce((a, b) => Math.min(a, b))
  // One value, or many that are the same: what is shown is that it stands in the middle.
  const spread = most - least || Math.abs(most) * 0.1 || 1
  return [least - spread * room, most + spread * room]
}

/**
 * @param pixels where low and high lie
 * @param about the number of ticks to aim at
 */
export function scaleOf([low, high]: readonly [number, number], pixels: readonly [number, number], about = 5): Scale {
  const step = niceStep((high - low) / about)
  const ticks: number[] = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)))
  return { low, high, ticks, at: (value) => pixels[0] + ((value - low) / (high - low)) * (pixels[1] - pixels[0]) }
}

/** Grid, ticks with their numbers, and what the axes mean. */
export function axes(box: Box, x: Scale, y: Scale, labels: { x: string; y: string }): string[] {
  const bottom = box.top + box.height
  const right = box.left + box.width
  const out: string[] = []
  for (const tick of y.ticks) {
    out.push(line(box.left, y.at(tick), right, y.at(tick), 'grid'), text(box.left - 8, y.at(tick) + 4, shortNumber(tick, 4), 'plain', 'text-anchor="end" font-size="12"'))
  }
  for (const tick of x.ticks) {
    out.push(line(x.at(tick), box.top, x.at(tick), bottom, 'grid'), line(x.at(tick), bottom, x.at(tick), bottom + 4, 'axis'))
    out.push(text(x.at(tick), bottom + 18, shortNumber(tick, 4), 'plain', 'text-anchor="middle" font-size="12"'))
  }
  out.push(line(box.left, bottom, right, bottom, 'axis'), line(box.left, box.top, box.left, bottom, 'axis'))
  out.push(text(box.left + box.width / 2, bottom + 38, labels.x, 'plain', 'text-anchor="middle"'))
  const tickWidth = Math.max(...y.ticks.map((tick) => textWidth(shortNumber(tick, 4), 12)))
  if (labels.y !== '') out.push(`<g transform="translate(${round(box.left - Math.max(44, tickWidth + 18))} ${round(box.top + box.height / 2)}) rotate(-90)">${text(0, 0, labels.y, 'plain', 'text-anchor="middle"')}</g>`)
  return out
}

function ceilTo(value: number, step: number): number {
  return Number((Math.ceil((value / step) * (1 - 1e-9)) * step).toPrecision(12))
}
