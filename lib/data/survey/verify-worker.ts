/** A thread that decodes the frames that it is sent. */
import { parentPort } from 'node:worker_threads'
import { loadAddon } from '../../native/load.ts'

export interface FrameJob {
  files: readonly string[]
}

/** A frame's size, or why there is none. */
export type FrameFact = { width: number; height: number; bytes: number } | { code: string; message: string; missing: boolean }

const port = parentPort
if (port === null) throw new Error('this file is started as a worker thread')
const addon = loadAddon()

port.on('message', ({ files }: FrameJob) => {
  port.postMessage(files.map((file): FrameFact => {
    try {
      return addon.verifyFrame(file)
    } catch (error) {
      const { code = 'ERR_INTERNAL', message } = error as Error & { code?: string }
      return { code, message, missing: code === 'ERR_IO' && /No such file/.test(message) }
    }
  }))
})
