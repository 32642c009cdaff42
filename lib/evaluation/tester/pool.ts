/**
 * Worker processes that take sequences one after the other. Processes, not threads: libtorch's number of threads is one for a whole process,
 * and a crash (or the kernel's memory killer) costs one sequence.
 */
import { fork, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import { fromPlain, type FromWorker, type ToWorker, type WorkerSetup } from './messages.ts'
import type { SequenceRun, SequenceTask } from './sequence-run.ts'

export interface PoolEvents {
  /** A sequence is finished. What this throws ends the run. */
  done(task: SequenceTask, run: SequenceRun): Promise<void>
  /** A sequence cannot be tracked; the others go on. */
  failed(task: SequenceTask, error: SiamError): void
  /** So many more frames of a sequence are tracked. */
  frames(task: SequenceTask, count: number): void
}

/** Beside this file, as source or compiled. */
const workerFile = new URL(`./worker${path.extname(import.meta.url)}`, import.meta.url)

/** Workers are started when they are first needed and kept until the pool is disposed. */
export class WorkerPool implements AsyncDisposable {
  readonly #size: number
  readonly #setup: WorkerSetup
  readonly #signal: AbortSignal | undefined
  readonly #stop = new AbortController()
  readonly #built: () => Promise<void>
  readonly #idle: Worker[] = []
  readonly #abort = (): void => this.#stop.abort(this.#signal?.reason)

  /** @param built  called after each worker has built its tracker; what it throws ends the run */
  constructor(size: number, setup: WorkerSetup, built: () => Promise<void>, signal?: AbortSignal) {
    this.#size = size
    this.#setup = setup
    this.#built = built
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort, { once: true })
    if (signal?.aborted === true) this.#abort()
  }

  /**
   * Tracks all sequences, in the given order as workers come free.
   * @throws what a worker's set-up or an event throws, the signal's reason once it is aborted; the pool is then of no more use
   */
  async track(tasks: readonly SequenceTask[], events: PoolEvents): Promise<void> {
    const queue = [...tasks]
    await Promise.all(Array.from({ length: Math.min(this.#size, queue.length) }, () => this.#live(queue, events)))
    this.#stop.signal.throwIfAborted()
  }

  /** Ends the workers and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort)
    await Promise.all(this.#idle.splice(0).map((worker) => worker.end()))
  }

  /** One place in the pool: a worker, and another one after each that dies. The first failure of the run itself stops all. */
  async #live(queue: SequenceTask[], events: PoolEvents): Promise<void> {
    const { signal } = this.#stop
    try {
      while (queue.length > 0 && !signal.aborted) {
        const worker = await this.#worker()
        try {
          for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
            const current = task
            const outcome = await worker.run(current, (count) => events.frames(current, count))
            if (signal.aborted) break
            if ('error' in outcome) events.failed(current, outcome.error)
            else await events.done(current, outcome.run)
            if (worker.gone) break
          }
        } finally {
          if (worker.gone || signal.aborted) await worker.end()
          else this.#idle.push(worker)
        }
      }
    } catch (error) {
      this.#stop.abort(error)
    }
  }

  async #worker(): Promise<Worker> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (!idle.gone) return idle
    const worker = new Worker(this.#stop.signal)
    try {
      await worker.setUp(this.#setup)
      await this.#built()
    } catch (error) {
      await worker.end()
      throw error
    }
    return worker
  }
}

class Worker {
  readonly #child: ChildProcess
  readonly #exit: Promise<void>
  #answer: ((message: FromWorker | { kind: 'gone'; how: string }) => void) | undefined
  #onFrames: ((count: number) => void) | undefined
  #how: string | undefined

  constructor(signal: AbortSignal) {
    // Output of a worker is no result: it goes where messages go.
    this.#child = fork(workerFile, [], { execArgv: [], stdio: ['ignore', 2, 2, 'ipc'], serialization: 'advanced' })
    const kill = (): void => void this.#child.kill('SIGKILL')
    signal.addEventListener('abort', kill, { once: true })
    this.#exit = new Promise((resolve) => {
      const gone = (how: string): void => {
        signal.removeEventListener('abort', kill)
        this.#how ??= how
        this.#answer?.({ kind: 'gone', how: this.#how })
        resolve()
      }
      this.#child.once('exit', (code, name) => gone(name === null ? `ended with exit code ${code}` : `was ended by ${name}`))
      this.#child.once('error', (error) => gone(`could not be started: ${error.message}`))
    })
    this.#child.on('message', (message: FromWorker) => {
      if (message.kind === 'frames') this.#onFrames?.(message.count)
      else this.#answer?.(message)
    })
    if (signal.aborted) kill()
  }

  /** Whether the process has ended by itself. */
  get gone(): boolean {
    return this.#how !== undefined
  }

  /** @throws what building the tracker throws, ERR_INTERNAL when the process dies of it */
  async setUp(setup: WorkerSetup): Promise<void> {
    const answer = await this.#ask({ kind: 'setup', setup })
    if (answer.kind === 'broken') throw fromPlain(answer.error)
    if (answer.kind !== 'ready') throw new SiamError('ERR_INTERNAL', `a worker ${this.#how ?? 'said something unexpected'} before it had built its tracker`, { hint: 'fewer workers need less memory' })
  }

  async run(task: SequenceTask, onFrames: (count: number) => void): Promise<{ run: SequenceRun } | { error: SiamError }> {
    this.#onFrames = onFrames
    const answer = await this.#ask({ kind: 'run', task })
    if (answer.kind === 'done') return { run: answer.run }
    if (answer.kind === 'failed') return { error: fromPlain(answer.error) }
    return { error: new SiamError('ERR_INTERNAL', `the worker that tracked it ${this.#how ?? 'said something unexpected'}`, { hint: 'if memory ran out: fewer workers need less' }) }
  }

  /** Ends the process and waits for that. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exit
  }

  #ask(message: ToWorker): Promise<FromWorker | { kind: 'gone'; how: string }> {
    return new Promise((resolve) => {
      this.#answer = resolve
      if (this.#how !== undefined) resolve({ kind: 'gone', how: this.#how })
      // Its failure comes with the end of the process, which is told above.
      else this.#child.send(message, () => {})
    })
  }
}
