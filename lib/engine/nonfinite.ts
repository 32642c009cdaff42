/** Steps that are skipped because a gradient is not finite: which of them count, and when it is enough. Pure. */
import { SiamError } from '../errors.ts'
import type { StepFacts } from '../native/addon-step.ts'

/** Skipped iterations of a run. */
export interface NonFiniteCounts {
  /** Whose loss or gradients were not finite. */
  skipped: number
  /** In which the gradient scaler found its scale to be too high. */
  scaleSkips: number
  /** Of `skipped`, since the last step. */
  inARow: number
}

export const noNonFinite: Readonly<NonFiniteCounts> = { skipped: 0, scaleSkips: 0, inARow: 0 }

/**
 * At a scale that is not above this, gradients that overflow are not the scaler's doing. A run begins at 2^16, so 16 skips may come before
 * any counts, which is how the scaler finds its scale.
 */
const scaleFloor = 1

/** step: it was taken. scale: the scaler skipped it, and halves its scale. nonfinite: the iteration itself is at fault. */
export type StepKind = 'step' | 'scale' | 'nonfinite'

/** @param lossBad a loss was not finite, in any process */
export function kindOfStep({ skipped, lossBad, scale }: StepFacts): StepKind {
  if (!skipped) return 'step'
  return scale === null || lossBad || scale <= scaleFloor ? 'nonfinite' : 'scale'
}

/** A skip of the scaler's neither adds to the row nor ends it. */
export function countStep({ skipped, scaleSkips, inARow }: Readonly<NonFiniteCounts>, kind: StepKind): NonFiniteCounts {
  if (kind === 'step') return { skipped, scaleSkips, inARow: 0 }
  if (kind === 'scale') return { skipped, scaleSkips: scaleSkips + 1, inARow }
  return { skipped: skipped + 1, scaleSkips, inARow: inARow + 1 }
}

/** 'the loss reg is NaN', or that a gradient is not finite where all losses are. */
export function whatWasWrong(losses: Readonly<Record<string, number>>): string {
  const bad = Object.entries(losses).filter(([, value]) => !Number.isFinite(value))
  return bad.length === 0 ? 'a gradient is not finite' : bad.map(([name, value]) => `the loss ${name} is ${value}`).join(', ')
}

/** An iteration that was skipped. */
export interface SkippedIteration {
  epoch: number
  iteration: number
  lr: number
  wrong: string
}

/**
 * @param first     of the iterations in the row
 * @param inARow    how many there are
 * @param file      that has their samples
 * @param snapshot  the last one that was written or loaded; '' for none
 */
export function tooManyError(first: SkippedIteration, inARow: number, file: string, snapshot: string): SiamError {
  const { epoch, iteration, lr, wrong } = first
  const row = inARow === 1 ? 'an iteration was skipped' : `${inARow} iterations in a row were skipped, the first`
  const resume = snapshot === '' ? 'no snapshot was written yet: begin anew' : `resume from the last good snapshot, ${snapshot},`
  return new SiamError('ERR_NONFINITE', `${row} at epoch ${epoch}, iteration ${iteration}, because ${wrong} (learning rate ${lr.toExponential(2)})`, {
    file,
    hint: `the file lists the samples; ${resume} with a lower learning rate, or repair the data`,
  })
}

/** A line of nonfinite.jsonl, without its line break. JSON has no NaN and no infinity: such losses are null, and `wrong` says which is what. */
export function skippedLine(skipped: SkippedIteration, more: { time: Date; scale: number | null; inARow: number; losses: Readonly<Record<string, number>>; samples: readonly unknown[] }): string {
  const { epoch, iteration, lr, wrong } = skipped
  const { time, scale, inARow, losses, samples } = more
  return JSON.stringify({ time: time.toISOString(), epoch, iteration, wrong, lr, scale, in_a_row: inARow, losses, samples })
}
