/** Synthetic sequences, drawn without the addon: the annotation is what the pixels show, and the seed decides everything. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Random } from '../../lib/data/synth/random.ts'
import { SyntheticSequence } from '../../lib/data/synth/sequence.ts'
import { classesOf } from '../../lib/data/synth/sprite.ts'

const spec = { seed: 3, split: 'train', index: 0, frames: 40, width: 240, height: 180 } as const
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('a synthetic sequence', () => {
  it('is the same for the same seed, in whatever order its frames are drawn', () => {
    const [a, b] = [new SyntheticSequence(spec), new SyntheticSequence(spec)]
    const forward = [0, 5, 20].map((k) => hash(a.frame(k).pixels))
    const backward = [20, 5, 0].map((k) => hash(b.frame(k).pixels)).reverse()
    expect(forward).toEqual(backward)
    expect(new Set(forward).size).toBe(3)
  })

  it('differs by seed, split and index', () => {
    const first = (more: Partial<{ seed: number; split: 'train' | 'val'; index: number }>): string => hash(new SyntheticSequence({ ...spec, ...more }).frame(0).pixels)
    expect(new Set([first({}), first({ seed: 4 }), first({ split: 'val' }), first({ index: 1 }), first({ seed: 3 + 2 ** 32 })]).size).toBe(5)
  })

  it('has boxes inside the picture that move, change size, and are seen whole at the start', () => {
    for (let index = 0; index < 6; index += 1) {
      const sequence = new SyntheticSequence({ ...spec, index })
      const centers: [number, number][] = []
      const areas: number[] = []
      for (let k = 0; k < spec.frames; k += 1) {
        const { box: [x, y, w, h], cover, absent } = sequence.frame(k)
        expect(absent).toBe(false)
        expect(Math.min(x, y)).toBeGreaterThanOrEqual(0)
        expect(x + w).toBeLessThanOrEqual(spec.width)
        expect(y + h).toBeLessThanOrEqual(spec.height)
        expect(Math.min(w, h)).toBeGreaterThan(8)
        expect(cover).toBeGreaterThanOrEqual(k < 8 ? 6 : 0)
        expect(cover).toBeLessThanOrEqual(8)
        centers.push([x + w / 2, y + h / 2])
        areas.push(w * h)
      }
      const xs = centers.map(([x]) => x)
      const ys = centers.map(([, y]) => y)
      const travel = Math.hypot(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys))
      // It leaves the place where it began, yet from frame to frame stays within reach of a search region (about ±2 sizes).
      expect(travel).toBeGreaterThan(0.8 * Math.sqrt(areas[0] as number))
      for (let k = 1; k < centers.length; k += 1) {
        const [a, b] = [centers[k - 1] as [number, number], centers[k] as [number, number]]
        expect(Math.hypot(b[0] - a[0], b[1] - a[1])).toBeLessThan(0.9 * Math.sqrt(areas[k - 1] as number))
      }
      expect(Math.max(...areas) / Math.min(...areas)).toBeGreaterThan(1.1)
    }
  })

  it('has a target whose colours differ from what is around the box', () => {
    // Contrast of mean colour between the middle of the box and the ring around it: nothing to track without it.
    let distinct = 0
    for (let index = 0; index < 8; index += 1) {
      const { pixels, box } = new SyntheticSequence({ ...spec, index }).frame(0)
      const inner = meanColor(pixels, spec.width, spec.height, box, -0.2)
      const outer = meanColor(pixels, spec.width, spec.height, box, 0.5)
      if (Math.hypot(...inner.map((c, i) => c - (outer[i] as number))) > 12) distinct += 1
    }
    expect(distinct).toBeGreaterThanOrEqual(7)
  })

  it('hides its target now and then', () => {
    let hidden = 0
    for (let index = 0; index < 8; index += 1) {
      const sequence = new SyntheticSequence({ ...spec, index })
      for (let k = 0; k < spec.frames; k += 1) if (sequence.frame(k).cover <= 6) hidden += 1
    }
    expect(hidden).toBeGreaterThan(8)
    expect(hidden).toBeLessThan(8 * spec.frames * 0.5)
  })

  it('keeps the classes of the two splits apart', () => {
    const name = ({ shape, pattern }: { shape: string; pattern: string }): string => `${pattern} ${shape}`
    const [train, val] = [new Set(classesOf('train').map(name)), new Set(classesOf('val').map(name))]
    expect(train.size + val.size).toBe(64)
    expect([...val].filter((one) => train.has(one))).toEqual([])
    expect(val.size).toBeGreaterThanOrEqual(8)
  })
})

/** Mean colour of the box grown by a share of its size (negative: shrunk); what lies within the box does not count when grown. */
function meanColor(pixels: Uint8Array, width: number, height: number, [x, y, w, h]: readonly number[], grow: number): number[] {
  const [bx, by, bw, bh] = [x as number, y as number, w as number, h as number]
  const sum = [0, 0, 0]
  let count = 0
  for (let py = Math.max(0, Math.round(by - grow * bh)); py < Math.min(height, by + bh + grow * bh); py += 1) {
    for (let px = Math.max(0, Math.round(bx - grow * bw)); px < Math.min(width, bx + bw + grow * bw); px += 1) {
      if (grow > 0 && px >= bx && px < bx + bw && py >= by && py < by + bh) continue
      for (let c = 0; c < 3; c += 1) sum[c] = (sum[c] as number) + (pixels[(py * width + px) * 3 + c] as number)
      count += 1
    }
  }
  return sum.map((value) => value / count)
}

describe('Random', () => {
  it('gives streams that depend on every key, uniform in [0, 1)', () => {
    expect(new Random(1, 2).bits()).not.toBe(new Random(2, 1).bits())
    expect(new Random(1).bits()).toBe(new Random(1).bits())
    const random = new Random(9)
    const values = Array.from({ length: 20_000 }, () => random.uniform())
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...values)).toBeLessThan(1)
    expect(values.reduce((sum, v) => sum + v, 0) / values.length).toBeCloseTo(0.5, 1)
    const integers = Array.from({ length: 1000 }, () => random.integer(2, 4))
    expect(new Set(integers)).toEqual(new Set([2, 3, 4]))
  })
})
