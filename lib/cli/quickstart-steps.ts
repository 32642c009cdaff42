/**
 * The three steps of `siamtrain quickstart`: a data set, a training run, tracking of held-out sequences. Each reuses what an earlier call
 * finished, when it was made with the same settings.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config/index.ts'
import { makeSyntheticDataset, synthDefaults } from '../data/synth/index.ts'
import { nameFromPattern } from '../data/frames.ts'
import { openGot10k } from '../data/got10k.ts'
import { ProblemLog } from '../data/problems.ts'
import { buildTrainer, configSha256 } from '../engine/builders.ts'
import { removeSnapshots } from '../engine/output-folder.ts'
import { createProgress } from '../engine/progress.ts'
import { finalModelName, listSnapshots, writeSnapshotFile } from '../engine/snapshot-file.ts'
import { composeWeights } from '../engine/snapshot.ts'
import type { TrainerBase } from '../engine/trainer-base.ts'
import { meanOverlap, type Rect } from '../evaluation/overlap.ts'
import { Monitor, type EngineData } from '../monitors/monitor.ts'
import { loadAddon } from '../native/load.ts'
import { buildTracker } from '../tracking/index.ts'
import { drawBox, sideBySide, type Color, type Picture } from '../tracking/draw.ts'
import { framePixels, trackColor, truthColor } from '../tracking/overlay.ts'

/** Where everything of one quickstart lies. */
export interface Places {
  root: string
  data: string
  snapshots: string
  overlays: string
  untrained: string
  trained: string
  /** What was finished and with which settings. */
  record: string
  /** The configuration of the snapshots that are there, finished or not. */
  marker: string
}

export function placesIn(root: string): Places {
  const snapshots = path.join(root, 'snapshots')
  return {
    root,
    data: path.join(root, 'data'),
    snapshots,
    overlays: path.join(root, 'overlays'),
    untrained: path.join(root, 'untrained_model.pkl'),
    trained: path.join(snapshots, 'quickstart', finalModelName),
    record: path.join(root, 'quickstart.json'),
    marker: path.join(root, 'training-config.sha256'),
  }
}

interface DataRecord {
  settings: Required<Pick<NonNullable<Parameters<typeof makeSyntheticDataset>[0]>, 'sequences' | 'val' | 'frames' | 'width' | 'height' | 'seed'>>
}

interface TrainingRecord {
  configSha256: string
  iterations: number
  seconds: number
  firstLoss: number
  lastLoss: number
}

interface QuickstartRecord {
  data?: DataRecord
  training?: TrainingRecord
}

function readRecord(places: Places): QuickstartRecord {
  try {
    return JSON.parse(readFileSync(places.record, 'utf8')) as QuickstartRecord
  } catch {
    return {}
  }
}

async function updateRecord(places: Places, entries: Partial<QuickstartRecord>): Promise<void> {
  await writeFile(places.record, `${JSON.stringify({ ...readRecord(places), ...entries }, null, 2)}\n`)
}

export interface StepOptions {
  places: Places
  signal: AbortSignal
  threads: number | undefined
  device: string
}

export interface DataResult {
  reused: boolean
  seconds: number
  train: number
  val: number
  frames: number
}

/** Makes the data set, unless the one that is there was made with the same settings. */
export async function makeData(options: StepOptions): Promise<DataResult> {
  const { places, signal } = options
  const { sequences, val, frames, width, height, seed } = synthDefaults
  const settings = { sequences, val, frames, width, height, seed }
  const result = { train: sequences, val, frames: frames * (sequences + val) }
  if (existsSync(places.data) && JSON.stringify(readRecord(places).data?.settings) === JSON.stringify(settings)) return { ...result, reused: true, seconds: 0 }
  const started = performance.now()
  const progress = createProgress({ total: result.frames, description: 'data', unit: 'frame' })
  try {
    await mkdir(places.root, { recursive: true })
    await makeSyntheticDataset({ out: places.data, ...settings, force: true, signal, onProgress: () => progress.update() })
  } finally {
    progress.close()
  }
  await updateRecord(places, { data: { settings } })
  return { ...result, reused: false, seconds: (performance.now() - started) / 1000 }
}

export interface TrainingResult extends TrainingRecord {
  /** 'finished': nothing was trained; 'resumed': the rest of a stopped run was. */
  reused: 'no' | 'resumed' | 'finished'
}

/** Sum of the losses at the first and the last iteration of this process. */
class FirstAndLast extends Monitor {
  first: number | undefined
  last = Number.NaN

  override async update({ training_losses }: EngineData): Promise<void> {
    this.last = Object.values(training_losses).reduce((sum, value) => sum + value, 0)
    this.first ??= this.last
  }
}

/** Trains, goes on with a run that was stopped, or does nothing when the run is finished. The untrained weights are kept beside it. */
export async function train(config: Config, options: StepOptions): Promise<TrainingResult> {
  const { places, signal, threads, device } = options
  const sha = configSha256(config)
  const before = readRecord(places).training
  if (before?.configSha256 === sha && existsSync(places.trained) && existsSync(places.untrained)) return { ...before, reused: 'finished' }
  const folder = path.dirname(places.trained)
  const same = existsSync(places.marker) && (await readFile(places.marker, 'utf8')) === sha && existsSync(places.untrained)
  const resume = same && (await listSnapshots(folder)).length > 0
  if (!resume) await removeSnapshots(folder)

  const started = performance.now()
  const losses = new FirstAndLast()
  const trainer = await buildTrainer(config, { device, threads, monitors: [losses], signal })
  try {
    if (resume) await trainer.resume('latest')
    else {
      await writeSnapshotFile(places.untrained, composeWeights(await trainer.model.stateDict()))
      await writeFile(places.marker, sha)
    }
    await runToEnd(trainer, signal)
    const { state } = trainer
    const record = { configSha256: sha, iterations: state.max_epoch * state.max_iteration, seconds: (performance.now() - started) / 1000, firstLoss: losses.first ?? Number.NaN, lastLoss: losses.last }
    await updateRecord(places, { training: record })
    return { ...record, reused: resume ? 'resumed' : 'no' }
  } finally {
    await trainer.close()
  }
}

async function runToEnd(trainer: TrainerBase, signal: AbortSignal): Promise<void> {
  try {
    while (!trainer.isCompleted()) {
      await trainer.train({ signal })
      await trainer.saveSnapshot()
    }
  } catch (error) {
    if (signal.aborted && trainer.hasUnsavedWork()) process.stderr.write(`Saved ${await trainer.saveSnapshot()}; run quickstart again to go on\n`)
    throw error
  }
  await trainer.saveSnapshot({ modelParamOnly: true })
}

export interface HeldOutSequence {
  name: string
  frames: string[]
  /** Ground truth; null where the target is not in the picture. */
  truth: (Rect | null)[]
}

/** Reads the sequences of the data set's `val` split. */
export async function heldOut(places: Places): Promise<HeldOutSequence[]> {
  const context = { name: 'GOT10kDataset', cwd: process.cwd(), configPath: 'quickstart', problems: new ProblemLog(true) }
  const sequences: HeldOutSequence[] = []
  for await (const { name, frames, boxes, absent } of await openGot10k({ dataset_root: places.data, subset: 'val' }, context)) {
    const files = 'pattern' in frames ? Array.from({ length: frames.count }, (_, k) => path.join(frames.dir, nameFromPattern(frames, k))) : [...frames]
    const flat = Array.from(boxes as ArrayLike<number | readonly number[]>).flat() as number[]
    const truth = files.map((_, k): Rect | null => {
      const [x, y, w, h] = flat.slice(4 * k, 4 * k + 4) as [number, number, number, number]
      return absent !== undefined && Boolean(absent[k]) ? null : [x, y, w, h]
    })
    sequences.push({ name, frames: files, truth })
  }
  return sequences
}

export interface TrackingResult {
  /** Mean over the sequences of their mean overlaps. */
  ao: number
  framesPerSecond: number
  sequences: { name: string; ao: number; boxes: Rect[] }[]
}

/** Tracks every sequence from its first box with the given weights. */
export async function track(config: Config, weights: string, sequences: readonly HeldOutSequence[], label: string, options: StepOptions): Promise<TrackingResult> {
  const { signal, device } = options
  const total = sequences.reduce((sum, { frames }) => sum + frames.length, 0)
  const progress = createProgress({ total, description: label, unit: 'frame' })
  const started = performance.now()
  const tracker = await buildTracker(config, { weights, device })
  try {
    const results: TrackingResult['sequences'] = []
    for (const { name, frames, truth } of sequences) {
      const first = truth[0]
      if (first === undefined || first === null) continue
      const boxes: Rect[] = [first]
      await tracker.init(frames[0]!, [...first])
      progress.update()
      for (const frame of frames.slice(1)) {
        signal.throwIfAborted()
        const { box } = await tracker.update(frame)
        boxes.push([box[0], box[1], box[2], box[3]])
        progress.update()
      }
      results.push({ name, ao: meanOverlap(boxes, truth), boxes })
    }
    return { ao: results.reduce((sum, { ao }) => sum + ao, 0) / results.length, framesPerSecond: total / ((performance.now() - started) / 1000), sequences: results }
  } finally {
    progress.close()
    tracker[Symbol.dispose]()
  }
}

/** The untrained tracker's box: red (BGR). */
const untrainedColor: Color = [40, 40, 230]

/**
 * Writes one picture for each sequence: four of its frames side by side with the truth (amber), the trained tracker's box (green)
 * and the untrained one's (red).
 * @returns the files
 */
export async function writeOverlays(places: Places, sequences: readonly HeldOutSequence[], trained: TrackingResult, untrained: TrackingResult): Promise<string[]> {
  const addon = loadAddon()
  await rm(places.overlays, { recursive: true, force: true })
  await mkdir(places.overlays, { recursive: true })
  const files: string[] = []
  for (const [index, { name, frames, truth }] of sequences.entries()) {
    const pictures: Picture[] = []
    for (const fraction of [0.1, 0.4, 0.7, 1]) {
      const k = Math.round(fraction * (frames.length - 1))
      const picture = await framePixels(frames[k]!)
      const expected = truth[k]
      if (expected !== undefined && expected !== null) drawBox(picture, expected, truthColor)
      const lost = untrained.sequences[index]?.boxes[k]
      if (lost !== undefined) drawBox(picture, lost, untrainedColor)
      const found = trained.sequences[index]?.boxes[k]
      if (found !== undefined) drawBox(picture, found, trackColor)
      pictures.push(picture)
    }
    const { data, width, height } = sideBySide(pictures)
    const file = path.join(places.overlays, `${name}.jpg`)
    await writeFile(file, addon.encodeJpeg(data, width, height, { quality: 90, subsampling: '444', format: 'bgr' }))
    files.push(file)
  }
  return files
}
