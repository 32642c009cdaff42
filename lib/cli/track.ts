/**
 * `siamtrain track`: frames, weights and a box in the first frame → a box in every frame.
 */
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { loadConfig, warningText, type Config } from '../config/index.ts'
import { axisAlignedBox, centerToRect } from '../data/polygon.ts'
import { createProgress } from '../engine/progress.ts'
import { SiamError } from '../errors.ts'
import { meanOverlap } from '../evaluation/overlap.ts'
import type { TrackPrecision } from '../native/addon.ts'
import { checkedDevice } from '../native/device.ts'
import { type Frame } from '../tracking/frame.ts'
import { openFrames, type FrameSource } from '../tracking/frame-source.ts'
import { objectColor, OverlayWriter, truthColor, type DrawnBox } from '../tracking/overlay.ts'
import { precisionHelp, trackPrecisions } from '../tracking/precision.ts'
import { parseRawFormat, type RawFormat } from '../tracking/raw-frames.ts'
import { buildTracker, type TrackerOptions } from '../tracking/build.ts'
import { buildMultiObjectTracker } from '../tracking/multi-object.ts'
import { trackObjects, trackSequence } from '../tracking/runner.ts'
import { checkBox, type Box } from '../tracking/siamfcpp-tracker.ts'
import { withSignals } from './common.ts'
import { checkOutputs } from './track-outputs.ts'

export interface TrackFlags {
  config: string
  set?: string[]
  weights?: string
  ema?: boolean
  init?: Box[]
  groundtruth?: string
  out?: string
  overlay?: string
  fps?: number
  raw?: RawFormat
  device: string
  precision: TrackPrecision
  threads?: number
  json?: boolean
  quiet?: boolean
}

const examples = `
Examples:
  siamtrain track frames/ --config my.yaml --weights snapshots/my/epoch-19.pkl --init 120,80,64,48 --out boxes.txt
  siamtrain track 'clip/*.png' --config my.yaml --weights epoch-19.pkl --groundtruth clip/groundtruth.txt --overlay drawn/ --json
  siamtrain track clip.mp4 --config my.yaml --weights epoch-19.pkl --init 120,80,64,48 --overlay drawn.mp4
  camera | siamtrain track - --raw 640x480:rgb --config my.yaml --weights epoch-19.pkl --init 120,80,64,48 --json

SOURCE is a folder of .jpg, .png or .webp files, a pattern in quotes, the files themselves, a video (needs ffmpeg), or - for raw frames on standard
input. Frames of a folder or pattern are taken in the order of their names (2.jpg before 10.jpg). --overlay writes numbered images into a folder, or
an animation (.gif) or a video (.mp4, .webm, .mkv, .mov; needs ffmpeg). A box is x,y,w,h in pixels, x,y its left-top corner. --out has one box a line, the first being the
given one. With --json: {"frame","box","score","confidence","seconds"} for each frame, frame 0 being the first.
With several --init: lines of --out are frame,id,x,y,w,h, those of --json {"frame","objects":[{"id","box","score","confidence"}],"seconds"}; ids count from 0.`

export function registerTrackCommand(program: Command): void {
  program
    .command('track')
    .description('follow one target or several through images or a video')
    .argument('<source...>', 'folder, pattern, files, video, or - (standard input)')
    .requiredOption('--config <file>', 'YAML file of the experiment (its test.track part)')
    .option('--set <key=value>', 'override a key of the configuration; may be repeated', (text: string, before: string[] = []) => [...before, text])
    .option('--weights <file>', 'snapshot or weights: .pkl, .pth or .safetensors (default: the pretrain_model_path of the configuration)')
    .option('--ema', "track with the snapshot's averaged weights (a run with optim.ema)")
    .option('--init <x,y,w,h>', 'the target in the first frame (default: the first box of --groundtruth); may be repeated for several targets', (text: string, before: Box[] = []) => [...before, boxOf(text)])
    .option('--groundtruth <file>', 'the true boxes, one a line (x,y,w,h or four corners): prints the mean overlap, and --overlay draws them')
    .option('--out <file>', 'write the boxes, one a line')
    .option('--overlay <target>', 'write the frames with the boxes drawn on them: a folder, a .gif, or a video')
    .option('--fps <n>', "frames a second of an animation or video (default: the source video's, else 25)", rateOf)
    .option('--raw <form>', 'form of the frames on standard input: WIDTHxHEIGHT with :bgr (default), :rgb, :bgra, :rgba or :gray', rawOf)
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .addOption(new Option('--precision <type>', precisionHelp).choices(trackPrecisions).default('fp32'))
    .option('--threads <n>', 'threads of libtorch (default: all cores)', positive)
    .option('--json', 'one JSON line for each frame on standard output')
    .option('--quiet', 'no progress, only errors')
    .addHelpText('after', examples)
    .action(async (sources: string[], flags: TrackFlags) => {
      await withSignals((signal) => track(sources, flags, signal))
    })
}

async function track(sources: string[], flags: TrackFlags, signal: AbortSignal): Promise<void> {
  const say = flags.quiet === true ? (): void => {} : (line: string): void => void process.stderr.write(`${line}\n`)
  checkedDevice(flags.device, '--device')
  const source = await openFrames(sources, { raw: flags.raw, signal, onWarning: (text) => say(`Warning: ${text}`) })
  const truth = flags.groundtruth === undefined ? undefined : await readGroundTruth(flags.groundtruth)
  const inits = flags.init ?? truth?.slice(0, 1) ?? []
  if (truth !== undefined && inits.length > 1) throw new SiamError('ERR_ARGUMENT', 'Expected one --init with --groundtruth, which has the boxes of one target')
  if (inits.length === 0) throw new SiamError('ERR_ARGUMENT', 'Expected --init x,y,w,h (or --groundtruth FILE, whose first box is then taken)')
  if (truth !== undefined && source.exact && source.count !== undefined) checkTruth(truth, source.count, flags)
  const config = await loadConfig(flags.config, flags.set ?? [], { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  await checkOutputs(flags, [...source.files, ...[flags.groundtruth, flags.config, flags.weights].filter((file) => file !== undefined)])
  const { weights, ema, device, threads, precision } = flags
  const options = { weights, ema, device, threads, precision, log: say }
  const overlay = flags.overlay === undefined ? undefined : await OverlayWriter.create(flags.overlay, { fps: flags.fps ?? source.fps })

  const several = inits.length > 1
  const boxes: Box[][] = []
  let seconds = 0
  let image: Frame = ''
  const progress = createProgress({ total: source.count, description: 'track', unit: 'frame', mode: flags.quiet === true ? 'none' : 'auto' })
  try {
    for await (const step of followed(config, options, remembered(source, (frame) => (image = frame)), inits, signal)) {
      boxes.push(step.boxes)
      if (step.frame > 0) seconds += step.seconds
      if (flags.json === true) await printLine(JSON.stringify(step.line))
      if (overlay !== undefined) await overlay.write(step.frame, image, drawn(step.boxes, truth?.[step.frame]))
      progress.update()
    }
    if (boxes.length === 0) throw new SiamError('ERR_DATA', 'there are no frames', { file: sources[0] })
    if (truth !== undefined) checkTruth(truth, boxes.length, flags)
    await overlay?.close()
  } catch (error) {
    await overlay?.abort()
    if (signal.aborted && flags.out !== undefined) say(`Stopped after ${boxes.length}${source.exact ? ` of ${source.count}` : ''} frames; ${flags.out} was not written.`)
    throw error
  } finally {
    progress.close()
  }
  const { out } = flags
  const lines = boxes.flatMap((all, frame) => all.map((box, id) => (several ? `${frame},${id},${formatBox(box)}` : formatBox(box))))
  if (out !== undefined) await writeFileAtomically(out, (sink) => sink(Buffer.from(lines.map((line) => `${line}\n`).join(''))))
  if (flags.json !== true && out === undefined) for (const line of lines) await printLine(line)

  say(`Tracked ${boxes.length} ${boxes.length === 1 ? 'frame' : 'frames'}${boxes.length > 1 ? ` at ${((boxes.length - 1) / seconds).toFixed(1)} frames/s` : ''}${out === undefined ? '' : `; boxes in ${out}`}${overlay === undefined ? '' : `; drawn frames in ${overlay.target}`}`)
  if (truth !== undefined && boxes.length > 1) {
    say(`Mean overlap with ${flags.groundtruth}: ${meanOverlap(boxes.map(([box]) => box as Box), truth).toFixed(3)} over ${boxes.length - 1} frames (the first left out)`)
  }
}

interface Step {
  frame: number
  /** One a target, in the order of --init. */
  boxes: Box[]
  /** What --json prints. */
  line: object
  seconds: number
}

/** One target through the configured tracker, several through one that shares the network's calls. */
async function* followed(config: Config, options: TrackerOptions, frames: AsyncIterable<Frame>, inits: readonly Box[], signal: AbortSignal): AsyncGenerator<Step, void, undefined> {
  if (inits.length === 1) {
    using tracker = await buildTracker(config, options)
    for await (const step of trackSequence(tracker, frames, inits[0] as Box, { signal })) yield { frame: step.frame, boxes: [step.box], line: step, seconds: step.seconds }
    return
  }
  using tracker = await buildMultiObjectTracker(config, options)
  for await (const step of trackObjects(tracker, frames, inits, { signal })) yield { frame: step.frame, boxes: step.objects.map(({ box }) => box), line: step, seconds: step.seconds }
}

/** The source's frames one by one, each told to `take` when it is handed on: for who wants to see the frame of a step. */
async function* remembered(source: FrameSource, take: (frame: Frame) => void): AsyncGenerator<Frame, void, undefined> {
  for await (const frame of source.frames) {
    take(frame)
    yield frame
  }
}

function checkTruth(truth: readonly Box[], frames: number, { groundtruth }: TrackFlags): void {
  if (truth.length === frames) return
  throw new SiamError('ERR_DATA', `Expected a groundtruth box for each of the ${frames} frames but found ${truth.length}`, { file: groundtruth })
}

function drawn(boxes: readonly Box[], truth: Box | undefined): DrawnBox[] {
  return [...(truth === undefined ? [] : [{ box: truth, color: truthColor }]), ...boxes.map((box, id) => ({ box, color: objectColor(id) }))]
}

/** As the GOT-10k toolkit writes results. */
function formatBox(box: Box): string {
  return box.map((value) => value.toFixed(3)).join(',')
}

/** Boxes x,y,w,h, or VOT polygons, which become upright boxes by VOT's rule. */
async function readGroundTruth(file: string): Promise<Box[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new SiamError('ERR_IO', `the groundtruth cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
  }
  const lines = text.replace(/^\ufeff/, '').trimEnd().split(/\r?\n/)
  return lines.map((line, i) => {
    const numbers = line.trim().split(/\s*[,;\s]\s*/).map(Number)
    if ((numbers.length !== 4 && numbers.length !== 8) || !numbers.every(Number.isFinite)) {
      throw new SiamError('ERR_DATA', `Expected x,y,w,h or four corners but found ${JSON.stringify(line.slice(0, 60))}`, { file, line: i + 1 })
    }
    return numbers.length === 8 ? centerToRect(axisAlignedBox(numbers)) : (numbers as unknown as Box)
  })
}

function boxOf(text: string): Box {
  const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  try {
    return checkBox(numbers as unknown as Box, '--init')
  } catch {
    throw new InvalidArgumentError('Expected x,y,w,h: four numbers, the last two positive.')
  }
}

function rawOf(text: string): RawFormat {
  try {
    return parseRawFormat(text, '--raw')
  } catch {
    throw new InvalidArgumentError('Expected WIDTHxHEIGHT, with :bgr, :rgb, :bgra, :rgba or :gray behind it if need be.')
  }
}

function rateOf(text: string): number {
  const value = Number(text)
  // Slower, the formats of videos cannot say it.
  if (!(value >= 0.01 && value <= 1000)) throw new InvalidArgumentError('Expected a number of frames a second, from 0.01 to 1000.')
  return value
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected an integer ≥ 1.')
  return value
}

async function printLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
}
