/**
 * Verifies data sets frame by frame: every frame is there and decodes, the frames of a video have one size, boxes are finite, have an
 * area and touch the picture.
 */
import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import { type DataProblem, ProblemLog } from '../problems.ts'
import { openDataset } from '../registry.ts'
import type { SequenceRecord } from '../source.ts'
import { forEachBounded } from './bounded.ts'
import { boxFault, boxOf, frameCountOf, framePathOf, isOutside } from './boxes.ts'
import { DecoderPool } from './decoder-pool.ts'
import type { DetectedDataset } from './detect.ts'
import { VerifyJournal, type VerifiedSequence } from './verify-journal.ts'
import type { FrameFact } from './verify-worker.ts'

export interface VerifyOptions {
  /** Relative roots are taken from here; default: the working directory. */
  cwd?: string
  /** Decoding threads; default: as many as there are cores. */
  threads?: number
  /** Keeps what is done; a stopped verification goes on from it. Default: none. */
  journal?: string
  /** true: begin anew although there is a journal. */
  fresh?: boolean
  /** Problems that the report keeps with their text; all are counted. Default 10,000. */
  keptProblems?: number
  onProgress?: (done: number, total: number | undefined) => void
  signal?: AbortSignal
}

export interface VerifiedDataset {
  name: string
  params: Record<string, unknown>
  sequences: number
  frames: number
  bytes: number
}

export interface VerifyReport {
  /** true: nothing is wrong. */
  ok: boolean
  datasets: VerifiedDataset[]
  /** How often each kind of problem was found. */
  counts: Record<string, number>
  problems: DataProblem[]
  /** Problems that were counted but are not in {@link problems}. */
  problemsLeftOut: number
  /** Sequences that an earlier, stopped run had verified. */
  resumedSequences: number
  seconds: number
  /** Frames that this run decoded in a second. */
  framesPerSecond: number
}

/** Frames that a thread gets at a time: some milliseconds of work, so that the threads end together. */
const framesPerJob = 16

/**
 * @throws ERR_DATA when a data set cannot be opened at all, ERR_IO for the journal, the signal's reason when it was aborted (what was
 *   done is then in the journal)
 */
export async function verifyDatasets(datasets: readonly DetectedDataset[], options: VerifyOptions = {}): Promise<VerifyReport> {
  const started = performance.now()
  const threads = options.threads ?? availableParallelism()
  const log = new ProblemLog(false, options.keptProblems ?? 10_000)
  const subject = JSON.stringify(datasets.map(({ name, params }) => ({ name, params })))
  const journal = new VerifyJournal(options.journal, subject, options.fresh ?? false)
  const report: VerifyReport = { ok: false, datasets: [], counts: {}, problems: [], problemsLeftOut: 0, resumedSequences: 0, seconds: 0, framesPerSecond: 0 }
  let decoded = 0
  try {
    await using pool = new DecoderPool(threads, options.signal)
    for (const { name, params, configPath } of datasets) {
      const summary: VerifiedDataset = { name, params: { ...params }, sequences: 0, frames: 0, bytes: 0 }
      report.datasets.push(summary)
      const finish = (entry: VerifiedSequence): void => {
        summary.sequences += 1
        summary.frames += entry.frames
        summary.bytes += entry.bytes
        for (const problem of entry.problems) log.add(problem)
      }
      const verify = async (record: SequenceRecord): Promise<void> => {
        const stamp = stampOf(record, options.cwd)
        const known = journal.known({ dataset: datasetKey(name, params), sequence: record.name, stamp })
        if (known !== undefined) {
          report.resumedSequences += 1
          journal.add(known)
          return finish(known)
        }
        const entry = await verifySequence(record, { name, key: datasetKey(name, params), stamp, pool, cwd: options.cwd ?? process.cwd() })
        decoded += entry.frames
        journal.add(entry)
        finish(entry)
      }
      const context = { name, cwd: options.cwd ?? process.cwd(), configPath, problems: log, onProgress: options.onProgress, signal: options.signal }
      await forEachBounded(await openDataset(params, context), threads * 3, verify, options.signal)
    }
  } catch (error) {
    journal.close()
    throw error
  }
  journal.remove()
  const seconds = (performance.now() - started) / 1000
  return {
    ...report,
    ok: log.total === 0,
    counts: { ...log.counts },
    problems: log.kept,
    problemsLeftOut: log.total - log.kept.length,
    seconds,
    framesPerSecond: decoded / seconds,
  }
}

/** One data set may be listed with several subsets. */
function datasetKey(name: string, params: Readonly<Record<string, unknown>>): string {
  return `${name} ${JSON.stringify(params)}`
}

/** Changes when a frame is added or removed, or the annotations are edited. */
function stampOf(record: SequenceRecord, cwd = process.cwd()): string {
  const time = (file: string): number => statSync(path.resolve(cwd, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const folder = path.dirname(framePathOf(record, 0))
  return [frameCountOf(record), time(folder), record.annotationFile === undefined ? 0 : time(record.annotationFile)].join(' ')
}

interface SequenceContext {
  name: string
  key: string
  stamp: string
  pool: DecoderPool
  cwd: string
}

async function verifySequence(record: SequenceRecord, { name, key, stamp, pool, cwd }: SequenceContext): Promise<VerifiedSequence> {
  const count = frameCountOf(record)
  // Objects of one picture name it once each: it is decoded once, and also where there is none.
  const files: string[] = record.still === true ? [path.resolve(cwd, framePathOf(record, 0))] : []
  const fileOfFrame = new Uint32Array(count)
  for (let k = 0; k < count; k += 1) {
    const file = path.resolve(cwd, framePathOf(record, k))
    if (files[files.length - 1] !== file) files.push(file)
    fileOfFrame[k] = files.length - 1
  }
  const jobs: Promise<FrameFact[]>[] = []
  for (let at = 0; at < files.length; at += framesPerJob) jobs.push(pool.decode(files.slice(at, at + framesPerJob)))
  const facts = (await Promise.all(jobs)).flat()
  const problems: DataProblem[] = []
  const add = (kind: DataProblem['kind'], file: string, message: string, line?: number): void => {
    problems.push({ kind, scope: 'frame', dataset: name, sequence: record.name, file, line, message })
  }
  const usual = usualSize(facts)
  let bytes = 0
  for (const [i, fact] of facts.entries()) {
    const file = files[i] ?? ''
    // Not the data's fault: every frame of its format would be reported.
    if ('code' in fact && fact.code === 'ERR_SETUP') throw new SiamError('ERR_SETUP', fact.message)
    if ('code' in fact) add(fact.missing ? 'missing_frame' : 'undecodable_frame', file, fact.missing ? 'the frame is missing' : fact.message)
    else {
      bytes += fact.bytes
      if (fact.width !== usual.width || fact.height !== usual.height) add('other_size', file, `the frame has ${fact.width}x${fact.height} pixels, the sequence ${usual.width}x${usual.height}`)
    }
  }
  for (let k = 0; k < count; k += 1) {
    const file = record.annotationFile ?? files[fileOfFrame[k] ?? 0] ?? ''
    const line = record.annotationFile === undefined ? undefined : (record.annotationLine ?? 1) + k
    const fault = boxFault(record, k)
    const fact = facts[fileOfFrame[k] ?? 0]
    if (fault !== undefined) add(fault.kind, file, `frame ${k + 1}: ${fault.message}`, line)
    else if (fact !== undefined && !('code' in fact) && isBoxed(record, k) && isOutside(boxOf(record, k), fact)) {
      const { x, y, width, height } = boxOf(record, k)
      add('box_outside', file, `frame ${k + 1}: the box [${[x, y, width, height].join(', ')}] lies outside of the frame of ${fact.width}x${fact.height} pixels`, line)
    }
  }
  return { dataset: key, sequence: record.name, stamp, frames: count, bytes, problems }
}

/** An absent target may have an empty box, which lies nowhere. */
function isBoxed(record: SequenceRecord, k: number): boolean {
  const { width, height } = boxOf(record, k)
  return width > 0 && height > 0
}

/** The size that most frames have. */
function usualSize(facts: readonly FrameFact[]): { width: number; height: number } {
  const sizes = new Map<string, { width: number; height: number; count: number }>()
  for (const fact of facts) {
    if ('code' in fact) continue
    const key = `${fact.width}x${fact.height}`
    const size = sizes.get(key) ?? { width: fact.width, height: fact.height, count: 0 }
    size.count += 1
    sizes.set(key, size)
  }
  return [...sizes.values()].reduce((best, size) => (size.count > best.count ? size : best), { width: 0, height: 0, count: 0 })
}
