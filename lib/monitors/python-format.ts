/**
 * Numbers as Python's `%` operator and str.format write them. JavaScript's toFixed and toExponential differ in three ways: exact ties go
 * up instead of to even, exponents have no leading zero, and toFixed gives up at 1e21; inf and nan are spelled differently too.
 */
import { invalidArgument } from '../errors.ts'

/** `'%.<digits>f' % value`, also `'{:.<digits>f}'.format(value)`. */
export function formatFixed(value: number, digits: number): string {
  checkDigits(digits)
  if (!Number.isFinite(value)) return formatNonFinite(value)
  const { negative, numerator, twos } = decompose(value)
  const scaled = roundedShift(numerator * 10n ** BigInt(digits), twos)
  return sign(negative) + placePoint(scaled.toString(), digits)
}

/** `'%.<digits>e' % value`: at least two digits of exponent, always signed. */
export function formatExponent(value: number, digits: number): string {
  checkDigits(digits)
  if (!Number.isFinite(value)) return formatNonFinite(value)
  const { negative, numerator, twos } = decompose(value)
  if (numerator === 0n) return `${sign(negative)}${placePoint('0'.repeat(digits + 1), digits)}e+00`
  // toExponential() gives the shortest digits that read back as value, whose exponent is off by one at most where 9.99… reads as 1e…
  let exponent = Number(Math.abs(value).toExponential().split('e')[1])
  let mantissa = significant(numerator, twos, digits - exponent)
  if (mantissa.length > digits + 1) mantissa = significant(numerator, twos, digits - ++exponent)
  else if (mantissa.length < digits + 1) mantissa = significant(numerator, twos, digits - --exponent)
  const magnitude = Math.abs(exponent).toString().padStart(2, '0')
  return `${sign(negative)}${placePoint(mantissa, digits)}e${exponent < 0 ? '-' : '+'}${magnitude}`
}

/** `'%d' % value`: the fraction is cut off. @throws ERR_ARGUMENT for nan and inf, as Python raises */
export function formatInteger(value: number): string {
  if (!Number.isFinite(value)) throw invalidArgument('a finite number', 'value', String(value))
  return BigInt(Math.trunc(value)).toString()
}

function checkDigits(digits: number): void {
  if (!Number.isInteger(digits) || digits < 0 || digits > 400) throw invalidArgument('a whole number from 0 to 400', 'digits', digits)
}

function formatNonFinite(value: number): string {
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
}

function sign(negative: boolean): string {
  return negative ? '-' : ''
}

function placePoint(digitsText: string, fraction: number): string {
  if (fraction === 0) return digitsText
  const padded = digitsText.padStart(fraction + 1, '0')
  return `${padded.slice(0, -fraction)}.${padded.slice(-fraction)}`
}

const scratch = new DataView(new ArrayBuffer(8))

/** value = ±numerator · 2^twos, exactly. */
function decompose(value: number): { negative: boolean; numerator: bigint; twos: number } {
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const exponentBits = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  return {
    negative: bits >> 63n === 1n,
    numerator: exponentBits === 0 ? fraction : fraction | 0x10000000000000n,
    twos: Math.max(exponentBits, 1) - 1075,
  }
}

/** numerator · 2^twos rounded to the nearest whole number, ties to even. */
function roundedShift(numerator: bigint, twos: number): bigint {
  return twos >= 0 ? numerator << BigInt(twos) : roundedQuotient(numerator, 1n << BigInt(-twos))
}

function roundedQuotient(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  const twiceRest = (numerator % denominator) * 2n
  const up = twiceRest > denominator || (twiceRest === denominator && (quotient & 1n) === 1n)
  return up ? quotient + 1n : quotient
}

/** The digits of numerator · 2^twos · 10^tens, rounded to a whole number. */
function significant(numerator: bigint, twos: number, tens: number): string {
  const scaled = tens >= 0 ? numerator * 10n ** BigInt(tens) : numerator
  const divisor = tens >= 0 ? 1n : 10n ** BigInt(-tens)
  return (twos >= 0 ? roundedQuotient(scaled << BigInt(twos), divisor) : roundedQuotient(scaled, divisor << BigInt(-twos))).toString()
}
