/** The two sides of bench/track.ts: our tracker and one in Python, over the same decoded frames. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Model } from '../../lib/engine/model.ts'
import type { Config } from '../../lib/config/index.ts'
import type { TrackPrecision } from '../../lib/native/addon.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import { SiamFCppTracker, type Box } from '../../lib/tracking/siamfcpp-tracker.ts'
import type { SourceFrame } from './frame-sets.ts'
import { LineProcess } from './line-process.ts'

/** What one frame took. */
export interface FrameTime {
  seconds: number
  /** Processor time of all threads. */
  cpu: number
  /** Share of `seconds` outside of the network: frame, crop, choice of the cell, the way to JavaScript and back. Ours only. */
  outside?: number
  /** Seconds that the device worked, by its own clock. Ours only, 0 on the CPU. */
  device?: number
}

/** Both sides start each frame from its annotated box, so that they cut the same crops whatever the weights are. */
export interface TrackFrame extends SourceFrame {
  index: number
}

export class OurSide implements Disposable {
  readonly #tracker: SiamFCppTracker

  private constructor(tracker: SiamFCppTracker) {
    this.#tracker = tracker
  }

  static async create(config: Config, model: Model, precision: TrackPrecision, threads: number, first: TrackFrame): Promise<OurSide> {
    const tracker = await buildTracker(config, { model, precision, threads })
    if (!(tracker instanceof SiamFCppTracker)) throw new Error(`expected a SiamFCppTracker but the configuration has a ${tracker.name}`)
    await tracker.init(pixels(first), first.box)
    return new OurSide(tracker)
  }

  async run(frames: readonly TrackFrame[]): Promise<{ times: FrameTime[]; boxes: Box[] }> {
    const times: FrameTime[] = []
    const boxes: Box[] = []
    for (const frame of frames) {
      const cpu = process.cpuUsage()
      const start = performance.now()
      boxes.push((await this.#tracker.update(pixels(frame), { prior: frame.box })).box)
      const seconds = (performance.now() - start) / 1000
      const used = process.cpuUsage(cpu)
      const { network_seconds: network, device_seconds: device, ...rest } = await this.#tracker.debug()
      if (network === undefined || device === undefined) throw new Error('the tracker does not tell how long its network took')
      const [[inside = 0], [worked = 0]] = await Promise.all([network.toTypedArray(), device.toTypedArray()])
      for (const tensor of [network, device, ...Object.values(rest)]) tensor.dispose()
      times.push({ seconds, cpu: (used.user + used.system) / 1e6, outside: 1 - Number(inside) / seconds, device: Number(worked) })
    }
    return { times, boxes }
  }

  [Symbol.dispose](): void {
    this.#tracker.dispose()
  }
}

function pixels({ data, width, height }: TrackFrame) {
  return { data, width, height, channels: 3, format: 'bgr' } as const
}

interface PythonReply {
  seconds: number[]
  cpu: number[]
  boxes: Box[]
}

export class PythonSide implements AsyncDisposable {
  readonly #process: LineProcess

  private constructor(process: LineProcess) {
    this.#process = process
  }

  /** @param files  weights (safetensors), and where to write the frames */
  static async create(files: { weights: string; frames: string }, frames: readonly TrackFrame[], options: { backbone: string; threads: number; device?: string; dtype?: string }): Promise<PythonSide> {
    const [first] = frames as [TrackFrame]
    writeFileSync(files.frames, Buffer.concat(frames.map(({ data }) => data)))
    const script = fileURLToPath(new URL('../python/track_baseline.py', import.meta.url))
    const python = new LineProcess(process.env.SIAMFCPP_BENCH_PYTHON ?? 'python3', [script], { ...process.env, PYTHONDONTWRITEBYTECODE: '1' })
    const made = new PythonSide(python)
    try {
      const { torch } = await python.ask<{ torch: string }>({ cmd: 'load', ...files, width: first.width, height: first.height, ...options })
      if (!torch.startsWith('2.11.')) throw new Error(`the baseline needs torch 2.11 (set SIAMFCPP_BENCH_PYTHON), this Python has ${torch}`)
      await python.ask({ cmd: 'init', frame: first.index, box: first.box })
      return made
    } catch (error) {
      await made[Symbol.asyncDispose]()
      throw error
    }
  }

  async run(frames: readonly TrackFrame[]): Promise<{ times: FrameTime[]; boxes: Box[] }> {
    const reply = await this.#process.ask<PythonReply>({ cmd: 'track', frames: frames.map(({ index, box }) => ({ index, box })) })
    return { times: reply.seconds.map((seconds, i) => ({ seconds, cpu: reply.cpu[i] as number })), boxes: reply.boxes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }
}
