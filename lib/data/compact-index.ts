/**
 * The index of a data set, flat, in the form that the loader samples and a cached file holds: no string a frame.
 */
import path from 'node:path'
import { SiamError } from '../errors.ts'
import type { IndexSections, NativeDatasetIndex, NativeIndexFile, NativePack } from '../native/addon.ts'
import { nameFromPattern } from './frames.ts'

/** Words of a row of {@link IndexSections}. */
export const rowWords = 8
const naming = { count: 0, numbers: 1, names: 2 } as const

/** How the frames of one sequence are named; exactly one of the three forms. */
export type SequenceNames = { pattern: string; first: number } | { pattern: string; numbers: ArrayLike<number> } | { names: readonly string[] }

/**
 * Boxes are gathered in blocks and copied once, at the end, while the blocks are given back: the peak is the result and one block. The
 * first is small, for small data sets; the others are above the 32 MB up to which malloc keeps what is freed.
 */
const [firstBlockFloats, blockFloats] = [1 << 18, 1 << 24]

class Growing<T extends Uint32Array | Int32Array | Uint8Array> {
  #data: T
  readonly #make: (length: number) => T
  length = 0

  constructor(make: (length: number) => T) {
    this.#make = make
    this.#data = make(1024)
  }

  append(items: ArrayLike<number>): void {
    const needed = this.length + items.length
    if (needed > this.#data.length) {
      const grown = this.#make(Math.max(needed, this.#data.length * 2))
      grown.set(this.#data.subarray(0, this.length))
      this.#data = grown
    }
    this.#data.set(items, this.length)
    this.length = needed
  }

  take(): T {
    return this.#data.slice(0, this.length) as T
  }
}

/** Texts one after the other, in UTF-8. */
export class TextTable {
  readonly #offsets = new Growing((n) => new Uint32Array(n))
  readonly #bytes = new Growing((n) => new Uint8Array(n))
  readonly #encoder = new TextEncoder()

  constructor() {
    this.#offsets.append([0])
  }

  append(text: string): void {
    this.#bytes.append(this.#encoder.encode(text))
    if (this.#bytes.length > 0xffffffff) throw new SiamError('ERR_DATA', 'the names of an index are longer than 4 GiB together')
    this.#offsets.append([this.#bytes.length])
  }

  take(): { offsets: Uint32Array; bytes: Uint8Array } {
    return { offsets: this.#offsets.take(), bytes: this.#bytes.take() }
  }
}

/** Gathers sequences one at a time. */
export class SectionsBuilder {
  readonly #blocks: Float32Array[] = []
  #last = new Float32Array(0)
  #lastUsed = 0
  readonly #start = new Growing((n) => new Uint32Array(n))
  readonly #rows = new Growing((n) => new Uint32Array(n))
  readonly #numbers = new Growing((n) => new Int32Array(n))
  readonly #names = new TextTable()
  #nameCount = 0
  readonly #texts = new TextTable()
  readonly #textNumbers = new Map<string, number>()
  frames = 0
  sequences = 0

  constructor() {
    this.#start.append([0])
  }

  /** @param boxes [frames × 4] corners     @param flags of the sequence, for the loader; none are defined yet */
  append(dir: string, names: SequenceNames, boxes: Float32Array, flags = 0): void {
    const row = [this.#text(dir), 0, 0, naming.count as number, flags, 0, 0, 0]
    if ('names' in names) {
      row[3] = naming.names
      row[5] = this.#nameCount
      for (const name of names.names) this.#names.append(name)
      this.#nameCount += names.names.length
    } else {
      row[1] = this.#text(names.pattern)
      if ('first' in names) row[2] = names.first
      else {
        row[3] = naming.numbers
        row[5] = this.#numbers.length
        this.#numbers.append(names.numbers)
      }
    }
    this.#rows.append(row)
    this.#appendBoxes(boxes)
    this.frames += boxes.length / 4
    this.sequences += 1
    this.#start.append([this.frames])
  }

  /** The finished parts; the builder is empty afterwards. */
  take(): IndexSections {
    const boxes = new Float32Array(this.frames * 4)
    let at = 0
    this.#blocks.push(this.#last.subarray(0, this.#lastUsed))
    for (const block of this.#blocks.splice(0)) {
      boxes.set(block, at)
      at += block.length
      // Given back now: the collector would come when it likes, and until then all boxes were there twice.
      ;(block.buffer as ArrayBuffer & { transfer(bytes: number): ArrayBuffer }).transfer(0)
    }
    const [names, texts] = [this.#names.take(), this.#texts.take()]
    return {
      boxes,
      start: this.#start.take(),
      rows: this.#rows.take(),
      numbers: this.#numbers.take(),
      nameOffsets: names.offsets,
      nameBytes: names.bytes,
      textOffsets: texts.offsets,
      textBytes: texts.bytes,
    }
  }

  #appendBoxes(boxes: Float32Array): void {
    for (let from = 0; from < boxes.length; ) {
      if (this.#lastUsed === this.#last.length) {
        if (this.#lastUsed > 0) this.#blocks.push(this.#last)
        this.#last = new Float32Array(this.#blocks.length === 0 ? firstBlockFloats : blockFloats)
        this.#lastUsed = 0
      }
      const part = boxes.subarray(from, from + Math.min(boxes.length - from, this.#last.length - this.#lastUsed))
      this.#last.set(part, this.#lastUsed)
      this.#lastUsed += part.length
      from += part.length
    }
  }

  #text(text: string): number {
    const known = this.#textNumbers.get(text)
    if (known !== undefined) return known
    const number = this.#textNumbers.size
    this.#textNumbers.set(text, number)
    this.#texts.append(text)
    return number
  }
}

export interface DatasetIndexInit {
  name: string
  /** Share of the samples that come from it, relative to the other data sets' ratios. */
  ratio: number
  /** Largest distance between the two frames of a pair, frames. */
  maxDiff: number
  still?: boolean
  emptyStills?: number
}

/**
 * An index in memory, or a cached one that is mapped. The loader takes either as it is; the arrays are made when somebody asks for them,
 * with a string a frame where names follow no count, and are for tests, statistics and users' tools.
 */
export class DatasetIndex implements NativeDatasetIndex {
  readonly name: string
  ratio: number
  maxDiff: number
  readonly still: boolean
  readonly emptyStills: number
  readonly file: NativeIndexFile | undefined
  readonly pack: NativePack | undefined
  /** The cached index's file, beside which its means are kept; not for packs, which have them inside. */
  readonly cachedAs: string | undefined
  #sections: IndexSections | undefined
  #texts: string[] | undefined
  #frameNames: (string[] | null)[] | undefined
  #sequenceDirs: string[] | undefined
  #framePatterns: string[] | undefined
  #firstNumbers: Int32Array | undefined

  /**
   * @param where.pack      where the pictures are, if they are not the frames' files; the index owns it
   * @param where.cachedAs  the file that `parts` is a handle on
   */
  constructor(init: DatasetIndexInit, parts: IndexSections | NativeIndexFile, { pack, cachedAs }: { pack?: NativePack; cachedAs?: string } = {}) {
    this.name = init.name
    this.ratio = init.ratio
    this.maxDiff = init.maxDiff
    const isFile = 'firstChange' in parts
    this.file = isFile ? parts : undefined
    this.pack = pack
    this.cachedAs = cachedAs
    this.still = isFile ? parts.still : (init.still ?? false)
    this.emptyStills = isFile ? parts.emptyStills : (init.emptyStills ?? 0)
    this.#sections = isFile ? undefined : parts
  }

  get sequences(): number {
    return this.file?.sequences ?? this.sections.start.length - 1
  }

  get frames(): number {
    return this.file?.frames ?? this.sections.boxes.length / 4
  }

  get sections(): IndexSections {
    return (this.#sections ??= this.file!.sections())
  }

  get boxes(): Float32Array {
    return this.sections.boxes
  }

  get sequenceStart(): Uint32Array {
    return this.sections.start
  }

  get sequenceDirs(): string[] {
    return (this.#sequenceDirs ??= this.#eachRow((row) => this.#text(row[0]!)))
  }

  get framePatterns(): string[] {
    return (this.#framePatterns ??= this.#eachRow((row) => (row[3] === naming.count ? this.#text(row[1]!) : '')))
  }

  get firstNumbers(): Int32Array {
    return (this.#firstNumbers ??= Int32Array.from(this.#eachRow((row) => row[2]!)))
  }

  get frameNames(): (string[] | null)[] {
    return (this.#frameNames ??= this.#eachRow((row, s) => this.#namesOf(row, s)))
  }

  /** The file of one frame, without making a string of every other. @param frame of a still picture: the object, and the file is the picture */
  framePath(sequence: number, frame: number): string {
    const row = this.sections.rows.subarray(sequence * rowWords, (sequence + 1) * rowWords)
    const k = this.still ? 0 : frame
    const name = row[3] === naming.count ? nameFromPattern({ pattern: this.#text(row[1]!), first: row[2]! | 0, count: k + 1 }, k) : this.#namesOf(row, sequence)?.[k]
    return path.join(this.#text(row[0]!), name ?? '')
  }

  /** Frees the mapping, and closes a pack's files, once no loader uses them any more. A second call does nothing. */
  dispose(): void {
    this.file?.dispose()
    this.pack?.dispose()
  }

  #eachRow<R>(of: (row: Uint32Array, s: number) => R): R[] {
    const { rows } = this.sections
    return Array.from({ length: rows.length / rowWords }, (_, s) => of(rows.subarray(s * rowWords, (s + 1) * rowWords), s))
  }

  #text(number: number): string {
    const { textOffsets, textBytes } = this.sections
    this.#texts ??= textsOf(textOffsets, textBytes)
    return this.#texts[number] ?? ''
  }

  #namesOf(row: Uint32Array, s: number): string[] | null {
    if (row[3] === naming.count) return null
    const { start, numbers, nameOffsets, nameBytes } = this.sections
    const [first, count] = [row[5]!, this.still ? 1 : start[s + 1]! - start[s]!]
    if (row[3] === naming.names) return textsOf(nameOffsets.subarray(first, first + count + 1), nameBytes)
    const pattern = this.#text(row[1]!)
    return Array.from(numbers.subarray(first, first + count), (number) => nameFromPattern({ pattern, first: number, count: 1 }, 0))
  }
}

function textsOf(offsets: Uint32Array, bytes: Uint8Array): string[] {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return Array.from({ length: Math.max(0, offsets.length - 1) }, (_, i) => decoder.decode(bytes.subarray(offsets[i], offsets[i + 1])))
}
