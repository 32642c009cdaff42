/**
 * Result files of a sequence, with the names, digits and separators of the original's toolkits; which of them are complete.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { SiamError } from '../../errors.ts'
import { makeFolder } from '../../make-folder.ts'
import { formatFixed } from '../../monitors/python-format.ts'
import type { Rect } from '../overlap.ts'
import type { SequenceRun } from './sequence-run.ts'

/** GOT-10k: SEQ/SEQ_001.txt. OTB (and all that follow it): SEQ.txt. VOT: baseline/SEQ/SEQ_001.txt. VOT long-term: longterm/SEQ/SEQ_001.txt. */
export type ResultFormat = 'got10k' | 'otb' | 'vot' | 'vot-lt'

export interface ResultFile {
  /** Absolute path. */
  file: string
  text: string
}

/** Where the results of a sequence lie, the file that makes it count as finished last. */
export function resultPaths(format: ResultFormat, folder: string, sequence: string): string[] {
  switch (format) {
    case 'got10k':
      return [`${sequence}_time.txt`, `${sequence}_001.txt`].map((name) => path.join(folder, sequence, name))
    case 'otb':
      return [path.join(folder, 'times', `${sequence}_time.txt`), path.join(folder, `${sequence}.txt`)]
    case 'vot':
      return [`${sequence}_time.value`, `${sequence}_001.txt`].map((name) => path.join(folder, 'baseline', sequence, name))
    case 'vot-lt':
      return [`${sequence}_time.txt`, `${sequence}_001_confidence.value`, `${sequence}_001.txt`].map((name) => path.join(folder, 'longterm', sequence, name))
  }
}

/** The texts of a sequence's result files, one line a frame, in the order of {@link resultPaths}. */
export function resultTexts(format: ResultFormat, run: SequenceRun): string[] {
  const seconds = (digits: number): string => lines(run.seconds.map((value) => formatFixed(value, digits)))
  switch (format) {
    case 'got10k':
    case 'otb':
      return [seconds(8), lines(run.regions.map((region) => boxText(region as Rect, 3)))]
    case 'vot':
      return [seconds(6), lines(run.regions.map(votText))]
    case 'vot-lt':
      // Nothing is said of the first frame: its box is given.
      return [seconds(6), lines(run.scores.map((score, k) => (k === 0 ? '' : formatFixed(score, 6)))), lines(run.regions.map(votText))]
  }
}

/** Writes the files so that each is there whole or not at all, and the one that counts comes last. @throws ERR_IO */
export async function writeResults(format: ResultFormat, folder: string, sequence: string, run: SequenceRun): Promise<void> {
  const texts = resultTexts(format, run)
  for (const [i, file] of resultPaths(format, folder, sequence).entries()) {
    try {
      makeFolder(path.dirname(file))
    } catch (cause) {
      throw new SiamError('ERR_IO', `the folder cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`, { file: path.dirname(file), cause })
    }
    await writeFileAtomically(file, (sink) => sink(Buffer.from(texts[i] as string)))
  }
}

/** Whether all files of a sequence are there with a line for each frame, as {@link writeResults} leaves them. */
export async function isFinished(format: ResultFormat, folder: string, sequence: string, frames: number): Promise<boolean> {
  for (const file of resultPaths(format, folder, sequence)) {
    const text = await readFile(file, 'latin1').catch(() => '')
    if (!text.endsWith('\n') || text.split('\n').length !== frames + 1) return false
  }
  return true
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

function boxText(box: Rect, digits: number): string {
  return box.map((value) => formatFixed(value, digits)).join(',')
}

/** 1 at a start, 2 at a failure, 0 while waiting, else the box. The toolkit takes each number as a 32-bit float. */
function votText(region: Rect | number): string {
  return typeof region === 'number' ? String(region) : region.map((value) => formatFixed(Math.fround(value), 4)).join(',')
}
