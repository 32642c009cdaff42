/** What the process that runs a test and its workers say to each other. */
import { SiamError, type ErrorCode } from '../../errors.ts'
import type { TrackPrecision } from '../../native/addon.ts'
import type { SequenceRun, SequenceTask } from './sequence-run.ts'

/** How a worker builds its tracker. */
export interface WorkerSetup {
  /** The configuration with its overrides, as plain data. */
  config: Readonly<Record<string, unknown>>
  weights: string
  ema: boolean
  device: string
  threads: number
  precision: TrackPrecision
  /** Modules that are imported first; they may call registerTracker(). */
  modules: readonly string[]
}

export type ToWorker = { kind: 'setup'; setup: WorkerSetup } | { kind: 'run'; task: SequenceTask }

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'broken'; error: PlainError }
  | { kind: 'frames'; count: number }
  | { kind: 'done'; run: SequenceRun }
  | { kind: 'failed'; error: PlainError }

/** An error between processes. */
export interface PlainError {
  code: ErrorCode
  message: string
  file: string | undefined
  line: number | undefined
  hint: string | undefined
  stack: string | undefined
}

export function toPlain(error: unknown): PlainError {
  const known = error instanceof SiamError ? error : new SiamError('ERR_INTERNAL', error instanceof Error ? error.message : String(error))
  return { code: known.code, message: known.message, file: known.file, line: known.line, hint: known.hint, stack: error instanceof Error ? error.stack : undefined }
}

export function fromPlain({ code, message, file, line, hint, stack }: PlainError): SiamError {
  const error = new SiamError(code, message, { file, line, hint })
  if (stack !== undefined) error.stack = stack
  return error
}
