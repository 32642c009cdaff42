/** A rank that fails, or is killed, ends the others at once, each with a clear word. */
import { describe, expect, it } from 'vitest'
import { runRanks } from '../helpers/ranks.ts'

describe('a rank that fails', () => {
  it('ends with its own error, and the others with ERR_DISTRIBUTED and its reason', { timeout: 120_000 }, async () => {
    const [first, second] = await runRanks([['accident', { kind: 'data', iterations: 5 }]], { timeoutSeconds: 600 })
    expect(second?.error).toMatchObject({ code: 'ERR_DATA', message: 'frame 7 is damaged' })
    expect(first?.error).toMatchObject({ code: 'ERR_DISTRIBUTED', message: 'rank 0 of 2 ends because another one failed: rank 1: ERR_DATA frame 7 is damaged' })
    expect([first?.code, second?.code]).toEqual([1, 1])
  })
})

describe('a rank that is killed', () => {
  // The time-out is longer than the test's: it is not what ends the other one.
  it('ends the others with ERR_DISTRIBUTED', { timeout: 120_000 }, async () => {
    const [first, second] = await runRanks([['accident', { kind: 'kill', iterations: 5 }]], { timeoutSeconds: 600 })
    expect(second?.signal).toBe('SIGKILL')
    expect(first?.error?.code).toBe('ERR_DISTRIBUTED')
    expect(first?.error?.message).toMatch(/^rank 0 of 2 could not .*: /)
    expect(first?.error?.hint).toMatch(/^rank 1 has ended or is late by more than 600 s.*--resume latest/)
  })
})
