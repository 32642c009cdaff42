/** Device time of stages: what is marked, when it is read, and what a failure leaves. */
import { describe, expect, it } from 'vitest'
import { Gathered } from '../../lib/engine/accumulation.ts'
import { StageClock } from '../../lib/engine/stage-clock.ts'
import type { NativeDeviceClock } from '../../lib/native/addon-cuda.ts'

/** Says what it was asked, and gives one second for each span. */
class SpyClock implements NativeDeviceClock {
  readonly calls: string[] = []
  #spans: string[] = []

  begin(stage: string): void {
    this.calls.push(`begin ${stage}`)
    this.#spans.push(stage)
  }

  end(): void {
    this.calls.push('end')
  }

  async take(): Promise<Record<string, number>> {
    this.calls.push('take')
    const seconds: Record<string, number> = {}
    for (const stage of this.#spans.splice(0)) seconds[stage] = (seconds[stage] ?? 0) + 1
    return seconds
  }

  drop(): void {
    this.calls.push('drop')
    this.#spans = []
  }

  dispose(): void {
    this.calls.push('dispose')
  }
}

describe('StageClock', () => {
  it('is not there for wall time, nor on the CPU', () => {
    expect(StageClock.for('wall', 'cuda')).toBeNull()
    expect(StageClock.for('event', 'cpu')).toBeNull()
  })

  it("marks the device's stages and leaves the host's alone", async () => {
    const spy = new SpyClock()
    using clock = new StageClock(spy)
    for (const stage of ['data', 'fwd', 'bwd', 'optim']) expect(await clock.around(stage, () => stage)).toBe(stage)
    expect(spy.calls).toEqual(['begin fwd', 'end', 'begin bwd', 'end', 'begin optim', 'end'])
    expect(await clock.take()).toEqual({ fwd_device: 1, bwd_device: 1, optim_device: 1 })
  })

  it('ends a stage that throws', async () => {
    const spy = new SpyClock()
    const clock = new StageClock(spy)
    await expect(clock.around('fwd', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(spy.calls).toEqual(['begin fwd', 'end'])
  })
})

describe('an iteration', () => {
  it('adds up the batches, beside the wall time, and forgets what the one before it left', async () => {
    const spy = new SpyClock()
    const clock = new StageClock(spy)
    const failed = new Gathered(0, 0, clock)
    await failed.timed('fwd', () => {})
    failed.dispose()
    const iteration = new Gathered(0, 1, clock)
    for (let batch = 0; batch < 2; batch++) {
      await iteration.timed('data', () => {})
      await iteration.timed('fwd', () => {})
      await iteration.timed('bwd', () => {})
    }
    await iteration.timed('optim', () => {})
    expect(await iteration.deviceSeconds()).toEqual({ fwd_device: 2, bwd_device: 2, optim_device: 1 })
    expect(Object.keys(iteration.time_dict)).toEqual(['data', 'fwd', 'bwd', 'optim'])
  })

  it('has no device times without a clock', async () => {
    const iteration = new Gathered(0, 0)
    await iteration.timed('fwd', () => {})
    expect(await iteration.deviceSeconds()).toEqual({})
  })
})
