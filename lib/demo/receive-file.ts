/**
 * The bytes of one uploaded file on their way to the disk, checked as they pass.
 */
import { createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SiamError } from '../errors.ts'
import { HttpProblem } from './http-problem.ts'
import { markBytes, mediaKind } from './media-kind.ts'

export const wrongWay = 'choose one video, or the images of one folder'

/**
 * Writes a request's body to a new file. No more than was announced is ever written, and nothing behind a beginning of the wrong kind.
 * @throws HttpProblem 415 for something else than was announced, 413 or 400 for another size or a connection that broke off; ERR_IO
 */
export async function receiveFile(body: Readable, to: string, file: { name: string; size: number }, kind: 'images' | 'video', signal: AbortSignal): Promise<void> {
  let start = Buffer.alloc(0)
  let looked = false
  let bytes = 0
  const look = (): void => {
    looked = true
    const found = mediaKind(start)
    if (found !== (kind === 'images' ? 'image' : 'video')) {
      throw new HttpProblem(415, 'ERR_DATA', `${file.name} is ${kind === 'images' ? 'no image' : 'no video'} that can be read, whatever its name says`, wrongWay)
    }
  }
  const writing = pipeline(
    body,
    async function* checked(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        bytes += chunk.length
        if (bytes > file.size) throw new HttpProblem(413, 'ERR_ARGUMENT', `${file.name} has more bytes than were announced`, 'start the upload again')
        if (!looked) {
          start = Buffer.concat([start, chunk])
          if (start.length >= markBytes) look()
        }
        yield chunk
      }
      if (!looked) look()
      if (bytes < file.size) throw new HttpProblem(400, 'ERR_DATA', `${file.name} has ${bytes} bytes where ${file.size} were announced`, 'start the upload again')
    },
    createWriteStream(to, { flags: 'wx' }),
    { signal },
  )
  try {
    await writing
  } catch (error) {
    throw error instanceof SiamError ? error : broken(error, file.name)
  }
}

function broken(error: unknown, name: string): SiamError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR') return new HttpProblem(400, 'ERR_ABORTED', `The upload of ${name} broke off`, 'start it again')
  return notKept(error)
}

export function notKept(cause: unknown): SiamError {
  return new SiamError('ERR_IO', `the upload cannot be kept: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, { hint: 'is the disk full? TMPDIR chooses another place', cause })
}
