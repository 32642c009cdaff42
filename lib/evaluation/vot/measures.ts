/**
 * Per-frame overlaps, accuracy and failures of one tracker on one sequence of a reset-based benchmark.
 */
import type { Bound } from '../overlap.ts'
import type { AnnotatedSequence } from '../types.ts'
import { failuresOf } from './eao.ts'
import { overlapPysot } from './overlap-pysot.ts'
import { overlapVot } from './overlap-vot.ts'
import type { Trajectory, VotLine } from './trajectory.ts'

export type VotCompat = 'pysot' | 'vot'

/** Frames from an initialisation on, its own included, that do not count for the accuracy. */
export const burnIn = 10

/** What stands for the size of frames where it is not known: the largest side that frames can have. */
export const anySize: Bound = [1 << 15, 1 << 15]

export interface SequenceMeasures {
  sequence: AnnotatedSequence
  runs: {
    trajectory: Trajectory
    /** For accuracy: NaN in frames that do not count. */
    overlaps: number[]
    /** For the expected overlap: burn-in frames count, too. */
    expected: number[]
    failures: number[]
  }[]
  /** Mean of the runs' `overlaps` in each frame; NaN where no run has one. */
  overlaps: number[]
}

export function measureSequence(sequence: AnnotatedSequence, trajectories: readonly Trajectory[], compat: VotCompat): SequenceMeasures {
  const runs = trajectories.map((trajectory) => ({ trajectory, failures: failuresOf(trajectory), ...(compat === 'pysot' ? pysotOverlaps(sequence, trajectory) : votOverlaps(sequence, trajectory)) }))
  const overlaps = sequence.truth.map((_, i) => meanOf(runs.map((run) => run.overlaps[i] as number)))
  return { sequence, runs, overlaps }
}

/** The toolkit lets the frame end at (width, height) for the accuracy and one pixel earlier for the expected overlap. */
function pysotOverlaps(sequence: AnnotatedSequence, trajectory: Trajectory): { overlaps: number[]; expected: number[] } {
  const size = sequence.size ?? anySize
  const inner: Bound = [size[0] - 1, size[1] - 1]
  const at = (line: VotLine, i: number, bound: Bound): number => {
    const truth = sequence.truth[i] ?? null
    return typeof line === 'number' || truth === null ? Number.NaN : overlapPysot(line, truth, bound)
  }
  const burnt = burnInFrames(trajectory)
  return {
    overlaps: trajectory.map((line, i) => (burnt.has(i) ? Number.NaN : at(line, i, size))),
    expected: trajectory.map((line, i) => at(line, i, inner)),
  }
}

function votOverlaps(sequence: AnnotatedSequence, trajectory: Trajectory): { overlaps: number[]; expected: number[] } {
  const size = sequence.size ?? anySize
  const expected = trajectory.map((line, i) => overlapVot(typeof line === 'number' ? null : line, sequence.truth[i] ?? null, size))
  const burnt = burnInFrames(trajectory)
  return { overlaps: expected.map((value, i) => (burnt.has(i) || typeof trajectory[i] === 'number' ? Number.NaN : value)), expected }
}

function burnInFrames(trajectory: Trajectory): Set<number> {
  const frames = new Set<number>()
  for (const [i, line] of trajectory.entries()) if (line === 1) for (let k = 0; k < burnIn; k++) frames.add(i + k)
  return frames
}

/** Mean of what is no NaN; NaN where nothing is. */
export function meanOf(values: Iterable<number>): number {
  let [sum, count] = [0, 0]
  for (const value of values) {
    if (Number.isNaN(value)) continue
    sum += value
    count++
  }
  return sum / count
}
