import { describe, expect, it } from 'vitest'
import { timed, Timer } from '../../lib/engine/timer.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('Timer', () => {
  it('leaves the seconds of its scope under its name', async () => {
    const outputDict: Record<string, number> = {}
    {
      using timer = new Timer({ name: 'data', outputDict })
      await sleep(30)
      expect(timer.elapsedSeconds).toBeGreaterThan(0.025)
      expect(outputDict).toEqual({})
    }
    expect(Object.keys(outputDict)).toEqual(['data'])
    expect(outputDict.data).toBeGreaterThan(0.025)
    expect(outputDict.data).toBeLessThan(5)
  })

  it('does so when the scope throws', () => {
    const outputDict: Record<string, number> = {}
    expect(() => {
      using _ = new Timer({ name: 'fwd', outputDict })
      throw new Error('no')
    }).toThrow('no')
    expect(outputDict.fwd).toBeGreaterThanOrEqual(0)
  })

  it('measures once, prints only when verbose, and needs no dictionary', async () => {
    const lines: string[] = []
    const timer = new Timer({ name: 'load', verbose: true, log: (line) => lines.push(line) })
    await sleep(5)
    const seconds = timer.stop()
    await sleep(5)
    expect(timer.stop()).toBe(seconds)
    expect(timer.elapsedSeconds).toBe(seconds)
    expect(lines).toEqual([`load elapsed time: ${seconds.toFixed(6)}`])
    new Timer({ log: (line) => lines.push(line) }).stop()
    expect(lines).toHaveLength(1)
  })

  it('keeps the order of keys, and overwrites on the next iteration', async () => {
    const outputDict: Record<string, number> = {}
    expect(await timed('data', outputDict, () => 3)).toBe(3)
    expect(await timed('fwd', outputDict, async () => (await sleep(20), 'x'))).toBe('x')
    const first = outputDict.fwd!
    await timed('fwd', outputDict, () => {})
    expect(Object.keys(outputDict)).toEqual(['data', 'fwd'])
    expect(outputDict.fwd).toBeLessThan(first)
    await expect(timed('bwd', outputDict, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(outputDict.bwd).toBeGreaterThanOrEqual(0)
  })
})
