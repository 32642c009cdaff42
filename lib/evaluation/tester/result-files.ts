/**
 * Result files of a sequence, with the names, digits and separators of the original's toolkits; which of them are complete.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { SiamError } from '../../errors.ts'
import { makeFolder } from '../../make-folder.ts'
import { formatFixed } from '../../monitors/python-format.ts'
import { formatConfidences, formatSeconds, formatTrajectory, type VotLine } from '../vot/index.ts'
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
      return [`${sequence}_time.txt`, `${sequence}_001.txt`].map((name) => path.join(folder, 'baseline', sequence, name))
    case 'vot-lt':
      return [`${sequence}_time.txt`, `${sequence}_001_confidence.value`, `${sequence}_001.txt`].map((name) => path.join(folder, 'longterm', sequence, name))
  }
}

/** The texts of a sequence's result files, one line a frame, in the order of {@link resultPaths}. */
export function resultTexts(format: ResultFormat, run: SequenceRun): string[] {
  switch (format) {
    case 'got10k':
    case 'otb':
      return [linesOf(run.seconds.map((value) => formatFixed(value, 8))), linesOf(run.lines.map(boxText))]
    case 'vot':
      return [formatSeconds(run.seconds), formatTrajectory(run.lines)]
    case 'vot-lt':
      return [formatSeconds(run.seconds), formatConfidences(run.confidences), formatTrajectory(run.lines)]
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

function linesOf(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

/** As numpy.savetxt with '%.3f'. */
function boxText(box: VotLine): string {
  return (box as readonly number[]).map((value) => formatFixed(value, 3)).join(',')
}
