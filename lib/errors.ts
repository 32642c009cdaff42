/**
 * The one error class of the product and its codes. Imports nothing, so that every layer may use it.
 */

/** Every code that a {@link SiamError} can carry; docs/errors.md explains each, test/ raises each. */
export const errorCodes = [
  'ERR_ARGUMENT', // a wrong call: CLI usage or a bad argument of the API
  'ERR_CONFIG', // a YAML file or an override is malformed, of the wrong type, or names something unknown
  'ERR_DATA', // frames, annotations or an index are missing, corrupt or inconsistent
  'ERR_CHECKPOINT', // a snapshot or weight file is corrupt, truncated, or of another model
  'ERR_SHAPE', // tensors do not fit together
  'ERR_DEVICE', // the requested device is not there
  'ERR_DEVICE_OOM', // the device has no memory left
  'ERR_DISTRIBUTED', // another process of a distributed run is gone, late, or has failed
  'ERR_NONFINITE', // a loss or a box became NaN or infinite
  'ERR_IO', // a file could not be read or written (permissions, disk full, …)
  'ERR_TORCH', // libtorch failed in a way that none of the above names
  'ERR_SETUP', // libtorch, the compiler or the built addon is missing
  'ERR_ABORTED', // an AbortSignal or a signal ended the work
  'ERR_DISPOSED', // a handle was used after dispose()
  'ERR_INTERNAL', // a bug of ours
] as const

export type ErrorCode = (typeof errorCodes)[number]

export interface SiamErrorOptions {
  /** The file that the error is about. */
  file?: string
  /** 1-based line in {@link file}. */
  line?: number
  /** What to do about it, one sentence. */
  hint?: string
  cause?: unknown
}

/**
 * An error that a user can act on: `code` for programs; the message says what failed, where, what was expected and what came.
 */
export class SiamError extends Error {
  override readonly name = 'SiamError'
  readonly code: ErrorCode
  readonly file: string | undefined
  readonly line: number | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: SiamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.file = options.file
    this.line = options.line
    this.hint = options.hint
  }

  /** The one-line form that the CLI prints: `ERR_DATA file:line: message (hint)`. */
  toLine(): string {
    const where = this.file === undefined ? '' : `${this.file}${this.line === undefined ? '' : `:${this.line}`}: `
    return `${this.code} ${where}${this.message}${this.hint === undefined ? '' : ` (${this.hint})`}`
  }
}

/** `Expected <what> for <name> but received <value> of type <t>`: the one form for a bad argument. */
export function invalidArgument(expected: string, name: string, actual: unknown, code: ErrorCode = 'ERR_ARGUMENT'): SiamError {
  return new SiamError(code, `Expected ${expected} for ${name} but received ${describe(actual)}`)
}

function describe(value: unknown): string {
  if (value === null) return 'null of type null'
  if (value === undefined) return 'undefined of type undefined'
  const type = Array.isArray(value) ? 'array' : typeof value
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes) of type object`
  let text: string
  try {
    // JSON has no NaN.
    if (Array.isArray(value) && value.every((part) => typeof part === 'number')) text = `[${value.join(',')}]`
    else text = JSON.stringify(value) ?? String(value)
  } catch {
    text = String(value)
  }
  return `${text.length > 80 ? `${text.slice(0, 77)}…` : text} of type ${type}`
}
