/**
 * Starts the processes of a run on this machine, passes signals on, and ends them all when one fails.
 *
 * Each rank is in a process group of its own: a Ctrl-C on the terminal reaches the launcher alone, which passes it on once. Rank 0 has the
 * launcher's standard output and error; what the others print goes to standard error, line by line, with `[rank N]` in front.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import os from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Environment } from './environment.ts'
import { launchedVariable, type RankMessage } from './launched.ts'

export interface LaunchOptions {
  /** How many ranks. */
  processes: number
  /** The program of every rank and its arguments. */
  command: readonly [program: string, ...args: string[]]
  /** Where ranks meet on this machine. */
  port: number
  env: Environment
  /** Where what the launcher and ranks other than 0 say goes; whole lines. */
  say: (line: string) => void
  /** How long the others may take to end by themselves when one has failed. Default 10. */
  graceSeconds?: number
  /** How long they then have after SIGTERM before SIGKILL. Default 5. */
  termSeconds?: number
}

interface Rank {
  readonly rank: number
  readonly child: ChildProcess
  /** Exit code, 128 + number for a signal; undefined while it runs. */
  code?: number
  /** How it ended, for the user; '' where that needs no word: it was told to stop, or its reader has left. */
  how: string
  /** All that it printed and told the launcher is here. */
  closed: boolean
  /** It ends only because another one has: it said so, or the launcher stopped it. */
  follows: boolean
}

/** npm and npx pass a terminal's Ctrl-C on although we have got it: what comes this soon is the same keypress. */
const sameSignalMs = 300
/** Standard output's reader has left: nothing more is to be said. */
const brokenPipe = 141

/**
 * @returns the exit code of the run: 0 where all ranks ended with 0, else that of the rank that failed first (not that of one that only lost
 *   it); 128 + number for a rank that a signal ended
 * @throws what spawn() throws; no rank is left then
 */
export async function launch(options: LaunchOptions): Promise<number> {
  const launcher = new Launcher(options)
  return launcher.run()
}

class Launcher {
  readonly #options: LaunchOptions
  readonly #ranks: Rank[] = []
  /** In the order in which they ended. */
  readonly #ended: Rank[] = []
  readonly #timers: NodeJS.Timeout[] = []
  #signalAtMs = -Infinity
  #signalled = false
  #ending = false
  #named = false

  constructor(options: LaunchOptions) {
    this.#options = options
  }

  async run(): Promise<number> {
    const onSignal = (signal: NodeJS.Signals): void => this.#passOn(signal)
    const onExit = (): void => this.#killAll('SIGKILL')
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    process.on('exit', onExit)
    try {
      await Promise.all(Array.from({ length: this.#options.processes }, (_, rank) => this.#start(rank)))
    } catch (error) {
      this.#killAll('SIGKILL')
      throw error
    } finally {
      for (const timer of this.#timers) clearTimeout(timer)
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      process.off('exit', onExit)
    }
    const first = this.#cause() ?? this.#ended.find(({ code }) => code !== 0)
    if (first !== undefined) this.#name(first)
    return first?.code ?? 0
  }

  /** Resolves when the rank has ended and all that it printed is out. */
  #start(rank: number): Promise<void> {
    const { command, processes, port, env } = this.#options
    const [program, ...args] = command
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', rank === 0 ? 'inherit' : 'pipe', rank === 0 ? 'inherit' : 'pipe', 'ipc'],
      env: { ...withoutElastic(env), RANK: String(rank), WORLD_SIZE: String(processes), LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: String(processes), MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port), [launchedVariable]: String(processes) },
    })
    const entry: Rank = { rank, child, how: '', closed: false, follows: false }
    this.#ranks.push(entry)
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) this.#prefix(rank, stream)
    child.on('message', (message: Partial<RankMessage> | null) => {
      if (message?.siamtrain === 'lost-others') entry.follows = true
    })
    return new Promise((resolve, reject) => {
      child.on('error', (error) => {
        // Once it runs, errors are those of sending to it or of signals that come too late.
        if (child.pid === undefined) reject(error)
      })
      child.on('exit', (code, signal) => this.#onExit(entry, code ?? 128 + (os.constants.signals[signal as NodeJS.Signals] ?? 0), signal))
      child.on('close', () => {
        entry.closed = true
        // Not at its exit: only now is it known whether it told that it follows another one.
        const cause = this.#cause()
        if (cause?.closed === true) this.#name(cause)
        resolve()
      })
    })
  }

  #prefix(rank: number, stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
      if (line !== '') this.#options.say(line.startsWith('[rank ') ? line : `[rank ${rank}] ${line}`)
    })
  }

  #onExit(entry: Rank, code: number, signal: NodeJS.Signals | null): void {
    entry.code = code
    this.#ended.push(entry)
    // Ranks that were told to stop all do, and save together first.
    const told = this.#signalled && (code === 130 || code === 143)
    if (!told && code !== brokenPipe) entry.how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
    if (code !== 0 && !this.#ending) this.#endOthers(code === brokenPipe)
  }

  /** Says which rank decides the run's exit code, once. */
  #name({ rank, how }: Rank): void {
    if (!this.#named && how !== '') this.#options.say(`siamtrain: rank ${rank} ${how}`)
    this.#named = true
  }

  /** One has failed: the others notice, say so and end; whoever does not is made to. */
  #endOthers(atOnce: boolean): void {
    this.#ending = true
    if (atOnce) {
      for (const entry of this.#running()) entry.follows = true
      return this.#killAll('SIGKILL')
    }
    const { graceSeconds = 10, termSeconds = 5, say } = this.#options
    this.#after(graceSeconds, () => {
      for (const entry of this.#running()) {
        entry.follows = true
        say(`siamtrain: rank ${entry.rank} still runs ${graceSeconds} s after another one has ended: it is stopped`)
      }
      this.#killAll('SIGTERM')
      this.#after(termSeconds, () => this.#killAll('SIGKILL'))
    })
  }

  #passOn(signal: NodeJS.Signals): void {
    const now = performance.now()
    if (now - this.#signalAtMs < sameSignalMs) return
    this.#signalAtMs = now
    this.#killAll(signal)
    // A second one ends ranks at once, as it ends a single process.
    if (this.#signalled) this.#after(this.#options.termSeconds ?? 5, () => this.#killAll('SIGKILL'))
    this.#signalled = true
  }

  /** The first that failed on its own account. */
  #cause(): Rank | undefined {
    return this.#ended.find(({ code, follows }) => code !== 0 && !follows)
  }

  #running(): Rank[] {
    return this.#ranks.filter(({ code, child }) => code === undefined && child.pid !== undefined)
  }

  #killAll(signal: NodeJS.Signals): void {
    for (const { child } of this.#running()) child.kill(signal)
  }

  #after(seconds: number, work: () => void): void {
    this.#timers.push(setTimeout(work, seconds * 1000))
  }
}

/** Ranks of ours keep their own store: what a torchrun around the launcher says of its store is not for them. */
function withoutElastic(env: Environment): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TORCHELASTIC_')))
}
