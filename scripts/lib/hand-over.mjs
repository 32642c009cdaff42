/** Runs a child in our place: its terminal, its exit code, our signals. */
import { spawn } from 'node:child_process'
import os from 'node:os'

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv}} [options]
 * @returns {Promise<number>} its exit code, 128 + number for a signal
 */
export function handOver(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    const forward = (signal) => child.kill(signal)
    // Ctrl-C on a terminal reaches the child by itself; sent twice it would count as "stop at once" instead of "finish and save".
    const interrupt = (signal) => {
      if (process.stdin.isTTY !== true) child.kill(signal)
    }
    process.on('SIGINT', interrupt)
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, forward)
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`)
      resolve(1)
    })
    child.on('close', (code, signal) => resolve(code ?? 128 + (os.constants.signals[signal] ?? 0)))
  })
}
