/** The chart of `siamtrain schedule --svg`: learning rates above, frozen parameters below, over the epochs. */
import type { FrozenSpan, Schedule } from '../engine/schedule.ts'

const width = 960
const margin = { left: 84, right: 168, top: 76, bottom: 52 }
const plotHeight = 300
const rowHeight = 26
const plotWidth = width - margin.left - margin.right
/** Distinguishable for colour-blind readers too (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
const frozenColour = '#7b8794'
const pointsPerCurve = 800

/**
 * @param title the experiment's name
 * @returns a complete SVG document
 */
export function scheduleChart(title: string, schedule: Schedule, spans: readonly FrozenSpan[]): string {
  const { maxEpoch, numIterations, groups } = schedule
  const curves = groups.map((group) => sample(schedule, group.ratio))
  const peak = Math.max(...curves.flatMap((curve) => curve.map(([, lr]) => lr)), Number.MIN_VALUE)
  const step = niceStep(peak / 5)
  const top = Math.ceil((peak / step) * (1 - 1e-9)) * step
  const x = (epoch: number): number => margin.left + (epoch / maxEpoch) * plotWidth
  const y = (lr: number): number => margin.top + plotHeight - (lr / top) * plotHeight
  const bottom = margin.top + plotHeight
  const rowsTop = bottom + 34
  const axisY = spans.length === 0 ? bottom : rowsTop + spans.length * rowHeight + 6
  const height = axisY + margin.bottom
  const out: string[] = []

  out.push(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    `<title>Learning rate of ${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 32, title, 'font-size="19" font-weight="bold" fill="#1f2933"'),
    text(margin.left, 53, `${plural(maxEpoch, 'epoch')} of ${plural(numIterations, 'iteration')}`, 'fill="#52606d"'),
  )
  for (let tick = 0; tick * step <= top * (1 + 1e-9); tick++) {
    const at = y(tick * step)
    out.push(line(margin.left, at, margin.left + plotWidth, at, tick === 0 ? '#9aa5b1' : '#e4e7eb'))
    out.push(text(margin.left - 10, at + 4.5, shortNumber(tick * step), 'text-anchor="end" fill="#52606d"'))
  }
  out.push(`<text transform="translate(22 ${margin.top + plotHeight / 2}) rotate(-90)" text-anchor="middle" fill="#323f4b">learning rate</text>`)

  const epochStep = Math.max(1, niceStep(maxEpoch / 10))
  for (let epoch = 0; epoch <= maxEpoch; epoch += epochStep) {
    out.push(line(x(epoch), margin.top, x(epoch), axisY, '#eef1f4'), line(x(epoch), axisY, x(epoch), axisY + 5, '#9aa5b1'))
    out.push(text(x(epoch), axisY + 21, String(epoch), 'text-anchor="middle" fill="#52606d"'))
  }
  out.push(text(margin.left + plotWidth / 2, axisY + 41, 'epoch', 'text-anchor="middle" fill="#323f4b"'))

  for (const [i, curve] of curves.entries()) {
    const path = curve.map(([epoch, lr], k) => `${k === 0 ? 'M' : 'L'}${round(x(epoch))} ${round(y(lr))}`).join('')
    out.push(`<path d="${path}" fill="none" stroke="${colours[i % colours.length]}" stroke-width="2.4" stroke-linejoin="round"${dashes(groups, i)}/>`)
  }
  out.push(...legend(schedule))
  if (spans.length > 0) {
    out.push(line(margin.left, axisY, margin.left + plotWidth, axisY, '#9aa5b1'))
    out.push(text(margin.left, rowsTop - 9, 'frozen', 'font-weight="bold" fill="#323f4b"'))
    out.push(text(width - 10, rowsTop - 9, 'tensors', 'text-anchor="end" fill="#7b8794" font-size="12"'))
  }
  for (const [i, span] of spans.entries()) {
    const at = rowsTop + i * rowHeight
    for (const [from, to] of span.epochs) {
      out.push(`<rect x="${round(x(from))}" y="${at}" width="${round(x(to) - x(from))}" height="${rowHeight - 8}" rx="3" fill="${frozenColour}" fill-opacity="0.55"/>`)
    }
    const about = `${span.label}: ${span.parameters.slice(0, 12).join(', ')}${span.parameters.length > 12 ? ', …' : ''}`
    out.push(`<g><title>${escape(about)}</title>${text(margin.left + plotWidth + 12, at + 13.5, clip(span.label, 14), 'fill="#323f4b"')}`)
    out.push(`${text(width - 10, at + 13.5, String(span.parameters.length), 'text-anchor="end" fill="#7b8794"')}</g>`)
  }
  out.push('</svg>', '')
  return out.join('\n')
}

/** A curve that lies on an earlier one is dashed, so that both colours show. */
function dashes(groups: Schedule['groups'], i: number): string {
  const hides = groups.slice(0, i).some((group) => group.ratio === groups[i]?.ratio)
  return hides ? ' stroke-dasharray="9 9"' : ''
}

function legend(schedule: Schedule): string[] {
  const left = margin.left + plotWidth + 12
  return schedule.groups.flatMap((group, i) => {
    const at = margin.top + 10 + i * 40
    const count = group.parameters.length === 0 ? '' : `, ${plural(group.parameters.length, 'tensor')}`
    return [
      `<line x1="${left}" y1="${at}" x2="${left + 20}" y2="${at}" stroke="${colours[i % colours.length]}" stroke-width="3"${dashes(schedule.groups, i)}/>`,
      text(left + 27, at + 4.5, clip(group.name, 14), 'fill="#1f2933"'),
      text(left + 27, at + 20, `× ${shortNumber(group.ratio)}${count}`, 'fill="#7b8794" font-size="12"'),
    ]
  })
}

/** [epoch, lr] pairs, dense enough for a smooth line, with the first and the last iteration of every epoch. */
function sample(schedule: Schedule, ratio: number): [number, number][] {
  const { maxEpoch, numIterations } = schedule
  const perEpoch = Math.max(2, Math.ceil(pointsPerCurve / maxEpoch))
  const stride = Math.max(1, Math.floor(numIterations / perEpoch))
  const points: [number, number][] = []
  for (let epoch = 0; epoch < maxEpoch; epoch++) {
    for (let iteration = 0; iteration < numIterations; iteration += stride) points.push([epoch + iteration / numIterations, schedule.lrAt(epoch, iteration) * ratio])
    points.push([epoch + (numIterations - 1) / numIterations, schedule.lrAt(epoch, numIterations - 1) * ratio])
  }
  return points
}

/** The next of 1, 2, 5 × 10^k. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const lead = rough / power
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power
}

function shortNumber(value: number): string {
  if (value === 0) return '0'
  return value >= 1e-3 && value < 1e4 ? String(Number(value.toPrecision(6))) : value.toExponential().replace('e+', 'e')
}

const round = (value: number): string => String(Math.round(value * 100) / 100)
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
const clip = (s: string, length: number): string => (s.length > length ? `${s.slice(0, length - 1)}…` : s)
const escape = (s: string): string => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
const text = (x: number, y: number, s: string, attributes: string): string => `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(s)}</text>`
const line = (x1: number, y1: number, x2: number, y2: number, stroke: string): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}"/>`
