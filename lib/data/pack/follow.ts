/** Running the addon's jobs on packs. */
import type { NativePackJob } from '../../native/addon-pack.ts'

/** Runs a job, stops it at the signal, and tells its progress. */
export async function follow<Result>(job: NativePackJob<Result>, signal: AbortSignal | undefined, onProgress?: (progress: ReturnType<NativePackJob<Result>['progress']>) => void): Promise<Result> {
  signal?.throwIfAborted()
  const stop = (): void => job.stop()
  signal?.addEventListener('abort', stop, { once: true })
  const timer = onProgress === undefined ? undefined : setInterval(() => onProgress(job.progress()), 100)
  try {
    const result = await job.run()
    onProgress?.(job.progress())
    return result
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', stop)
  }
}
