/** The plot of a search: a panel for each parameter with the score of every trial over its value; the best stands out. */
import { axes, scaleOf, spreadDomain, type Box, type Scale } from '../chart/axes.ts'
import { chartDocument } from '../chart/document.ts'
import { mark } from '../chart/marks.ts'
import { clipTo, colours, plural, text, textWidth, tooltip } from '../chart/svg.ts'
import { scoreText, shortNames, shown, type SearchReport } from './report.ts'
import type { TrialResult } from './search.ts'
import type { ParameterRange, ParameterValue, SearchParameter } from './space.ts'

const panel = { width: 270, height: 210 }
const gap = { x: 40, y: 74 }
const left = 74
const top = 118
const mostColumns = 3
const [plainColour, bestColour] = [colours[0], colours[1]]

/** @returns a complete SVG document */
export function searchChart(report: SearchReport): string {
  const { parameters, result, benchmark, sequences } = report
  const score = result.main
  const drawn = result.trials.filter((trial) => trial.score !== null)
  const columns = Math.min(mostColumns, parameters.length)
  const rows = Math.ceil(parameters.length / columns)
  const width = Math.max(560, left + columns * panel.width + (columns - 1) * gap.x + 24)
  const names = shortNames(parameters)
  const domain = spreadDomain(drawn.map((trial) => trial.score as number), 0.1)
  const title = `Search on ${benchmark}`
  const best = result.best
  const said = best === undefined ? 'no trial has a score' : `best ${score.title} ${scoreText(best, score.digits)}: ${names.map((name, i) => `${name} ${shown(best.values[i] as ParameterValue)}`).join(', ')}`
  const body = [
    text(left, 34, clipTo(title, width - left - 20, 17, true), 'strong', 'font-size="17" font-weight="bold"'),
    text(left, 56, `${plural(result.trials.length, 'trial')}${best === undefined ? '' : `, the best with ${score.title} ${scoreText(best, score.digits)}`}`, 'faint'),
    ...legend(result.trials, sequences, best !== undefined),
  ]
  for (const [i, parameter] of parameters.entries()) {
    const box: Box = { left: left + (i % columns) * (panel.width + gap.x), top: top + Math.floor(i / columns) * (panel.height + gap.y), ...panel }
    body.push(...drawPanel(box, parameter, names[i] as string, i, i % columns === 0, report, drawn, domain))
  }
  return chartDocument({ id: 'search', title, description: `${score.title} of ${plural(result.trials.length, 'trial')} over the values of ${names.join(', ')}; ${said}.`, width, height: top + rows * (panel.height + gap.y) - 14 }, body)
}

function drawPanel(box: Box, { range }: SearchParameter, name: string, index: number, first: boolean, { result, sequences }: SearchReport, drawn: readonly TrialResult[], domain: readonly [number, number]): string[] {
  const score = result.main
  const y = scaleOf(domain, [box.top + box.height, box.top], 4)
  const x = valueScale(range, box)
  const out = axes(box, { ...x.scale, ticks: x.ticks }, y, { x: x.labels === undefined ? clipTo(name, box.width, 13) : '', y: first ? score.title : '' })
  if (x.labels !== undefined) out.push(...x.labels, text(box.left + box.width / 2, box.top + box.height + 38, clipTo(name, box.width, 13), 'plain', 'text-anchor="middle"'))
  // The best is drawn last, on top; those of fewer sequences first.
  for (const trial of drawn.toReversed()) {
    const value = trial.values[index] as ParameterValue
    const at: [number, number] = [x.at(value), y.at(trial.score as number)]
    const about = tooltip(`trial ${trial.trial}: ${name} ${shown(value)}, ${score.title} ${scoreText(trial, score.digits)}${trial.sequences < sequences ? ` on ${plural(trial.sequences, 'sequence')}` : ''}`)
    const isBest = trial.trial === result.best?.trial
    out.push(`<g>${about}${isBest ? mark(...at, 'diamond', bestColour, 7) : mark(...at, 'circle', plainColour, trial.sequences < sequences ? 3 : 4, trial.sequences < sequences)}</g>`)
  }
  return out
}

interface ValueScale {
  scale: Scale
  ticks: number[]
  at: (value: ParameterValue) => number
  /** Names below the axis, in place of numbers. */
  labels: string[] | undefined
}

function valueScale(range: ParameterRange, box: Box): ValueScale {
  const pixels: [number, number] = [box.left, box.left + box.width]
  if (range.kind === 'choice') {
    const { choices } = range
    const scale = scaleOf([-0.5, choices.length - 0.5], pixels)
    const at = (value: ParameterValue): number => scale.at(choices.indexOf(value))
    const room = box.width / choices.length - 6
    return { scale, ticks: [], at, labels: choices.map((choice) => text(at(choice), box.top + box.height + 18, clipTo(shown(choice), room, 12), 'plain', 'text-anchor="middle" font-size="12"')) }
  }
  const scale = scaleOf(spreadDomain([range.low, range.kind === 'integer' ? range.high - 1 : range.high], 0.03), pixels, 4)
  const ticks = range.kind === 'integer' ? scale.ticks.filter(Number.isInteger) : scale.ticks
  return { scale, ticks, at: (value) => scale.at(Number(value)), labels: undefined }
}

/** What the marks mean: those that are there. */
function legend(trials: readonly TrialResult[], sequences: number, hasBest: boolean): string[] {
  const partial = trials.some((trial) => trial.sequences < sequences)
  const entries: [string, (x: number) => string][] = [
    ...(hasBest ? [['best', (x: number): string => mark(x, 80, 'diamond', bestColour, 6)] satisfies [string, (x: number) => string]] : []),
    [`on all ${plural(sequences, 'sequence')}`, (x) => mark(x, 80, 'circle', plainColour, 4)],
    ...(partial ? [['on fewer', (x: number): string => mark(x, 80, 'circle', plainColour, 3, true)] satisfies [string, (x: number) => string]] : []),
  ]
  let x = left + 6
  return entries.flatMap(([words, draw]) => {
    const at = x
    x += 16 + textWidth(words, 12) + 22
    return [draw(at), text(at + 12, 84, words, 'plain', 'font-size="12"')]
  })
}
