/** Making a whole synthetic data set: all or nothing. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { SiamError, invalidArgument } from '../../errors.ts'
import { makeFolder } from '../../make-folder.ts'
import { runTasks } from './pool.ts'
import type { WorkerTask } from './worker.ts'
import { type WrittenSequence, sequenceName } from './write-sequence.ts'

export interface SynthOptions {
  /** Where the data set goes; ROOT/train and ROOT/val are made in it. */
  out: string
  /** Training sequences. */
  sequences?: number
  /** Validation sequences; their object classes are not in the training set. */
  val?: number
  /** Frames of each sequence. */
  frames?: number
  width?: number
  height?: number
  /** The same seed and sizes give the same files, whatever the number of threads. */
  seed?: number
  /** JPEG quality, 1..100. */
  quality?: number
  /** true: an existing `out` is replaced once the new one is complete. */
  force?: boolean
  /** Worker threads; default: the number of cores, at most 8. */
  threads?: number
  /** Called after each frame with the number of frames done and in all. */
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal
}

export const synthDefaults = { sequences: 40, val: 8, frames: 60, width: 480, height: 360, seed: 0, quality: 92 } as const

export interface SplitReport {
  sequences: number
  frames: number
  objectClasses: number
}

export interface SynthReport {
  out: string
  seed: number
  width: number
  height: number
  train: SplitReport
  val: SplitReport
  /** Frames in which at most 3/4 of the target is seen. */
  occludedFrames: number
  bytes: number
  seconds: number
  framesPerSecond: number
}

/**
 * Makes a data set in GOT-10k's layout: moving, turning, bending objects over moving backgrounds, with others that look alike, occlusion,
 * changing light, blur and noise. It is written beside `out` and renamed when complete, so `out` is never half-made.
 *
 * @throws ERR_ARGUMENT for a bad option, ERR_IO when `out` holds something already (unless `force`) or cannot be written, the signal's reason
 */
export async function makeSyntheticDataset(options: SynthOptions): Promise<SynthReport> {
  const settings = checkOptions(options)
  const out = path.resolve(options.out)
  await refuseOccupied(out, options.force ?? false)
  await removeLeftovers(out)
  const temporary = path.join(path.dirname(out), `.${path.basename(out)}.partial-${process.pid}-${randomBytes(3).toString('hex')}`)
  const started = performance.now()
  try {
    const tasks = makeTasks(temporary, settings)
    const total = tasks.length * settings.frames
    let done = 0
    await writing(temporary, async () => makeFolder(temporary))
    const written = await runTasks(tasks, settings.threads, () => options.onProgress?.((done += 1), total), options.signal)
    await writing(temporary, () => writeLists(temporary, settings))
    options.signal?.throwIfAborted()
    await writing(out, () => moveInto(temporary, out))
    const seconds = (performance.now() - started) / 1000
    return makeReport(out, settings, written, seconds)
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
  }
}

type Settings = Required<Pick<SynthOptions, 'sequences' | 'val' | 'frames' | 'width' | 'height' | 'seed' | 'quality' | 'threads'>>

function checkOptions(options: SynthOptions): Settings {
  if (typeof options.out !== 'string' || options.out === '') throw invalidArgument('a path', 'out', options.out)
  const integer = (name: keyof Settings, fallback: number, min: number, max: number): number => {
    const value = options[name] ?? fallback
    if (!Number.isInteger(value) || value < min || value > max) throw invalidArgument(`an integer from ${min} to ${max}`, name, value)
    return value
  }
  const settings = {
    sequences: integer('sequences', synthDefaults.sequences, 0, 999_999),
    val: integer('val', synthDefaults.val, 0, 999_999),
    frames: integer('frames', synthDefaults.frames, 2, 100_000),
    width: integer('width', synthDefaults.width, 64, 4096),
    height: integer('height', synthDefaults.height, 64, 4096),
    seed: integer('seed', synthDefaults.seed, 0, Number.MAX_SAFE_INTEGER),
    quality: integer('quality', synthDefaults.quality, 1, 100),
    threads: integer('threads', Math.min(availableParallelism(), 8), 1, 64),
  }
  if (settings.sequences + settings.val === 0) throw new SiamError('ERR_ARGUMENT', 'a data set of 0 training and 0 validation sequences has nothing in it')
  return settings
}

/** Every sequence of both splits, the longest-running order being irrelevant: each depends on (seed, split, index) alone. */
function makeTasks(root: string, { sequences, val, frames, width, height, seed, quality }: Settings): WorkerTask[] {
  const tasks: WorkerTask[] = []
  for (const [split, count] of [['train', sequences], ['val', val]] as const) {
    for (let index = 0; index < count; index += 1) {
      tasks.push({ dir: path.join(root, split, sequenceName(split, index)), spec: { seed, split, index, frames, width, height }, quality })
    }
  }
  return tasks
}

/** list.txt of a split, also of an empty one. */
async function writeLists(root: string, { sequences, val }: Settings): Promise<void> {
  for (const [split, count] of [['train', sequences], ['val', val]] as const) {
    await mkdir(path.join(root, split), { recursive: true })
    const names = Array.from({ length: count }, (_, index) => `${sequenceName(split, index)}\n`)
    await writeFile(path.join(root, split, 'list.txt'), names.join(''))
  }
}

async function refuseOccupied(out: string, force: boolean): Promise<void> {
  const found = await stat(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new SiamError('ERR_IO', `the output folder cannot be used: ${error.message}`, { file: out, cause: error })
  })
  if (found === null) return
  if (!found.isDirectory()) throw new SiamError('ERR_IO', 'the output is to be a folder, but a file is there', { file: out })
  if (!force && (await readdir(out)).length > 0) throw new SiamError('ERR_IO', 'the output folder is not empty', { file: out, hint: '--force replaces it' })
}

/** What a run that was killed left beside `out`; one whose process still runs is left alone. */
async function removeLeftovers(out: string): Promise<void> {
  const parent = path.dirname(out)
  const prefix = `.${path.basename(out)}.partial-`
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix)) continue
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (!Number.isNaN(pid) && !isRunning(pid)) await rm(path.join(parent, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Puts the finished folder in its place; what was there goes away only after that. */
async function moveInto(temporary: string, out: string): Promise<void> {
  const old = `${temporary}-old`
  const replaced = await rename(out, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
  try {
    await rename(temporary, out)
  } catch (error) {
    if (replaced) await rename(old, out)
    throw error
  }
  await syncFolder(path.dirname(out))
  if (replaced) await rm(old, { recursive: true, force: true })
}

/** Makes the rename last through a crash of the machine; not every file system lets folders be synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SiamError) throw error
    throw new SiamError('ERR_IO', `the data set cannot be written: ${error instanceof Error ? error.message : String(error)}`, { file, cause: error })
  }
}

function makeReport(out: string, settings: Settings, written: WrittenSequence[], seconds: number): SynthReport {
  const { sequences, seed, width, height } = settings
  const split = (part: WrittenSequence[]): SplitReport => ({
    sequences: part.length,
    frames: part.reduce((sum, sequence) => sum + sequence.frames, 0),
    objectClasses: new Set(part.map((sequence) => sequence.objectClass)).size,
  })
  const frames = written.reduce((sum, sequence) => sum + sequence.frames, 0)
  return {
    out,
    seed,
    width,
    height,
    train: split(written.slice(0, sequences)),
    val: split(written.slice(sequences)),
    occludedFrames: written.reduce((sum, sequence) => sum + sequence.occludedFrames, 0),
    bytes: written.reduce((sum, sequence) => sum + sequence.bytes, 0),
    seconds,
    framesPerSecond: frames / seconds,
  }
}
