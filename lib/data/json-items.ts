/**
 * Reading big JSON files item by item: an object whose values are long arrays (COCO's `{"images": […], "annotations": […]}`, 450 MB and
 * more) is cut into the arrays' items, of which one at a time is parsed. Neither the file nor its text is ever held whole.
 */
import { open } from 'node:fs/promises'
import { SiamError } from '../errors.ts'

/** Where an item begins. */
export interface JsonPlace {
  /** 0-based byte of the file. */
  byte: number
  /** 1-based line of the file. */
  line: number
}

/** Called with each item of an array, in the file's order. `place` is used again for the next item: copy what is to be kept. */
export type JsonItemHandler = (item: unknown, place: Readonly<JsonPlace>) => void

export interface JsonItemsOptions {
  /** Called after each piece of the file. */
  onProgress?: (bytesRead: number, bytesTotal: number) => void
  signal?: AbortSignal
  /** Bytes read at a time; default 1 MiB. */
  chunkBytes?: number
  /** Largest item in bytes; default 64 MiB. */
  maxItemBytes?: number
}

const maxDepth = 256

/**
 * Reads a file that holds one JSON object and hands out the items of some of its arrays.
 *
 * @param handlers  by the object's keys; what stands under other keys is skipped (its brackets and strings must close, no more)
 * @returns how many items each handler got; 0 where the key is not in the file
 * @throws ERR_DATA with file, line and byte: no such file, not JSON, truncated, a key with a handler that is no array or comes twice, nesting
 *   of more than 256 levels, an item above maxItemBytes; whatever a handler throws; the signal's reason
 */
export async function readJsonItems<Key extends string>(file: string, handlers: Readonly<Record<Key, JsonItemHandler>>, options: JsonItemsOptions = {}): Promise<Record<Key, number>> {
  const cutter = new Cutter(file, handlers, options.maxItemBytes ?? 2 ** 26, options.chunkBytes ?? 2 ** 20)
  const handle = await open(file).catch((error: unknown) => {
    throw new SiamError('ERR_DATA', `cannot be read (${errorCode(error)})`, { file, cause: error })
  })
  try {
    const { size } = await handle.stat()
    for (let read = 0; ; ) {
      options.signal?.throwIfAborted()
      const room = cutter.room()
      const { bytesRead } = await handle.read(room.buffer, room.offset, room.length, null).catch((error: unknown) => {
        throw new SiamError('ERR_DATA', `cannot be read (${errorCode(error)})`, { file, cause: error })
      })
      if (bytesRead === 0) break
      cutter.take(bytesRead)
      read += bytesRead
      options.onProgress?.(read, Math.max(size, read))
    }
  } finally {
    await handle.close()
  }
  cutter.finish()
  return Object.fromEntries((Object.keys(handlers) as Key[]).map((key) => [key, cutter.counts.get(key) ?? 0])) as Record<Key, number>
}

/** The error of a place in a JSON file. */
export function jsonItemError(file: string, place: Readonly<JsonPlace>, message: string, hint?: string): SiamError {
  return new SiamError('ERR_DATA', `${message} (byte ${place.byte})`, { file, line: place.line, hint })
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a]
const [openBrace, closeBrace, openBracket, closeBracket, newline] = [0x7b, 0x7d, 0x5b, 0x5d, 0x0a]

/** What matters outside of strings: brackets, quotes, and line ends for the count. */
const outside = Uint8Array.from({ length: 256 }, (_, byte) => ([quote, openBrace, closeBrace, openBracket, closeBracket, newline].includes(byte) ? 1 : 0))
/** What matters inside of a string: its end, escapes, and bytes beyond ASCII. */
const inside = Uint8Array.from({ length: 256 }, (_, byte) => (byte === quote ? 1 : byte === backslash ? 2 : byte >= 0x80 ? 3 : byte === newline ? 4 : 0))
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === newline || byte === 0x0d

/** What comes next, outside of a value. */
type Phase = 'start' | 'first key' | 'key' | 'colon' | 'value' | 'after value' | 'first item' | 'item' | 'after item' | 'end'

const expected: Record<Phase, string> = {
  start: 'an object, {"key": […], …}',
  'first key': 'a key or }',
  key: 'a key',
  colon: 'a colon',
  value: 'a value',
  'after value': 'a comma or }',
  'first item': 'an item or ]',
  item: 'an item',
  'after item': 'a comma or ]',
  end: 'nothing behind the object',
}

/** The part that knows JSON: takes bytes as they come, keeps only the value that it is in. */
class Cutter {
  readonly counts = new Map<string, number>()
  readonly #file: string
  readonly #handlers: ReadonlyMap<string, JsonItemHandler>
  readonly #maxItemBytes: number
  readonly #chunkBytes: number
  #buffer: Buffer
  #end = 0
  #pos = 0
  /** Of the file: byte and line of #buffer[0], and of #buffer[#pos]. */
  #base = 0
  #line = 1
  #phase: Phase = 'start'
  #key = ''

  // The value under way; #valueStart < 0: none.
  #valueStart = -1
  readonly #place: JsonPlace = { byte: 0, line: 1 }
  #purpose: 'key' | 'item' | 'skip' = 'skip'
  #scalar = false
  #inString = false
  #ascii = true
  #depth = 0
  readonly #closers = new Uint8Array(maxDepth)

  constructor(file: string, handlers: Readonly<Record<string, JsonItemHandler>>, maxItemBytes: number, chunkBytes: number) {
    this.#file = file
    this.#handlers = new Map(Object.entries(handlers))
    this.#maxItemBytes = maxItemBytes
    this.#chunkBytes = chunkBytes
    this.#buffer = Buffer.allocUnsafe(2 * chunkBytes)
  }

  /** Where the next bytes of the file go. */
  room(): { buffer: Buffer; offset: number; length: number } {
    const keep = this.#valueStart >= 0 && this.#purpose !== 'skip' ? this.#valueStart : Math.min(this.#pos, this.#end)
    const kept = this.#end - keep
    if (kept > this.#maxItemBytes) throw this.#error(`an item of more than ${this.#maxItemBytes} bytes`, this.#place)
    let target = this.#buffer
    if (kept + this.#chunkBytes > target.length) target = Buffer.allocUnsafe(2 * kept + this.#chunkBytes)
    this.#buffer.copy(target, 0, keep, this.#end)
    this.#buffer = target
    this.#base += keep
    this.#pos -= keep
    this.#end = kept
    if (this.#valueStart >= 0) this.#valueStart = Math.max(0, this.#valueStart - keep)
    return { buffer: target, offset: kept, length: this.#chunkBytes }
  }

  /** Takes the bytes that were put there. */
  take(bytes: number): void {
    this.#end += bytes
    if (this.#base === 0 && this.#pos === 0 && this.#phase === 'start' && this.#end >= 3 && this.#buffer.readUIntBE(0, 3) === 0xefbbbf) this.#pos = 3
    for (;;) {
      if (this.#valueStart >= 0) {
        if (!this.#scanValue()) return
        this.#endValue()
      } else {
        this.#skipSpace()
        if (this.#pos >= this.#end) return
        this.#step(this.#buffer[this.#pos] as number)
      }
    }
  }

  /** @throws ERR_DATA unless the object was complete */
  finish(): void {
    if (this.#phase === 'end' && this.#valueStart < 0) return
    const where = this.#valueStart >= 0 ? `inside of a value that begins at byte ${this.#place.byte}, line ${this.#place.line}` : `where ${expected[this.#phase]} was expected`
    throw this.#error(`the file is truncated: it ends ${where}${this.#key === '' ? '' : ` (in ${JSON.stringify(this.#key)})`}`, { byte: this.#base + this.#end, line: this.#line })
  }

  #skipSpace(): void {
    while (this.#pos < this.#end && isSpace(this.#buffer[this.#pos] as number)) {
      if (this.#buffer[this.#pos] === newline) this.#line += 1
      this.#pos += 1
    }
  }

  /** One byte of the outer structure, or the begin of a value. */
  #step(byte: number): void {
    const phase = this.#phase
    const next = (to: Phase): void => {
      this.#phase = to
      this.#pos += 1
    }
    if (phase === 'start' && byte === openBrace) return next('first key')
    if ((phase === 'first key' || phase === 'after value') && byte === closeBrace) return next('end')
    if (phase === 'after value' && byte === comma) return next('key')
    if (phase === 'colon' && byte === colon) return next('value')
    if ((phase === 'first item' || phase === 'after item') && byte === closeBracket) return next('after value')
    if (phase === 'after item' && byte === comma) return next('item')
    if ((phase === 'first key' || phase === 'key') && byte === quote) return this.#beginValue('key')
    if (phase === 'value') {
      if (!this.#handlers.has(this.#key)) return this.#beginValue('skip')
      if (byte !== openBracket) throw this.#unexpected(`an array for ${JSON.stringify(this.#key)}`)
      if (this.counts.has(this.#key)) throw this.#error(`${JSON.stringify(this.#key)} is there twice`, this.#here())
      this.counts.set(this.#key, 0)
      return next('first item')
    }
    if (phase === 'first item' || phase === 'item') return this.#beginValue('item')
    throw this.#unexpected(expected[phase])
  }

  #beginValue(purpose: 'key' | 'item' | 'skip'): void {
    this.#valueStart = this.#pos
    this.#place.byte = this.#base + this.#pos
    this.#place.line = this.#line
    this.#purpose = purpose
    this.#ascii = true
    this.#depth = 0
    this.#inString = false
    const byte = this.#buffer[this.#pos] as number
    this.#scalar = byte !== quote && byte !== openBrace && byte !== openBracket
    if (this.#scalar && (byte === comma || byte === colon || byte === closeBrace || byte === closeBracket)) throw this.#unexpected(expected[this.#phase])
  }

  /** Goes on with the value. @returns whether it has ended; #pos is then behind it */
  #scanValue(): boolean {
    const buffer = this.#buffer
    const end = this.#end
    let pos = this.#pos
    if (this.#scalar) {
      for (; pos < end; pos += 1) {
        const byte = buffer[pos] as number
        if (byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte)) break
      }
      this.#pos = pos
      return pos < end
    }
    for (;;) {
      if (this.#inString) {
        for (; pos < end; pos += 1) {
          const kind = inside[buffer[pos] as number] as number
          if (kind === 0) continue
          if (kind === 1) break
          if (kind === 2) pos += 1
          else if (kind === 3) this.#ascii = false
          else this.#line += 1
        }
        // An escape may reach one byte beyond what is there yet.
        if (pos >= end) break
        this.#inString = false
        pos += 1
        if (this.#depth === 0) return this.#ended(pos)
      }
      while (pos < end && outside[buffer[pos] as number] === 0) pos += 1
      if (pos >= end) break
      const byte = buffer[pos] as number
      pos += 1
      if (byte === quote) this.#inString = true
      else if (byte === newline) this.#line += 1
      else if (byte === openBrace || byte === openBracket) {
        this.#pos = pos - 1
        if (this.#depth === maxDepth) throw this.#error(`nested more than ${maxDepth} levels deep`, this.#here())
        this.#closers[this.#depth] = byte === openBrace ? closeBrace : closeBracket
        this.#depth += 1
      } else {
        this.#depth -= 1
        this.#pos = pos - 1
        if (this.#closers[this.#depth] !== byte) throw this.#unexpected(String.fromCharCode(this.#closers[this.#depth] as number))
        if (this.#depth === 0) return this.#ended(pos)
      }
    }
    this.#pos = pos
    return false
  }

  #ended(pos: number): boolean {
    this.#pos = pos
    return true
  }

  #endValue(): void {
    const start = this.#valueStart
    this.#valueStart = -1
    if (this.#purpose === 'skip') {
      this.#phase = 'after value'
      return
    }
    const value = this.#parse(start, this.#pos)
    if (this.#purpose === 'key') {
      this.#key = value as string
      this.#phase = 'colon'
      return
    }
    this.#phase = 'after item'
    this.counts.set(this.#key, (this.counts.get(this.#key) ?? 0) + 1)
    this.#handlers.get(this.#key)?.(value, this.#place)
  }

  #parse(start: number, end: number): unknown {
    const text = this.#ascii ? this.#buffer.toString('latin1', start, end) : this.#buffer.toString('utf8', start, end)
    try {
      return JSON.parse(text)
    } catch (error) {
      // V8 says where: "… at position 12 (line 1 column 13)", in UTF-16 units of the text.
      const message = error instanceof Error ? error.message : String(error)
      const at = Number(/ at position (\d+)/.exec(message)?.[1] ?? 0)
      const before = text.slice(0, at)
      const place = { byte: this.#place.byte + Buffer.byteLength(before), line: this.#place.line + before.split('\n').length - 1 }
      throw this.#error(`not valid JSON: ${message.replace(/ (?:in JSON )?at position .*$/s, '').slice(0, 200)}`, place)
    }
  }

  #here(): JsonPlace {
    return { byte: this.#base + this.#pos, line: this.#line }
  }

  #unexpected(what: string): SiamError {
    const found = this.#buffer.toString('utf8', this.#pos, Math.min(this.#end, this.#pos + 20))
    return this.#error(`expected ${what} but found ${JSON.stringify(found)}`, this.#here())
  }

  #error(message: string, place: Readonly<JsonPlace>): SiamError {
    return jsonItemError(this.#file, place, message)
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
