/** The loader on damaged data, and at its end: bad samples replaced, counted and named; clean shutdown at any moment; no leak. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoaderSpec, NativeLoader, SkippedSample } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { inWorkers, runWithLoader, withLoader } from '../helpers/loader-process.ts'
import { type Box, framePath, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { testPicture } from '../helpers/pixels.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-faults-'))
const good = path.join(root, 'good')
const boxes = wanderingBoxes(3, 8)
beforeAll(() => writeFrames(good, boxes))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A copy of the good set that one test may damage. */
function damaged(name: string, damage: (file: (s: number, k: number) => string) => void): string {
  const copy = path.join(root, name)
  cpSync(good, copy, { recursive: true })
  damage((s, k) => framePath(copy, s, k))
  return copy
}

async function run(spec: LoaderSpec, batches: number): Promise<{ skipped: SkippedSample[]; count: number; samples: number }> {
  const loader = addon.createLoader(spec)
  for (let b = 0; b < batches; b += 1) {
    const { tensors } = await loader.next()
    for (const tensor of Object.values(tensors)) tensor.dispose()
  }
  const result = { skipped: loader.takeSkipped(), count: loader.stats().skipped, samples: loader.stats().skippedSamples }
  await loader.close()
  return result
}

describe('a bad sample', () => {
  const cases: [string, (file: (s: number, k: number) => string) => void, RegExp][] = [
    ['a truncated frame', (file) => truncateSync(file(1, 3), 3000), /truncated or corrupt/],
    ['a frame cut by its last bytes', (file) => truncateSync(file(1, 3), readFileSync(file(1, 3)).length - 2), /truncated or corrupt/],
    ['text named .jpg', (file) => writeFileSync(file(1, 3), 'Not Found\n'), /starts with "Not Found "/],
    ['an empty file', (file) => truncateSync(file(1, 3), 0), /the file is empty/],
    ['a missing frame', (file) => unlinkSync(file(1, 3)), /No such file/],
    ['a folder named as a frame', (file) => (unlinkSync(file(1, 3)), mkdirSync(file(1, 3))), /regular file/],
  ]
  it.each(cases)('%s is replaced, counted and named', async (name, damage, reason) => {
    const copy = damaged(name.replaceAll(' ', '-'), damage)
    const { skipped, count, samples } = await run(loaderSpec([indexOf(copy, boxes)], { threads: 2 }), 12)
    expect(count).toBeGreaterThan(0)
    expect(skipped).toHaveLength(count)
    for (const entry of skipped) {
      expect(entry.file).toBe(framePath(copy, 1, 3))
      expect(entry.reason).toMatch(reason)
      // Exactly the samples that draw this frame are replaced.
      const [pair] = addon.samplePairs(loaderSpec([indexOf(copy, boxes)]), entry.epoch, entry.sample, entry.attempt, 1)
      expect([0, 1].some((k) => pair!.sequence[k] === 1 && pair!.frame[k] === 3)).toBe(true)
    }
    const drawn = [0, 1, 2, 3, 4].flatMap((epoch) => addon.samplePairs(loaderSpec([indexOf(copy, boxes)]), epoch, 0, 0, 10))
    const expected = drawn.slice(0, 48).filter((pair) => [0, 1].some((k) => pair.sequence[k] === 1 && pair.frame[k] === 3)).length
    expect(skipped.filter((entry) => entry.attempt === 0)).toHaveLength(expected)
    expect(samples).toBe(expected)
  })

  it('a frame of another size than its neighbours\' is one', async () => {
    const copy = damaged('size', (file) => writeFileSync(file(2, 5), addon.encodeJpeg(testPicture(100, 80, 1), 100, 80, { quality: 80, subsampling: '420', format: 'bgr' })))
    const { skipped } = await run(loaderSpec([indexOf(copy, boxes)]), 15)
    expect(skipped.length).toBeGreaterThan(0)
    for (const { reason } of skipped) expect(reason).toMatch(/Expected (200x150|100x80) as .* has, but the frame is (100x80|200x150)/)
  })

  it.each([
    ['NaN', [10, 10, Number.NaN, 60]],
    ['a negative width', [60, 10, 10, 60]],
    ['no height', [10, 10, 60, 9]],
  ] as [string, Box][])('a box with %s is one', async (_, box) => {
    const bad = boxes.map((sequence, s) => sequence.map((value, k) => (s === 0 && k === 2 ? box : value)))
    const { skipped } = await run(loaderSpec([indexOf(good, bad)]), 12)
    expect(skipped.length).toBeGreaterThan(0)
    for (const { file, reason } of skipped) {
      expect(file).toBe(framePath(good, 0, 2))
      expect(reason).toMatch(/unusable box/)
    }
  })

  it('is the same one for any number of threads', async () => {
    const copy = damaged('threads', (file) => truncateSync(file(0, 0), 2000))
    const spec = loaderSpec([indexOf(copy, boxes)], { negativePairRatio: 0.5 })
    const one = await run(spec, 12)
    expect(one.count).toBeGreaterThan(0)
    for (const threads of [2, 4, 8]) expect(await run({ ...spec, threads }, 12)).toEqual(one)
  })

  it('ends a strict loader, in its place, and every request after it', async () => {
    const copy = damaged('strict', (file) => unlinkSync(file(1, 3)))
    const spec = loaderSpec([indexOf(copy, boxes)], { strict: true, threads: 2 })
    const drawn = [0, 1, 2, 3].flatMap((epoch) => addon.samplePairs(spec, epoch, 0, 0, 10))
    const first = drawn.findIndex((pair) => [0, 1].some((k) => pair.sequence[k] === 1 && pair.frame[k] === 3))
    const loader = addon.createLoader(spec)
    for (let b = 0; b < Math.floor(first / 4); b += 1) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
    const error = { code: 'ERR_IO', file: framePath(copy, 1, 3), message: expect.stringContaining(`sample ${first % 10} of epoch ${Math.floor(first / 10)}`) }
    await expect(loader.next()).rejects.toMatchObject(error)
    await expect(loader.next()).rejects.toMatchObject(error)
    await loader.close()
  })

  it('after fifty in a row is the data set\'s fault', async () => {
    const copy = damaged('all', (file) => boxes.forEach((sequence, s) => sequence.forEach((_, k) => writeFileSync(file(s, k), 'gone'))))
    const loader = addon.createLoader(loaderSpec([indexOf(copy, boxes)], { threads: 2 }))
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_DATA', file: expect.stringContaining(copy), message: expect.stringMatching(/50 samples in a row were bad, the last one: .*starts with "gone"/) })
    await loader.close()
  })

  it('while the epoch runs: frames deleted and truncated under it do not stop it', async () => {
    const copy = damaged('running', () => undefined)
    const loader = addon.createLoader(loaderSpec([indexOf(copy, boxes)], { threads: 2, queueBatches: 1 }))
    for (let b = 0; b < 30; b += 1) {
      for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
      if (b === 5) for (let k = 0; k < 8; k += 2) unlinkSync(framePath(copy, 1, k))
      if (b === 9) for (let k = 1; k < 8; k += 2) truncateSync(framePath(copy, 0, k), 1000)
    }
    const { skipped } = loader.stats()
    await loader.close()
    expect(skipped).toBeGreaterThan(5)
  })

  it('is kept up to a bound, and reported once', async () => {
    const copy = damaged('bound', (file) => unlinkSync(file(1, 3)))
    const loader = addon.createLoader(loaderSpec([indexOf(copy, boxes)]))
    for (let b = 0; b < 10; b += 1) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
    expect(loader.takeSkipped().length).toBeGreaterThan(0)
    expect(loader.takeSkipped()).toEqual([])
    await loader.close()
  })
})

describe('createLoader', () => {
  it.each<[string, Partial<LoaderSpec>]>([
    ['no thread', { threads: 0 }],
    ['an empty batch', { batchSize: 0 }],
    ['an empty epoch', { samplesPerEpoch: 0 }],
    ['a rank beyond the world', { rank: 2, worldSize: 2 }],
  ])('refuses %s', (_, more) => {
    expect(() => addon.createLoader(loaderSpec([indexOf(good, boxes)], more))).toThrowError(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })

  it('refuses an empty data set', () => {
    expect(() => addon.createLoader(loaderSpec([]))).toThrowError(expect.objectContaining({ code: 'ERR_DATA' }))
  })
})

describe('close', () => {
  it('rejects what waits with ERR_ABORTED, and all later requests', async () => {
    const loader = addon.createLoader(loaderSpec([indexOf(good, boxes)], { batchSize: 64 }))
    const waiting = [loader.next(), loader.next(), loader.next()].map((promise) => promise.then(() => 'batch', (error: { code: string }) => error.code))
    await loader.close()
    const outcomes = await Promise.all(waiting)
    expect(outcomes.at(-1)).toBe('ERR_ABORTED')
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(loader.stats().samples).toBeGreaterThanOrEqual(0)
    await loader.close()
  })

  it('leaves delivered batches usable', async () => {
    const loader = addon.createLoader(loaderSpec([indexOf(good, boxes)]))
    const { tensors } = await loader.next()
    await loader.close()
    expect((await tensors['im_x']!.toBytes()).length).toBe(4 * 3 * 303 * 303)
    for (const tensor of Object.values(tensors)) tensor.dispose()
  })

  it('of many loaders, at any moment, leaks neither handles nor memory', async () => {
    const cycle = async (i: number) => {
      const loader: NativeLoader = addon.createLoader(loaderSpec([indexOf(good, boxes)], { threads: 1 + (i % 3), batchSize: 2 }))
      if (i % 4 !== 0) {
        const { tensors } = await loader.next()
        for (const tensor of Object.values(tensors)) tensor.dispose()
      }
      if (i % 4 === 3) void loader.next().catch(() => undefined)
      await loader.close()
    }
    for (let i = 0; i < 40; i += 1) await cycle(i)
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 120; i += 1) await cycle(i)
    // A leaked batch would be 1.2 MB each time: 140 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(40e6)
  })
})

describe('a process', () => {
  const spec = () => loaderSpec([indexOf(good, boxes)], { threads: 2 })
  const node = (script: string) => runWithLoader(spec(), script)

  it.each([
    ['that never asks for a batch', ''],
    ['that took one and forgot the loader', 'await loader.next()'],
    ['that exits at once', 'loader.next().catch(() => undefined); process.exit(0)'],
    ['that throws away a loader whose promise is pending', 'let other = loadAddon().createLoader(spec); const waiting = other.next(); other = null; await waiting'],
    ['that closes it', 'await loader.next(); await loader.close()'],
  ])('%s exits by itself', (_, more) => {
    const { status, signal, stderr } = node(withLoader(more))
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  })

  it('whose worker_thread ends with a running loader exits by itself', () => {
    const worker = withLoader('await loader.next(); loader.next().catch(() => undefined); loader.next().catch(() => undefined)')
    const main = inWorkers(worker)
    const { status, stdout, stderr } = node(main)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    // terminate() answers 0 where the worker came to its own end first.
    expect(stdout).toMatch(/ends 0\nexit 0\nterminate [01]\n/)
  })
})
