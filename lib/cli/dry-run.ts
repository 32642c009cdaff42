/** `siamtrain train --dry-run`: the report as text or JSON, and its exit code. */
import { parseByteSize } from '../config/byte-size.ts'
import { annotatedTrainYaml, type Config } from '../config/index.ts'
import { dryRun, type DryRunProblem, type DryRunReport } from '../engine/dry-run.ts'
import { SiamError } from '../errors.ts'
import { binarySize } from '../native/device-errors.ts'
import { exitCodes } from './common.ts'
import type { TrainFlags } from './train.ts'

/** Prints what a run would do. Sets the exit code 1 when it would not start. @throws what {@link dryRun} throws */
export async function printDryRun(config: Config, flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const report = await dryRun(config, { device: flags.device, resume: flags.resume, overwrite: flags.overwrite, strict: flags.strict, workers: flags.workers, cacheBytes: parseByteSize(flags.cache), signal })
  const text = flags.json === true ? `${JSON.stringify(report)}\n` : dryRunText(report, annotatedTrainYaml(config))
  if (!process.stdout.write(text)) await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
  if (!report.ok) process.exitCode = exitCodes.failed
}

/** @param yaml the effective configuration */
export function dryRunText(report: DryRunReport, yaml: string): string {
  const sections: [title: string, lines: string[]][] = [
    ['Configuration (values that the file does not have are marked)', yaml.trimEnd().split('\n')],
    ['Network', networkLines(report)],
    ['Learning rate', scheduleLines(report)],
    ['Monitors', report.monitors.length === 0 ? ['none'] : report.monitors.map(({ name, params }) => `${name}  ${Object.entries(params).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(' ')}`.trimEnd())],
    ['Data', dataLines(report)],
    ['Output', outputLines(report)],
    ['Memory', memoryLines(report)],
    ['Result', resultLines(report)],
  ]
  return `${sections.map(([title, lines]) => `${title}\n${'-'.repeat(title.length)}\n${lines.join('\n')}`).join('\n\n')}\n`
}

/** Columns of text, numbers to the right. */
function table(head: string[], rows: string[][], right: readonly number[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] as string).length)))
  return [head, ...rows].map((row) => row.map((cell, column) => (right.includes(column) ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number))).join('  ').trimEnd())
}

const number = (value: number): string => value.toLocaleString('en-US')
const count = (value: number, noun: string): string => `${number(value)} ${noun}${value === 1 ? '' : 's'}`

function networkLines({ model, schedule, trainer, device }: DryRunReport): string[] {
  if (model === null) return ['it cannot be built, see below']
  const { totals, parameters, pretrained, backbone } = model
  const last = schedule?.max_epoch ?? 0
  const rows = parameters.map(({ name, shape, count, group, ratio, frozen_until }) => [
    name,
    shape.join('×') || 'scalar',
    number(count),
    group ?? '(none)',
    group === null ? '' : String(ratio),
    frozen_until === 0 ? '' : frozen_until === null ? (group === null ? 'never trained' : `all ${last} epochs`) : `epoch ${frozen_until}`,
  ])
  return [
    `${backbone} on ${device}, trained by ${trainer}`,
    ...(pretrained.length > 0 ? pretrained : ['Weights: random']),
    '',
    ...table(['parameter', 'shape', 'count', 'group', 'lr ×', 'frozen until'], rows, [2, 4]),
    '',
    `${number(totals.parameters)} parameters in ${totals.tensors} tensors; ${number(totals.trained_first_epoch)} of them train from the start. ${number(totals.buffers)} numbers in buffers.`,
  ]
}

/** Epochs beyond these are shortened to every tenth. */
const allEpochs = 60

function scheduleLines({ schedule }: DryRunReport): string[] {
  if (schedule === null) return ['it cannot be built, see below']
  const { epochs, groups, phases, max_epoch, num_iterations } = schedule
  const shown = epochs.filter(({ epoch }) => epochs.length <= allEpochs || epoch < 10 || epoch % 10 === 0 || epoch === epochs.length - 1)
  const rows = shown.map(({ epoch, first_lr, last_lr, frozen_tensors }) => [String(epoch), first_lr.toExponential(3), last_lr.toExponential(3), String(frozen_tensors)])
  return [
    `${max_epoch} epochs of ${number(num_iterations)} iterations`,
    ...phases.map((phase) => `  ${JSON.stringify(phase)}`),
    ...groups.map(({ name, ratio, tensors }) => `  group ${name}: ${tensors} tensors at the rate × ${ratio}`),
    '',
    ...table(['epoch', 'first rate', 'last rate', 'frozen tensors'], rows, [0, 1, 2, 3]),
  ]
}

function dataLines({ data }: DryRunReport): string[] {
  if (data === null) return ['the settings are wrong, see below']
  const rows = data.datasets.map(({ name, share, found, sequences, frames, root }) => [
    name,
    `${(100 * share).toFixed(1)} %`,
    found ? (sequences === null ? 'found' : `${count(sequences, 'sequence')}${frames === null ? '' : `, ${count(frames, 'frame')}`}`) : 'MISSING',
    root ?? '',
  ])
  return [
    `${number(data.samples_per_epoch)} pairs an epoch, ${data.batch_size} in a batch`,
    ...table(['data set', 'share', '', 'folder'], rows, [1]),
    ...data.datasets.flatMap(({ name, pack }) => (pack === undefined ? [] : [`${name}: from ${pack}`])),
    ...data.datasets.flatMap(({ name, problems }) => problems.map((line) => `${name}: ${line}`)),
  ]
}

function outputLines({ output }: DryRunReport): string[] {
  const { folder, snapshots, start, snapshot, epoch, iteration } = output
  const begin = start === 'new' ? 'Begins at epoch 0.' : `${start === 'finished' ? 'All epochs are done' : `Goes on at epoch ${epoch}, iteration ${iteration}`}${snapshot === null ? '' : `, from ${snapshot}`}.`
  return [`Snapshots go to ${folder}, which has ${snapshots.length === 0 ? 'none' : snapshots.slice(-5).join(', ')}.`, begin]
}

const memoryNames: readonly [key: string, name: string][] = [
  ['runtime_bytes', 'Node, libtorch, code'],
  ['parameters_bytes', 'parameters'],
  ['buffers_bytes', 'buffers'],
  ['momentum_bytes', 'momentum'],
  ['gradients_bytes', 'gradients'],
  ['activations_bytes', 'activations'],
  ['snapshot_bytes', 'copies for a snapshot'],
  ['reserve_bytes', "allocator's reserve"],
  ['loader_bytes', 'batches, decoding, cache'],
  ['total_bytes', 'in all'],
]

function memoryLines({ memory, device, device_memory: room }: DryRunReport): string[] {
  if (memory === null) return ['not estimated']
  const values = memory as unknown as Record<string, number>
  const measured = memory.measured.map(({ pairs }) => pairs).join(' and ')
  return [
    ...table(['', 'MB'], memoryNames.map(([key, name]) => [name, ((values[key] as number) / 1e6).toFixed(1)]), [1]),
    `For a minibatch of ${memory.minibatch} on the CPU, from steps measured with ${measured} pairs; within about 15 % of what a run takes.${device === 'cpu' ? '' : ` On ${device} weights and activations are the device's.`}`,
    ...(room === null ? [] : [`${device} is ${room.name} with ${binarySize(room.total_bytes)}${room.free_bytes === null ? '' : `, ${binarySize(room.free_bytes)} of it free`}.`]),
  ]
}

function resultLines({ ok, problems, warnings }: DryRunReport): string[] {
  const lines = warnings.map((warning) => `Warning: ${warning}`)
  if (ok) return [...lines, 'The run would start.']
  return [...lines, `The run would not start: ${problems.length === 1 ? 'one thing is' : `${problems.length} things are`} wrong or missing.`, ...problems.map((problem) => `  ${problem.part}: ${problemLine(problem)}`)]
}

function problemLine({ code, message, file, line, hint }: DryRunProblem): string {
  return new SiamError(code, message, { file, line, hint }).toLine()
}
