/**
 * How much disk all uploads and frames of videos take together.
 */
import { HttpProblem } from './http-problem.ts'
import { bytesText } from './limits.ts'

export class StoredBytes {
  readonly limit: number
  #used = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get used(): number {
    return this.#used
  }

  /** @throws HttpProblem 413 when that is more than there may be */
  take(bytes: number): void {
    if (this.#used + bytes > this.limit) {
      throw new HttpProblem(413, 'ERR_ARGUMENT', `The demo keeps at most ${bytesText(this.limit)} of uploads and video frames, and ${bytesText(this.#used)} are taken`, 'remove an upload, use a shorter video, or start siamtrain demo again')
    }
    this.#used += bytes
  }

  give(bytes: number): void {
    this.#used = Math.max(0, this.#used - bytes)
  }
}
