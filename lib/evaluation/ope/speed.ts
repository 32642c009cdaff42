/** Frames per second, from the times that trackers write beside their boxes. */
import { mean } from './plots.ts'

/** Mean of 1/t over frames with a time: as the GOT-10k toolkit has it. @returns NaN when there is none */
export function framesPerSecond(seconds: readonly number[]): number {
  return mean(seconds.filter((time) => time > 0 && Number.isFinite(time)).map((time) => 1 / time))
}

/** Of several sequences: their mean, those without times left out; or over all frames. */
export function overallSpeed(sequences: readonly (readonly number[])[], average: 'sequence' | 'frame'): number {
  if (average === 'frame') return framesPerSecond(sequences.flat())
  return mean(sequences.map(framesPerSecond).filter((fps) => !Number.isNaN(fps)))
}
