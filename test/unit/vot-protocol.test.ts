/** VOT's protocols with a tracker that gives what the test says. */
import { describe, expect, it } from 'vitest'
import { evaluateVot, formatConfidences, formatSeconds, formatTrajectory, runLongTerm, runWithRestarts, votStart, type VotFrames, type VotLine, type VotStep } from '../../lib/evaluation/vot/index.ts'
import type { Box, Tracker, TrackResult } from '../../lib/tracking/tracker.ts'
import { annotationsOf, resultsOf } from '../helpers/vot.ts'

const truth = [10, 10, 20, 20]
const off = [60, 60, 20, 20] as const

/** Gives `boxes[frame]`, by default the true box; frames are named by their numbers. */
class ScriptedTracker implements Tracker {
  readonly name = 'Scripted'
  disposed = false
  readonly calls: string[] = []
  readonly starts: Box[] = []
  readonly #boxes: Record<number, readonly number[]>

  constructor(boxes: Record<number, readonly number[]> = {}) {
    this.#boxes = boxes
  }

  init(frame: unknown, box: Box): Promise<void> {
    this.calls.push(`init ${String(frame)}`)
    this.starts.push(box)
    return Promise.resolve()
  }

  update(frame: unknown): Promise<TrackResult> {
    this.calls.push(`update ${String(frame)}`)
    const [x, y, w, h] = (this.#boxes[Number(frame)] ?? truth) as [number, number, number, number]
    return Promise.resolve({ box: [x, y, w, h], score: Number(frame) / 100 })
  }

  dispose(): void {
    this.disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

function sequenceOf(regions: VotFrames['truth']): VotFrames {
  return { frames: regions.map((_, i) => String(i)), truth: regions, size: [100, 100] }
}

async function stepsOf(steps: AsyncIterable<VotStep>): Promise<VotStep[]> {
  const all: VotStep[] = []
  for await (const step of steps) all.push(step)
  return all
}

async function linesOf(tracker: Tracker, sequence: VotFrames): Promise<VotLine[]> {
  return (await stepsOf(runWithRestarts(tracker, sequence))).map(({ line }) => line)
}

describe('with restarts', () => {
  it('starts once where the tracker never fails', async () => {
    const tracker = new ScriptedTracker()
    const steps = await stepsOf(runWithRestarts(tracker, sequenceOf([truth, truth, truth])))
    expect(steps.map(({ frame, line }) => [frame, line])).toEqual([[0, 1], [1, truth], [2, truth]])
    expect(tracker.calls).toEqual(['init 0', 'update 1', 'update 2'])
    expect(steps.map(({ confidence }) => confidence)).toEqual([Number.NaN, 0.01, 0.02])
  })

  it('skips five frames after a failure, then starts anew', async () => {
    const tracker = new ScriptedTracker({ 2: off, 9: off })
    expect(await linesOf(tracker, sequenceOf(Array.from({ length: 16 }, () => truth)))).toEqual([1, truth, 2, 0, 0, 0, 0, 1, truth, 2, 0, 0, 0, 0, 1, truth])
    expect(tracker.calls).toEqual(['init 0', 'update 1', 'update 2', 'init 7', 'update 8', 'update 9', 'init 14', 'update 15'])
  })

  it('a failure in the last frames ends the sequence', async () => {
    const regions = Array.from({ length: 5 }, () => truth)
    expect(await linesOf(new ScriptedTracker({ 2: off }), sequenceOf(regions))).toEqual([1, truth, 2, 0, 0])
    expect(await linesOf(new ScriptedTracker({ 4: off }), sequenceOf(regions))).toEqual([1, truth, truth, truth, 2])
  })

  it('one pixel of overlap is none to fail by; boxes that touch do not overlap', async () => {
    // The file's 10,10,20,20 are the pixels 10 … 29; a box from 29 on shares the column 29, one from 28 on two columns.
    const regions = [truth, truth, truth]
    expect(await linesOf(new ScriptedTracker({ 1: [28, 10, 20, 20], 2: [29, 10, 20, 20] }), sequenceOf(regions))).toEqual([1, [28, 10, 20, 20], 2])
  })

  it('overlap counts within the frame', async () => {
    // They share the columns 105 … 109 only, outside of a frame that ends at 100.
    const sequence = sequenceOf([[90, 10, 20, 20], [90, 10, 20, 20]])
    expect(await linesOf(new ScriptedTracker({ 1: [105, 10, 20, 20] }), sequence)).toEqual([1, 2])
    expect(await linesOf(new ScriptedTracker({ 1: [105, 10, 20, 20] }), { ...sequence, size: [200, 100] })).toEqual([1, [105, 10, 20, 20]])
  })

  it('cannot fail where the target is not annotated, and waits for one to start from', async () => {
    const tracker = new ScriptedTracker({ 1: off, 3: off })
    // Failure at 3, the restart due at 8 waits for frame 10.
    const regions = Array.from({ length: 12 }, (_, i) => ([1, 8, 9].includes(i) ? null : truth))
    expect(await linesOf(tracker, sequenceOf(regions))).toEqual([1, off, truth, 2, 0, 0, 0, 0, 0, 0, 1, truth])
    expect(await linesOf(new ScriptedTracker(), sequenceOf([null, null, truth, truth]))).toEqual([0, 0, 1, truth])
    expect(await linesOf(new ScriptedTracker(), sequenceOf([null, null]))).toEqual([0, 0])
  })

  it('starts from the upright box of a polygon', async () => {
    // Centre (50, 40), 30 × 20 between its corners: sizes count both border pixels.
    const tracker = new ScriptedTracker()
    await linesOf(tracker, sequenceOf([[35, 30, 65, 30, 65, 50, 35, 50]]))
    expect(tracker.starts).toEqual([[50 - 31 / 2, 40 - 21 / 2, 31, 21]])
  })

  it('what it gives can be evaluated', async () => {
    const regions = Array.from({ length: 40 }, () => truth)
    const runs = [await linesOf(new ScriptedTracker({ 20: off }), sequenceOf(regions))]
    const evaluation = evaluateVot(annotationsOf([{ name: 'a', truth: regions, size: [100, 100] }]), [resultsOf({ a: { runs } })])
    expect(evaluation.trackers[0]?.scores).toMatchObject({ accuracy: 1, lost: 1 })
  })

  it('stops at a signal, and wants an annotation for each frame', async () => {
    const abort = new AbortController()
    const tracker = new ScriptedTracker()
    const run = async (): Promise<void> => {
      for await (const { frame } of runWithRestarts(tracker, sequenceOf([truth, truth, truth]), { signal: abort.signal })) if (frame === 1) abort.abort(new Error('enough'))
    }
    await expect(run()).rejects.toThrow('enough')
    expect(tracker.calls).toEqual(['init 0', 'update 1'])
    await expect(linesOf(tracker, { ...sequenceOf([truth, truth]), truth: [truth] })).rejects.toMatchObject({ code: 'ERR_DATA' })
  })
})

describe('votStart', () => {
  it.each([
    // The centre of pixels 10 … 29 is 19.5.
    [[10, 10, 20, 20], [9.5, 9.5, 20, 20]],
    [[35, 30, 65, 30, 65, 50, 35, 50], [34.5, 29.5, 31, 21]],
    // Of a triangle the box around it.
    [[0, 0, 10, 0, 0, 20], [-0.5, -0.5, 11, 21]],
  ])('%j', (region, expected) => {
    expect(votStart(region)).toEqual(expected)
  })
})

describe('long-term', () => {
  it('runs once through, whatever happens', async () => {
    const tracker = new ScriptedTracker({ 1: off })
    const steps = await stepsOf(runLongTerm(tracker, sequenceOf([truth, null, truth])))
    expect(steps.map(({ line, confidence }) => [line, confidence])).toEqual([[1, Number.NaN], [[...off], 0.01], [truth, 0.02]])
    expect(tracker.calls).toEqual(['init 0', 'update 1', 'update 2'])
    const [, first] = await stepsOf(runLongTerm(tracker, sequenceOf([truth, truth]), { confidence: ({ score }) => 1 - score }))
    expect(first?.confidence).toBe(0.99)
    await expect(stepsOf(runLongTerm(tracker, sequenceOf([null, truth])))).rejects.toMatchObject({ code: 'ERR_DATA' })
  })
})

describe('result files', () => {
  it('have the digits of the original', () => {
    // 0.1 as a single-precision number; 1.00005 is 1.0000499… in single precision; the tie 0.03125 goes to the even digit.
    expect(formatTrajectory([1, [276.2159, 128.097, 104.23256, 1.00005], 2, 0, [0.03125, -0.00001, 100, 0.1]])).toBe('1\n276.2159,128.0970,104.2326,1.0000\n2\n0\n0.0312,-0.0000,100.0000,0.1000\n')
    expect(formatConfidences([Number.NaN, 0.5, 0.1234567])).toBe('\n0.500000\n0.123457\n')
    expect(formatSeconds([0, 0.01234567])).toBe('0.000000\n0.012346\n')
  })
})
