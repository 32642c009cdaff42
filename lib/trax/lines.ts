/**
 * Lines out of a stream of bytes, each no longer than a limit.
 */
import { SiamError } from '../errors.ts'

/** Enough for a raw frame of 8K in base64. */
export const maxLineBytes = 256 * 2 ** 20

/**
 * @param limit  bytes of one line
 * @returns the lines without `\n`, as UTF-8; the last one also where the stream ends without one
 * @throws ERR_DATA once a line is longer than the limit
 */
export async function* linesOf(input: AsyncIterable<Uint8Array>, limit = maxLineBytes): AsyncGenerator<string, void, undefined> {
  let parts: Buffer[] = []
  let length = 0
  const take = (): string => {
    const line = Buffer.concat(parts).toString('utf8')
    parts = []
    length = 0
    return line
  }
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      parts.push(bytes.subarray(start, end))
      start = end + 1
      yield take()
    }
    if (start < bytes.length) parts.push(bytes.subarray(start))
    length += bytes.length - start
    if (length > limit) throw new SiamError('ERR_DATA', `a line is longer than ${limit} bytes`)
  }
  if (length > 0) yield take()
}
