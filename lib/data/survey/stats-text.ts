/** The statistics of data sets as text for a terminal. */
import type { DistributionSummary } from './distribution.ts'
import type { DatasetStats, DistributionName } from './stats.ts'

const rows: readonly { name: DistributionName; label: string; scale: number }[] = [
  { name: 'sequence_length', label: 'frames a sequence', scale: 1 },
  { name: 'box_width', label: 'box width, pixels', scale: 1 },
  { name: 'box_height', label: 'box height, pixels', scale: 1 },
  { name: 'box_size', label: 'box size √(w·h), pixels', scale: 1 },
  { name: 'relative_size', label: 'box size, % of the frame\'s', scale: 100 },
  { name: 'aspect_ratio', label: 'aspect ratio w/h', scale: 1 },
]
const columns = ['min', 'p5', 'median', 'p95', 'max', 'mean'] as const
const headings: Record<(typeof columns)[number], string> = { min: 'min', p5: '5 %', median: 'median', p95: '95 %', max: 'max', mean: 'mean' }
const bars = ' ▁▂▃▄▅▆▇█'
const barCells = 24

/** @returns lines for one data set, the last one ended */
export function statsText(stats: DatasetStats): string {
  const lines = [`${datasetTitle(stats)}: ${count(stats.sequences, 'sequence')}, ${count(stats.frames, 'frame')}`]
  if (stats.absentFrames > 0) lines.push(`  ${count(stats.absentFrames, 'frame')} without the target`)
  if (stats.badFrames + stats.badSequences > 0) lines.push(`  ${count(stats.badSequences, 'sequence')} and ${count(stats.badFrames, 'frame')} cannot be used: siamtrain data verify lists them`)
  if (stats.frameSizes.length > 0) lines.push(`  frame size  ${sizesText(stats)}`)
  if (stats.unknownFrameSizes > 0) lines.push(`  the first frame of ${count(stats.unknownFrameSizes, 'sequence')} cannot be read`)
  if (stats.distributions.sequence_length === null) return `${lines.join('\n')}\n`
  lines.push(`${' '.repeat(30)}${columns.map((column) => headings[column].padStart(9)).join('')}   from min to max, logarithmic`)
  for (const { name, label, scale } of rows) {
    const summary = stats.distributions[name]
    if (summary === null) continue
    lines.push(`  ${label.padEnd(28)}${columns.map((column) => number(summary[column] * scale).padStart(9)).join('')}   ${spark(summary)}`)
  }
  return `${lines.join('\n')}\n`
}

/** 'GOT10kDataset train', 'COCODataset val2017, train2017'. */
export function datasetTitle({ name, params }: Pick<DatasetStats, 'name' | 'params'>): string {
  const part = params['subset'] ?? (Array.isArray(params['subsets']) ? params['subsets'].join(', ') : undefined)
  return part === undefined ? name : `${name} ${String(part)}`
}

function sizesText({ frameSizes, sequences }: DatasetStats): string {
  const shown = frameSizes.slice(0, 3).map((size) => `${size.width}x${size.height} (${((100 * size.sequences) / sequences).toFixed(0)} %)`)
  const left = frameSizes.length - shown.length
  return `${shown.join(', ')}${left > 0 ? ` and ${count(left, 'other')}` : ''}`
}

/** The histogram in one line; the highest bar is the fullest cell. */
function spark({ histogram, min, max }: DistributionSummary): string {
  if (max <= min) return bars.at(-1) ?? ''
  const cells = Array.from({ length: barCells }, () => 0)
  const place = (value: number): number => Math.min(barCells - 1, Math.max(0, Math.floor((Math.log(value / min) / Math.log(max / min)) * barCells)))
  for (const { from, to, count: n } of histogram) {
    const [first, last] = [place(Math.max(from, min)), place(Math.min(to, max) * (1 - 1e-9))]
    for (let cell = first; cell <= last; cell += 1) cells[cell] = (cells[cell] ?? 0) + n / (last - first + 1)
  }
  const highest = Math.max(...cells)
  return cells.map((n) => bars[n === 0 ? 0 : Math.max(1, Math.round((n / highest) * 8))]).join('')
}

/** Three digits that count. */
function number(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return value >= 10 ? value.toFixed(1) : value.toPrecision(3).replace(/\.?0+$/, '')
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`
}
