import { describe, expect, it } from 'vitest'
import { drawBox, sideBySide, type Picture } from '../../lib/tracking/draw.ts'

const blank = (width: number, height: number): Picture => ({ width, height, data: new Uint8Array(width * height * 3) })

/** The first channel as text, one line a row: '#' where it is set. */
function text({ data, width, height }: Picture): string[] {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_value, x) => (data[(y * width + x) * 3] === 0 ? '.' : '#')).join(''))
}

describe('drawBox', () => {
  it('draws the outline on the edge of the box', () => {
    const picture = blank(8, 7)
    drawBox(picture, [2, 2, 4, 3], [9, 8, 7], 2)
    expect(text(picture)).toEqual(['........', '.######.', '.######.', '.##..##.', '.######.', '.######.', '........'])
    expect([...picture.data.subarray((8 + 1) * 3, (8 + 1) * 3 + 3)]).toEqual([9, 8, 7])
  })

  it('cuts what lies outside, and draws nothing for a box that is not finite', () => {
    const picture = blank(4, 3)
    drawBox(picture, [-5, -5, 7, 7], [1, 1, 1], 2)
    expect(text(picture)).toEqual(['.##.', '###.', '###.'])
    const untouched = blank(4, 3)
    drawBox(untouched, [Number.NaN, 0, 2, 2], [1, 1, 1])
    drawBox(untouched, [100, 100, 5, 5], [1, 1, 1])
    expect(untouched.data.every((value) => value === 0)).toBe(true)
  })
})

describe('sideBySide', () => {
  it('puts pictures beside one another with a gap', () => {
    const a = blank(1, 2)
    a.data.fill(1)
    const b = blank(2, 1)
    b.data.fill(2)
    const sheet = sideBySide([a, b], 1)
    expect([sheet.width, sheet.height]).toEqual([4, 2])
    expect(text(sheet)).toEqual(['#.##', '#...'])
  })
})
