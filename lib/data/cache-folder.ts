/** Where cached indexes lie, and how many of them are kept. */
import { access, constants, readdir, stat, unlink } from 'node:fs/promises'
import path from 'node:path'
import { removeStaleTemporaries } from '../checkpoint/atomic-file.ts'
import { invalidArgument } from '../errors.ts'
import { makeFolder } from '../make-folder.ts'
import { userCacheFolder } from '../user-cache.ts'

/** `train.track.data.index_cache`: in the user's cache, beside the data, or not at all. */
export const indexCacheModes = ['user', 'dataset', 'none'] as const
export type IndexCacheMode = (typeof indexCacheModes)[number]

const ending = '.siamidx'
/** Of what is kept beside an index; it goes when the index goes. */
const meansEnding = '.siammeans'
/** Bytes of indexes in the user's cache; those not used for the longest time go first. */
export const userCacheLimitBytes = 4 * 1024 ** 3

/** @throws ERR_CONFIG when SIAMFCPP_INDEX_CACHE, which overrides `configured`, is none of the modes */
export function indexCacheMode(configured: IndexCacheMode, env: NodeJS.ProcessEnv = process.env): IndexCacheMode {
  const own = env['SIAMFCPP_INDEX_CACHE']
  if (own === undefined || own === '') return configured
  const mode = indexCacheModes.find((candidate) => candidate === own)
  if (mode === undefined) throw invalidArgument('user, dataset or none', 'the environment variable SIAMFCPP_INDEX_CACHE', own, 'ERR_CONFIG')
  return mode
}

export function userIndexFolder(): string {
  return path.join(userCacheFolder(), 'index')
}

/** Beside the data: `ROOT/.siamfcpp-index`. */
export function datasetIndexFolder(root: string): string {
  return path.join(root, '.siamfcpp-index')
}

/** The name of a data set's cached index; `key` tells its settings apart. */
export function indexFileName(dataset: string, key: string): string {
  return `${dataset.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 60)}-${key}${ending}`
}

/** Where the means of an index's frames are kept. */
export function meansFileOf(indexFile: string): string {
  return `${indexFile.slice(0, -ending.length)}${meansEnding}`
}

/**
 * Makes a folder that indexes can be written to.
 * @returns null, or why they cannot
 */
export async function prepareFolder(folder: string): Promise<{ made: boolean } | { reason: string }> {
  try {
    const made = (await stat(folder).catch(() => null)) === null
    makeFolder(folder)
    await access(folder, constants.W_OK | constants.X_OK)
    return { made }
  } catch (error) {
    return { reason: `cannot write to ${folder} (${(error as NodeJS.ErrnoException).code ?? String(error)})` }
  }
}

/**
 * Removes the indexes used least recently until a folder holds at most `limitBytes` of them; `keep` stays. What is mapped by a process
 * that runs stays readable for it.
 * @returns the files removed
 */
export async function pruneIndexes(folder: string, keep: string, limitBytes = userCacheLimitBytes): Promise<string[]> {
  const removed = await removeStaleTemporaries(folder)
  const files: { file: string; bytes: number; usedMs: number }[] = []
  for (const name of await readdir(folder)) {
    if (!name.endsWith(ending)) continue
    const file = path.join(folder, name)
    // Another process may have removed it.
    const status = await stat(file).catch(() => null)
    const means = (await stat(meansFileOf(file)).catch(() => null))?.size ?? 0
    if (status?.isFile() === true) files.push({ file, bytes: status.size + means, usedMs: file === keep ? Infinity : status.mtimeMs })
  }
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { file, bytes } of files.sort((a, b) => a.usedMs - b.usedMs)) {
    if (total <= limitBytes || file === keep) break
    for (const part of [file, meansFileOf(file)]) {
      await unlink(part).then(
        () => removed.push(part),
        () => {},
      )
    }
    total -= bytes
  }
  return removed
}
