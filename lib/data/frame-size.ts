/** The size of a frame, read as cheaply as can be. */
import { open, readFile } from 'node:fs/promises'
import { loadAddon } from '../native/load.ts'

/** Holds the header of nearly every JPEG; one with a larger one is read whole. */
const headerBytes = 16 * 1024

/** Size of a frame as shown, from its header where that is enough; null when it cannot be had. */
export async function frameSize(file: string): Promise<{ width: number; height: number } | null> {
  try {
    const head = await beginningOf(file)
    // A JPEG says how it is turned before its pixels. PNG and WebP may say it behind them: from their beginning alone, width and height
    // of a turned one would come out the wrong way round.
    const isJpeg = head[0] === 0xff && head[1] === 0xd8
    const size = isJpeg || head.length < headerBytes ? sizeOf(head) : null
    return size ?? sizeOf(await readFile(file))
  } catch {
    return null
  }
}

async function beginningOf(file: string): Promise<Buffer> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

function sizeOf(bytes: Uint8Array): { width: number; height: number } | null {
  try {
    return loadAddon().frameInfo(bytes)
  } catch {
    return null
  }
}
