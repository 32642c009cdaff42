/** Worker threads that decode frames: jobs are handed out in order, and answered when they are done. */
import { Worker } from 'node:worker_threads'
import { SiamError } from '../../errors.ts'
import type { FrameFact, FrameJob } from './verify-worker.ts'

interface Waiting {
  job: FrameJob
  resolve: (facts: FrameFact[]) => void
  reject: (error: Error) => void
}

export class DecoderPool implements AsyncDisposable {
  readonly #workers: Worker[] = []
  readonly #idle: Worker[] = []
  readonly #queue: Waiting[] = []
  readonly #running = new Map<Worker, Waiting>()
  #failure: Error | undefined

  readonly #onAbort: () => void
  readonly #signal: AbortSignal | undefined

  /**
   * @param threads  number of threads, at least 1
   * @param signal   when it aborts, jobs that no thread has begun are rejected with its reason
   */
  constructor(threads: number, signal?: AbortSignal) {
    this.#signal = signal
    this.#onAbort = () => {
      for (const waiting of this.#queue.splice(0)) waiting.reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    // The file's own suffix: .ts where the sources run as they are, .js in dist.
    const file = new URL(`./verify-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    for (let i = 0; i < threads; i += 1) {
      const worker = new Worker(file)
      worker.on('message', (facts: FrameFact[]) => this.#done(worker, facts))
      worker.on('error', (error) => this.#fail(error))
      worker.on('exit', (code) => this.#fail(new SiamError('ERR_INTERNAL', `a decoding thread ended with exit code ${code}`)))
      this.#workers.push(worker)
      this.#idle.push(worker)
    }
  }

  /** Reads and decodes files. @returns one fact a file, in their order @throws when a thread died, or the pool is closed */
  decode(files: readonly string[]): Promise<FrameFact[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#signal?.aborted === true) return Promise.reject(this.#signal.reason as Error)
    return new Promise((resolve, reject) => {
      this.#queue.push({ job: { files }, resolve, reject })
      this.#give()
    })
  }

  #give(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.pop() as Worker
      const waiting = this.#queue.shift() as Waiting
      this.#running.set(worker, waiting)
      worker.postMessage(waiting.job)
    }
  }

  #done(worker: Worker, facts: FrameFact[]): void {
    const waiting = this.#running.get(worker)
    this.#running.delete(worker)
    this.#idle.push(worker)
    waiting?.resolve(facts)
    this.#give()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of [...this.#running.values(), ...this.#queue.splice(0)]) waiting.reject(this.#failure)
    this.#running.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const worker of this.#workers) worker.removeAllListeners('exit')
    this.#fail(new SiamError('ERR_ABORTED', 'the decoding threads were stopped'))
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
