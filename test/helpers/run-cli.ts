/** Runs the command line from its TypeScript sources in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const entry = path.join(root, 'test', 'helpers', 'siamtrain.ts')

export interface CliOutcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  seconds: number
}

/** Starts `siamtrain ...args`. */
export function startCli(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): ChildProcess {
  return spawn(process.execPath, [entry, ...args], { cwd: options.cwd ?? root, env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Collects what a child prints until it ends. */
export function collect(child: ChildProcess): Promise<CliOutcome> {
  const started = performance.now()
  return new Promise((resolve) => {
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, seconds: (performance.now() - started) / 1000 }))
  })
}

/** Runs `siamtrain ...args` to its end. */
export function runCli(args: string[], options?: { cwd?: string; env?: Record<string, string> }): Promise<CliOutcome> {
  return collect(startCli(args, options))
}
