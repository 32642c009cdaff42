/** Makes packs: the pictures around the targets of data sets, in a few big files. docs/packs.md says what is in them. */
import { readdir, rm, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { ioError } from '../../checkpoint/io-error.ts'
import { SiamError, invalidArgument } from '../../errors.ts'
import { lockFolder } from '../../lock-folder.ts'
import { makeFolder } from '../../make-folder.ts'
import type { PackWriterResult } from '../../native/addon-pack.ts'
import type { NativeDatasetIndex } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import { packageVersion } from '../../version.ts'
import { DatasetIndex } from '../compact-index.ts'
import { isDirectory } from '../files.ts'
import { headerBytes, writeIndexFile } from '../index-file.ts'
import { type IndexDatasetsOptions, indexDatasets } from '../open-datasets.ts'
import type { DataSettings, DatasetSetting } from '../settings.ts'
import { type BadPackFrame, badFramesOf } from './bad-frames.ts'
import { type PackEstimate, checkRoom, estimateFrom, estimateSamples, freeBytes } from './estimate.ts'
import { follow } from './follow.ts'
import { type PackManifest, contextFactorOf, packFormat, packIndexFile, packManifestFile, packShardFile, packShardName, packTableFile, packVersion } from './format.ts'
import { type PackIdentity, differences, identityOf, indexHeader } from './identity.ts'
import { lookAgain, tooManyHint } from './look-again.ts'
import { readPackManifest } from './manifest.ts'
import { packIndexSections } from './member-names.ts'
import { checkFolder, checkPlan, defaultShardBytes, otherPack, readPlan, removeLeftovers, removePack, shardCount, workFolderName, writePlan } from './plan.ts'

/** Measured: docs/packs.md. */
export const packDefaults = { quality: 90, subsampling: '420' } as const
const mostDensity = 1.5

/** As many stored pixels as the finest crop that can be drawn has, within reason. */
export function defaultDensity({ maxScale, maxScaleTemp }: PackIdentity['crop']): number {
  return Math.min(1 + Math.max(maxScale, maxScaleTemp), mostDensity)
}

/** A few bad frames are usual; a tenth of them missing is a disk or a folder that is not there. Of small data sets, 100. */
export function defaultAllowBad(frames: number): number {
  return Math.max(100, Math.floor(frames / 10))
}

export interface PackOptions extends Pick<IndexDatasetsOptions, 'cwd' | 'signal' | 'log' | 'onProgress'> {
  /** Holds a folder for each data set. */
  out: string
  /** Threads; default: as many as there are cores. */
  workers?: number
  /** Stored pixels for a pixel of a crop, at most. Default: {@link defaultDensity}. */
  density?: number
  /** JPEG quality of pictures that are not stored without loss. */
  quality?: number
  subsampling?: '420' | '444'
  shardBytes?: number
  /** The first frame that cannot be used is an error. */
  strict?: boolean
  /** How many frames of a data set may be unusable; more are an error, and no pack. Default: {@link defaultAllowBad}. */
  allowBad?: number
  /** Begin although the estimate says that it will not fit. */
  force?: boolean
  /** Begin anew where there is another pack, or a part of one. */
  overwrite?: boolean
  /** Only estimate. */
  dryRun?: boolean
  /** Once, before anything is written. */
  onEstimate?: (estimates: PackEstimate[], freeBytes: number | null) => void
  /** Several times a second while a pack is written. */
  onPacking?: (progress: { dataset: string; done: number; total: number; reused: number; bytes: number }) => void
}

export interface PackedDataset {
  dataset: string
  folder: string
  sequences: number
  frames: number
  /** Frames that have a picture. */
  stored: number
  /** Of shards. */
  bytes: number
  shards: number
  /** Shards that an earlier run had completed; all of them where the pack was finished before. */
  reusedShards: number
  /** Frames of those shards, the bad ones too. */
  reusedFrames: number
  bad: number
  /** At most 1000 with their reasons. */
  badFrames: BadPackFrame[]
  seconds: number
}

export interface PackReport {
  estimates: PackEstimate[]
  freeBytes: number | null
  /** Empty for a dry run. */
  packs: PackedDataset[]
}

interface Job {
  setting: DatasetSetting
  folder: string
  identity: PackIdentity
  frames: DatasetIndex
  members: NativeDatasetIndex
}

/**
 * Writes a pack of each data set, or goes on with one that was stopped.
 *
 * @throws ERR_DATA (nothing usable, another pack in the folder, a bad frame when strict), ERR_IO (full disk, no permission, another writer),
 *   ERR_ARGUMENT, and the signal's reason; whatever was complete is kept
 */
export async function makePacks(settings: DataSettings, options: PackOptions): Promise<PackReport> {
  const { signal } = options
  checkOptions(options)
  const out = path.resolve(options.cwd ?? process.cwd(), options.out)
  const threads = options.workers ?? availableParallelism()
  const strict = options.strict ?? settings.strict
  const { indexes } = await indexDatasets(settings, { ...options, strict })
  try {
    const jobs = indexes.map((frames, i) => jobOf(settings, options, frames, settings.datasets[i]!, path.join(out, frames.name)))
    if (options.overwrite !== true) for (const job of jobs) await checkBefore(job, options)
    const estimates: PackEstimate[] = []
    for (const job of jobs) estimates.push(await estimate(job, threads, signal))
    const free = await freeBytes(out)
    options.onEstimate?.(estimates, free)
    const report: PackReport = { estimates, freeBytes: free, packs: [] }
    if (options.dryRun === true) return report
    // What is there is used or, with overwrite, makes room.
    const written = (await Promise.all(jobs.map(({ folder }) => bytesIn(folder)))).reduce((sum, bytes) => sum + bytes, 0)
    if (options.force !== true) checkRoom(Math.max(0, estimates.reduce((sum, { bytes }) => sum + bytes, 0) - written), free, out)
    for (const [i, job] of jobs.entries()) report.packs.push(await makePack(job, estimates[i]!, threads, strict, options))
    return report
  } finally {
    for (const index of indexes) index.dispose()
  }
}

function checkOptions({ workers = 1, density = 1, quality = 1, subsampling = '420', shardBytes = 1, allowBad = 0 }: PackOptions): void {
  const whole = (value: number, min: number, max: number): boolean => Number.isSafeInteger(value) && value >= min && value <= max
  if (!whole(workers, 1, 1024)) throw invalidArgument('an integer from 1 to 1024', 'workers', workers)
  if (!(density >= 0.25 && density <= 16)) throw invalidArgument('a number from 0.25 to 16', 'density', density)
  if (!whole(quality, 1, 100)) throw invalidArgument('an integer from 1 to 100', 'quality', quality)
  if (subsampling !== '420' && subsampling !== '444') throw invalidArgument("'420' or '444'", 'subsampling', subsampling)
  if (!whole(shardBytes, 1, Number.MAX_SAFE_INTEGER)) throw invalidArgument('a positive integer', 'shardBytes', shardBytes)
  if (!whole(allowBad, 0, Number.MAX_SAFE_INTEGER)) throw invalidArgument('a non-negative integer', 'allowBad', allowBad)
}

function jobOf({ crop }: DataSettings, options: PackOptions, frames: DatasetIndex, setting: DatasetSetting, folder: string): Job {
  const { density = defaultDensity(crop), quality = packDefaults.quality, subsampling = packDefaults.subsampling } = options
  const params: Record<string, unknown> = { ...setting.params }
  const identity = { dataset: { name: setting.name, params }, crop, contextFactor: contextFactorOf(crop), density, quality, subsampling, sequences: frames.sequences, frames: frames.frames }
  const members = new DatasetIndex({ name: frames.name, ratio: frames.ratio, maxDiff: frames.maxDiff, still: frames.still, emptyStills: frames.emptyStills }, packIndexSections(frames.sections, frames.still))
  return { setting, folder, identity, frames, members }
}

async function estimate({ identity, frames, members }: Job, threads: number, signal: AbortSignal | undefined): Promise<PackEstimate> {
  const samples = await follow(loadAddon().createPackEstimate({ ...identity, frames, members, samples: estimateSamples, threads }), signal)
  const sections = Object.values(members.sections!) as { byteLength: number }[]
  return estimateFrom(frames.name, identity.frames, samples, sections.reduce((sum, { byteLength }) => sum + byteLength, headerBytes), threads)
}

async function makePack(job: Job, estimated: PackEstimate, threads: number, strict: boolean, options: PackOptions): Promise<PackedDataset> {
  const begun = performance.now()
  const { folder, identity, frames, members } = job
  try {
    makeFolder(folder)
  } catch (error) {
    throw ioError(error, 'write', folder)
  }
  await checkFolder(folder)
  using _lock = lockFolder(folder, 'writing this pack')
  if (options.overwrite === true) await removePack(folder)
  const shardBytes = options.shardBytes ?? defaultShardBytes
  const maxBad = options.allowBad ?? defaultAllowBad(identity.frames)
  const work = path.join(folder, workFolderName)
  const finished = await finishedPack(job)
  if (finished !== null) {
    const { bad, anew } = await lookAgain(finished, job, { threads, strict, maxBad, signal: options.signal, log: options.log })
    if (anew === 0) {
      await rm(work, { recursive: true, force: true })
      const { stored, bytes, shards } = finished
      return { ...summary(job, begun), stored, bytes, shards: shards.length, reusedShards: shards.length, reusedFrames: finished.frames, bad: finished.frames - stored, badFrames: badFramesOf(frames, bad.slice(0, 1000)) }
    }
    await reopen(job, finished, shardBytes)
  }
  const shards = await begin(job, shardCount(estimated.bytes, shardBytes, identity.frames), shardBytes)
  const writer = loadAddon().createPackWriter({ ...identity, frames, members, threads, folder, workFolder: work, shards, strict, maxBad })
  const result = await follow(writer, options.signal, ({ rows, reused, bytes }) => options.onPacking?.({ dataset: frames.name, done: rows, total: identity.frames, reused, bytes })).catch((error: unknown) => {
    throw tooManyBad(error, frames.name)
  })
  const pack = { ...summary(job, begun), ...totals(result), badFrames: badFramesOf(frames, result.badFrames) }
  if (pack.stored === 0) {
    const first = pack.badFrames[0]
    throw new SiamError('ERR_DATA', `no frame of ${frames.name} could be packed${first === undefined ? '' : `; the first: ${first.message}`}`, { file: first?.file ?? folder })
  }
  await writeManifest(job, result, pack.stored)
  await rm(work, { recursive: true, force: true })
  return pack
}

/** The addon's error for too many bad frames, with what can be done. */
function tooManyBad(error: unknown, dataset: string): unknown {
  if (!(error instanceof SiamError) || !error.message.includes(' could not be used, and at most ')) return error
  return new SiamError(error.code, `${dataset}: ${error.message}`, { file: error.file, hint: tooManyHint })
}

/** Makes a finished pack one that is to be gone on with: its sound shards are then found complete. */
async function reopen({ folder, identity }: Job, { shards }: PackManifest, shardBytes: number): Promise<void> {
  makeFolder(path.join(folder, workFolderName))
  await writePlan(folder, { product: packageVersion, identity, shardBytes, shards: shards.length })
  await rm(path.join(folder, packManifestFile), { force: true })
}

function summary({ folder, identity, frames }: Job, begun: number): Pick<PackedDataset, 'dataset' | 'folder' | 'sequences' | 'frames' | 'seconds'> {
  return { dataset: frames.name, folder, sequences: identity.sequences, frames: identity.frames, seconds: (performance.now() - begun) / 1000 }
}

function totals({ shards }: PackWriterResult): Pick<PackedDataset, 'stored' | 'bytes' | 'shards' | 'reusedShards' | 'reusedFrames' | 'bad'> {
  const sum = (of: (shard: PackWriterResult['shards'][number]) => number): number => shards.reduce((total, shard) => total + of(shard), 0)
  return { stored: sum((s) => s.entries), bytes: sum((s) => s.bytes), shards: shards.length, reusedShards: sum((s) => (s.reused ? 1 : 0)), reusedFrames: sum((s) => (s.reused ? s.entries + s.bad : 0)), bad: sum((s) => s.bad) }
}

/** Looks, without touching anything, whether the folder can be this pack's: a moment, where estimating takes some. */
async function checkBefore({ folder, identity }: Job, options: PackOptions): Promise<void> {
  if (!(await isDirectory(folder))) return
  await checkFolder(folder)
  const manifest = await readPackManifest(folder)
  const plan = manifest === null ? await readPlan(folder) : null
  const told = manifest === null ? [] : differences(identityOf(manifest), identity)
  if (told.length > 0) throw otherPack('there is another pack in this folder', told, folder)
  if (plan !== null) checkPlan(plan, identity, options.shardBytes ?? defaultShardBytes, folder)
}

/** The manifest of a pack that is finished and the one that was asked for. @throws ERR_DATA when it is another one */
async function finishedPack(job: Job): Promise<PackManifest | null> {
  const { folder, identity } = job
  const manifest = await readPackManifest(folder)
  if (manifest === null) return null
  const told = differences(identityOf(manifest), identity)
  if (told.length === 0 && !(await sameIndex(job))) told.push('its sequences, frames or boxes')
  if (told.length > 0) throw otherPack('there is another pack in this folder', told, folder)
  return manifest
}

/** Whether the index in the folder is the one that would be written. */
async function sameIndex(job: Job): Promise<boolean> {
  const there = await indexHeader(job.folder)
  const work = path.join(job.folder, workFolderName)
  makeFolder(work)
  await writeIndex(job, work)
  const now = await indexHeader(work)
  await rm(path.join(work, packIndexFile), { force: true })
  return there !== null && now !== null && there.equals(now)
}

async function writeIndex({ identity, members }: Job, dir: string): Promise<void> {
  const none = { offsets: new Uint32Array(0), bytes: new Uint8Array(0), states: new Uint8Array(0) }
  const { name, still = false, emptyStills = 0 } = members
  await writeIndexFile(path.join(dir, packIndexFile), { sections: members.sections!, still, emptyStills, dependencies: none, meta: JSON.stringify({ pack: name, version: packVersion, frames: identity.frames }) })
}

/** Writes down what is to be made, or finds it written down. @returns the number of shards @throws ERR_DATA when it was something else */
async function begin(job: Job, shards: number, shardBytes: number): Promise<number> {
  const { folder, identity } = job
  const plan = await readPlan(folder)
  if (plan !== null) {
    checkPlan(plan, identity, shardBytes, folder)
    if (!(await sameIndex(job))) throw otherPack('the data set has changed since the pack was begun', ['its sequences, frames or boxes are not what they were'], folder)
    return plan.shards
  }
  await removeLeftovers(folder)
  makeFolder(path.join(folder, workFolderName))
  await writeIndex(job, folder)
  await writePlan(folder, { product: packageVersion, identity, shardBytes, shards })
  return shards
}

async function writeManifest({ folder, identity }: Job, { shards, tableBytes }: PackWriterResult, stored: number): Promise<void> {
  const manifest: PackManifest = {
    format: packFormat,
    version: packVersion,
    product: packageVersion,
    ...identity,
    stored,
    bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    index: { file: packIndexFile, bytes: (await stat(path.join(folder, packIndexFile))).size },
    table: { file: packTableFile, bytes: tableBytes },
    shards: shards.map(({ bytes, entries }, i) => ({ file: packShardFile(i), bytes, entries })),
  }
  await writeFileAtomically(path.join(folder, packManifestFile), (sink) => sink(Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`)))
}

/** Bytes of the shards that are there under their own names. */
async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const sizes = await Promise.all(names.filter((name) => packShardName.test(name)).map(async (name) => (await stat(path.join(folder, name)).catch(() => null))?.size ?? 0))
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}
