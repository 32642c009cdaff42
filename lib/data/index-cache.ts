/**
 * Cached indexes: opened where they are what the data set would give now, built anew with one line that says why where they are not.
 */
import { createHash } from 'node:crypto'
import { stat, utimes } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SiamError } from '../errors.ts'
import type { NativeIndexFile } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { packageVersion } from '../version.ts'
import { type IndexCacheMode, datasetIndexFolder, indexFileName, prepareFolder, pruneIndexes, userIndexFolder } from './cache-folder.ts'
import { DatasetIndex, type DatasetIndexInit } from './compact-index.ts'
import type { Dependencies } from './dependencies.ts'
import { writeIndexFile } from './index-file.ts'
import { loadMeans } from './index-means.ts'
import { ProblemLog, type ProblemState } from './problems.ts'
import type { DatasetParams } from './source.ts'

/** Raised when a data set of ours gives another index from the same files: older caches are then not used. */
const indexRevision = 1

/** A folder's making is to be older than what is read from then on, by more than a tick of the clock that stamps files. */
const folderTickMs = 40
/** Settings that say how an index is sampled, not what is in it. */
export const samplingSettings: ReadonlySet<string> = new Set(['ratio', 'max_diff'])
/** Settings of ours that are paths, relative to the working directory. */
const pathSettings = ['dataset_root', 'unfixed_list']

export interface CacheRequest {
  init: DatasetIndexInit
  params: DatasetParams
  cwd: string
  mode: Exclude<IndexCacheMode, 'none'>
  /** A registered data set's own word for the state of what it reads; undefined for those of ours. */
  fingerprint: string | undefined
  /** One line a call: why a cached index was not used or not written. */
  say: (line: string) => void
}

interface Meta {
  identity: string
  fingerprint: string | null
  problems: ProblemState
}

/** What tells this data set with these settings from others, and from those of other versions of the product. */
function identityOf({ init, params, cwd, fingerprint }: CacheRequest): string {
  const settings = Object.entries(params)
    .filter(([key]) => !samplingSettings.has(key))
    .map(([key, value]) => [key, pathSettings.includes(key) && typeof value === 'string' && value !== '' ? path.resolve(cwd, value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  // A registered data set's settings may be paths under any name, so where they are taken from counts.
  return JSON.stringify({ product: packageVersion, revision: indexRevision, dataset: init.name, settings, cwd: fingerprint === undefined && typeof params['dataset_root'] === 'string' ? null : cwd })
}

/** The places of one data set's cached index, the best one first. */
export class IndexCache {
  readonly #request: CacheRequest
  readonly #identity: string
  readonly #files: string[]

  constructor(request: CacheRequest) {
    this.#request = request
    this.#identity = identityOf(request)
    const name = indexFileName(request.init.name, createHash('sha256').update(this.#identity).digest('hex').slice(0, 24))
    const root = request.params['dataset_root']
    const beside = request.mode === 'dataset' && typeof root === 'string' && root !== '' ? [datasetIndexFolder(path.resolve(request.cwd, root))] : []
    this.#files = [...beside, userIndexFolder()].map((folder) => path.join(folder, name))
  }

  /**
   * The cached index, if there is one that holds.
   * @throws ERR_DATA when `strict` and the data set has problems, as reading it would
   */
  async open(strict: boolean): Promise<{ index: DatasetIndex; problems: ProblemLog; file: string } | null> {
    for (const file of this.#files) {
      // The user's cache stands in for a folder beside the data only where that one cannot be had.
      if (file !== this.#files[0] && (await this.#besideIsPossible())) break
      if ((await stat(file).catch(() => null)) === null) continue
      const opened = await this.#openFile(file)
      if (typeof opened === 'string') {
        this.#say(`${opened}; reading the annotations again`)
        continue
      }
      const problems = ProblemLog.restore(opened.meta.problems, strict)
      // Its time of modification is that of the last use; a read-only cache goes without.
      await utimes(file, new Date(), new Date()).catch(() => {})
      return { index: new DatasetIndex(this.#request.init, opened.handle, { cachedAs: file }), problems, file }
    }
    return null
  }

  /** Whether an index can be kept beside the data; its folder is then there. */
  async #besideIsPossible(): Promise<boolean> {
    const dir = path.dirname(this.#files[0] ?? '')
    if (!((await stat(path.dirname(dir)).catch(() => null))?.isDirectory() ?? false)) return false
    const folder = await prepareFolder(dir)
    if ('reason' in folder) return false
    if (folder.made) await sleep(folderTickMs)
    return true
  }

  /** To be called before a data set is read: a folder that is made beside the data must not look like a change of the data. */
  async prepare(): Promise<string | null> {
    for (const file of this.#files) {
      const root = path.dirname(path.dirname(file))
      // A root that is not there is the data set's to complain about, not ours to make.
      if (file !== this.#files.at(-1) && !((await stat(root).catch(() => null))?.isDirectory() ?? false)) continue
      const folder = await prepareFolder(path.dirname(file))
      if ('reason' in folder) {
        this.#say(file === this.#files.at(-1) ? `not cached: ${folder.reason}` : `${folder.reason}; the user's cache is used instead`)
        continue
      }
      if (folder.made) await sleep(folderTickMs)
      return file
    }
    return null
  }

  /**
   * Writes an index and opens what was written: the memory that it took is free then.
   * @returns the index to use: `built` itself where it could not be cached (and the reason was said)
   */
  async store(file: string, built: DatasetIndex, problems: ProblemLog, dependencies: Dependencies): Promise<{ index: DatasetIndex; file: string | null; reason?: string }> {
    const kept = (reason: string): { index: DatasetIndex; file: null; reason: string } => {
      this.#say(`not cached: ${reason}`)
      return { index: built, file: null, reason }
    }
    const settled = await dependencies.settle()
    if ('changed' in settled) return kept(`${settled.changed} changed while the annotations were read`)
    const meta: Meta = { identity: this.#identity, fingerprint: this.#request.fingerprint ?? null, problems: problems.state() }
    try {
      await writeIndexFile(file, { sections: built.sections, still: built.still, emptyStills: built.emptyStills, dependencies: settled, meta: JSON.stringify(meta) })
    } catch (error) {
      return kept(error instanceof SiamError ? error.toLine() : String(error))
    }
    const opened = await this.#openFile(file)
    if (typeof opened === 'string') return kept(opened)
    if (path.dirname(file) === userIndexFolder()) await pruneIndexes(userIndexFolder(), file).catch(() => [])
    return { index: new DatasetIndex(this.#request.init, opened.handle, { cachedAs: file }), file }
  }

  /** @returns why the file is not used, or what it holds */
  async #openFile(file: string): Promise<{ handle: NativeIndexFile; meta: Meta } | string> {
    let handle: NativeIndexFile
    try {
      handle = await loadAddon().openIndexFile(file)
    } catch (error) {
      if (error instanceof SiamError && (error.code === 'ERR_DATA' || error.code === 'ERR_IO')) return `the cached index ${file} is not used: ${error.message}`
      throw error
    }
    const reason = await this.#reasonAgainst(handle)
    if (typeof reason !== 'string') {
      await loadMeans(handle, file, (line) => this.#say(line))
      return { handle, meta: reason }
    }
    handle.dispose()
    return `the cached index ${file} is not used: ${reason}`
  }

  async #reasonAgainst(handle: NativeIndexFile): Promise<string | Meta> {
    const meta = readMeta(handle.meta)
    if (meta === null || meta.identity !== this.#identity) return 'it is of another data set or version'
    if (meta.fingerprint !== (this.#request.fingerprint ?? null)) return "the data set's fingerprint is another one now"
    const change = await handle.firstChange()
    if (change === null) return meta
    const { path: changed, before, now } = change
    return `${changed} ${before.kind === 'missing' ? 'was added' : now.kind === 'missing' ? 'was removed' : now.kind === 'unreadable' ? 'cannot be looked at' : 'changed'}`
  }

  #say(line: string): void {
    this.#request.say(`${this.#request.init.name}: ${line}`)
  }
}

function readMeta(json: string): Meta | null {
  try {
    const meta = JSON.parse(json) as Meta
    return typeof meta.identity === 'string' && Array.isArray(meta.problems.kept) ? meta : null
  } catch {
    return null
  }
}
