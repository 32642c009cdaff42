/** A child process that answers one JSON line to each JSON line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface StepReply {
  /** Of each step. */
  seconds: number[]
  /** Processor seconds of all threads, each step; the Python side only. */
  cpu?: number[]
  /** Total loss of each step, or the three losses by name. */
  losses: Record<string, number>[]
}

export class LineProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #command: string
  readonly #lines: AsyncIterator<string>
  #stderr = ''

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#command = [command, ...args].join(' ')
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    this.#child.on('error', (error) => (this.#stderr += error.message))
    this.#child.stdin?.on('error', () => {})
    this.#child.stderr?.on('data', (text: Buffer) => (this.#stderr = (this.#stderr + text.toString()).slice(-2000)))
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  /** Sends a request and waits for its answer. @throws Error when the process reports one or ends */
  async ask<T>(request: Record<string, unknown>): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`${this.#command} ended without an answer: ${this.#stderr.trim() || 'no message'}`)
    const reply = JSON.parse(value) as T & { error?: string }
    if (reply.error !== undefined) throw new Error(`${this.#command}: ${reply.error}`)
    return reply
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#child.exitCode !== null || this.#child.pid === undefined ? Promise.resolve() : new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.end('{"cmd": "quit"}\n')
    await ended
  }
}
