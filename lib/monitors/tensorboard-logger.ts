/** Writes every number of an iteration's data to TensorBoard. */
import path from 'node:path'
import { epochScalars, type EpochReport } from '../pipeline/epoch-report.ts'
import { Monitor, type EngineData } from './monitor.ts'
import { EventFileWriter } from './tfevents/index.ts'

/**
 * One curve for each number in the engine's data, its path as the tag: `schedule_info/lr`, `training_losses/cls`, `extras/reg/iou`,
 * `time_dict/data`; on a GPU `device_memory/allocated_bytes` and the like. The step is `iteration + epoch × max_iteration`.
 *
 * Besides, once an epoch, `pipeline/…`: where its time went (docs/observability.md), at the step of its last iteration.
 *
 * The files lie in `exp_save/exp_name/logs/tensorboard`. The writer is made at the first update and says that a session starts at that
 * step, so that TensorBoard forgets what a crashed run wrote beyond the snapshot that this one resumed from.
 */
export class TensorboardLogger extends Monitor {
  static override defaultHyperParams = {
    exp_name: '',
    exp_save: '',
    /** Derived in updateParams(). */
    log_dir: '',
    /** Most seconds that a value waits before it is in the file. */
    flush_secs: 10,
  }

  #writer: EventFileWriter | undefined

  override updateParams(): void {
    const { exp_save, exp_name } = this.hyperParams as unknown as { exp_save: string; exp_name: string }
    this.hyperParams.log_dir = path.join(exp_save, exp_name, 'logs/tensorboard')
  }

  /** Folder of the event files. */
  get logDir(): string {
    return this.hyperParams.log_dir as string
  }

  /** @throws ERR_IO when the file cannot be made or an earlier write failed (disk full) */
  override async update(engineData: EngineData): Promise<void> {
    const { epoch, max_epoch, iteration, max_iteration } = this.engineState
    const globalStep = iteration + epoch * max_iteration
    if (this.#writer === undefined) {
      this.#writer = await EventFileWriter.open(this.logDir, {
        purgeStep: globalStep,
        flushIntervalSeconds: this.hyperParams.flush_secs as number,
      })
      this.log(`Tensorboard writer built, starts recording from global_step=${globalStep}`)
      this.log(`epoch=${epoch}, max_epoch=${max_epoch}, iteration=${iteration}, max_iteration=${max_iteration}`)
    }
    // All values of an iteration carry one time, so that TensorBoard's wall-time axis lines the curves up.
    const wallTime = Date.now() / 1000
    addScalars(this.#writer, engineData, '', globalStep, wallTime)
    if (this.engineState.device_memory !== undefined) addScalars(this.#writer, this.engineState.device_memory(), 'device_memory', globalStep, wallTime)
    // A snapshot follows the end of an epoch: the curves up to there should outlive a crash as it does.
    if (iteration + this.hyperParams.every >= max_iteration) await this.#writer.flush()
  }

  /** @throws ERR_IO as update() */
  override async epochEnd(report: EpochReport): Promise<void> {
    // Without a writer no iteration was due: the curves have no first step that they could begin at.
    if (this.#writer === undefined) return
    const { epoch, iteration, max_iteration } = this.engineState
    const wallTime = Date.now() / 1000
    for (const [tag, value] of Object.entries(epochScalars(report))) this.#writer.addScalar(tag, value, iteration + epoch * max_iteration, wallTime)
    await this.#writer.flush()
  }

  override async close(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await writer?.close()
  }
}

function addScalars(writer: EventFileWriter, node: unknown, prefix: string, step: number, wallTime: number): void {
  if (typeof node === 'number') writer.addScalar(prefix, node, step, wallTime)
  else if (node instanceof Map || isPlainObject(node)) {
    for (const [key, value] of node instanceof Map ? node : Object.entries(node)) {
      addScalars(writer, value, prefix === '' ? String(key) : `${prefix}/${String(key)}`, step, wallTime)
    }
  }
  // Anything else (text, a list, a handle) is no curve.
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
