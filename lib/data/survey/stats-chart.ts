/** The statistics of data sets as one picture: four distributions, a line a data set. */
import { colours, escape, plural, round } from '../../chart/svg.ts'
import type { DistributionSummary } from './distribution.ts'
import { datasetTitle } from './stats-text.ts'
import type { DatasetStats, DistributionName } from './stats.ts'

interface Panel {
  name: DistributionName
  title: string
  axis: string
  scale: number
  what: string
}

const panels: readonly Panel[] = [
  { name: 'sequence_length', title: 'Length of a sequence', axis: 'frames', scale: 1, what: 'of the sequences' },
  { name: 'box_size', title: 'Size of the box', axis: '√(width · height), pixels', scale: 1, what: 'of the boxes' },
  { name: 'relative_size', title: 'Size relative to the frame', axis: '√(area of the box / area of the frame), %', scale: 100, what: 'of the boxes' },
  { name: 'aspect_ratio', title: 'Aspect ratio', axis: 'width / height', scale: 1, what: 'of the boxes' },
]
const plot = { width: 380, height: 200 }
const cell = { width: 490, height: 310 }
const left = 66

/** @returns a complete SVG document */
export function statsChart(datasets: readonly DatasetStats[]): string {
  const legendTop = 62
  const top = legendTop + datasets.length * 20 + 10
  const width = cell.width * 2 + 10
  const height = top + cell.height * 2
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    '<title>Statistics of data sets</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(left, 36, 'Statistics of data sets', 'font-size="19" font-weight="bold" fill="#1f2933"'),
  ]
  for (const [i, stats] of datasets.entries()) {
    const y = legendTop + i * 20
    out.push(`<line x1="${left}" y1="${y - 4}" x2="${left + 26}" y2="${y - 4}" stroke="${colour(i)}" stroke-width="3"/>`)
    out.push(text(left + 36, y, `${datasetTitle(stats)}: ${plural(stats.sequences, 'sequence')}, ${plural(stats.frames, 'frame')}`, 'fill="#323f4b"'))
  }
  for (const [i, panel] of panels.entries()) out.push(...panelOf(panel, datasets, (i % 2) * cell.width, top + Math.floor(i / 2) * cell.height))
  out.push('</svg>', '')
  return out.join('\n')
}

function panelOf(panel: Panel, datasets: readonly DatasetStats[], x0: number, y0: number): string[] {
  const summaries = datasets.map((stats) => stats.distributions[panel.name])
  const bins = summaries.flatMap((summary) => summary?.histogram ?? [])
  // Shares can be compared where the bins are equal: the widest ones that a data set has.
  const octaves = Math.max(...bins.map(({ from, to }) => Math.log2(to / from)))
  const out = [text(x0 + left, y0 + 24, panel.title, 'font-size="15" font-weight="bold" fill="#1f2933"')]
  const [plotX, plotY] = [x0 + left, y0 + 40]
  const bottom = plotY + plot.height
  if (bins.length === 0) return [...out, text(plotX, plotY + 30, 'not known: no frame could be read', 'fill="#7b8794"')]
  const shares = summaries.map((summary) => (summary === null ? [] : rebin(summary, octaves, panel.scale)))
  const ends = shares.flat()
  // A single value is shown with some room around it.
  const room = Math.max(1, 1.5 / (Math.max(...ends.map(({ to }) => to)) / Math.min(...ends.map(({ from }) => from))))
  const [low, high] = [Math.min(...ends.map(({ from }) => from)) / room, Math.max(...ends.map(({ to }) => to)) * room]
  const x = (value: number): number => plotX + (Math.log(value / low) / Math.log(high / low)) * plot.width
  const peak = Math.max(...shares.flat().map(({ share }) => share))
  const step = niceStep(peak / 4)
  const ceiling = Math.ceil((peak / step) * (1 - 1e-9)) * step
  const y = (share: number): number => bottom - (share / ceiling) * plot.height
  for (let tick = 0; tick * step <= ceiling * (1 + 1e-9); tick += 1) {
    const at = y(tick * step)
    out.push(line(plotX, at, plotX + plot.width, at, tick === 0 ? '#9aa5b1' : '#e4e7eb'), text(plotX - 8, at + 4.5, `${short(tick * step)} %`, 'text-anchor="end" fill="#52606d"'))
  }
  for (const tick of logTicks(low, high)) {
    out.push(line(x(tick), bottom, x(tick), bottom + 5, '#9aa5b1'), text(x(tick), bottom + 20, short(tick), 'text-anchor="middle" fill="#52606d"'))
  }
  out.push(text(plotX + plot.width / 2, bottom + 40, panel.axis, 'text-anchor="middle" fill="#323f4b"'))
  for (const [i, share] of shares.entries()) {
    if (share.length === 0) continue
    out.push(`<path d="${steps(share, x, y, bottom)}" fill="${colour(i)}" fill-opacity="${datasets.length === 1 ? 0.25 : 0.08}" stroke="${colour(i)}" stroke-width="2" stroke-linejoin="round"><title>share ${panel.what}</title></path>`)
  }
  return out
}

/** A histogram as percentages in bins of so many octaves; the bins of every distribution begin at whole multiples of their width. */
function rebin(summary: DistributionSummary, octaves: number, scale: number): { from: number; to: number; share: number }[] {
  const shares = new Map<number, number>()
  for (const { from, count: n } of summary.histogram) {
    const bin = Math.floor(Math.log2(from) / octaves + 1e-6)
    shares.set(bin, (shares.get(bin) ?? 0) + (100 * n) / summary.count)
  }
  return [...shares].sort(([a], [b]) => a - b).map(([bin, share]) => ({ from: 2 ** (bin * octaves) * scale, to: 2 ** ((bin + 1) * octaves) * scale, share }))
}

/** The outline of a histogram; between bins that do not touch it falls to the ground. */
function steps(bins: readonly { from: number; to: number; share: number }[], x: (value: number) => number, y: (share: number) => number, bottom: number): string {
  const parts: string[] = []
  let end = Number.NaN
  for (const { from, to, share } of bins) {
    if (Math.abs(from / end - 1) > 1e-6 || Number.isNaN(end)) {
      if (!Number.isNaN(end)) parts.push(`V${round(bottom)}`)
      parts.push(`${parts.length === 0 ? 'M' : 'L'}${round(x(from))} ${round(bottom)}`)
    }
    parts.push(`V${round(y(share))}H${round(x(to))}`)
    end = to
  }
  return `${parts.join('')}V${round(bottom)}Z`
}

/** 1, 2 and 5 times powers of ten; only the powers over more than three decades. */
function logTicks(low: number, high: number): number[] {
  const digits = high / low > 1500 ? [1] : high / low > 4 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of digits) {
      const tick = digit * 10 ** power
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick)
    }
  }
  return ticks
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((step) => step >= rough * (1 - 1e-9)) ?? 10 * power
}

function short(value: number): string {
  return value >= 10_000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)))
}

function colour(i: number): string {
  return colours[i % colours.length] ?? '#0072b2'
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}"/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`
}
