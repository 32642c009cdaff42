/** The chart of `siamtrain schedule --svg`: learning rates above, the schedule's phases, frozen parameters and the average below, over the epochs. */
import type { FrozenSpan, Schedule, SchedulePhase } from '../engine/schedule.ts'
import { optionLines } from './schedule-text.ts'
import { clipTo, colours, darkStyle, line, niceStep, plural, round, shortNumber, text, textWidth, tooltip } from '../chart/svg.ts'

const plotWidth = 700
const left = 92
const right = left + plotWidth
const labelsX = right + 14
const rowHeight = 24
const barHeight = 15
const sectionGap = 30
const pointsPerCurve = 800
const warmUpColour = '#e69f00'
const phaseColour = '#56b4e9'
const frozenColour = '#7b8794'
const averageColour = '#009e73'

/** One row below the curves: bars over epochs, its name beside them. */
interface Row {
  label: string
  /** Right-aligned beside the label. */
  count?: string
  about: string
  bars: { epochs: readonly [from: number, to: number]; colour: string }[]
}

/** Rows under a heading. */
interface Section {
  heading: string
  countHeading?: string
  /** Corner radius of its bars. */
  radius: number
  rows: Row[]
}

/**
 * @param title the experiment's name
 * @returns a complete SVG document
 */
export function scheduleChart(title: string, schedule: Schedule, spans: readonly FrozenSpan[]): string {
  const { maxEpoch, numIterations, groups } = schedule
  const sections = [phaseSection(schedule), frozenSection(spans), averageSection(schedule)].filter(({ rows }) => rows.length > 0)
  const labelWidth = columnWidth(schedule, sections)
  const width = Math.ceil(labelsX + labelWidth + 16)
  const subtitles = [`${plural(maxEpoch, 'epoch')} of ${plural(numIterations, 'iteration')}`, ...optionLines(schedule)]
  const top = 66 + subtitles.length * 18
  const plotHeight = Math.max(300, groups.length * 58)
  const bottom = top + plotHeight
  const axisY = bottom + 16 + sections.reduce((sum, { rows }) => sum + sectionGap + rows.length * rowHeight, 0)
  const height = axisY + 52

  const curves = groups.map((group) => sample(schedule, group.ratio))
  const peak = Math.max(...curves.flatMap((curve) => curve.map(([, lr]) => lr)), Number.MIN_VALUE)
  const step = niceStep(peak / 5)
  const most = Math.ceil((peak / step) * (1 - 1e-9)) * step
  const x = (epoch: number): number => left + (epoch / maxEpoch) * plotWidth
  const y = (lr: number): number => top + plotHeight - (lr / most) * plotHeight

  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    tooltip(`Training schedule of ${title}`),
    darkStyle,
    `<rect width="${width}" height="${height}" class="page" fill="#ffffff"/>`,
    heading(title, width - left - 16),
    ...subtitles.map((subtitle, i) => text(left, 55 + i * 18, subtitle, 'faint')),
  ]
  for (const { epochs, rising } of schedule.phases) {
    if (rising) out.push(`<rect x="${round(x(epochs[0]))}" y="${top}" width="${round(x(epochs[1]) - x(epochs[0]))}" height="${plotHeight}" class="shade" fill="${warmUpColour}" fill-opacity="0.14"/>`)
  }
  for (let tick = 0; tick * step <= most * (1 + 1e-9); tick++) {
    const at = y(tick * step)
    out.push(line(left, at, right, at, tick === 0 ? 'axis' : 'grid'), text(left - 10, at + 4.5, shortNumber(tick * step), 'plain', 'text-anchor="end"'))
  }
  const epochStep = Math.max(1, niceStep(maxEpoch / 10))
  for (let epoch = 0; epoch <= maxEpoch; epoch += epochStep) {
    out.push(line(x(epoch), top, x(epoch), axisY, 'grid'), line(x(epoch), axisY, x(epoch), axisY + 5, 'axis'), text(x(epoch), axisY + 20, String(epoch), 'plain', 'text-anchor="middle"'))
  }
  out.push(
    line(left, axisY, right, axisY, 'axis'),
    `<g transform="translate(20 ${top + plotHeight / 2}) rotate(-90)">${text(0, 0, 'learning rate (per step)', 'plain', 'text-anchor="middle"')}</g>`,
    text(left + plotWidth / 2, axisY + 40, `epoch (1 epoch = ${plural(numIterations, 'iteration')})`, 'plain', 'text-anchor="middle"'),
  )
  for (const [i, curve] of curves.entries()) {
    const path = curve.map(([epoch, lr], k) => `${k === 0 ? 'M' : 'L'}${round(x(epoch))} ${round(y(lr))}`).join('')
    out.push(`<path d="${path}" fill="none" stroke="${colours[i % colours.length]}" stroke-width="2.4" stroke-linejoin="round"${dashes(groups, i)}/>`)
  }
  out.push(...legend(schedule, curves, top, labelWidth))
  let at = bottom + 10
  for (const section of sections) {
    out.push(...drawSection(section, at, labelWidth, x))
    at += sectionGap + section.rows.length * rowHeight
  }
  return [...out, '</svg>', ''].join('\n')
}

/** The experiment's name, smaller where it is long, cut where it is longer still. */
function heading(title: string, room: number): string {
  const size = [20, 17, 14].find((s) => textWidth(title, s, true) <= room) ?? 14
  return `<g>${tooltip(title)}${text(left, 32, clipTo(title, room, size, true), 'strong', `font-size="${size}" font-weight="bold"`)}</g>`
}

/** Wide enough for the names beside the plot, within reason; longer ones are cut and whole in their tooltips. */
function columnWidth({ groups }: Schedule, sections: readonly Section[]): number {
  const names = [...groups.map(({ name }) => textWidth(name, 13) + 30), ...sections.flatMap(({ rows }) => rows.map(({ label, count = '' }) => textWidth(label, 13) + (count === '' ? 0 : textWidth(count, 13) + 16)))]
  return Math.min(400, Math.max(190, ...names))
}

function phaseSection({ phases }: Schedule): Section {
  return {
    heading: 'phases',
    radius: 2,
    rows: phases.map(({ name, epochs, from, to, rising }: SchedulePhase) => {
      const label = `${rising ? 'warm-up: ' : ''}${name}, ${shortNumber(from, 2)}${from === to ? '' : ` → ${shortNumber(to, 2)}`}`
      return { label, about: `${label}, epochs ${epochs[0]} to ${epochs[1] - 1}`, bars: [{ epochs, colour: rising ? warmUpColour : phaseColour }] }
    }),
  }
}

function frozenSection(spans: readonly FrozenSpan[]): Section {
  return {
    heading: 'frozen parameters',
    countHeading: 'tensors',
    radius: 3,
    rows: spans.map(({ label, parameters, epochs }) => ({
      label,
      count: String(parameters.length),
      about: `${label}: ${parameters.slice(0, 12).join(', ')}${parameters.length > 12 ? ', …' : ''}`,
      bars: epochs.map((range) => ({ epochs: range, colour: frozenColour })),
    })),
  }
}

function averageSection({ ema, maxEpoch, numIterations }: Schedule): Section {
  if (ema === null) return { heading: '', radius: 4, rows: [] }
  // (1 + t) / (warmup + t) reaches the decay at this update.
  const steps = ema.warmup <= 1 ? 0 : Math.max(0, Math.ceil((ema.decay * ema.warmup - 1) / (1 - ema.decay)))
  const full = Math.min(maxEpoch, steps / numIterations)
  const warmUp = steps === 0 ? '' : `, warm-up of ${plural(steps, 'step')}`
  const label = `EMA, decay ${ema.decay}${warmUp}`
  const about = `${label}; an average over the last ${shortNumber(1 / (1 - ema.decay), 3)} steps or so`
  const bars = [{ epochs: [0, full] as const, colour: warmUpColour }, { epochs: [full, maxEpoch] as const, colour: averageColour }]
  return { heading: 'average of the weights', radius: 4, rows: [{ label, about, bars: bars.filter(({ epochs }) => epochs[1] > epochs[0]) }] }
}

function drawSection({ heading: name, countHeading, radius, rows }: Section, top: number, labelWidth: number, x: (epoch: number) => number): string[] {
  const out = [text(left, top + 20, name, 'strong', 'font-weight="bold"')]
  if (countHeading !== undefined) out.push(text(labelsX + labelWidth, top + 20, countHeading, 'faint', 'text-anchor="end" font-size="12"'))
  for (const [i, { label, count = '', about, bars }] of rows.entries()) {
    const at = top + sectionGap + i * rowHeight
    const drawn = bars.map(({ epochs: [from, to], colour }) => `<rect x="${round(x(from))}" y="${at}" width="${round(Math.max(1.5, x(to) - x(from)))}" height="${barHeight}" rx="${radius}" class="bar" fill="${colour}" fill-opacity="0.6"/>`)
    const room = labelWidth - (count === '' ? 0 : textWidth(count, 13) + 16)
    const counted = count === '' ? '' : text(labelsX + labelWidth, at + 12, count, 'faint', 'text-anchor="end"')
    out.push(`<g>${tooltip(about)}${drawn.join('')}${text(labelsX, at + 12, clipTo(label, room, 13), 'plain')}${counted}</g>`)
  }
  return out
}

/** A curve that lies on an earlier one is dashed, so that both colours show. */
function dashes(groups: Schedule['groups'], i: number): string {
  const hides = groups.slice(0, i).some((group) => group.ratio === groups[i]?.ratio)
  return hides ? ' stroke-dasharray="9 9"' : ''
}

function legend(schedule: Schedule, curves: readonly [number, number][][], top: number, labelWidth: number): string[] {
  return schedule.groups.flatMap((group, i) => {
    const at = top + 8 + i * 58
    const count = group.parameters.length === 0 ? '' : `, ${plural(group.parameters.length, 'tensor')}`
    const rates = (curves[i] as [number, number][]).map(([, lr]) => lr)
    const range = [rates[0] as number, Math.max(...rates), rates.at(-1) as number].map((lr) => shortNumber(lr, 2))
    return [
      `<g>${tooltip(group.name)}<line x1="${labelsX}" y1="${at}" x2="${labelsX + 20}" y2="${at}" stroke="${colours[i % colours.length]}" stroke-width="3"${dashes(schedule.groups, i)}/>`,
      `${text(labelsX + 28, at + 4.5, clipTo(group.name, labelWidth - 28, 13), 'strong')}</g>`,
      text(labelsX + 28, at + 20, `lr × ${shortNumber(group.ratio)}${count}`, 'faint', 'font-size="12"'),
      text(labelsX + 28, at + 35, range.filter((rate, k) => rate !== range[k - 1]).join(' → '), 'faint', 'font-size="12"'),
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
  // The last iteration lasts until the end of its epoch.
  points.push([maxEpoch, schedule.lrAt(maxEpoch - 1, numIterations - 1) * ratio])
  return points
}
