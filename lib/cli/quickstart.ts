/**
 * `siamtrain quickstart`: from nothing to a tracker that follows things, in minutes, with every file of it left to look at.
 */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidArgumentError, type Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { withSignals } from './common.ts'
import { heldOut, makeData, placesIn, track, train, writeOverlays } from './quickstart-steps.ts'
import type { DataResult, HeldOutSequence, Places, StepOptions, TrackingResult, TrainingResult } from './quickstart-steps.ts'
import { shellQuote } from './resume-command.ts'

interface QuickstartFlags {
  out: string
  fresh?: boolean
  device: string
  threads?: number
  json?: boolean
}

const configFile = fileURLToPath(new URL('../../configs/quickstart.yaml', import.meta.url))

/** What the whole did, as --json prints it. */
interface QuickstartReport {
  data: DataResult & { path: string }
  training: TrainingResult & { snapshot: string; tensorboard: string }
  tracking: { sequences: number; frames: number; framesPerSecond: number; untrained: { ao: number; weights: string }; trained: { ao: number; weights: string } }
  overlays: string[]
  seconds: number
  next: string
}

/** Adds `quickstart` to the program. */
export function registerQuickstartCommand(program: Command): void {
  program
    .command('quickstart')
    .description('Make a synthetic data set, train SiamFC++ on it, and track held-out sequences with the trained and the untrained weights.')
    .argument('[overrides...]', 'dotted.key=value, applied to configs/quickstart.yaml')
    .option('--out <folder>', 'where everything goes', 'quickstart')
    .option('--fresh', 'begin anew, without what an earlier call left in the folder')
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .option('--threads <n>', 'threads of libtorch (default: all cores)', positive)
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', '\nExample:\n  siamtrain quickstart --out /tmp/quickstart\n\nWhat is finished is reused by the next call; a call that was stopped is continued.')
    .action(async (overrides: string[], flags: QuickstartFlags) => {
      await withSignals(async (signal) => {
        const { report, places, sequences } = await run(overrides, flags, signal)
        process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : describe(report, places, sequences))
      })
    })
}

function positive(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Expected a positive integer.')
  return Number(text)
}

async function run(overrides: readonly string[], flags: QuickstartFlags, signal: AbortSignal): Promise<{ report: QuickstartReport; places: Places; sequences: HeldOutSequence[] }> {
  const started = performance.now()
  const places = placesIn(path.resolve(flags.out))
  const config = await loadConfig(
    configFile,
    [
      `train.track.data.exp_save=${places.snapshots}`,
      `train.track.trainer.RegularTrainer.exp_save=${places.snapshots}`,
      `train.track.trainer.monitors.TensorboardLogger.exp_save=${places.snapshots}`,
      `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${places.data}`,
      ...overrides,
    ],
    { onWarning: (warning) => process.stderr.write(`Warning: ${warningText(warning)}\n`) },
  )
  if (flags.fresh === true) await removeEarlier(places)
  const options: StepOptions = { places, signal, device: flags.device, threads: flags.threads }

  const data = await makeData(options)
  process.stderr.write(data.reused ? `Reusing the data set ${places.data}\n` : `Made the data set ${places.data} in ${data.seconds.toFixed(0)} s\n`)
  const training = await train(config, options)
  process.stderr.write(training.reused === 'finished' ? `Reusing the snapshot ${places.trained}\n` : `Trained in ${training.seconds.toFixed(0)} s\n`)
  const sequences = await heldOut(places)
  const untrained = await track(config, places.untrained, sequences, 'untrained', options)
  const trained = await track(config, places.trained, sequences, 'trained', options)
  const overlays = await writeOverlays(places, sequences, trained, untrained)
  const report = summarise({ places, data, training, sequences, untrained, trained, overlays, seconds: (performance.now() - started) / 1000 })
  return { report, places, sequences }
}

/** Removes what quickstart made, by name: the folder may hold other things. */
async function removeEarlier(places: Places): Promise<void> {
  for (const place of [places.data, places.snapshots, places.overlays, places.untrained, places.record, places.marker]) await rm(place, { recursive: true, force: true })
}

interface Parts {
  places: Places
  data: DataResult
  training: TrainingResult
  sequences: HeldOutSequence[]
  untrained: TrackingResult
  trained: TrackingResult
  overlays: string[]
  seconds: number
}

function summarise({ places, data, training, sequences, untrained, trained, overlays, seconds }: Parts): QuickstartReport {
  return {
    data: { ...data, path: places.data },
    training: { ...training, snapshot: places.trained, tensorboard: path.join(path.dirname(places.trained), 'logs', 'tensorboard') },
    tracking: {
      sequences: sequences.length,
      frames: sequences.reduce((sum, { frames }) => sum + frames.length, 0),
      framesPerSecond: trained.framesPerSecond,
      untrained: { ao: untrained.ao, weights: places.untrained },
      trained: { ao: trained.ao, weights: places.trained },
    },
    overlays,
    seconds,
    next: nextCommand(places, sequences),
  }
}

/** A command to type: the trained tracker on one of the held-out sequences, with a box for each frame. */
function nextCommand(places: Places, sequences: readonly HeldOutSequence[]): string {
  const shown = (file: string) => {
    const relative = path.relative(process.cwd(), file)
    return shellQuote(relative.startsWith('..') ? file : relative)
  }
  const sequence = sequences[0]
  if (sequence === undefined) return `npx siamtrain inspect ${shown(places.trained)}`
  const folder = shown(path.dirname(sequence.frames[0]!))
  return `npx siamtrain track ${folder} --config ${shown(configFile)} --weights ${shown(places.trained)} --init ${sequence.truth[0]?.join(',')} --out boxes.txt`
}

function describe(report: QuickstartReport, places: Places, sequences: readonly HeldOutSequence[]): string {
  const shown = (file: string) => path.relative(process.cwd(), file) || '.'
  const { data, training, tracking } = report
  const how = { no: `trained in ${training.seconds.toFixed(0)} s`, resumed: `an earlier call's training finished in ${training.seconds.toFixed(0)} s`, finished: 'reused from an earlier call' }[training.reused]
  return `
What was done, in ${report.seconds.toFixed(0)} s
  data      ${data.train} sequences to train on, ${data.val} held out, ${data.frames} frames${data.reused ? ' (reused from an earlier call)' : ''}
  training  ${training.iterations} iterations of SiamFC++ with a TinyConv backbone, loss ${training.firstLoss.toFixed(2)} to ${training.lastLoss.toFixed(2)} (${how})
  tracking  ${sequences.length} held-out sequences, ${tracking.frames} frames, ${tracking.framesPerSecond.toFixed(0)} frames/s

Mean overlap (AO) on the held-out sequences
  untrained weights  ${tracking.untrained.ao.toFixed(3)}
  trained weights    ${tracking.trained.ao.toFixed(3)}

Where it is
  snapshot     ${shown(training.snapshot)}
  TensorBoard  ${shown(training.tensorboard)}
  overlays     ${shown(places.overlays)} (amber: truth, green: trained, red: untrained)

Next
  ${report.next}
`
}
