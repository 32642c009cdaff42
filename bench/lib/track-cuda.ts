/**
 * `bench/track.ts --device cuda`: our tracker in each precision beside two in Python on the same GPU, plain float32 and float16 in channels_last,
 * all in turns within a round over the same decoded frames.
 */
import type { Config } from '../../lib/config/index.ts'
import type { Model } from '../../lib/engine/model.ts'
import type { TrackPrecision } from '../../lib/native/addon.ts'
import { median } from '../../lib/pipeline/median.ts'
import type { Box } from '../../lib/tracking/tracker.ts'
import { timingOf, type Timing } from './stats.ts'
import { OurSide, PythonSide, type FrameTime, type TrackFrame } from './track-sides.ts'

/** Frames a second from decoded frames that a tracker must reach on an H100. */
const wanted: Record<string, number> = { AlexNet: 600, GoogLeNet: 300 }

/** Half of our fp32 boxes must be this near to Python's, pixels: random weights let single cells swap, the crops are cut by other code. */
const tolerance = 0.5

const pythonTypes = ['float32', 'float16'] as const

export interface CudaRun {
  config: Config
  model: Model
  device: string
  backbone: string
  precisions: readonly TrackPrecision[]
  rounds: number
  threads: number
  /** How often the frames are gone through in a round. */
  repeat: number
  files: { weights: string; frames: string }
  frames: readonly TrackFrame[]
  say: (line: string) => void
}

interface Side {
  name: string
  run: (frames: readonly TrackFrame[]) => Promise<{ times: FrameTime[]; boxes: Box[] }>
  times: FrameTime[]
}

interface Row {
  /** Seconds of a frame: its pixels in memory → its box. */
  seconds: Pick<Timing, 'min' | 'median'>
  framesPerSecond: number
  /** Processor seconds of a frame, all threads. */
  cpuSeconds: number
  /** Median share of a frame outside of the network; seconds that the device worked. Ours only. */
  outside?: number
  deviceSeconds?: number
  /** Times as fast as each of the Python sides, by the medians and by the fastest frames. Ours only. */
  ratio?: Record<string, number>
  ratioMin?: Record<string, number>
}

/** @returns what is printed as JSON; `missed` when a target was */
export async function trackOnCuda(run: CudaRun): Promise<{ report: Record<string, unknown>; missed: boolean }> {
  const { frames, say } = run
  const [first] = frames as [TrackFrame]
  const opened: (Disposable | AsyncDisposable)[] = []
  try {
    const ours: Side[] = []
    for (const precision of run.precisions) {
      const side = await OurSide.create(run.config, run.model, precision, run.threads, first)
      opened.push(side)
      ours.push({ name: precision, run: (list) => side.run(list), times: [] })
    }
    const python: Side[] = []
    for (const dtype of pythonTypes) {
      const side = await PythonSide.create(run.files, frames, { backbone: run.backbone.toLowerCase(), threads: run.threads, device: run.device, dtype })
      opened.push(side)
      python.push({ name: dtype, run: (list) => side.run(list), times: [] })
    }
    const sides = [...ours, ...python]
    const boxes = new Map<string, Box[]>()
    for (const side of sides) boxes.set(side.name, (await side.run(frames)).boxes)
    const differences = differencesOf(boxes.get('fp32'), boxes.get('float32'))
    if (differences !== undefined && !(differences.median < tolerance)) throw new Error(`the two programs do not compute the same: half of the boxes differ by ${differences.median} px`)

    const list = Array.from({ length: run.repeat }, () => frames).flat()
    for (let round = 1; round <= run.rounds; round += 1) {
      const line: string[] = []
      for (const side of sides) {
        const { times } = await side.run(list)
        side.times.push(...times)
        line.push(`${side.name} ${(1000 * median(times.map(({ seconds }) => seconds))).toFixed(2)} ms`)
      }
      say(`round ${round}: ${line.join(', ')}`)
    }

    const baselines = new Map(python.map((side) => [side.name, rowOf(side.times)]))
    const rows = Object.fromEntries(ours.map((side) => [side.name, ratiosOf(rowOf(side.times), baselines)]))
    const best = Object.values(rows).reduce((a, b) => (b.framesPerSecond > a.framesPerSecond ? b : a))
    const fastestBaseline = Math.max(...[...baselines.values()].map((row) => row.framesPerSecond))
    const target = wanted[run.backbone]
    const report = {
      unit: 'frames/s',
      ours: best.framesPerSecond,
      baseline: fastestBaseline,
      ratio: best.framesPerSecond / fastestBaseline,
      target,
      device: run.device,
      backbone: run.backbone,
      graphs: process.env.SIAMFCPP_TRACK_GRAPH !== '0',
      precisions: rows,
      python: Object.fromEntries(baselines),
      fp32Difference: differences,
      threads: run.threads,
      framesOfRound: list.length,
    }
    return { report, missed: target !== undefined && best.framesPerSecond < target }
  } finally {
    for (const side of opened.reverse()) {
      if (Symbol.asyncDispose in side) await side[Symbol.asyncDispose]()
      else side[Symbol.dispose]()
    }
  }
}

/** Largest difference of each frame's box. */
function differencesOf(a: Box[] | undefined, b: Box[] | undefined): { median: number; largest: number } | undefined {
  if (a === undefined || b === undefined) return undefined
  const each = a.map((box, i) => Math.max(...box.map((value, k) => Math.abs(value - (b[i]?.[k] ?? Number.NaN)))))
  return { median: median(each), largest: Math.max(...each) }
}

function rowOf(times: readonly FrameTime[]): Row {
  const { min, median: middle } = timingOf(times.map(({ seconds }) => seconds))
  const of = (key: 'outside' | 'device'): number[] => times.flatMap((time) => time[key] ?? [])
  return {
    seconds: { min, median: middle },
    framesPerSecond: 1 / middle,
    cpuSeconds: median(times.map(({ cpu }) => cpu)),
    ...(of('outside').length === 0 ? {} : { outside: median(of('outside')), deviceSeconds: median(of('device')) }),
  }
}

function ratiosOf(row: Row, baselines: ReadonlyMap<string, Row>): Row {
  const each = (ratio: (other: Row) => number): Record<string, number> => Object.fromEntries([...baselines].map(([name, other]) => [name, ratio(other)]))
  return { ...row, ratio: each((other) => other.seconds.median / row.seconds.median), ratioMin: each((other) => other.seconds.min / row.seconds.min) }
}

/** For people. */
export function describeCuda(report: Record<string, unknown>): string {
  const { precisions, python, target, backbone } = report as { precisions: Record<string, Row>; python: Record<string, Row>; target?: number; backbone: string }
  const theirs = Object.entries(python).map(([name, { framesPerSecond }]) => `Python ${name}: ${framesPerSecond.toFixed(0)} frames/s`)
  const own = Object.entries(precisions).map(
    ([name, { framesPerSecond, seconds, ratio = {}, outside = 0, deviceSeconds = 0 }]) =>
      `${backbone} ${name}: ${framesPerSecond.toFixed(0)} frames/s (${(1000 * seconds.median).toFixed(2)} ms, fastest ${(1000 * seconds.min).toFixed(2)}; device ${(1000 * deviceSeconds).toFixed(2)} ms; outside of the network ${(100 * outside).toFixed(0)} %), ${Object.entries(ratio).map(([other, times]) => `${times.toFixed(2)} × ${other}`).join(', ')}`,
  )
  return `${[...own, ...theirs, ...(target === undefined ? [] : [`target: ${target} frames/s`])].join('\n')}\n`
}
