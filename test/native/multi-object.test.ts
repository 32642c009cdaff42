/** Several objects in one frame against as many single trackers, and their coming, going and failing. Real frames, trained weights. */
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { buildMultiObjectTracker, type MultiObjectTracker } from '../../lib/tracking/multi-object.ts'
import { registerTracker } from '../../lib/tracking/registry.ts'
import type { Box, TrackResult } from '../../lib/tracking/tracker.ts'
import { overlap } from '../../lib/evaluation/overlap.ts'
import { shared } from '../helpers/shared.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'

const frame = (i: number): string => shared('data', 'vot-bag', `${String(i).padStart(8, '0')}.jpg`)
/** The bag, the man's head, his legs, and something at the border. */
const boxes: Box[] = [[312.6, 146.9, 106.1, 96.4], [220, 40, 40, 50], [240, 200, 60, 120], [-10, 300, 50, 50]]

async function configOf(name: string, keys: Record<string, unknown> = {}, more: string[] = []): Promise<Config> {
  const overrides = Object.entries(keys).map(([key, value]) => `test.track.pipeline.${name}.${key}=${String(value)}`)
  return loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), [`test.track.pipeline.name=${name}`, 'test.track.model.task_head.DenseboxHead.input_size_adapt=true', ...overrides, ...more])
}

let model: Model
beforeAll(async () => {
  model = await buildModel(await configOf('SiamFCppTracker'), { part: 'test', pretrained: false })
  await model.loadStateDict(modelStateOf(await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))))
})
afterAll(() => model.dispose())

/** What a tracker of its own gives an object that is there from frame `from` to frame `to`. */
async function alone(config: Config, box: Box, from: number, to: number): Promise<TrackResult[]> {
  using tracker = await buildSiamFCpp(config, { model })
  await tracker.init(frame(from), box)
  const results: TrackResult[] = []
  for (let i = from + 1; i <= to; i++) results.push(await tracker.update(frame(i)))
  return results
}

function expectSame(result: TrackResult | undefined, wanted: TrackResult | undefined, label: string): void {
  // Golden boxes of single trackers are followed to 0.05 px; here only the order of float32 sums differs.
  for (const [k, value] of wanted!.box.entries()) expect(Math.abs(result!.box[k]! - value), `${label}: ${result!.box.join()} instead of ${wanted!.box.join()}`).toBeLessThan(0.02)
  expect(Math.abs(result!.score - wanted!.score), label).toBeLessThan(1e-4)
  expect(Math.abs(result!.confidence! - wanted!.confidence!), label).toBeLessThan(1e-4)
}

describe('gives the boxes of single trackers', () => {
  it.each([
    ['SiamFCppTracker', {}],
    ['SiamFCppMultiTempTracker', { mem_step: 2, mem_len: 3 }],
    // Some are lost and some not: search crops of two sizes in one frame.
    ['SiamFCppLTTracker', { window_influence: 0.002, lost_score_th_low: 0.082, lost_score_th_high: 0.085 }],
    // Without smoothing, differences grow from frame to frame: fewer of them.
    ['SiamFCppOneShotDetector', {}, 3],
  ])('%s', async (name, keys, last = 5) => {
    const config = await configOf(name, keys)
    using tracker = await buildMultiObjectTracker(config, { model })
    expect(tracker.name).toBe(name)
    expect(await tracker.init(frame(1), boxes)).toEqual([0, 1, 2, 3])
    const wanted = []
    for (const box of boxes) wanted.push(await alone(config, box, 1, last))
    for (let i = 2; i <= last; i++) {
      const results = await tracker.update(frame(i))
      expect(results.map(({ id }) => id)).toEqual([0, 1, 2, 3])
      for (const { id, ...result } of results) expectSame(result, wanted[id]![i - 2], `${name}, frame ${i}, object ${id}`)
    }
  })

  it('also of more objects than go through the network at once', async () => {
    const config = await configOf('SiamFCppTracker')
    const many = Array.from({ length: 9 }, (_, i): Box => [20 + 30 * i, 20 + 20 * i, 40 + 3 * i, 50 + 2 * i])
    using tracker = await buildMultiObjectTracker(config, { model })
    await tracker.init(frame(1), many)
    const results = await tracker.update(frame(2))
    for (const [i, box] of many.entries()) expectSame(results[i], (await alone(config, box, 1, 2))[0], `object ${i}`)
  })
})

describe('shared windows', () => {
  const near: Box[] = [[312.6, 146.9, 106.1, 96.4], [320, 155, 104, 97], [220, 40, 40, 50]]

  it('search near objects in the crop of the first, whose boxes stay those of a single tracker', async () => {
    const config = await configOf('SiamFCppTracker')
    using tracker = await buildMultiObjectTracker(config, { model, shareWindows: true })
    await tracker.init(frame(1), near)
    const results = await tracker.update(frame(2))
    const wanted = []
    for (const box of near) wanted.push((await alone(config, box, 1, 2))[0]!)
    expectSame(results[0], wanted[0], 'the first')
    expectSame(results[2], wanted[2], 'one that is far away')
    // Another crop, other pixels: nearly the same box, and not the same.
    expect(results[1]!.box).not.toEqual(wanted[1]!.box)
    expect(overlap(results[1]!.box, wanted[1]!.box)).toBeGreaterThan(0.8)
  })

  it('of objects in one place are one: the same boxes as without', async () => {
    const config = await configOf('SiamFCppTracker')
    using tracker = await buildMultiObjectTracker(config, { model, shareWindows: true })
    await tracker.init(frame(1), [boxes[0]!, boxes[0]!])
    const [first, second] = await tracker.update(frame(2))
    const [wanted] = await alone(config, boxes[0]!, 1, 2)
    expectSame(first, wanted, 'first')
    expectSame(second, wanted, 'second')
  })

  it('are refused where trackers have windows of their own, and what is neither true nor false', async () => {
    await expect(buildMultiObjectTracker(await configOf('SiamFCppLTTracker'), { model, shareWindows: true })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/SiamFCppLTTracker cannot share windows/) })
    await expect(buildMultiObjectTracker(await configOf('SiamFCppTracker'), { model, shareWindows: 1 as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/true or false/) })
  })
})

describe('MultiObjectTracker', () => {
  let config: Config
  let tracker: MultiObjectTracker
  beforeEach(async () => {
    config = await configOf('SiamFCppTracker')
    tracker = await buildMultiObjectTracker(config, { model })
  })
  afterEach(() => tracker.dispose())

  it('takes objects in and lets them go on the way', async () => {
    await tracker.init(frame(1), [])
    expect(await tracker.update(frame(2))).toEqual([])
    expect(await tracker.add(frame(2), [boxes[0]!])).toEqual([0])
    await tracker.update(frame(3))
    expect(await tracker.add(frame(3), [boxes[1]!, boxes[2]!])).toEqual([1, 2])
    expect(tracker.ids).toEqual([0, 1, 2])
    await tracker.update(frame(4))
    await tracker.remove(1)
    expect(tracker.ids).toEqual([0, 2])
    const results = await tracker.update(frame(5))
    expect(results.map(({ id }) => id)).toEqual([0, 2])
    expectSame(results[0], (await alone(config, boxes[0]!, 2, 5))[2], 'object 0')
    expectSame(results[1], (await alone(config, boxes[2]!, 3, 5))[1], 'object 2')
    // Ids are not used again.
    expect(await tracker.add(frame(5), [boxes[1]!])).toEqual([3])
    expect(await tracker.init(frame(1), [boxes[1]!])).toEqual([0])
    expectSame((await tracker.update(frame(2)))[0], (await alone(config, boxes[1]!, 1, 2))[0], 'after another init')
  })

  it('keeps calls in order without waiting between them', async () => {
    const [ids, first, added, removed, second] = await Promise.all([tracker.init(frame(1), [boxes[0]!]), tracker.update(frame(2)), tracker.add(frame(2), [boxes[1]!]), tracker.remove(0), tracker.update(frame(3))])
    expect([ids, first.map(({ id }) => id), added, removed, second.map(({ id }) => id)]).toEqual([[0], [0], [1], undefined, [1]])
  })

  it('keeps all objects where they were when a frame cannot be used', async () => {
    await tracker.init(frame(1), boxes)
    const wanted = await tracker.update(frame(2))
    const next = await tracker.update(frame(3))
    await tracker.init(frame(1), boxes)
    expect(await tracker.update(frame(2))).toEqual(wanted)
    const bytes = readFileSync(frame(3))
    await expect(tracker.update(bytes.subarray(0, Math.floor(bytes.length * 0.3)))).rejects.toMatchObject({ code: 'ERR_DATA' })
    await expect(tracker.update({ data: new Uint8Array(60 * 40 * 3), width: 60, height: 40, channels: 3, format: 'rgb' })).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/as the first one but received 60x40/) })
    await expect(tracker.update('missing.jpg')).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(await tracker.update(frame(3))).toEqual(next)
  })

  it('adds all objects or none, and stays what it was after an init that failed', async () => {
    await tracker.init(frame(1), [boxes[0]!])
    const off: Box = [5000, 0, 10, 10]
    await expect(tracker.add(frame(1), [boxes[1]!, off])).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/overlaps the frame/) })
    await expect(tracker.add({ data: new Uint8Array(60 * 40 * 3), width: 60, height: 40, channels: 3, format: 'rgb' }, [[1, 1, 9, 9]])).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/60x40/) })
    await expect(tracker.init(frame(2), [off])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(tracker.ids).toEqual([0])
    expect(await tracker.add(frame(1), [boxes[1]!])).toEqual([1])
    const results = await tracker.update(frame(2))
    expectSame(results[0], (await alone(config, boxes[0]!, 1, 2))[0], 'object 0')
    expectSame(results[1], (await alone(config, boxes[1]!, 1, 2))[0], 'object 1')
  })

  it('refuses what is no list of boxes, and names the bad one', async () => {
    await expect(tracker.init(frame(1), 'all' as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/a list of boxes/) })
    await expect(tracker.init(frame(1), [boxes[0]!, [1, 2, 0, 4]])).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/boxes\[1\]/) })
    await expect(tracker.init('text.jpg', [boxes[0]!])).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  it('says what comes before what, and which objects there are', async () => {
    await expect(tracker.update(frame(1))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/init\(\).*before update\(\)/) })
    await expect(tracker.add(frame(1), boxes)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/init\(\).*before add\(\)/) })
    await expect(tracker.remove(0)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/there is none/) })
    await tracker.init(frame(1), boxes.slice(0, 2))
    await expect(tracker.remove(7)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/0, 1.*received 7/) })
    await tracker.remove(0)
    await expect(tracker.remove(0)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('refuses use after dispose, and leaves a model that was passed in', async () => {
    tracker.dispose()
    tracker.dispose()
    expect(tracker.disposed).toBe(true)
    await expect(tracker.init(frame(1), boxes)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(tracker.update(frame(1))).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect(model.disposed).toBe(false)
  })

  it('is for trackers whose objects can share a network call', async () => {
    const online = await loadConfig(shared('reference-configs', 'test', 'vot', 'siamfcpp_alexnet_online.yaml'))
    await expect(buildMultiObjectTracker(online, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/SiamFCppOnlineTracker/) })
    registerTracker('OwnTracker', () => Promise.reject(new Error('not called')))
    const own = await configOf('OwnTracker')
    await expect(buildMultiObjectTracker(own, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/OwnTracker follows one object; several at once are for SiamFCppTracker/) })
  })

  it('says when the network gives no finite numbers', async () => {
    using broken = await buildModel(config, { part: 'test', pretrained: false })
    const state = await broken.stateDict()
    await broken.loadStateDict(state.map((entry) => (entry.name === 'head.bi' ? { ...entry, data: new Uint8Array(Float32Array.of(Number.NaN).buffer) } : entry)))
    using other = await buildMultiObjectTracker(config, { model: broken })
    await other.init(frame(1), boxes)
    await expect(other.update(frame(2))).rejects.toMatchObject({ code: 'ERR_NONFINITE', file: frame(2) })
  })
})
