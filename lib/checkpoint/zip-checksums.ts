/** Checksums of a zip file's entries, computed while the file is still being read: the reading costs little more than without them. */
import { crc32 } from 'node:zlib'
import type { Follower } from './file-bytes.ts'
import { localDataOffset, looksLikeZip, peekZipDirectory } from './zip-reader.ts'

/**
 * Only saves time: what it takes from the directory is checked by nobody here. The reader that checks everything looks a checksum up by
 * the place and the size that it found itself, and computes it where there is none.
 */
export class ZipChecksums implements Follower {
  readonly #file: string
  readonly #found = new Map<string, number>()
  /** In the order of their places. */
  #entries: { size: number; local: number }[] = []
  #next = 0
  /** Of the entry at work: where its data begins, how much of it is done, and its checksum so far. */
  #offset = -1
  #done = 0
  #crc = 0

  constructor(file: string) {
    this.#file = file
  }

  tail(bytes: Uint8Array, from: number): void {
    const listed = peekZipDirectory({ file: this.#file, bytes }, from)
    if (listed !== undefined) this.#entries = listed.toSorted((a, b) => a.local - b.local)
  }

  prefix(bytes: Uint8Array, end: number): void {
    if (this.#next === 0 && this.#offset < 0 && !looksLikeZip(bytes)) this.#entries = []
    const there = bytes.subarray(0, end)
    for (; this.#next < this.#entries.length; this.#next++) {
      const { size, local } = this.#entries[this.#next]!
      if (this.#offset < 0) {
        if (local + 30 > end) return
        const offset = localDataOffset(there, local)
        if (offset === undefined) continue
        this.#offset = offset
        this.#done = 0
        this.#crc = 0
      }
      const upTo = Math.min(end, this.#offset + size)
      if (upTo > this.#offset + this.#done) {
        this.#crc = crc32(there.subarray(this.#offset + this.#done, upTo), this.#crc)
        this.#done = upTo - this.#offset
      }
      if (this.#done < size) return
      this.#found.set(`${this.#offset} ${size}`, this.#crc)
      this.#offset = -1
    }
  }

  /** The checksum of `size` bytes at `offset`, if it has been computed. */
  of({ offset, size }: { offset: number; size: number }): number | undefined {
    return this.#found.get(`${offset} ${size}`)
  }
}
