/** Worker threads that are terminated inside a call of the addon, in a process of their own. */
import { spawn } from 'node:child_process'
import { type CliOutcome, collect } from './run-cli.ts'

/**
 * Starts ten workers one after the other and terminates each at another moment of its work; the process then prints 'alive'.
 * @param code  a worker's program: it posts a message when it begins with what it never ends
 */
export function terminateTen(code: string, millisecondsApart: number): Promise<CliOutcome> {
  const text = `
    const { Worker } = await import('node:worker_threads')
    for (let i = 0; i < 10; i += 1) {
      const worker = new Worker(${JSON.stringify(code)}, { eval: true })
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      await new Promise((resolve) => setTimeout(resolve, ${millisecondsApart} * i))
      await worker.terminate()
    }
    console.log('alive')`
  return collect(spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'pipe'] }))
}
