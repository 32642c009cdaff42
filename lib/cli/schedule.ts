/** `siamtrain schedule`: learning rate and frozen parameters at every epoch and iteration, before anything is trained. */
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { loadConfig, requireTrain, trainerParams, warningText } from '../config/index.ts'
import type { Schedule } from '../engine/schedule.ts'
import { frozenSpans, iterationsOf, scheduleJson, scheduleOf } from '../engine/schedule.ts'
import { SiamError } from '../errors.ts'
import { scheduleChart } from './schedule-chart.ts'

interface ScheduleFlags {
  csv?: string
  json?: boolean
  svg?: string
  every: number
  model: boolean
}

const examples = `
Examples:
  siamtrain schedule configs/siamfcpp_alexnet-got10k.yaml
  siamtrain schedule my.yaml train.track.trainer.RegularTrainer.max_epoch=10 --svg schedule.svg
  siamtrain schedule my.yaml --csv - --every 100

JSON: {"max_epoch","num_iterations","lr":[[epoch,iteration,lr],…],"groups":[{"name","ratio","parameters"}],"frozen":{"0":[names],…},
"momentum","weight_decay","clip_grad_norm","clip_grad_value","accumulate_batches","minibatch","ema":{"decay","warmup","final_model"}|null};
lr is the base rate, a group trains at lr × ratio. Past the end of lr_policy the last rate is held.`

function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected an integer ≥ 1.')
  return value
}

export function registerScheduleCommand(program: Command): void {
  program
    .command('schedule')
    .description('show learning rate, parameter groups, frozen parameters, clipping, accumulation and averaging at every epoch and iteration')
    .argument('<config>', 'YAML file of the experiment')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .option('--csv <file>', "write one row for each iteration; '-' is standard output")
    .option('--json', 'print everything as JSON')
    .option('--svg <file>', "draw a chart; '-' is standard output")
    .option('--every <n>', 'rows and JSON for every n-th iteration of an epoch and its last', positiveInteger, 1)
    .option('--no-model', 'do without the names of parameters, which need the native addon')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], flags: ScheduleFlags) => {
      await schedule(config, overrides, flags)
    })
}

async function schedule(file: string, overrides: string[], flags: ScheduleFlags): Promise<void> {
  const toStdout = [flags.json === true && '--json', flags.csv === '-' && '--csv -', flags.svg === '-' && '--svg -'].filter((name) => name !== false)
  if (toStdout.length > 1) throw new SiamError('ERR_ARGUMENT', `${toStdout.join(' and ')} would both write to standard output`, { hint: 'give one of them a file' })
  const config = await loadConfig(file, overrides, { onWarning: (warning) => process.stderr.write(`Warning: ${warningText(warning)}\n`) })
  requireTrain(config)
  const parameters = flags.model ? await parametersOf(config) : []
  const plan = scheduleOf(config, parameters)

  if (flags.svg !== undefined) await put(flags.svg, scheduleChart(trainerParams(config).exp_name, plan, frozenSpans(config, plan, parameters)))
  if (flags.csv !== undefined) await put(flags.csv, csvText(plan, flags.every))
  if (flags.json === true) await put('-', `${JSON.stringify(scheduleJson(plan, flags.every))}\n`)
  if (flags.svg === undefined && flags.csv === undefined && flags.json !== true) await put('-', tableText(plan, flags.model))
}

/** The addon is loaded only when it is asked for: --no-model works without it. */
async function parametersOf(config: Parameters<typeof scheduleOf>[0]): Promise<string[]> {
  try {
    const { describeModelParameters } = await import('../engine/describe-model.ts')
    return await describeModelParameters(config)
  } catch (error) {
    if (!(error instanceof SiamError) || error.hint !== undefined) throw error
    throw new SiamError(error.code, error.message, { file: error.file, line: error.line, hint: '--no-model shows the rates without the names of parameters', cause: error })
  }
}

async function put(file: string, text: string): Promise<void> {
  if (file === '-') {
    if (!process.stdout.write(text)) await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
    return
  }
  await writeFileAtomically(file, async (write) => write(Buffer.from(text)))
  process.stderr.write(`Wrote ${file}\n`)
}

/** epoch, iteration, base rate, each group's rate, how many parameters are frozen, and the decay of the average where there is one. */
export function csvText(plan: Schedule, every: number): string {
  const names = plan.groups.map((group) => csvField(`lr_${group.name}`))
  const rows = [['epoch', 'iteration', 'lr', ...names, 'frozen_parameters', ...(plan.ema === null ? [] : ['ema_decay'])].join(',')]
  for (const [epoch, iteration] of iterationsOf(plan, every)) {
    const lr = plan.lrAt(epoch, iteration)
    const average = plan.ema === null ? [] : [plan.emaDecayAt(epoch, iteration)]
    rows.push([epoch, iteration, lr, ...plan.groups.map((group) => lr * group.ratio), (plan.frozen[epoch] as string[]).length, ...average].join(','))
  }
  return `${rows.join('\n')}\n`
}

function csvField(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** One line an epoch: each group's rate at its start and end, and what is frozen. */
export function tableText(plan: Schedule, withParameters: boolean): string {
  const { maxEpoch, numIterations, groups } = plan
  const out = [`${maxEpoch} epochs of ${numIterations} iterations`, ...optionLines(plan), '']
  const head = ['epoch', ...groups.map((group) => `${group.name} (× ${group.ratio}${withParameters ? `, ${group.parameters.length} tensors` : ''})`), ...(withParameters ? ['frozen tensors'] : [])]
  const rows = plan.frozen.map((frozen, epoch) => [
    String(epoch),
    ...groups.map(({ ratio }) => `${rate(plan.lrAt(epoch, 0) * ratio)} → ${rate(plan.lrAt(epoch, numIterations - 1) * ratio)}`),
    ...(withParameters ? [frozenCell(frozen, epoch === 0 ? [] : (plan.frozen[epoch - 1] as string[]))] : []),
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] as string).length)))
  for (const row of [head, ...rows]) out.push(row.map((cell, column) => (column === 0 ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number))).join('  ').trimEnd())
  return `${out.join('\n')}\n`
}

/** What is on of clipping, accumulation and averaging, in words; nothing where none is. */
export function optionLines(plan: Schedule): string[] {
  const { clipGradNorm, clipGradValue, accumulateBatches, minibatch, ema } = plan
  const lines: string[] = []
  if (accumulateBatches > 1) lines.push(`an iteration accumulates ${accumulateBatches} batches of ${minibatch} pairs`)
  const limits = [...(clipGradValue > 0 ? [`elements to ±${clipGradValue}`] : []), ...(clipGradNorm > 0 ? [`the total norm to ${clipGradNorm}`] : [])]
  if (limits.length > 0) lines.push(`gradients are clipped: ${limits.join(', then ')}`)
  if (ema !== null) {
    const warmup = ema.warmup > 1 ? ` (from ${shortDecay(plan.emaDecayAt(0, 0))} in a warm-up of ${ema.warmup})` : ''
    lines.push(`weights are averaged with a decay of ${ema.decay}${warmup}; final_model.pkl has ${ema.finalModel ? 'the average' : 'the weights of the last step'}`)
  }
  return lines
}

function shortDecay(decay: number): string {
  return String(Number(decay.toPrecision(3)))
}

/** The number of frozen tensors, and what changed since the epoch before. */
function frozenCell(frozen: readonly string[], before: readonly string[]): string {
  const now = new Set(frozen)
  const then = new Set(before)
  const thawed = before.filter((name) => !now.has(name))
  const added = frozen.filter((name) => !then.has(name))
  const changes = [...(thawed.length > 0 ? [`thaws ${short(thawed)}`] : []), ...(added.length > 0 ? [`freezes ${short(added)}`] : [])]
  return `${frozen.length}${changes.length === 0 ? '' : `  (${changes.join('; ')})`}`
}

function short(names: readonly string[]): string {
  return names.length > 2 ? `${names.slice(0, 2).join(', ')}, … (${names.length})` : names.join(', ')
}

function rate(value: number): string {
  return value.toExponential(2)
}
