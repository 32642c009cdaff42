/** Wall-clock timing of the stages of a training loop. */

export interface TimerOptions {
  /** Key in {@link outputDict}, and what the printed line says. */
  name?: string
  /** Receives the elapsed seconds under {@link name}. */
  outputDict?: Record<string, number>
  /** Print the elapsed time when the timer stops. */
  verbose?: boolean
  /** Where a verbose timer prints; standard error by default. */
  log?: (line: string) => void
}

/**
 * Measures the time from its construction to the end of its scope:
 * ```
 * {
 *   using timer = new Timer({ name: 'data', outputDict: timeDict })
 *   batch = await loader.next()
 * }                                    // timeDict.data holds the seconds, also when the block threw
 * ```
 */
export class Timer implements Disposable {
  readonly name: string
  readonly #options: TimerOptions
  readonly #startMs: number
  #elapsedSeconds: number | undefined

  constructor(options: TimerOptions = {}) {
    this.name = options.name ?? ''
    this.#options = options
    this.#startMs = performance.now()
  }

  /** Seconds so far, or those measured once it has stopped. */
  get elapsedSeconds(): number {
    return this.#elapsedSeconds ?? (performance.now() - this.#startMs) / 1000
  }

  /** Ends the measurement; later calls change nothing. @returns the elapsed seconds */
  stop(): number {
    if (this.#elapsedSeconds === undefined) {
      this.#elapsedSeconds = this.elapsedSeconds
      const { outputDict, verbose, log } = this.#options
      if (outputDict !== undefined) outputDict[this.name] = this.#elapsedSeconds
      if (verbose === true) {
        const line = `${this.name} elapsed time: ${this.#elapsedSeconds.toFixed(6)}`
        if (log !== undefined) log(line)
        else process.stderr.write(`${line}\n`)
      }
    }
    return this.#elapsedSeconds
  }

  [Symbol.dispose](): void {
    this.stop()
  }
}

/**
 * Runs `work` and leaves the seconds that it took in `outputDict[name]`, also when it throws.
 * @returns what `work` returned
 */
export async function timed<T>(name: string, outputDict: Record<string, number>, work: () => T | Promise<T>): Promise<T> {
  const timer = new Timer({ name, outputDict })
  try {
    return await work()
  } finally {
    timer.stop()
  }
}
