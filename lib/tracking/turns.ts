/**
 * Calls that take their turns.
 */
export class Turns {
  /** Settles with the last call that was made. */
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` after all that came before it, whether they failed or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
