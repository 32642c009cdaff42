/**
 * What results were made with, in a small file beside their folder (`TRACKER.run.json`): a run goes on where one stopped only if its settings
 * are the same, since results of two settings in one folder would be nobody's.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { requireTest, type Config } from '../../config/index.ts'
import { errorCode, isMissing } from '../../data/files.ts'
import { SiamError } from '../../errors.ts'
import { lockBy } from '../../lock-folder.ts'
import { makeFolder } from '../../make-folder.ts'

/** Dotted key → value: all that the boxes depend on. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null>>

const format = 1

export function manifestFile(folder: string): string {
  return `${folder}.run.json`
}

/**
 * Keeps other runs out of these folders of results, which need not be there yet: two that write the same files, or one that removes what the
 * other one writes (`--fresh`), would end in a mixture.
 * @returns `Symbol.dispose` lets them in again; so does the end of the process
 * @throws ERR_IO when another run has one of them, or nothing can be written there
 */
export function lockResults(folders: Iterable<string>): Disposable {
  const locks: Disposable[] = []
  const free = (): void => locks.splice(0).forEach((lock) => lock[Symbol.dispose]())
  try {
    for (const folder of folders) {
      makeAbove(folder)
      locks.push(lockBy(`${folder}.run.lock`, folder, 'testing into this folder'))
    }
  } catch (error) {
    free()
    throw error
  }
  return { [Symbol.dispose]: free }
}

function makeAbove(folder: string): void {
  try {
    makeFolder(path.dirname(folder))
  } catch (cause) {
    throw new SiamError('ERR_IO', `the folder cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`, { file: path.dirname(folder), cause })
  }
}

/**
 * @param weights  the file
 * @param more     what else the boxes depend on
 * @throws ERR_IO when the weights cannot be read
 */
export async function runSettings(config: Config, weights: string, more: RunSettings): Promise<RunSettings> {
  const { model, pipeline } = requireTest(config)
  const name = pipeline?.name
  return {
    weights_sha256: await sha256(weights),
    ...more,
    ...flat('model', model),
    'pipeline.name': name ?? null,
    ...(name === undefined ? {} : flat(`pipeline.${name}`, (pipeline as Record<string, unknown>)[name])),
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const bytes of createReadStream(file)) hash.update(bytes as Buffer)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the weights cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file, hint: 'name others with --weights, or set test.track.model.task_model.SiamTrack.pretrain_model_path', cause })
  }
  return hash.digest('hex')
}

/** Where weights come from does not matter: what is in them does. */
function flat(key: string, value: unknown): Record<string, string | number | boolean | null> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null ? value : JSON.stringify(value)
    return value === undefined || key.endsWith('pretrain_model_path') ? {} : { [key]: plain as string }
  }
  return Object.assign({}, ...Object.entries(value).map(([name, inner]) => flat(`${key}.${name}`, inner))) as Record<string, string>
}

/**
 * Makes sure that a folder's results are of these settings, and says so in its manifest.
 * @param fresh  results of an earlier run are removed
 * @throws ERR_ARGUMENT when the folder's results are of other settings (the message names them) or nobody knows of which, ERR_DATA for a
 *   damaged manifest, ERR_IO
 */
export async function claimFolder(folder: string, settings: RunSettings, fresh: boolean): Promise<void> {
  const file = manifestFile(folder)
  const before = await readManifest(file)
  if (await holdsFiles(folder)) {
    if (before === undefined) {
      throw new SiamError('ERR_ARGUMENT', 'the folder holds results, and what they were made with is not known', { file: folder, hint: 'move it away, or write to another folder (--out)' })
    }
    const differing = differences(before, settings)
    if (fresh) await remove(folder)
    else if (differing.length === 0) return
    else {
      throw new SiamError('ERR_ARGUMENT', `the results there were made with other settings: ${differing.join('; ')}`, { file: folder, hint: 'begin anew with --fresh, which removes them, or write to another folder (--out)' })
    }
  }
  makeAbove(folder)
  await writeFileAtomically(file, (sink) => sink(Buffer.from(`${JSON.stringify({ format, settings }, null, 2)}\n`)))
}

/** A run that never came to a result (its network could not be built, say) binds nobody. */
async function holdsFiles(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder, { recursive: true, withFileTypes: true })).some((entry) => !entry.isDirectory())
  } catch (cause) {
    if (isMissing(cause)) return false
    throw new SiamError('ERR_IO', `the folder of the results cannot be read (${errorCode(cause)})`, { file: folder, cause })
  }
}

async function remove(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true })
    await rm(`${folder}.zip`, { force: true })
  } catch (cause) {
    throw new SiamError('ERR_IO', `the earlier results cannot be removed (${errorCode(cause)})`, { file: folder, cause })
  }
}

async function readManifest(file: string): Promise<RunSettings | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new SiamError('ERR_IO', `cannot be read (${errorCode(cause)})`, { file, cause })
  }
  try {
    const value = JSON.parse(text) as { format?: unknown; settings?: unknown }
    if (value.format === format && typeof value.settings === 'object' && value.settings !== null) return value.settings as RunSettings
  } catch {
    // Said below.
  }
  throw new SiamError('ERR_DATA', `expected the settings of a run (format ${format})`, { file, hint: 'move it and the folder beside it away' })
}

/** `key: VALUE now, VALUE then`, eight at most. */
function differences(then: RunSettings, now: RunSettings): string[] {
  const keys = [...new Set([...Object.keys(now), ...Object.keys(then)])].filter((key) => then[key] !== now[key])
  const text = (value: unknown): string => (value === undefined ? 'nothing' : String(value).slice(0, 40))
  const shown = keys.slice(0, 8).map((key) => `${key} is ${text(now[key])} and was ${text(then[key])}`)
  return keys.length > shown.length ? [...shown, `and ${keys.length - shown.length} more`] : shown
}
