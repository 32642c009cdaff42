/**
 * Result files of the VOT protocols as the original's testers write them, digit for digit.
 */
import { formatFixed } from '../../monitors/python-format.ts'
import type { VotLine } from './trajectory.ts'

/** `SEQ_001.txt`: a code as it is, a region with four digits; its numbers pass through single precision first. */
export function formatTrajectory(lines: readonly VotLine[]): string {
  return lines.map((line) => `${typeof line === 'number' ? line : line.map((value) => formatFixed(Math.fround(value), 4)).join(',')}\n`).join('')
}

/** `SEQ_001_confidence.value`: six digits; an empty line where there is no confidence (NaN), that is in the first frame. */
export function formatConfidences(values: readonly number[]): string {
  return values.map((value) => (Number.isNaN(value) ? '\n' : `${formatFixed(value, 6)}\n`)).join('')
}

/** `SEQ_time.txt`: seconds that each frame took, with six digits. */
export function formatSeconds(values: readonly number[]): string {
  return values.map((value) => `${formatFixed(value, 6)}\n`).join('')
}
