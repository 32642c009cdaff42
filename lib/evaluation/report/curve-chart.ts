/** One plot of the curves of several trackers: lines (success, precision, expected overlap, …), or marks where a curve is one point (AR plot). */
import { axes, niceDomain, scaleOf, spreadDomain, type Box, type Scale } from '../../chart/axes.ts'
import { chartDocument } from '../../chart/document.ts'
import { mark, seriesStyle, strokeOf, type Shape } from '../../chart/marks.ts'
import { clipTo, round, text, textWidth, tooltip } from '../../chart/svg.ts'
import type { Curve, ScoreColumn } from '../types.ts'
import { formatScore } from './ranking.ts'

/** A tracker's curve with the number that ranks it in the legend. */
export interface CurveSeries {
  name: string
  curve: Curve
  score: number | undefined
  /** Which line style it has, in every plot of the report. */
  style: number
}

export interface CurveChart {
  /** For the ids in the document. */
  id: string
  /** As the benchmark's tables name it. */
  benchmark: string
  /** What the numbers of the legend are. */
  scoreColumn: Pick<ScoreColumn, 'title' | 'digits'>
  /** In the legend's order, the best first; one at least. */
  series: readonly CurveSeries[]
}

const frame = { left: 72, top: 48, width: 350, height: 280 } as const
/** Where many trackers make the legend long, the plot grows with it up to here. */
const mostHeight = 430
const legendLeft = frame.left + frame.width + 26
const rowHeight = 21
const sampleWidth = 30
/** Of an axis of shares on which points lie. */
const leastSpan = 0.2
/** Points nearer to each other than this are drawn as one. */
const nearPixels = 0.4

/** @returns a complete SVG document */
export function curveChart({ id, benchmark, scoreColumn, series }: CurveChart): string {
  const first = (series[0] as CurveSeries).curve
  const box: Box = { ...frame, height: Math.min(mostHeight, Math.max(frame.height, series.length * rowHeight)) }
  const domain = series.every(({ curve }) => curve.x.length <= 1) ? pointDomain : niceDomain
  const x = scaleOf(domain(series.flatMap(({ curve }) => curve.x)), [box.left, box.left + box.width])
  const y = scaleOf(domain(series.flatMap(({ curve }) => curve.y)), [box.top + box.height, box.top])
  const numbers = series.map(({ score }) => formatScore(score, scoreColumn.digits))
  const numberWidth = Math.max(...numbers.map((number) => textWidth(number, 13, true)))
  const nameWidth = Math.min(230, Math.max(60, ...series.map(({ name }) => textWidth(name, 13))))
  const legendRight = legendLeft + sampleWidth + 10 + nameWidth + 14 + numberWidth
  const height = Math.max(box.top + box.height + 52, box.top + 14 + series.length * rowHeight + 20)
  const title = titled(first.title, benchmark)
  const body = [
    text(box.left, 28, clipTo(title, legendRight - box.left, 16, true), 'strong', 'font-size="16" font-weight="bold"'),
    ...rangeShade(first, x, box),
    ...axes(box, x, y, { x: first.xLabel, y: first.yLabel }),
    // The best is drawn last, on top.
    ...series.toReversed().map((one) => drawn(one, x, y, series.indexOf(one) === 0, scoreColumn)),
    text(legendRight, box.top + 4, clipTo(scoreColumn.title, legendRight - legendLeft, 12), 'faint', 'text-anchor="end" font-size="12"'),
    ...series.flatMap((one, i) => legendRow(one, numbers[i] as string, box.top + 14 + (i + 0.5) * rowHeight, nameWidth, legendRight, i === 0)),
  ]
  const description = `${first.yLabel} over ${first.xLabel}. ${scoreColumn.title}: ${series.map(({ name }, i) => `${name} ${numbers[i]}`).join(', ')}.`
  return chartDocument({ id, title, description, width: legendRight + 18, height }, body)
}

/** Points fill the plot; shares stay between 0 and 1, and small differences between them small. */
function pointDomain(values: readonly number[]): [number, number] {
  const [low, high] = spreadDomain(values, 0.18)
  if (!values.every((value) => value >= 0 && value <= 1)) return [low, high]
  const more = Math.max(0, (leastSpan - (high - low)) / 2)
  return [Math.max(0, low - more), Math.min(1, high + more)]
}

function titled(title: string, benchmark: string): string {
  return title.toLowerCase().includes(benchmark.toLowerCase()) ? title : `${title} · ${benchmark}`
}

/** Where the legend's number is read off. */
function rangeShade({ scoreRange }: Curve, x: Scale, box: Box): string[] {
  if (scoreRange === undefined) return []
  const [from, to] = scoreRange.map((value) => x.at(Math.min(x.high, Math.max(x.low, value)))) as [number, number]
  if (to > from) return [`<rect x="${round(from)}" y="${box.top}" width="${round(to - from)}" height="${box.height}" class="shade" fill="#9aa5b1" fill-opacity="0.16"/>`]
  return [`<line x1="${round(from)}" y1="${box.top}" x2="${round(from)}" y2="${box.top + box.height}" class="axis" stroke="#7b8794" stroke-width="1.3" stroke-dasharray="4 3"/>`]
}

function drawn({ name, curve, score, style: index }: CurveSeries, x: Scale, y: Scale, best: boolean, { title, digits }: CurveChart['scoreColumn']): string {
  const style = seriesStyle(index)
  const points = pixels(curve, x, y)
  const about = tooltip(`${name}: ${title} ${formatScore(score, digits)}`)
  const flat = points.flat()
  if (flat.length <= 1) return `<g>${about}${flat.map(([px, py]) => mark(px, py, style.shape, style.colour, 6, style.hollow)).join('')}</g>`
  const path = points.map((run) => run.map(([px, py], k) => `${k === 0 ? 'M' : 'L'}${round(px)} ${round(py)}`).join('')).join('')
  const line = `<path d="${path}" fill="none" ${strokeOf(style)} stroke-width="${best ? 2.6 : 1.9}" stroke-linejoin="round"/>`
  return `<g>${about}${line}${style.lineMark === undefined ? '' : marksAlong(flat, style.lineMark, style.colour, index)}</g>`
}

/** The curve as runs of pixels; what is not a number parts it. */
function pixels({ x: xs, y: ys }: Curve, x: Scale, y: Scale): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = []
  let open: (readonly [number, number])[] | undefined
  for (const [i, value] of xs.entries()) {
    const height = ys[i]
    if (height === undefined || !Number.isFinite(value) || !Number.isFinite(height)) {
      open = undefined
      continue
    }
    const point = [x.at(value), y.at(height)] as const
    if (open === undefined) runs.push((open = []))
    const last = open.at(-1)
    const ends = i === xs.length - 1
    if (last === undefined || ends || Math.hypot(point[0] - last[0], point[1] - last[1]) >= nearPixels) open.push(point)
  }
  return runs
}

/** A few marks on a line, at places of its own. */
function marksAlong(points: readonly (readonly [number, number])[], shape: Shape, colour: string, index: number): string {
  const wanted = 5
  const shift = ((index * 0.37) % 1) / wanted
  const at = Array.from({ length: wanted }, (_, k) => frame.left + frame.width * (k / wanted + shift))
  const nearest = at.map((px) => points.reduce((best, point) => (Math.abs(point[0] - px) < Math.abs(best[0] - px) ? point : best)))
  return [...new Set(nearest)].map(([px, py]) => mark(px, py, shape, colour, 3.6)).join('')
}

function legendRow({ name, curve, style: index }: CurveSeries, number: string, middle: number, nameWidth: number, right: number, best: boolean): string[] {
  const style = seriesStyle(index)
  const isPoint = curve.x.length <= 1
  const centre = legendLeft + sampleWidth / 2
  const sample = isPoint
    ? mark(centre, middle, style.shape, style.colour, 6, style.hollow)
    : `<line x1="${legendLeft}" y1="${round(middle)}" x2="${legendLeft + sampleWidth}" y2="${round(middle)}" ${strokeOf(style)} stroke-width="${best ? 2.6 : 1.9}"/>${style.lineMark === undefined ? '' : mark(centre, middle, style.lineMark, style.colour, 3.6)}`
  const weight = best ? ' font-weight="bold"' : ''
  return [
    `<g>${tooltip(name)}${sample}`,
    text(legendLeft + sampleWidth + 10, middle + 4.5, clipTo(name, nameWidth, 13), 'strong', weight.trim()),
    `${text(right, middle + 4.5, number, 'strong', `text-anchor="end"${weight}`)}</g>`,
  ]
}
