/** Lines of groundtruth.txt: the quick way and the thorough way give the same numbers, and polygons become boxes. */
import { describe, expect, it } from 'vitest'
import { parseGroundTruth } from '../../lib/data/groundtruth.ts'
import { axisAlignedBox, centerToRect } from '../../lib/data/polygon.ts'
import { uniforms } from '../helpers/tiny-model.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('numbers', () => {
  it('are those that Number gives, bit by bit', () => {
    const random = uniforms(3)
    const written: string[] = []
    for (let i = 0; i < 20_000; i += 1) {
      const digits = Math.floor(random() * 8)
      const magnitude = 10 ** Math.floor(random() * 7 - 2)
      written.push(`${random() < 0.2 ? '-' : ''}${(random() * magnitude).toFixed(digits)}`)
    }
    written.push('0', '-0', '0.0000', '1.', '.5', '123456789012345', '999999999999999', '0.1', '347.3333333333333', '1e3', '+2', '1234567890123456789', '0.00000000000001', '00012', '3.0e-2', '-.25')
    const lines = Array.from({ length: written.length / 4 }, (_, k) => written.slice(k * 4, k * 4 + 4).join(','))
    const { count, values, unparsable } = parseGroundTruth(bytes(`${lines.join('\n')}\n`))
    expect([count, unparsable.size]).toEqual([lines.length, 0])
    for (const [i, text] of written.entries()) expect(Object.is(values[i], Number(text)), text).toBe(true)
  })

  it.each(['', '-', '.', '-.', '1..2', '1-2', '0x10', '1e', '1_000', 'ten'])('%j is none: the line has a reason', (text) => {
    const { values, unparsable } = parseGroundTruth(bytes(`1,2,3,4\n1,${text},3,4\n5,6,7,8`))
    expect([...unparsable.keys()]).toEqual([1])
    expect(unparsable.get(1)).toContain(JSON.stringify(text))
    expect([...values.subarray(4, 8)].every(Number.isNaN)).toBe(true)
    expect([...values.subarray(8)]).toEqual([5, 6, 7, 8])
  })

  it('lines of both kinds keep their places, whatever ends them', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = `\ufeff${['1,2,3,4', '1\t2\t3\t5', '', '1,2,3', '1, 2, 3, 6', '1,2,3,7', ' ', ''].join(end)}`
      const { count, values, unparsable } = parseGroundTruth(bytes(text))
      expect(count).toBe(6)
      expect([3, 7, 19, 23].map((i) => values[i])).toEqual([4, 5, 6, 7])
      expect([...unparsable]).toEqual([
        [2, 'expected 4 numbers x,y,w,h but found an empty line'],
        [3, 'expected 4 numbers x,y,w,h but found 3 fields'],
      ])
    }
  })

  it('a file of nothing has no lines', () => {
    for (const text of ['', '\n\n', '\ufeff', ' \r\n\t\n']) expect(parseGroundTruth(bytes(text))).toMatchObject({ count: 0, unparsable: new Map() })
  })

  it('a part of a larger buffer is read alone', () => {
    const whole = bytes('9,9,9,9\n1 2 3 4\n9,9,9,9')
    expect([...parseGroundTruth(whole.subarray(8, 15)).values]).toEqual([1, 2, 3, 4])
  })

  it('half a million lines take less than two seconds', () => {
    const text = bytes('311.0,102.4,94.7,181.2\n'.repeat(500_000))
    const started = performance.now()
    expect(parseGroundTruth(text).count).toBe(500_000)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('polygons', () => {
  const corners = [312.4, 146.8, 418.7, 149.2, 415.9, 243.1, 309.6, 240.7]

  it('become the upright box of the rule, where they are allowed', () => {
    const { values, unparsable } = parseGroundTruth(bytes(`${corners.join(',')}\n1,2,3,4\n`), { polygons: true })
    expect(unparsable.size).toBe(0)
    expect([...values]).toEqual([...centerToRect(axisAlignedBox(corners)), 1, 2, 3, 4])
  })

  it('are refused where they are not, and so are other numbers of corners', () => {
    expect(parseGroundTruth(bytes(corners.join(','))).unparsable.get(0)).toBe('expected 4 numbers x,y,w,h but found 8 fields')
    expect(parseGroundTruth(bytes('1,2,3,4,5,6'), { polygons: true }).unparsable.get(0)).toBe('expected 4 numbers x,y,w,h or the 8 of a polygon of four corners but found 6 fields')
  })
})
