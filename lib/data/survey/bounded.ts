/** Bounded parallelism over a stream, in no particular order of completion. */
import { SiamError } from '../../errors.ts'

/** Runs `work` on every item, at most `limit` at a time; after a failure or an abort none is begun, and those under way are waited for. */
export async function forEachBounded<T>(items: Iterable<T> | AsyncIterable<T>, limit: number, work: (item: T) => Promise<void>, signal?: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  try {
    for await (const item of items) {
      signal?.throwIfAborted()
      if (failure !== undefined) break
      const promise: Promise<void> = work(item).then(
        () => void running.delete(promise),
        (error: unknown) => {
          failure ??= { error }
          running.delete(promise)
        },
      )
      running.add(promise)
      if (running.size >= limit) await Promise.race(running)
    }
  } finally {
    await Promise.all(running)
  }
  signal?.throwIfAborted()
  if (failure !== undefined) throw failure.error instanceof Error ? failure.error : new SiamError('ERR_INTERNAL', String(failure.error))
}
