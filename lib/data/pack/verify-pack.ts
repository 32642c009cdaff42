/** Verifies packs: every byte of every file is compared with what manifest, table and index say of it. */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import type { NativeIndexFile } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import { DatasetIndex } from '../compact-index.ts'
import { isDirectory } from '../files.ts'
import { type DataProblem, ProblemLog } from '../problems.ts'
import type { VerifiedDataset, VerifyReport } from '../survey/verify.ts'
import { type PackManifest, packManifestFile, packShardName } from './format.ts'
import { readPackManifest } from './manifest.ts'
import { workFolderName } from './plan.ts'

const keptProblems = 10_000

export interface VerifyPackOptions {
  threads?: number
  /** How many problems are kept with their text (10,000 unless told); all are counted. */
  keptProblems?: number
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal
}

/**
 * The packs that a path holds: itself, or the folders in it.
 * @returns their folders; empty where there is none, finished or not
 */
export async function packsIn(folder: string): Promise<string[]> {
  // Asked of every folder of a data set that may have thousands: two looks, no listing.
  const holdsPack = async (dir: string): Promise<boolean> =>
    existsSync(path.join(dir, workFolderName)) || (existsSync(path.join(dir, packManifestFile)) && (await readPackManifest(dir).then(() => true, isOurs)))
  if (!(await isDirectory(folder))) return []
  if (await holdsPack(folder)) return [folder]
  const found: string[] = []
  for (const name of (await readdir(folder)).sort()) if (await holdsPack(path.join(folder, name))) found.push(path.join(folder, name))
  return found
}

/** A pack.json that is damaged is a damaged pack; that of another program, no pack at all. */
function isOurs(error: unknown): boolean {
  return error instanceof SiamError && !error.message.includes('it is something else')
}

/**
 * @param folders  of {@link packsIn}
 * @throws ERR_IO for a file that the system does not let us read, the signal's reason
 */
export async function verifyPacks(folders: readonly string[], options: VerifyPackOptions = {}): Promise<VerifyReport> {
  const begun = performance.now()
  const log = new ProblemLog(false, options.keptProblems ?? keptProblems)
  const datasets: VerifiedDataset[] = []
  let frames = 0
  for (const folder of folders) {
    options.signal?.throwIfAborted()
    frames += await verifyPack(folder, datasets, log, options)
  }
  const seconds = (performance.now() - begun) / 1000
  return { ok: log.total === 0, datasets, counts: { ...log.counts }, problems: log.kept, problemsLeftOut: log.total - log.kept.length, resumedSequences: 0, seconds, framesPerSecond: frames / seconds }
}

/** @returns frames looked at */
async function verifyPack(dir: string, datasets: VerifiedDataset[], log: ProblemLog, options: VerifyPackOptions): Promise<number> {
  const dataset = path.basename(dir)
  const add = (kind: DataProblem['kind'], file: string, message: string, sequence = ''): void => log.add({ kind, scope: 'frame', dataset, sequence, file, message })
  const damaged = (error: unknown): number => {
    if (!(error instanceof SiamError) || (error.code !== 'ERR_DATA' && !missing(error))) throw error
    add('damaged_pack', error.file ?? dir, error.message)
    return 0
  }
  let manifest: PackManifest | null
  try {
    manifest = await readPackManifest(dir)
  } catch (error) {
    return damaged(error)
  }
  if (manifest === null) {
    add('damaged_pack', dir, `the pack is not finished: it has no ${packManifestFile}; the same siamtrain data pack command goes on where it stopped`)
    return 0
  }
  const { name, params } = manifest.dataset
  datasets.push({ name, params, sequences: manifest.sequences, frames: manifest.frames, bytes: manifest.bytes })
  let file: NativeIndexFile | undefined
  try {
    file = await loadAddon().openIndexFile(path.join(dir, manifest.index.file))
    return await verifyShards(dir, manifest, file, { add, log }, options)
  } catch (error) {
    return damaged(error)
  } finally {
    file?.dispose()
  }
}

interface Report {
  add(kind: DataProblem['kind'], file: string, message: string, sequence?: string): void
  log: ProblemLog
}

async function verifyShards(dir: string, manifest: PackManifest, file: NativeIndexFile, { add, log }: Report, options: VerifyPackOptions): Promise<number> {
  const table = path.join(dir, manifest.table.file)
  if (file.sequences !== manifest.sequences || file.frames !== manifest.frames) {
    throw new SiamError('ERR_DATA', `Expected an index of ${manifest.sequences} sequences and ${manifest.frames} frames, as ${packManifestFile} says, but it has ${file.sequences} and ${file.frames}`, { file: path.join(dir, manifest.index.file) })
  }
  const shards = manifest.shards.map(({ file: name, bytes, entries }) => ({ path: path.join(dir, name), bytes, entries }))
  for (const shard of shards) {
    const status = await stat(shard.path).catch(() => null)
    if (status !== null && status.size !== shard.bytes) add('damaged_pack', shard.path, `the shard has ${status.size} bytes, ${packManifestFile} says ${shard.bytes}`)
  }
  const listed = new Set(manifest.shards.map(({ file: name }) => name))
  for (const name of (await readdir(dir)).sort()) {
    if (packShardName.test(name) && !listed.has(name)) add('damaged_pack', path.join(dir, name), `${packManifestFile} does not list this shard: it is left over from another making and can be removed`)
  }
  const members = new DatasetIndex({ name: manifest.dataset.name, ratio: 1, maxDiff: 1 }, file)
  const job = loadAddon().createPackVerifier({ table, shards, members, threads: options.threads ?? availableParallelism(), keep: options.keptProblems ?? keptProblems })
  const stop = (): void => job.stop()
  options.signal?.addEventListener('abort', stop, { once: true })
  const timer = setInterval(() => options.onProgress?.(job.progress().rows, manifest.frames), 100)
  try {
    const { problems, problemCount, memberProblemCount } = await job.run()
    options.onProgress?.(job.progress().rows, manifest.frames)
    for (const { shard, member, message } of problems) {
      if (member === '') add('damaged_pack', shard, message)
      else add('damaged_member', shard, `${member}: ${message}`, path.posix.dirname(member))
    }
    const members = problems.filter(({ member }) => member !== '').length
    log.addUnkept('damaged_member', 'frame', memberProblemCount - members)
    log.addUnkept('damaged_pack', 'frame', problemCount - memberProblemCount - (problems.length - members))
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error
  } finally {
    clearInterval(timer)
    options.signal?.removeEventListener('abort', stop)
  }
  const pictures = manifest.shards.reduce((sum, { entries }) => sum + entries, 0)
  if (pictures !== manifest.stored) add('damaged_pack', path.join(dir, packManifestFile), `the shards have ${pictures} pictures together, "stored" says ${manifest.stored}`)
  return manifest.frames
}

function missing(error: SiamError): boolean {
  return error.code === 'ERR_IO' && error.message.includes('No such file')
}
