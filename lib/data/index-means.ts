/**
 * Means of whole frames, kept beside a cached index. A crop that leaves its frame is padded with them, and a frame whose mean is not known
 * must be decoded whole.
 */
import { SiamError } from '../errors.ts'
import type { NativeIndexFile } from '../native/addon.ts'
import { meansFileOf } from './cache-folder.ts'
import type { DatasetIndex } from './compact-index.ts'

/** What a running training writes at the end of an epoch is at most so old when the next one is written. */
const savedEveryMs = 3 * 60_000

/** Opens the means that are kept beside an index. What cannot be used is left alone, and `say` is told why. */
export async function loadMeans(handle: NativeIndexFile, indexFile: string, say: (line: string) => void): Promise<void> {
  const file = meansFileOf(indexFile)
  try {
    await handle.loadMeans(file)
  } catch (error) {
    if (!(error instanceof SiamError) || (error.code !== 'ERR_DATA' && error.code !== 'ERR_IO')) throw error
    say(`the means kept in ${file} are not used: ${error.message}; they are computed again`)
  }
}

/** Writes the means that loaders come to know. Failures are told once and never thrown: a mean can be computed again. */
export class MeansKeeper {
  readonly #kept: { name: string; handle: NativeIndexFile; indexFile: string }[] = []
  readonly #say: (line: string) => void
  readonly #now: () => number
  #savedAt: number
  #saving: Promise<void> = Promise.resolve()

  constructor(indexes: readonly DatasetIndex[], say: (line: string) => void = () => {}, now: () => number = () => performance.now()) {
    for (const { name, file, cachedAs } of indexes) {
      if (file !== undefined && cachedAs !== undefined) this.#kept.push({ name, handle: file, indexFile: cachedAs })
    }
    this.#say = say
    this.#now = now
    this.#savedAt = now()
  }

  /** To be called at the end of an epoch: saves in the background where the last time was long enough ago. */
  saveSometimes(): void {
    if (this.#now() - this.#savedAt >= savedEveryMs) void this.save()
  }

  /** Writes what is new, if anything is. */
  save(): Promise<void> {
    this.#savedAt = this.#now()
    this.#saving = this.#saving.then(() => this.#saveAll())
    return this.#saving
  }

  async #saveAll(): Promise<void> {
    for (const kept of this.#kept.slice()) {
      try {
        if (kept.handle.unsavedMeans > 0) await kept.handle.saveMeans(meansFileOf(kept.indexFile), kept.indexFile)
      } catch (error) {
        this.#kept.splice(this.#kept.indexOf(kept), 1)
        this.#say(`${kept.name}: the means of its frames are not kept: ${error instanceof SiamError ? error.toLine() : String(error)}`)
      }
    }
  }
}

export interface MeansProgress {
  dataset: string
  /** Frames looked at so far, those whose mean was known included. */
  done: number
  total: number
}

export interface MeansReport {
  dataset: string
  /** Means computed now. */
  computed: number
  /** Means in the file. */
  known: number
  /** Frames that cannot be read or decoded. */
  failed: number
  firstFailure?: { file: string; reason: string }
  file: string
  seconds: number
}

/** Frames a thread takes between two looks at the signal: a second or so of 1080p. */
const framesAtATime = 128

/**
 * Computes the means of all frames of an index that have none, and keeps them. What was done when it is stopped is kept, too.
 * @throws ERR_CONFIG when the index is not cached, ERR_IO when the means cannot be written, the signal's reason
 */
export async function computeMeans(
  index: DatasetIndex,
  options: { threads: number; onProgress?: (progress: MeansProgress) => void; signal?: AbortSignal },
): Promise<MeansReport> {
  const { name, file: handle, cachedAs } = index
  if (handle === undefined || cachedAs === undefined) {
    throw new SiamError('ERR_CONFIG', `${name}: means are kept beside a cached index, and this one is not cached`, { hint: 'set train.track.data.index_cache (or SIAMFCPP_INDEX_CACHE) to user or dataset' })
  }
  const begun = performance.now()
  const report: MeansReport = { dataset: name, computed: 0, known: 0, failed: 0, file: meansFileOf(cachedAs), seconds: 0 }
  const save = async (): Promise<void> => {
    report.known = (await handle.saveMeans(report.file, cachedAs)).known
  }
  let savedAt = begun
  try {
    for (let done = 0; done < index.frames; ) {
      options.signal?.throwIfAborted()
      const count = Math.min(framesAtATime * options.threads, index.frames - done)
      const { computed, failed, firstFile, firstReason } = await handle.computeMeans(done, count, options.threads)
      done += count
      report.computed += computed
      report.failed += failed
      if (firstFile !== undefined && firstReason !== undefined) report.firstFailure ??= { file: firstFile, reason: firstReason }
      options.onProgress?.({ dataset: name, done, total: index.frames })
      if (performance.now() - savedAt < savedEveryMs) continue
      await save()
      savedAt = performance.now()
    }
  } finally {
    await save()
  }
  report.seconds = (performance.now() - begun) / 1000
  return report
}
