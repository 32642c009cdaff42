/**
 * A rank's side of `siamtrain train --nproc`: it knows its launcher by the channel between them. When the launcher is gone, however it went, the
 * channel closes, and the rank ends too: no process of a run outlives the command that started it.
 */
import { SiamError } from '../errors.ts'
import type { Environment } from './environment.ts'

/** Set by the launcher for its ranks: how many it started. */
export const launchedVariable = 'SIAMTRAIN_LAUNCHED'

/** What a rank tells its launcher about how it ends. */
export interface RankMessage {
  /** It ends only because another rank has: that one's exit code is the run's. */
  siamtrain: 'lost-others'
}

/** A rank without its launcher finishes its iteration and saves, as after SIGTERM; whoever is not done by then never will be. */
const lastWordsMs = 15_000

/** Whether this process is a rank that a launcher in its parent process started. */
export function isLaunched(env: Environment = process.env): boolean {
  return env[launchedVariable] !== undefined && process.channel !== undefined && process.channel !== null
}

/**
 * Ends this process when its launcher is gone: as SIGTERM does, and by SIGKILL when that takes too long.
 * @param rank  others than 0 print through the launcher: without it they go on silently, so that rank 0 can save
 */
export function endWithLauncher(rank: number): void {
  if (rank > 0) {
    for (const stream of [process.stdout, process.stderr]) {
      stream.removeAllListeners('error')
      stream.on('error', () => undefined)
    }
  }
  const end = (): void => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), lastWordsMs).unref()
    process.kill(process.pid, 'SIGTERM')
  }
  if (!process.connected) return end()
  process.once('disconnect', end)
  // The channel alone keeps no process alive.
  process.channel?.unref()
}

/** Tells the launcher, if there is one, that an error of this rank only follows from another's. */
export function tellLauncher(error: unknown): void {
  if (!(error instanceof SiamError) || error.code !== 'ERR_DISTRIBUTED' || !isLaunched() || !process.connected) return
  const message: RankMessage = { siamtrain: 'lost-others' }
  process.send?.(message, undefined, undefined, () => undefined)
}
