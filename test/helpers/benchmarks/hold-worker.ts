/** Imported before a worker: it never hears of the sequence that HOLD_SEQUENCE names, and so a run stays there, to be stopped for certain. */
import type { ToWorker } from '../../../lib/evaluation/tester/messages.ts'

const emit = process.emit.bind(process) as (event: string, ...values: unknown[]) => boolean
const held = (event: string, message: unknown): boolean => {
  const said = message as ToWorker
  return event === 'message' && said.kind === 'run' && said.task.name === process.env.HOLD_SEQUENCE
}
process.emit = ((event: string, ...values: unknown[]) => (held(event, values[0]) ? true : emit(event, ...values))) as typeof process.emit
