/** `siamtrain synth`: a data set in GOT-10k's layout, made here. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { makeSyntheticDataset, synthDefaults, type SynthReport } from '../data/synth/index.ts'
import { type ProgressBar, createProgress } from '../engine/progress.ts'
import { withSignals } from './common.ts'

interface SynthFlags {
  sequences: number
  val: number
  frames: number
  size: [number, number]
  seed: number
  quality: number
  threads?: number
  force?: boolean
  json?: boolean
}

/** Adds `synth` to the program. */
export function registerSynthCommand(program: Command): void {
  program
    .command('synth')
    .description('Make a synthetic data set in GOT-10k layout: textured objects that move, turn, bend and get hidden, with their boxes.')
    .argument('<out>', 'folder to make')
    .option('--sequences <n>', 'training sequences', integer, synthDefaults.sequences)
    .option('--val <n>', 'validation sequences, of other object classes', integer, synthDefaults.val)
    .option('--frames <n>', 'frames of each sequence', integer, synthDefaults.frames)
    .addOption(new Option('--size <WxH>', 'size of the frames in pixels').argParser(size).default([synthDefaults.width, synthDefaults.height], `${synthDefaults.width}x${synthDefaults.height}`))
    .option('--seed <n>', 'the same seed gives the same data set', integer, synthDefaults.seed)
    .option('--quality <n>', 'JPEG quality, 1 to 100', integer, synthDefaults.quality)
    .option('--threads <n>', 'worker threads (default: one for each core)', integer)
    .option('--force', 'replace OUT if it is there')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExample:\n  siamtrain synth datasets/synth --sequences 60 --frames 80 --size 480x360 --seed 1\n\nThe data set is complete or not there: it is written beside OUT and renamed at the end.')
    .action(async (out: string, flags: SynthFlags) => {
      const report = await withSignals((signal) => make(out, flags, signal))
      process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : describe(report))
    })
}

async function make(out: string, flags: SynthFlags, signal: AbortSignal): Promise<SynthReport> {
  let progress: ProgressBar | undefined
  // The bar comes with the first frame: a refused call shows none.
  const onProgress = (_done: number, total: number): void => {
    progress ??= createProgress({ total, description: 'synth', unit: 'frame' })
    progress.update()
  }
  try {
    const { sequences, val, frames, seed, quality, threads, force } = flags
    const [width, height] = flags.size
    return await makeSyntheticDataset({ out, sequences, val, frames, width, height, seed, quality, threads, force, signal, onProgress })
  } finally {
    progress?.close()
  }
}

function describe(report: SynthReport): string {
  const { train, val } = report
  const count = (n: number, noun: string): string => `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : noun.endsWith('s') ? 'es' : 's'}`
  const lines = [
    `Made ${report.out} (seed ${report.seed}, ${report.width}x${report.height}, ${(report.bytes / 1e6).toFixed(1)} MB) in ${report.seconds.toFixed(1)} s, ${report.framesPerSecond.toFixed(0)} frames/s`,
    `  train  ${count(train.sequences, 'sequence')}, ${count(train.frames, 'frame')}, ${count(train.objectClasses, 'object class')}`,
    `  val    ${count(val.sequences, 'sequence')}, ${count(val.frames, 'frame')}, ${count(val.objectClasses, 'object class')}, none of them in train`,
    `  target more than a quarter hidden in ${count(report.occludedFrames, 'frame')}`,
    `Use it: train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${report.out}`,
  ]
  return `${lines.join('\n')}\n`
}

function integer(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw new InvalidArgumentError('Expected a non-negative integer.')
  return Number(text)
}

function size(text: string): [number, number] {
  const match = /^(\d+)[xX×](\d+)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Expected WIDTHxHEIGHT, such as 480x360.')
  return [Number(match[1]), Number(match[2])]
}
