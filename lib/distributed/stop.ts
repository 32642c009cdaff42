/** Why a run is to stop, as a number that ranks can compare and as the error that says it. */
import { SiamError } from '../errors.ts'

/** By their number; the larger one counts where ranks have different ones. */
const reasons = ['', 'an abort', 'SIGINT', 'SIGTERM'] as const

/** @returns 0 where the signal has not fired */
export function stopNumber(signal: AbortSignal | undefined): number {
  if (signal?.aborted !== true) return 0
  const name = signalOf(signal.reason)
  return name === undefined ? 1 : reasons.indexOf(name)
}

/** The error of a rank that stops because another one, which {@link stopNumber} is of, was told to. */
export function stoppedByOthers(number: number): SiamError {
  const reason = reasons[number] ?? reasons[1]
  const cause = reason === 'SIGINT' || reason === 'SIGTERM' ? new SiamError('ERR_ABORTED', `stopped by ${reason}`) : undefined
  return new SiamError('ERR_ABORTED', `training was stopped: another rank received ${reason}`, { cause })
}

/**
 * The signal of the operating system behind an ERR_ABORTED, on whichever rank it came: what the process's exit code is made of.
 * @returns undefined where it was none
 */
export function signalOf(error: unknown): 'SIGINT' | 'SIGTERM' | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const found = at instanceof SiamError && at.code === 'ERR_ABORTED' ? /^stopped by (SIGINT|SIGTERM)$/.exec(at.message) : null
    if (found !== null) return found[1] as 'SIGINT' | 'SIGTERM'
  }
  return undefined
}
