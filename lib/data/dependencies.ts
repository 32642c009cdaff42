/**
 * What an index is made from: the files and folders whose change makes a cached one invalid.
 */
import path from 'node:path'
import { loadAddon } from '../native/load.ts'
import { TextTable } from './compact-index.ts'
import type { DependencyTable } from './index-file.ts'
import type { SequenceIterable, SequenceRecord } from './source.ts'

/** The clock that stamps files runs in ticks (10 ms at most) behind the one that is asked here. */
const clockTickMs = 20
const stateBytes = 32
const kindMissing = 0
const kindUnreadable = 4

/** Gathers paths while a data set is read. */
export class Dependencies {
  readonly #cwd: string
  readonly #paths = new Set<string>()
  /** Read while indexing, so they must be there at the end. */
  readonly #read = new Set<string>()
  /** Folders whose entries count as a whole: no need to note each of half a million annotation files. */
  readonly #wholeFolders = new Set<string>()
  readonly #begunMs = Date.now()
  #lastDir = ''
  /** Whether the data set itself named any: only then it is known to name all. */
  declared = false

  constructor(cwd: string) {
    this.#cwd = cwd
  }

  get size(): number {
    return this.#paths.size
  }

  /** A file or folder that decides what the index holds; one that is not there counts too. */
  declare(file: string): void {
    this.declared = true
    const resolved = path.resolve(this.#cwd, file)
    this.#paths.add(resolved)
    if (resolved.endsWith('/*')) this.#wholeFolders.add(resolved.slice(0, -2))
  }

  /** Passes the sequences on and notes their annotation files and the folders of their frames. */
  async *watch(sequences: SequenceIterable): AsyncGenerator<SequenceRecord, void, undefined> {
    for await (const record of sequences) {
      // Checked where the index is built, which comes next: what is malformed is not noted here.
      if (typeof record?.annotationFile === 'string') {
        const file = path.resolve(this.#cwd, record.annotationFile)
        if (!this.#wholeFolders.has(path.dirname(file)) && !this.#wholeFolders.has(file)) {
          this.#paths.add(file)
          this.#read.add(file)
        }
      }
      const frames: unknown = record?.frames
      const dir = Array.isArray(frames) ? (typeof frames[0] === 'string' ? path.dirname(frames[0]) : undefined) : (frames as { dir?: unknown } | null | undefined)?.dir
      if (typeof dir === 'string' && dir !== this.#lastDir) {
        this.#lastDir = dir
        this.#paths.add(path.resolve(this.#cwd, dir))
      }
      yield record
    }
  }

  /**
   * The states of all paths, now that everything is read.
   * @returns the path that changed since this object was made, if one did: what was read may then be older than what is there
   */
  async settle(): Promise<DependencyTable | { changed: string }> {
    const paths = [...this.#paths]
    const table = new TextTable()
    for (const file of paths) table.append(file)
    const { offsets, bytes } = table.take()
    const states = await loadAddon().fileStates(offsets, bytes)
    const changed = await this.#firstChanged(paths, states)
    return changed === undefined ? { offsets, bytes, states } : { changed }
  }

  async #firstChanged(paths: readonly string[], states: Uint8Array): Promise<string | undefined> {
    const since = BigInt(Math.floor((this.#begunMs - clockTickMs) * 1e6))
    const view = new DataView(states.buffer, states.byteOffset)
    const missing: string[] = []
    for (const [i, file] of paths.entries()) {
      const kind = view.getUint32(i * stateBytes + 24, true)
      if (kind === kindMissing && !this.#read.has(file)) missing.push(file)
      else if (kind === kindMissing || kind === kindUnreadable || view.getBigInt64(i * stateBytes + 16, true) >= since) return file
    }
    if (missing.length === 0) return undefined
    // A missing file has no time of change, but its folder has: one that was removed meanwhile is noticed there.
    const above = new Dependencies(this.#cwd)
    for (const file of missing) above.declare(path.dirname(file))
    const table = new TextTable()
    const folders = [...above.#paths]
    for (const folder of folders) table.append(folder)
    const { offsets, bytes } = table.take()
    const times = await loadAddon().fileStates(offsets, bytes)
    const timesView = new DataView(times.buffer, times.byteOffset)
    return folders.find((_, i) => timesView.getBigInt64(i * stateBytes + 16, true) >= since)
  }
}
