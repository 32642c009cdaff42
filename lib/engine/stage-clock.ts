/** Device time of the stages of an iteration (`timer: event`), beside the wall time that the host's timers measure. */
import type { NativeDeviceClock } from '../native/addon-cuda.ts'
import { loadAddon } from '../native/load.ts'

/** Stages that a device works on. `data` is the host's alone. */
const onDevice = new Set(['fwd', 'bwd', 'optim'])

export class StageClock implements Disposable {
  readonly #native: NativeDeviceClock

  constructor(native: NativeDeviceClock) {
    this.#native = native
  }

  /** @returns null where there is nothing to measure: `timer: wall`, and the CPU, whose time is the wall's */
  static for(timer: string, device: string): StageClock | null {
    return timer === 'event' && device !== 'cpu' ? new StageClock(loadAddon().createDeviceClock(device)) : null
  }

  /** Runs a stage between two marks in the device's stream. */
  async around<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    if (!onDevice.has(stage)) return work()
    this.#native.begin(stage)
    try {
      return await work()
    } finally {
      this.#native.end()
    }
  }

  /** Seconds as `fwd_device`, `bwd_device`, `optim_device` since the last call. Free after the losses were read: the device has come past them. */
  async take(): Promise<Record<string, number>> {
    return Object.fromEntries(Object.entries(await this.#native.take()).map(([stage, seconds]) => [`${stage}_device`, seconds]))
  }

  /** Forgets an iteration that nobody looks at. */
  drop(): void {
    this.#native.drop()
  }

  [Symbol.dispose](): void {
    this.#native.dispose()
  }
}
