/** Frame names and their patterns; polygons to boxes. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { frameNamesOf, isFramePattern, nameFromPattern, patternOf } from '../../lib/data/frames.ts'
import { axisAlignedBox, centerToRect } from '../../lib/data/polygon.ts'
import { parseGroundTruth } from '../../lib/data/groundtruth.ts'
import { shared } from '../helpers/shared.ts'

describe('patternOf', () => {
  it.each<[string, string[], { pattern: string; first: number; count: number } | null]>([
    ['GOT-10k', ['00000001.jpg', '00000002.jpg'], { pattern: '%08d.jpg', first: 1, count: 2 }],
    ['a prefix with digits', ['cam2_0009.jpeg', 'cam2_0010.jpeg'], { pattern: 'cam2_%04d.jpeg', first: 9, count: 2 }],
    ['no padding', ['8.jpg', '9.jpg'], { pattern: '%d.jpg', first: 8, count: 2 }],
    ['grows over its width', ['99.jpg', '100.jpg'], { pattern: '%02d.jpg', first: 99, count: 2 }],
    ['a gap', ['1.jpg', '3.jpg'], null],
    ['two widths', ['001.jpg', '0002.jpg'], null],
    ['no number', ['a.jpg', 'b.jpg'], null],
    ['a percent sign', ['100%1.jpg', '100%2.jpg'], null],
    ['nothing', [], null],
  ])('%s', (_, names, pattern) => expect(patternOf(names)).toEqual(pattern))

  it('gives back exactly the names that it was made from', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '_', '7', '.'), maxLength: 5 }), fc.nat(2000), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 30 }), (prefix, first, width, count) => {
        const names = Array.from({ length: count }, (_, k) => `${prefix}${String(first + k).padStart(width, '0')}.jpg`)
        const pattern = patternOf(names)
        if (pattern === null) return
        expect(isFramePattern(pattern.pattern)).toBe(true)
        expect(names.map((_, k) => nameFromPattern(pattern, k))).toEqual(names)
      }),
    )
  })

  it('only .jpg and .jpeg count as frames, in the order of their names', () => {
    expect(frameNamesOf(['b.jpg', 'groundtruth.txt', 'a.JPEG', 'thumb.png', 'x.jpg.txt'])).toEqual(['a.JPEG', 'b.jpg'])
    expect(frameNamesOf(['b.webp', 'c.PNG', 'groundtruth.txt', 'a.png', 'x.png.txt'])).toEqual(['a.png', 'b.webp', 'c.PNG'])
  })
})

describe('axisAlignedBox', () => {
  const cases = (JSON.parse(readFileSync(shared('golden', 'crop_geometry.json'), 'utf8')) as { axis_aligned_bbox: { polygon: number[]; cxcywh: number[] }[] }).axis_aligned_bbox

  it("is the original's rule for polygons", () => {
    expect(cases.length).toBeGreaterThan(5)
    for (const { polygon, cxcywh } of cases) {
      const box = axisAlignedBox(polygon)
      for (const [i, value] of [box.cx, box.cy, box.w, box.h].entries()) expect(value).toBeCloseTo(cxcywh[i] as number, 9)
    }
  })

  it("gives the rectangle that the original's tracker was started with", () => {
    const { init_rect_xywh: expected } = JSON.parse(readFileSync(shared('golden', 'tracker_tinyconv_trained.json'), 'utf8')) as { init_rect_xywh: number[] }
    const line = readFileSync(shared('data', 'vot-bag', 'groundtruth.txt'), 'utf8').split('\n')[0] as string
    const rect = centerToRect(axisAlignedBox(line.split(',').map(Number)))
    for (const [i, value] of rect.entries()) expect(value).toBeCloseTo(expected[i] as number, 6)
  })

  it('keeps upright boxes, and refuses other lengths', () => {
    expect(centerToRect(axisAlignedBox([10, 20, 30, 40]))).toEqual([10, 20, 30, 40])
    expect(axisAlignedBox([0, 0, 0, 0, 0, 0, 0, 0])).toEqual({ cx: 0, cy: 0, w: 1, h: 1 })
    expect(() => axisAlignedBox([1, 2, 3])).toThrow(/8 numbers/)
  })
})

describe('parseGroundTruth', () => {
  it('reads what it writes, whatever stands between the numbers', () => {
    const separator = fc.constantFrom(',', '\t', ' ', ', ', ' ,', ';')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double({ min: -1e4, max: 1e4, noNaN: true }), fc.double({ min: -1e4, max: 1e4, noNaN: true }), fc.integer({ min: 1, max: 4000 }), fc.float({ min: 1, max: 4000, noNaN: true })), { maxLength: 20 }), separator, fc.constantFrom('\n', '\r\n'), (boxes, between, end) => {
        const truth = parseGroundTruth(boxes.map((box) => box.join(between) + end).join(''))
        expect(truth.count).toBe(boxes.length)
        expect(truth.unparsable.size).toBe(0)
        expect([...truth.values].map((v) => v + 0)).toEqual(boxes.flat().map((v) => v + 0))
      }),
    )
  })
})
