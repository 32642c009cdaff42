/**
 * What each trial gets. A draw is a pure function of the seed, the trial's number and the parameter: neither the number of trials that run at
 * a time nor what other parameters there are changes it.
 */
import { createHash } from 'node:crypto'
import { columnName, configKey, type ParameterRange, type ParameterValue, type SearchParameter } from './space.ts'

/** @returns one value for each parameter */
export function drawTrial(parameters: readonly SearchParameter[], seed: number, trial: number): ParameterValue[] {
  return parameters.map((parameter) => valueAt(parameter.range, uniform(`${seed}/${trial}/${columnName(parameter)}`)))
}

/** A number from 0 up to, but without, 1, from words; 53 bits of it. */
export function uniform(words: string): number {
  return Number(createHash('sha256').update(words).digest().readBigUInt64BE() >> 11n) / 2 ** 53
}

function valueAt(range: ParameterRange, u: number): ParameterValue {
  switch (range.kind) {
    case 'uniform':
      // The product may be rounded up to the whole width.
      return Math.min(range.high, range.low + u * (range.high - range.low))
    case 'integer':
      return range.low + Math.floor(u * (range.high - range.low))
    case 'choice':
      return range.choices[Math.floor(u * range.choices.length)] as ParameterValue
  }
}

/** `test.track.….test_lr=0.53`: what sets these values on the command line. */
export function overridesOf(parameters: readonly SearchParameter[], values: readonly ParameterValue[]): string[] {
  return parameters.map((parameter, i) => `${configKey(parameter)}=${written(values[i] as ParameterValue)}`)
}

/** Text that YAML would take for something else is put between quotes. */
function written(value: ParameterValue): string {
  return typeof value === 'string' && !/^[A-Za-z][\w-]*$/.test(value) ? JSON.stringify(value) : typeof value === 'string' && /^(?:true|false|yes|no|on|off|null)$/i.test(value) ? JSON.stringify(value) : String(value)
}

/** The values at the ends of a range, to see that the configuration takes them. */
export function extremes(range: ParameterRange): readonly ParameterValue[] {
  return range.kind === 'choice' ? range.choices : range.kind === 'integer' ? [range.low, range.high - 1] : [range.low, range.high]
}
