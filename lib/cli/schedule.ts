/** `siamtrain schedule`: learning rate and frozen parameters at every epoch and iteration, before anything is trained. */
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { loadConfig, requireTrain, trainerParams, warningText } from '../config/index.ts'
import { frozenSpans, scheduleJson, scheduleOf } from '../engine/schedule.ts'
import { SiamError } from '../errors.ts'
import { scheduleChart } from './schedule-chart.ts'
import { csvText, tableText } from './schedule-text.ts'

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
