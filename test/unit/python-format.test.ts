import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatExponent, formatFixed, formatInteger } from '../../lib/monitors/python-format.ts'

type Row = [bits: string, e1: string, f3: string, f1: string, d: string | null, f0: string, e0: string, e7: string]

const { rows } = JSON.parse(readFileSync(new URL('../fixtures/python-format.json', import.meta.url), 'utf8')) as { rows: Row[] }

function fromBits(bits: string): number {
  return Buffer.from(bits, 'hex').readDoubleBE()
}

describe('as Python wrote them (test/fixtures/python_format.py)', () => {
  it('has values to compare', () => expect(rows.length).toBeGreaterThan(400))

  it.each(rows)('%s → %s %s', (bits, e1, f3, f1, d, f0, e0, e7) => {
    const value = fromBits(bits)
    expect([formatExponent(value, 1), formatFixed(value, 3), formatFixed(value, 1)]).toEqual([e1, f3, f1])
    expect([formatFixed(value, 0), formatExponent(value, 0), formatExponent(value, 7)]).toEqual([f0, e0, e7])
    if (d === null) expect(() => formatInteger(value)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    else expect(formatInteger(value)).toBe(d)
  })
})

describe('beside JavaScript', () => {
  const ordinary = fc.double({ noNaN: true, min: -1e20, max: 1e20 }).filter((value) => Math.abs(value) > 1e-20)

  const most = 100

  /** Whether nothing but a 5 and zeros follows the first `count` digits after the point. A tie's digits end there, so 100 show it. */
  const isTie = (text: string, count: number): boolean => /^50*$/.test((text.split('e')[0]!.split('.')[1] ?? '').slice(count))

  it('is toFixed, exact ties aside', () => {
    fc.assert(
      fc.property(ordinary, fc.integer({ min: 0, max: 30 }), (value, digits) => {
        fc.pre(!isTie(value.toFixed(most), digits))
        expect(formatFixed(value, digits)).toBe(value.toFixed(digits))
      }),
      { numRuns: 3000 },
    )
  })

  it('is toExponential with an exponent of two digits, exact ties aside', () => {
    fc.assert(
      fc.property(ordinary, fc.integer({ min: 0, max: 30 }), (value, digits) => {
        fc.pre(!isTie(value.toExponential(most), digits))
        const [mantissa, exponent] = value.toExponential(digits).split('e') as [string, string]
        expect(formatExponent(value, digits)).toBe(`${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`)
      }),
      { numRuns: 3000 },
    )
  })

  it('differs from it at ties, which go to even', () => {
    expect([formatFixed(0.5, 0), formatFixed(1.5, 0), formatFixed(2.5, 0), formatFixed(0.0625, 3)]).toEqual(['0', '2', '2', '0.062'])
    expect([formatExponent(1.25, 1), formatExponent(1.75, 1)]).toEqual(['1.2e+00', '1.8e+00'])
  })

  it('rejects a number of digits that is none', () => {
    for (const digits of [-1, 0.5, NaN, 401]) expect(() => formatFixed(1, digits)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })
})
