/** Waiting until rank 0 can be reached: machines and pods start one by one. */
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SiamError } from '../errors.ts'

const firstPauseMs = 50
const longestPauseMs = 1000
/** A host that drops packets answers nothing; then the next attempt is due. */
const attemptMs = 5000

/**
 * Returns once something listens there, so that what then blocks a thread until it does need not.
 * @returns milliseconds of the time-out that are left
 * @throws ERR_DISTRIBUTED after the time-out, with what came of the last attempt; ERR_ABORTED when the signal fires
 */
export async function reachRank0(place: { rank: number; worldSize: number; address: string; port: number }, timeoutSeconds: number, signal?: AbortSignal): Promise<number> {
  const { rank, worldSize, address, port } = place
  const deadline = performance.now() + timeoutSeconds * 1000
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
    const left = deadline - performance.now()
    const failed = await attempt(address, port, Math.max(1, Math.min(attemptMs, left)), signal)
    if (signal?.aborted === true) throw new SiamError('ERR_ABORTED', `rank ${rank} of ${worldSize} was stopped while it waited for rank 0`, { cause: signal.reason })
    if (failed === undefined) return Math.max(1, deadline - performance.now())
    if (performance.now() >= deadline) {
      throw new SiamError('ERR_DISTRIBUTED', `rank ${rank} of ${worldSize} did not reach rank 0 at ${address}:${port} within ${timeoutSeconds} s: ${failed}`, {
        hint: 'is rank 0 running, are MASTER_ADDR and MASTER_PORT the same on all ranks, does a firewall let them through?',
      })
    }
    await sleep(Math.min(pause, Math.max(1, deadline - performance.now())), undefined, { signal }).catch(() => undefined)
  }
}

/** @returns why it failed, or undefined */
function attempt(host: string, port: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port })
    const end = (result?: string): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(result)
    }
    const onAbort = (): void => end('stopped')
    const timer = setTimeout(() => end('no answer'), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => end())
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}
