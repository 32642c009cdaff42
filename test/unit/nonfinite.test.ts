/** Which skipped steps count, what is said of them, and where it shows. */
import { describe, expect, it } from 'vitest'
import { countStep, kindOfStep, noNonFinite, skippedLine, tooManyError, whatWasWrong, type StepKind } from '../../lib/engine/nonfinite.ts'
import { formatPrintStr } from '../../lib/monitors/text-info.ts'
import { epochJson, epochLine, epochScalars, type EpochReport } from '../../lib/pipeline/epoch-report.ts'

describe('a skipped step', () => {
  it.each<[string, boolean, boolean, number | null, StepKind]>([
    ['a step is a step, whatever its loss was', false, true, null, 'step'],
    ['without a scaler it counts', true, false, null, 'nonfinite'],
    ['with a scaler it is how that finds its scale', true, false, 65536, 'scale'],
    ['… down to 2', true, false, 2, 'scale'],
    ['… but not at 1', true, false, 1, 'nonfinite'],
    ['… nor where a loss is not finite', true, true, 65536, 'nonfinite'],
  ])('%s', (_what, skipped, lossBad, scale, kind) => {
    expect(kindOfStep({ skipped, lossBad, scale })).toBe(kind)
  })

  it('counts in a row until a step is taken; the scaler’s neither add to the row nor end it', () => {
    const kinds: StepKind[] = ['nonfinite', 'scale', 'nonfinite', 'step', 'scale', 'nonfinite']
    const rows: number[] = []
    let counts = { ...noNonFinite }
    for (const kind of kinds) rows.push((counts = countStep(counts, kind)).inARow)
    expect(rows).toEqual([1, 1, 2, 0, 0, 1])
    expect(counts).toEqual({ skipped: 3, scaleSkips: 2, inARow: 1 })
    expect(noNonFinite).toEqual({ skipped: 0, scaleSkips: 0, inARow: 0 })
  })

  it('the usual start of a scaler passes: sixteen halvings bring it from 65536 to 1', () => {
    let counts = { ...noNonFinite }
    for (let scale = 65536; scale > 1; scale /= 2) counts = countStep(counts, kindOfStep({ skipped: true, lossBad: false, scale }))
    expect(counts).toEqual({ skipped: 0, scaleSkips: 16, inARow: 0 })
  })
})

describe('what is said', () => {
  const first = { epoch: 2, iteration: 7, lr: 0.08, wrong: 'the loss reg is NaN' }

  it('names the losses that are not finite, or the gradients', () => {
    expect(whatWasWrong({ cls: 1, ctr: Infinity, reg: Number.NaN })).toBe('the loss ctr is Infinity, the loss reg is NaN')
    expect(whatWasWrong({ cls: 1 })).toBe('a gradient is not finite')
  })

  it('the error names what came first, the list, and the last good snapshot', () => {
    expect(tooManyError(first, 10, 'run/nonfinite.jsonl', 'run/epoch-1.pkl')).toMatchObject({
      code: 'ERR_NONFINITE',
      message: '10 iterations in a row were skipped, the first at epoch 2, iteration 7, because the loss reg is NaN (learning rate 8.00e-2)',
      file: 'run/nonfinite.jsonl',
      hint: 'the file lists the samples; resume from the last good snapshot, run/epoch-1.pkl, with a lower learning rate, or repair the data',
    })
    const alone = tooManyError(first, 1, 'f', '')
    expect(alone.message).toMatch(/^an iteration was skipped at epoch 2, iteration 7, /)
    expect(alone.hint).toMatch(/no snapshot was written yet: begin anew with a lower learning rate/)
  })

  it('a line of the list is JSON, losses that are not finite are null', () => {
    const line = skippedLine(first, { time: new Date(0), scale: null, inARow: 3, losses: { cls: 1.5, reg: Number.NaN }, samples: [{ epoch: 2, sample: 28 }] })
    expect(line).not.toContain('\n')
    expect(JSON.parse(line)).toEqual({
      time: '1970-01-01T00:00:00.000Z', epoch: 2, iteration: 7, wrong: 'the loss reg is NaN', lr: 0.08, scale: null, in_a_row: 3, losses: { cls: 1.5, reg: null }, samples: [{ epoch: 2, sample: 28 }],
    })
  })

  it('TextInfo shows counts as whole numbers, after the extras', () => {
    const data = { schedule_info: { lr: 0.1 }, training_losses: { cls: Number.NaN }, extras: { cls: {}, reg: { iou: 0.5 }, optim: { skipped: 3, scale_skips: 12 } }, time_dict: {} }
    expect(formatPrintStr(0, data, 0)).toBe('epoch 0, lr: 1.0e-01, cls: nan, iou: 0.500, skipped: 3, scale_skips: 12,  max mem: 0.0M')
  })

  it('the report of an epoch has them in its line, its JSON and its curves', () => {
    const stages = { data: 0, copy: 0, fwd: 0, bwd: 0, optim: 0, sync: 0, other: 1 }
    const plain: EpochReport = { epoch: 0, firstIteration: 0, iterations: 4, iterationsPerEpoch: 4, pairs: 8, seconds: 1, stages, startSeconds: 0, skipped: 0, skippedAttempts: 0, loader: null, verdict: { bound: 'compute', text: 'compute-bound', advice: '' } as EpochReport['verdict'] }
    const some = { ...plain, nonFinite: 1, scaleSkips: 1200 }
    expect(epochLine(some)).toContain(' · 1 iteration skipped (not finite) · 1,200 iterations skipped by the gradient scaler · compute-bound')
    expect(epochLine({ ...plain, nonFinite: 0, scaleSkips: 0 })).toBe(epochLine(plain))
    expect(epochLine(plain)).not.toContain('skipped')
    expect(epochJson(some)).toMatchObject({ nonfinite: 1, scale_skips: 1200 })
    expect(epochJson(plain)).toMatchObject({ nonfinite: 0, scale_skips: 0 })
    expect(epochScalars(some)).toMatchObject({ 'pipeline/nonfinite': 1, 'pipeline/scale_skips': 1200 })
  })
})
