/** Smooth changes over time: sums of sines with a drift. */
import type { Random } from './random.ts'

/** value(k) = base + drift·k + Σ size·sin(phase + speed·k) */
export interface Wave {
  base: number
  drift: number
  terms: { size: number; phase: number; speed: number }[]
}

/**
 * A wave that stays within base ± range.
 * @param shortest,longest  periods of the slow term, frames
 * @param main  share of the range that the slow term has; the rest is a term 2 to 3 times as fast
 */
export function makeWave(random: Random, base: number, range: number, shortest: number, longest: number, main = 0.75): Wave {
  const speed = (2 * Math.PI) / random.uniform(shortest, longest)
  return {
    base,
    drift: 0,
    terms: [
      { size: range * main, phase: random.uniform(0, 2 * Math.PI), speed },
      { size: range * (1 - main), phase: random.uniform(0, 2 * Math.PI), speed: speed * random.uniform(1.7, 2.6) },
    ],
  }
}

/** A steady movement with a sway of `range` on it. */
export function steadyWave(random: Random, base: number, drift: number, range: number): Wave {
  return { ...makeWave(random, base, range, 30, 90), drift }
}

export function waveAt(wave: Wave, k: number): number {
  let value = wave.base + wave.drift * k
  for (const { size, phase, speed } of wave.terms) value += size * Math.sin(phase + speed * k)
  return value
}
