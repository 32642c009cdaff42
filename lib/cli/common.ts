/**
 * What every command shares: exit codes, signals, one-line errors, writing to pipes.
 */
import { signalOf } from '../distributed/stop.ts'
import { SiamError } from '../errors.ts'

/** Exit codes of `siamtrain`; after a signal it is 128 + the signal's number. */
export const exitCodes = { done: 0, failed: 1, wrongCall: 2, interrupted: 130, terminated: 143, brokenPipe: 141 } as const

let receivedSignal: 'SIGINT' | 'SIGTERM' | undefined
let receivedAtMs = 0

/** npm and npx pass a terminal's Ctrl-C on although the process got it already: what comes this soon is the same keypress. */
const sameSignalMs = 300

/**
 * Runs work with an AbortSignal that SIGINT and SIGTERM raise. The work finishes what it must (an iteration, a snapshot) and returns or
 * throws ERR_ABORTED; the process then ends with 130 or 143. A second signal ends it at once, as if nobody had listened: nothing is drained.
 *
 * @param stopping printed at once when a signal comes
 * @throws whatever work throws
 */
export async function withSignals<T>(work: (abort: AbortSignal) => Promise<T>, stopping?: string): Promise<T> {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT' && signal !== 'SIGTERM') return
    if (receivedSignal !== undefined) {
      if (performance.now() - receivedAtMs < sameSignalMs) return
      process.removeAllListeners('SIGINT')
      process.removeAllListeners('SIGTERM')
      process.kill(process.pid, signal)
      return
    }
    receivedSignal = signal
    receivedAtMs = performance.now()
    if (stopping !== undefined) process.stderr.write(`\n${stopping}\n`)
    controller.abort(new SiamError('ERR_ABORTED', `stopped by ${signal}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** @returns the exit code that a received signal asks for, or undefined when none came */
export function signalExitCode(): number | undefined {
  return codeOfSignal(receivedSignal)
}

/** The signal may have come to another process of a distributed run, which all of them stop for. */
function codeOfSignal(signal: 'SIGINT' | 'SIGTERM' | undefined): number | undefined {
  if (signal === undefined) return undefined
  return signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated
}

/** The reader of a pipe may leave early (`siamtrain … | head`): end quietly, as a program that SIGPIPE ends. */
export function surviveBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && stream === process.stdout) {
        reportError(new SiamError('ERR_IO', `the output could not be written: ${error.message}`), false)
        process.exit(exitCodes.failed)
      }
      process.exit(exitCodes.brokenPipe)
    })
  }
}

/**
 * Prints an error the way every command does and tells its exit code: `siamtrain: ERR_DATA file: message (hint)`, and the stack with
 * `debug`. What is not a {@link SiamError} is a bug of ours and says so.
 */
export function reportError(error: unknown, debug: boolean): number {
  const known = error instanceof SiamError ? error : new SiamError('ERR_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error, hint: 'run it again with --debug for the stack' })
  process.stderr.write(`siamtrain: ${printable(known.toLine().replaceAll('\n', ' '))}\n`)
  if (debug) {
    for (let at: unknown = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
      process.stderr.write(`${at instanceof Error ? at.stack : String(at)}\n`)
    }
  }
  if (known.code === 'ERR_ABORTED') return signalExitCode() ?? codeOfSignal(signalOf(known)) ?? exitCodes.failed
  return known.code === 'ERR_ARGUMENT' ? exitCodes.wrongCall : exitCodes.failed
}

/** Text from a file for a terminal: control characters, which could move its cursor or change its colours, as escapes. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, '0')}`)
}

/** @returns the candidate with the fewest edits from the word, if that is at most a third of its length (at least 2) */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i])
  for (let j = 1; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = cost
    }
  }
  return rows[a.length]![b.length]!
}
