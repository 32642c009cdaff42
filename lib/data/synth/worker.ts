/** A thread that draws and writes the sequences that it is sent. */
import { parentPort } from 'node:worker_threads'
import type { SequenceSpec } from './sequence.ts'
import { type WrittenSequence, writeSequence } from './write-sequence.ts'

export interface WorkerTask {
  dir: string
  spec: SequenceSpec
  quality: number
}

export type WorkerMessage = { frame: true } | { done: WrittenSequence } | { error: { message: string; code?: string; file?: string } }

const port = parentPort
if (port === null) throw new Error('this file is started as a worker thread')
const send = (message: WorkerMessage): void => port.postMessage(message)

port.on('message', (task: WorkerTask) => {
  writeSequence(task.dir, task.spec, task.quality, () => send({ frame: true })).then(
    (done) => send({ done }),
    (error: Error & { code?: string; path?: string; file?: string }) => send({ error: { message: error.message, code: error.code, file: error.path ?? error.file } }),
  )
})
