/** Which frames make a pair: a pure function of (seed, epoch, sample, attempt), with the original's rules (QUIRKS 1 to 4). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { type Box, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-sampler-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const spec = loaderSpec([indexOf('/nowhere', wanderingBoxes(5, 40))])

describe('Philox4x32-10', () => {
  // The known answers that come with the authors' Random123 library (kat_vectors).
  it.each([
    ['00000000 00000000 00000000 00000000 00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('%s', (words, expected) => {
    const block = addon.philox(Uint32Array.from(words.split(' '), (word) => Number.parseInt(word, 16)))
    expect(Array.from(block, (word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(expected)
  })
})

describe('a sample', () => {
  it('depends on seed, epoch, sample and attempt, and on nothing else', () => {
    const base = addon.samplePairs(spec, 3, 0, 0, 200)
    expect(addon.samplePairs(spec, 3, 0, 0, 200)).toEqual(base)
    expect(addon.samplePairs(spec, 3, 150, 0, 50)).toEqual(base.slice(150))
    expect(addon.samplePairs({ ...spec, threads: 8, batchSize: 31, startEpoch: 2 }, 3, 0, 0, 200)).toEqual(base)
    for (const other of [addon.samplePairs(spec, 4, 0, 0, 200), addon.samplePairs(spec, 3, 0, 1, 200), addon.samplePairs({ ...spec, seed: 12 }, 3, 0, 0, 200), addon.samplePairs({ ...spec, seed: 11 + 2 ** 32 }, 3, 0, 0, 200)]) {
      const same = other.filter((pair, i) => JSON.stringify(pair) === JSON.stringify(base[i])).length
      expect(same).toBeLessThan(20)
    }
  })

  it('draws its pair and its crops from different streams: other crops leave the pairs alone', () => {
    expect(addon.samplePairs({ ...spec, crop: { ...spec.crop, maxShift: 3 } }, 0, 0, 0, 100)).toEqual(addon.samplePairs(spec, 0, 0, 0, 100))
  })

  it('gives every sequence and every template frame its share', () => {
    const pairs = addon.samplePairs(spec, 0, 0, 0, 8000)
    for (const [count, of] of [[5, (i: number) => pairs[i]!.sequence[0]], [40, (i: number) => pairs[i]!.frame[0]]] as const) {
      const seen = Array.from({ length: count }, () => 0)
      pairs.forEach((_, i) => (seen[of(i)]! += 1))
      const expected = pairs.length / count
      // Chi-square with count − 1 degrees of freedom: 99.9 % quantile below 2 (count − 1) + 20 here.
      expect(seen.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)).toBeLessThan(2 * (count - 1) + 20)
    }
  })
})

describe('the window', () => {
  const long = loaderSpec([indexOf('/nowhere', wanderingBoxes(1, 200), { maxDiff: 10 })])

  it('reaches max_diff back and to the end of the sequence, as the original\'s does (QUIRKS 2)', () => {
    const pairs = addon.samplePairs(long, 0, 0, 0, 4000)
    const differences = pairs.map(({ frame: [z, x] }) => x - z)
    expect(Math.min(...differences)).toBe(-10)
    expect(Math.max(...differences)).toBeGreaterThan(150)
    expect(differences).toContain(0)
    for (const { frame, sequence, negative } of pairs) {
      expect(frame[1]).toBeLessThan(200)
      expect(sequence[0]).toBe(sequence[1])
      expect(negative).toBe(false)
    }
  })

  it('is symmetric where asked', () => {
    const differences = addon.samplePairs({ ...long, symmetricWindow: true }, 0, 0, 0, 4000).map(({ frame: [z, x] }) => x - z)
    expect(Math.min(...differences)).toBe(-10)
    expect(Math.max(...differences)).toBe(10)
  })

  it('of a still image is the image', () => {
    const stills = loaderSpec([indexOf('/nowhere', wanderingBoxes(30, 1))])
    for (const { frame, sequence } of addon.samplePairs(stills, 0, 0, 0, 100)) {
      expect(frame).toEqual([0, 0])
      expect(sequence[0]).toBe(sequence[1])
    }
  })
})

describe('still pictures', () => {
  const objects = [1, 3, 8]
  const set = (more: Parameters<typeof indexOf>[2] = {}) => indexOf('/nowhere', objects.map((n) => wanderingBoxes(1, n)[0]!), { still: true, ...more })

  it('give the same object twice, every picture and every object of it with its share', () => {
    const pairs = addon.samplePairs(loaderSpec([set({ maxDiff: 0 })]), 0, 0, 0, 6000)
    for (const { frame, sequence, negative } of pairs) {
      expect(sequence[0]).toBe(sequence[1])
      expect(frame[0]).toBe(frame[1])
      expect(negative).toBe(false)
    }
    objects.forEach((n, s) => {
      const drawn = pairs.filter(({ sequence }) => sequence[0] === s)
      expect(Math.abs(drawn.length / pairs.length - 1 / 3)).toBeLessThan(0.03)
      for (let k = 0; k < n; k += 1) expect(Math.abs(drawn.filter(({ frame }) => frame[0] === k).length / drawn.length - 1 / n)).toBeLessThan(0.06)
    })
  })

  it('draw nothing for the second half of the pair, as a sequence of one frame does: what a next try draws does not shift', () => {
    // Of these two pictures only the second passes the filter, so most samples take several tries.
    const long: Box = [10, 10, 400, 12]
    const stills = addon.samplePairs(loaderSpec([indexOf('/nowhere', [[long], [[10, 10, 40, 40]]], { still: true })]), 0, 0, 0, 200)
    const videos = addon.samplePairs(loaderSpec([indexOf('/nowhere', [[long], [[10, 10, 40, 40]]])]), 0, 0, 0, 200)
    expect(videos).toEqual(stills)
    expect(new Set(stills.map(({ sequence }) => sequence[0]))).toEqual(new Set([1]))
    // Uniform n of a sample, straight from the generator: negativity, then data set, sequence and object of each try.
    const uniform = (sample: number, n: number) => {
      const block = addon.philox(Uint32Array.from([Math.floor(n / 2), 0, sample, 0, 11, 0]))
      return ((block[(n % 2) * 2]! >>> 5) * 67108864 + (block[(n % 2) * 2 + 1]! >>> 6)) / 2 ** 53
    }
    const three = addon.samplePairs(loaderSpec([set()]), 0, 0, 0, 50)
    three.forEach(({ sequence, frame }, i) => {
      expect(sequence[0]).toBe(Math.floor(uniform(i, 2) * 3))
      expect(frame[0]).toBe(Math.floor(uniform(i, 3) * objects[sequence[0]]!))
    })
  })

  it('of a negative pair are two independent draws, which may be two objects of one picture', () => {
    const pairs = addon.samplePairs(loaderSpec([set()], { negativePairRatio: 1 }), 0, 0, 0, 6000)
    const same = pairs.filter(({ sequence }) => sequence[0] === sequence[1])
    expect(Math.abs(same.length / pairs.length - 1 / 3)).toBeLessThan(0.03)
    expect(same.some(({ frame }) => frame[0] !== frame[1])).toBe(true)
    const chance = objects.reduce((sum, n) => sum + 1 / 9 / n, 0)
    expect(Math.abs(pairs.filter(({ sequence, frame }) => sequence[0] === sequence[1] && frame[0] === frame[1]).length / pairs.length - chance)).toBeLessThan(0.02)
  })

  it('without an object are drawn and refused, so their data set gives fewer samples than its ratio says, as in the original', () => {
    const video = indexOf('/video', wanderingBoxes(3, 9), { ratio: 0.5 })
    const share = (emptyStills: number, more: Parameters<typeof loaderSpec>[1] = {}) => {
      const pairs = addon.samplePairs(loaderSpec([set({ ratio: 0.5, emptyStills }), video], more), 0, 0, 0, 6000)
      expect(pairs.every(({ dataset, sequence }) => dataset.every((d, i) => d === 1 || sequence[i]! < 3))).toBe(true)
      return pairs.filter(({ dataset }) => dataset[0] === 0).length / pairs.length
    }
    expect(Math.abs(share(0) - 0.5)).toBeLessThan(0.025)
    // Three of six pictures pass: 0.25 of the tries against 0.5.
    expect(Math.abs(share(3) - 1 / 3)).toBeLessThan(0.025)
    expect(Math.abs(share(3, { filter: null }) - 1 / 3)).toBeLessThan(0.025)
    expect(Math.abs(share(3, { negativePairRatio: 1 }) - 1 / 3)).toBeLessThan(0.025)
  })

  it('of which none passes end in an error that names the data set', () => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', [[[1, 1, 900, 2]]], { still: true, emptyStills: 5000, name: 'DETDataset' })]), 0, 0, 0, 1)).toThrowError(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(/rejected 1000 pairs in a row, the last one of DETDataset/) }),
    )
  })

  it('are one file each', () => {
    const boxes = [wanderingBoxes(1, 3)[0]!]
    writeFrames(path.join(root, 'stills'), [[boxes[0]![0]!]])
    // Only 00000001.jpg is there: the area limits have it read whatever the object.
    const spec = loaderSpec([indexOf(path.join(root, 'stills'), boxes, { still: true })], { filter: { maxAreaRate: 0.9, minAreaRate: 0, maxRatio: 10, applyAreaLimits: true } })
    expect(new Set(addon.samplePairs(spec, 0, 0, 0, 50).map(({ frame }) => frame[0]))).toEqual(new Set([0, 1, 2]))
    const named = loaderSpec([indexOf(path.join(root, 'stills'), boxes, { still: true, framePatterns: [''], frameNames: [['00000001.jpg']] })], { filter: spec.filter })
    expect(addon.samplePairs(named, 0, 0, 0, 50)).toEqual(addon.samplePairs(spec, 0, 0, 0, 50))
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', boxes, { still: true, framePatterns: [''], frameNames: [['a.jpg', 'b.jpg', 'c.jpg']] })]), 0, 0, 0, 1)).toThrowError(/a file name for each frame/)
  })
})

describe('negative pairs', () => {
  it('come at their ratio and are two independent draws', () => {
    const pairs = addon.samplePairs({ ...spec, negativePairRatio: 0.3 }, 0, 0, 0, 6000)
    const negative = pairs.filter((pair) => pair.negative)
    expect(negative.length / pairs.length).toBeGreaterThan(0.28)
    expect(negative.length / pairs.length).toBeLessThan(0.32)
    const sameSequence = negative.filter(({ sequence }) => sequence[0] === sequence[1]).length / negative.length
    expect(sameSequence).toBeGreaterThan(0.15) // one in five sequences: two draws may agree (QUIRKS 4)
    expect(sameSequence).toBeLessThan(0.25)
  })
})

describe('several data sets', () => {
  it('are drawn by their ratios', () => {
    const sets = [indexOf('/a', wanderingBoxes(2, 9), { ratio: 0.6 }), indexOf('/b', wanderingBoxes(2, 9), { ratio: 0.3 }), indexOf('/c', wanderingBoxes(2, 9), { ratio: 0.1 })]
    const pairs = addon.samplePairs(loaderSpec(sets), 0, 0, 0, 6000)
    const shares = [0, 1, 2].map((d) => pairs.filter(({ dataset }) => dataset[0] === d).length / pairs.length)
    shares.forEach((share, d) => expect(Math.abs(share - [0.6, 0.3, 0.1][d]!)).toBeLessThan(0.02))
    expect(pairs.every(({ dataset }) => dataset[0] === dataset[1])).toBe(true)
  })

  it('of no ratio are refused, and so is none at all', () => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/a', wanderingBoxes(1, 1), { ratio: 0 })]), 0, 0, 0, 1)).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
    expect(() => addon.samplePairs(loaderSpec([]), 0, 0, 0, 1)).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
  })
})

describe('the filter', () => {
  const of = (w: number, h: number): Box => [10, 10, 9 + w, 9 + h]
  /** Which of a still data set's boxes are ever drawn. */
  const drawn = (boxes: Box[], more: Parameters<typeof loaderSpec>[1] = {}) => {
    const pairs = addon.samplePairs(loaderSpec([indexOf('/nowhere', boxes.map((box) => [box]))], more), 0, 0, 0, 400)
    return boxes.map((_, s) => pairs.some(({ sequence }) => sequence[0] === s))
  }

  it('keeps long boxes out; at exactly 10 : 1 a standing box passes and a lying one does not (QUIRKS 1)', () => {
    expect(drawn([of(30, 30), of(10, 100), of(100, 10), of(10, 101), of(10, 99), of(99, 10)])).toEqual([true, true, false, false, true, true])
  })

  it('does not limit areas, unless asked to (QUIRKS 1)', () => {
    const boxes = [[of(2, 2)], [of(40, 30)], [of(190, 140)]]
    writeFrames(root, boxes)
    const datasets = [indexOf(root, boxes)]
    const sequences = (more: Parameters<typeof loaderSpec>[1] = {}) => new Set(addon.samplePairs(loaderSpec(datasets, more), 0, 0, 0, 60).map(({ sequence }) => sequence[0]))
    expect(sequences()).toEqual(new Set([0, 1, 2]))
    expect(sequences({ filter: { ...spec.filter!, applyAreaLimits: true } })).toEqual(new Set([1]))
  })

  it('may be left out', () => {
    expect(drawn([of(30, 30), of(5, 400)], { filter: null })).toEqual([true, true])
  })

  it('that rejects everything is an error, not an endless loop', () => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', [[of(3, 300)]])]), 0, 0, 0, 1)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(/filter rejected 1000 pairs/) }))
  })

  it.each([
    ['NaN', [10, 10, Number.NaN, 20]],
    ['no width', [10, 10, 9, 20]],
    ['width and height both negative, which the original lets pass', [10, 10, 0, 0]],
  ] as [string, Box][])('a box with %s is bad data, with its file', (_, box) => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', [[box]])]), 0, 0, 0, 1)).toThrowError(expect.objectContaining({ code: 'ERR_DATA', file: '/nowhere/s0/00000001.jpg' }))
  })
})

describe('an index', () => {
  it.each([
    ['boxes that do not fit', { boxes: new Float32Array(4) }],
    ['a missing pattern', { framePatterns: [] as string[] }],
    ['an empty sequence', { sequenceStart: Uint32Array.of(0, 0), boxes: new Float32Array(0) }],
  ])('with %s is refused', (_, more) => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', wanderingBoxes(1, 3), more)]), 0, 0, 0, 1)).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
  })

  it.each(['x.jpg', '%s.jpg', '%d%d.jpg', '%', '%999d.jpg', '%5d.jpg'])('with the pattern %s is refused', (pattern) => {
    expect(() => addon.samplePairs(loaderSpec([indexOf('/nowhere', wanderingBoxes(1, 3), { framePatterns: [pattern] })]), 0, 0, 0, 1)).toThrow(/one number/)
  })
})
