/** How busy a GPU is, as nvidia-smi counts it: the share of time in which a kernel ran. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface DeviceUse {
  /** Percent, over the samples taken. */
  mean: number
  min: number
  samples: number
  /** Watts. */
  meanPower: number
}

/** Samples every `intervalMs` until it is stopped. Where there is no nvidia-smi, stop() gives null. */
export class DeviceSampler implements Disposable {
  readonly #child: ChildProcess
  readonly #use: number[] = []
  readonly #power: number[] = []

  constructor(intervalMs = 200) {
    this.#child = spawn('nvidia-smi', ['--query-gpu=utilization.gpu,power.draw', '--format=csv,noheader,nounits', `--loop-ms=${intervalMs}`], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#child.on('error', () => {})
    if (this.#child.stdout === null) return
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const [use, power] = line.split(',').map(Number)
      if (use === undefined || power === undefined || !Number.isFinite(use)) return
      this.#use.push(use)
      this.#power.push(power)
    })
  }

  /** What was seen since the last call. */
  take(): DeviceUse | null {
    const [use, power] = [this.#use.splice(0), this.#power.splice(0)]
    if (use.length === 0) return null
    const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length
    return { mean: mean(use), min: Math.min(...use), samples: use.length, meanPower: mean(power) }
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}
