/** A few worker threads that share a list of sequences to draw. */
import { Worker } from 'node:worker_threads'
import { SiamError, errorCodes, type ErrorCode } from '../../errors.ts'
import type { WorkerMessage, WorkerTask } from './worker.ts'
import type { WrittenSequence } from './write-sequence.ts'

/**
 * Runs all tasks on `threads` workers.
 * @returns results in the tasks' order
 * @throws the first failure, or the signal's reason; the workers are ended before it settles, so that nothing is written afterwards
 */
export async function runTasks(tasks: readonly WorkerTask[], threads: number, onFrame: () => void, signal?: AbortSignal): Promise<WrittenSequence[]> {
  const results: WrittenSequence[] = []
  const workers: Worker[] = []
  let next = 0
  const runOne = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let current = -1
      const giveTask = (): void => {
        current = next
        next += 1
        if (current >= tasks.length) resolve()
        else worker.postMessage(tasks[current])
      }
      worker.on('message', (message: WorkerMessage) => {
        if ('frame' in message) onFrame()
        else if ('error' in message) reject(toError(message.error))
        else {
          results[current] = message.done
          giveTask()
        }
      })
      worker.once('error', reject)
      worker.once('exit', (code) => reject(new SiamError('ERR_INTERNAL', `a worker thread ended with exit code ${code}`)))
      giveTask()
    })
  try {
    signal?.throwIfAborted()
    // The file's own suffix: .ts where the sources run as they are, .js in dist.
    const file = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    for (let i = 0; i < Math.min(threads, tasks.length); i += 1) workers.push(new Worker(file))
    await untilAborted(Promise.all(workers.map(runOne)), signal)
    return results
  } finally {
    for (const worker of workers) worker.removeAllListeners('exit')
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

async function untilAborted(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
  try {
    await Promise.race([work, aborted])
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // When the signal came first, the workers' own failures have nobody left to hear of them.
    work.catch(() => undefined)
  }
}

function toError({ message, code, file }: { message: string; code?: string; file?: string }): SiamError {
  const ours = (errorCodes as readonly string[]).includes(code ?? '')
  return new SiamError(ours ? (code as ErrorCode) : 'ERR_IO', message, { file })
}
