/**
 * The base class of everything that watches a training run: it sees the engine's state and, after each iteration, that iteration's data.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import type { EpochReport } from '../pipeline/epoch-report.ts'
import { nearestName } from '../registry.ts'

/** What monitors need of a progress bar; lib/engine/progress.ts makes one. */
export interface MonitorProgress {
  setDescription(description: string): void
  /** Prints a line without tearing the bar. */
  log(line: string): void
}

/**
 * The state of the engine (trainer), shared by reference: a monitor reads where the run is, and may leave text for the progress bar in
 * `print_str`. The keys are the original's.
 */
export interface EngineState {
  /** 0-based; −1 before the first epoch. */
  epoch: number
  max_epoch: number
  /** 0-based within the epoch. */
  iteration: number
  max_iteration: number
  /** Description of the progress bar, written by TextInfo. */
  print_str: string
  pbar?: MonitorProgress
  devices?: readonly string[]
  /** Peak memory of the device in bytes, where the device counts it; without it TextInfo shows the peak resident memory of the process. */
  max_memory_bytes?: () => number
  /** Curves of the device's memory, in bytes, where it counts it. */
  device_memory?: () => Record<string, number>
  /** Where messages of monitors go; without it, the progress bar, else standard error. */
  log?: (line: string) => void
  [key: string]: unknown
}

/** What one iteration brought. Scalars have been read from the device in one packed copy before the monitors run. */
export interface EngineData {
  /** What the optimizer scheduled: `{ lr }`. */
  schedule_info: Readonly<Record<string, number>>
  /** By loss name: cls, ctr, reg. */
  training_losses: Readonly<Record<string, number>>
  /** By loss name, then by the name of the extra: `{ cls: {}, ctr: {}, reg: { iou } }`. */
  extras: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Seconds of the stages data, fwd, bwd, optim; with `timer: event` on a GPU also fwd_device, bwd_device, optim_device. */
  time_dict: Readonly<Record<string, number>>
}

export type HyperParams = Record<string, unknown>

/** A class of monitors, as registered by name. */
export interface MonitorClass {
  new (): Monitor
  defaultHyperParams: HyperParams
}

/**
 * Base class of monitors. Life: constructor → setHyperParams → updateParams → init(engineState) once → update(engineData) after each
 * iteration that is due → epochEnd(report) after the last one of an epoch → close() when the run ends, also when it ends by an error.
 *
 * A sub-class names its hyper-parameters and their defaults in `static defaultHyperParams`; all have `every` besides.
 */
export abstract class Monitor {
  static defaultHyperParams: HyperParams = {}

  /** `every: n`: run at every n-th iteration only. Scalars are read from the device only when some monitor is due. */
  protected hyperParams: HyperParams & { every: number }
  #engineState: EngineState | undefined

  constructor() {
    const defaults = (this.constructor as unknown as { defaultHyperParams: HyperParams }).defaultHyperParams
    // Each monitor has a copy of its own: the original shared one dictionary between all instances of a class.
    this.hyperParams = { every: 1, ...structuredClone(defaults) }
  }

  getHyperParams(): Readonly<HyperParams> {
    return this.hyperParams
  }

  /** @throws ERR_CONFIG for a key that is not in the defaults, or a value of another type than its default's */
  setHyperParams(values: Readonly<HyperParams>): void {
    for (const [key, value] of Object.entries(values)) {
      if (!Object.hasOwn(this.hyperParams, key)) {
        const nearest = nearestName(key, Object.keys(this.hyperParams))
        throw new SiamError('ERR_CONFIG', `${this.constructor.name} has no hyper-parameter ${JSON.stringify(key)}`, {
          hint: nearest === undefined ? undefined : `did you mean ${JSON.stringify(nearest)}?`,
        })
      }
      const present = this.hyperParams[key]
      if (present !== null && present !== undefined && typeof present !== typeof value) {
        throw invalidArgument(`a ${typeof present}`, `${this.constructor.name}.${key}`, value, 'ERR_CONFIG')
      }
      this.hyperParams[key] = value
    }
    const { every } = this.hyperParams
    if (!Number.isSafeInteger(every) || every < 1) {
      throw invalidArgument('a whole number ≥ 1', `${this.constructor.name}.every`, every, 'ERR_CONFIG')
    }
  }

  /** Called once after the hyper-parameters are set: derive what depends on them. */
  updateParams(): void {}

  /** Called once before the first iteration. A sub-class that overrides it calls `super.init(engineState)`. */
  init(engineState: EngineState): void | Promise<void> {
    this.#engineState = engineState
  }

  /** Whether this monitor wants the given iteration (0-based within the epoch). */
  isDue(iteration: number): boolean {
    return iteration % this.hyperParams.every === 0
  }

  /** Called after each iteration that is due; the trainer awaits what it returns before the next iteration starts. */
  abstract update(engineData: EngineData): void | Promise<void>

  /**
   * Called at the end of an epoch, and where train() returned inside of one, with where the time of what was trained went; the trainer awaits it.
   * Not called when an error or a signal ended the epoch.
   */
  epochEnd(_report: EpochReport): void | Promise<void> {}

  /** Called when the run ends, also by an error or a signal. Must be safe to call twice and without init(). */
  close(): void | Promise<void> {}

  /** The state given to init(). @throws ERR_ARGUMENT before init() */
  protected get engineState(): EngineState {
    if (this.#engineState === undefined) {
      throw new SiamError('ERR_ARGUMENT', `${this.constructor.name}.update() was called before init(engineState)`)
    }
    return this.#engineState
  }

  /** Prints a line for the user, beside the progress bar where there is one. */
  protected log(line: string): void {
    const state = this.#engineState
    if (state?.log !== undefined) state.log(line)
    else if (state?.pbar !== undefined) state.pbar.log(line)
    else process.stderr.write(`${line}\n`)
  }
}
