/** Bounded parallelism that keeps the order. */

/**
 * Applies `fn` to every item with at most `concurrency` calls under way and yields the results in the items' order.
 * When the consumer stops early or `fn` fails, no further call is started and those under way are waited for.
 */
export async function* mapOrdered<T, R>(items: readonly T[], concurrency: number, fn: (item: T, index: number) => Promise<R>): AsyncGenerator<R> {
  const pending: Promise<R>[] = []
  let next = 0
  try {
    for (;;) {
      while (next < items.length && pending.length < concurrency) {
        const promise = fn(items[next] as T, next)
        // Its failure is met when its turn comes; until then it must not count as unhandled.
        promise.catch(() => undefined)
        pending.push(promise)
        next += 1
      }
      const head = pending.shift()
      if (head === undefined) return
      yield await head
    }
  } finally {
    await Promise.allSettled(pending)
  }
}
