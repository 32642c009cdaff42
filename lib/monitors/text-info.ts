/** The line of text that describes an iteration, shown in front of the progress bar. */
import { Monitor, type EngineData } from './monitor.ts'
import { formatExponent, formatFixed, formatInteger } from './python-format.ts'

/**
 * Writes the original's `print_str` into the engine's state, character by character:
 * `epoch 0, lr: 1.0e-06, cls: 1.203, ctr: 0.512, reg: 2.304, iou: 0.312, data: 1.2e-03, fwd: …, bwd: …, optim: …,  max mem: 812.4M`.
 *
 * `max mem` is the device's peak where the engine counts it (`engine_state.max_memory_bytes`), else the peak resident memory of the process.
 */
export class TextInfo extends Monitor {
  override update(engineData: EngineData): void {
    const state = this.engineState
    state.print_str = formatPrintStr(state.epoch, engineData, (state.max_memory_bytes ?? peakResidentBytes)())
  }
}

/** Of `extras.optim`, there once something was skipped: iterations that were, because they were not finite or by the gradient scaler. */
const counts: ReadonlySet<string> = new Set(['skipped', 'scale_skips'])

/** @param maxMemoryBytes what the end of the line shows, in MiB */
export function formatPrintStr(epoch: number, engineData: EngineData, maxMemoryBytes: number): string {
  const { schedule_info, training_losses, extras, time_dict } = engineData
  let text = `epoch ${formatInteger(epoch)}, `
  for (const [key, value] of Object.entries(schedule_info)) text += `${key}: ${formatExponent(value, 1)}, `
  for (const [key, value] of Object.entries(training_losses)) text += `${key}: ${formatFixed(value, 3)}, `
  for (const extra of Object.values(extras)) {
    for (const [key, value] of Object.entries(extra)) text += `${key}: ${counts.has(key) ? formatInteger(value) : formatFixed(value, 3)}, `
  }
  for (const [key, value] of Object.entries(time_dict)) text += `${key}: ${formatExponent(value, 1)}, `
  return `${text} max mem: ${formatFixed(maxMemoryBytes / 1024 / 1024, 1)}M`
}

/** Most memory that the process has had resident so far, in bytes. */
export function peakResidentBytes(): number {
  return process.resourceUsage().maxRSS * 1024 // maxRSS is in KiB
}
