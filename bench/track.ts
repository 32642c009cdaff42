/**
 * Our tracker in each precision beside a tracker in Python (bench/python/track_baseline.py), in turns over the same decoded frames.
 *
 *   node bench/track.ts [--json] [--rounds 7] [--frames 8] [--threads 2] [--backbone AlexNet] [--precisions fp32,bf16,int8] [--weights FILE] [--check]
 *   node bench/track.ts --device cuda [--backbone GoogLeNet] [--frames 24] [--repeat 4] …      beside two trackers in Python on the GPU (lib/track-cuda.ts)
 *
 * The Python (torch 2.11, numpy, opencv) is SIAMFCPP_BENCH_PYTHON, else python3. Without --weights both sides get the same random ones. --check ends
 * with 1 when a target is missed. See docs/benchmarks.md and docs/precision.md.
 */
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { modelStateOf, readCheckpoint } from '../lib/checkpoint/index.ts'
import { loadConfig } from '../lib/config/index.ts'
import { buildModel } from '../lib/engine/builders.ts'
import type { TrackPrecision } from '../lib/native/addon.ts'
import { loadAddon, packageRoot } from '../lib/native/load.ts'
import { checkedDevice } from '../lib/native/device.ts'
import { checkedPrecision, checkPrecisionOn } from '../lib/tracking/precision.ts'
import { median } from '../lib/pipeline/median.ts'
import { readSource } from './lib/frame-sets.ts'
import { timingOf, type Timing } from './lib/stats.ts'
import { ScratchFolder, writeTensors } from './lib/step-inputs.ts'
import { describeCuda, trackOnCuda } from './lib/track-cuda.ts'
import { OurSide, PythonSide, type FrameTime, type TrackFrame } from './lib/track-sides.ts'

/** Backbones that the Python side knows, with their configurations. */
const backbones = { AlexNet: 'siamfcpp_alexnet-got10k.yaml', GoogLeNet: 'siamfcpp_googlenet-got10k.yaml', TinyConv: 'siamfcpp_tinyconv-got10k.yaml' } as const
type BackboneName = keyof typeof backbones

/** How many times as fast AlexNet must be, and the share of a frame's time that may lie outside of the network. */
const targets: Record<Exclude<TrackPrecision, 'fp16'>, number> = { fp32: 1.6, bf16: 3, int8: 4.5 }
const outsideTarget = 0.03

/** Largest difference between our fp32 box and Python's, pixels: nothing is timed that computes something else. */
const tolerance = 0.5

interface Row {
  /** Seconds of a frame. */
  ours: Timing
  baseline: Timing
  framesPerSecond: { ours: number; baseline: number }
  /** How many times as fast: by the medians, by the fastest frames, by the processor's time of the cheapest ones. */
  ratio: number
  ratioMin: number
  ratioCpu: number
  cpuSeconds: { ours: number; baseline: number }
  /** Median share of a frame's time outside of the network. */
  outside: number
  target: number
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '7' },
      frames: { type: 'string' },
      repeat: { type: 'string', default: '4' },
      device: { type: 'string', default: 'cpu' },
      threads: { type: 'string', default: '2' },
      backbone: { type: 'string', default: 'AlexNet' },
      precisions: { type: 'string' },
      weights: { type: 'string' },
      source: { type: 'string' },
    },
  })
  const device = checkedDevice(values.device, '--device')
  const onGpu = device !== 'cpu'
  const count = (name: 'rounds' | 'frames' | 'threads' | 'repeat', otherwise?: number): number => {
    const value = Number(values[name] ?? otherwise)
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`Expected an integer ≥ 1 for --${name} but received ${values[name]}`)
    return value
  }
  if (!Object.hasOwn(backbones, values.backbone)) throw new RangeError(`Expected ${Object.keys(backbones).join(' or ')} for --backbone but received ${values.backbone}`)
  return {
    rounds: count('rounds'),
    frames: count('frames', onGpu ? 24 : 8),
    repeat: count('repeat'),
    device,
    threads: count('threads'),
    backbone: values.backbone as BackboneName,
    precisions: (values.precisions ?? (onGpu ? 'fp32,bf16,fp16' : 'fp32,bf16,int8')).split(',').map((name) => {
      const precision = checkedPrecision(name as TrackPrecision)
      checkPrecisionOn(device, precision)
      return precision
    }),
    weights: values.weights,
    source: values.source ?? path.join(process.env.SIAMFCPP_SHARED ?? path.join(packageRoot(), '..', 'shared'), 'data', 'vot-bag'),
    json: values.json,
    check: values.check,
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  using scratch = new ScratchFolder()
  await loadAddon().setThreads(options.threads)
  const config = await loadConfig(path.join(packageRoot(), 'configs', backbones[options.backbone]), [], { onWarning: () => {} })
  const model = await buildModel(config, { part: 'test', pretrained: false, seed: 1, device: options.device })
  const { weights } = options
  if (weights !== undefined) await model.loadStateDict(modelStateOf(await readCheckpoint(weights)), { file: weights })
  const files = { weights: path.join(scratch.folder, 'weights.safetensors'), frames: path.join(scratch.folder, 'frames.bgr') }
  await writeTensors(files.weights, await model.stateDict())
  const frames: TrackFrame[] = readSource(options.source)
    .slice(0, options.frames)
    .map((frame, index) => ({ ...frame, index }))
  const [first] = frames
  if (first === undefined) throw new Error(`there are no frames in ${options.source}`)

  if (options.device !== 'cpu') {
    using _model = model
    const { report, missed } = await trackOnCuda({ ...options, config, model, files, frames, say })
    process.stdout.write(options.json ? `${JSON.stringify({ ...report, weights: weights ?? 'random' })}\n` : describeCuda(report))
    if (options.check && missed) process.exitCode = 1
    return
  }

  const ours = new Map<TrackPrecision, OurSide>()
  try {
    for (const precision of options.precisions) ours.set(precision, await OurSide.create(config, model, precision, options.threads, first))
    await using python = await PythonSide.create(files, frames, { backbone: options.backbone.toLowerCase(), threads: options.threads })
    const difference = await warmUp(ours, python, frames)

    const measured = new Map<TrackPrecision, { ours: FrameTime[]; python: FrameTime[] }>()
    for (const precision of options.precisions) measured.set(precision, { ours: [], python: [] })
    for (let round = 1; round <= options.rounds; round += 1) {
      const line: string[] = []
      for (const [precision, side] of ours) {
        const own = (await side.run(frames)).times
        const theirs = (await python.run(frames)).times
        measured.get(precision)?.ours.push(...own)
        measured.get(precision)?.python.push(...theirs)
        const middle = (times: FrameTime[]): number => median(times.map(({ seconds }) => seconds))
        line.push(`${precision} ${(1000 * middle(own)).toFixed(1)} ms, Python ${(1000 * middle(theirs)).toFixed(1)} ms`)
      }
      say(`round ${round}: ${line.join(' | ')}`)
    }

    const rows = Object.fromEntries([...measured].map(([precision, { ours: own, python: theirs }]) => [precision, rowOf(own, theirs, targets[precision as keyof typeof targets])])) as Record<TrackPrecision, Row>
    const head = rows[options.precisions[0] as TrackPrecision]
    const report = {
      unit: 'frames/s',
      ours: head.framesPerSecond.ours,
      baseline: head.framesPerSecond.baseline,
      ratio: head.ratio,
      precisions: rows,
      backbone: options.backbone,
      threads: options.threads,
      weights: weights ?? 'random',
      fp32Difference: difference,
      outsideTarget,
      machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length, load: os.loadavg()[0] },
    }
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(rows))
    const missed = Object.values(rows).some((row) => row.ratio < row.target || row.outside > outsideTarget)
    if (options.check && options.backbone === 'AlexNet' && missed) process.exitCode = 1
  } finally {
    for (const side of ours.values()) side[Symbol.dispose]()
    model.dispose()
  }
}

/** Every side once, untimed. @returns the largest difference between Python's boxes and ours in fp32, pixels */
async function warmUp(ours: ReadonlyMap<TrackPrecision, OurSide>, python: PythonSide, frames: readonly TrackFrame[]): Promise<number | undefined> {
  const theirs = (await python.run(frames)).boxes
  let difference: number | undefined
  for (const [precision, side] of ours) {
    const { boxes } = await side.run(frames)
    if (precision !== 'fp32') continue
    difference = Math.max(...boxes.flatMap((box, i) => box.map((value, k) => Math.abs(value - (theirs[i]?.[k] ?? Number.NaN)))))
    if (!(difference < tolerance)) throw new Error(`the two programs do not compute the same: boxes differ by ${difference} px`)
  }
  return difference
}

function rowOf(own: readonly FrameTime[], theirs: readonly FrameTime[], target: number): Row {
  const [ours, baseline] = [own, theirs].map((times) => timingOf(times.map(({ seconds }) => seconds))) as [Timing, Timing]
  const cpuSeconds = { ours: Math.min(...own.map(({ cpu }) => cpu)), baseline: Math.min(...theirs.map(({ cpu }) => cpu)) }
  return {
    ours,
    baseline,
    framesPerSecond: { ours: 1 / ours.median, baseline: 1 / baseline.median },
    ratio: baseline.median / ours.median,
    ratioMin: baseline.min / ours.min,
    ratioCpu: cpuSeconds.baseline / cpuSeconds.ours,
    cpuSeconds,
    outside: median(own.map(({ outside = 0 }) => outside)),
    target,
  }
}

function describe(rows: Record<string, Row>): string {
  const lines = Object.entries(rows).map(
    ([precision, { ours, baseline, framesPerSecond, ratio, ratioMin, ratioCpu, outside, target }]) =>
      `${precision}: ${framesPerSecond.ours.toFixed(1)} frames/s (${(1000 * ours.median).toFixed(1)} ms, fastest ${(1000 * ours.min).toFixed(1)}), Python ${framesPerSecond.baseline.toFixed(1)} (${(1000 * baseline.median).toFixed(1)} ms, ${(1000 * baseline.min).toFixed(1)}): ${ratio.toFixed(2)} times as fast (fastest frames ${ratioMin.toFixed(2)}, processor time ${ratioCpu.toFixed(2)}), target ≥ ${target}; outside of the network ${(100 * outside).toFixed(1)} %`,
  )
  return `${lines.join('\n')}\n`
}

try {
  await main()
} catch (error) {
  say(`bench track: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
