/** What several objects share: a network whose weights and 8-bit ranges are those of the moment when they began. Real frames, trained weights. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import { buildMultiObjectTracker } from '../../lib/tracking/multi-object.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { Box } from '../../lib/tracking/tracker.ts'
import { shared } from '../helpers/shared.ts'

const frame = (i: number): string => shared('data', 'vot-bag', `${String(i).padStart(8, '0')}.jpg`)
const bag: Box = [312.6, 146.9, 106.1, 96.4]
const legs: Box = [240, 200, 60, 120]
const head: Box = [220, 40, 40, 50]
const off: Box = [5000, 0, 10, 10]

let config: Config
let weights: Awaited<ReturnType<typeof readCheckpoint>>
let model: Model
beforeAll(async () => {
  config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'))
  weights = await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))
})
beforeEach(async () => {
  model = await buildModel(config, { part: 'test', pretrained: false })
  await model.loadStateDict(modelStateOf(weights))
})
afterEach(() => model.dispose())

/** Larger boxes: as if the model had been trained on. */
async function changeWeights(): Promise<void> {
  const state = await model.stateDict()
  await model.loadStateDict(state.map((entry) => (entry.name === 'head.bi' ? { ...entry, data: new Uint8Array(Float32Array.of(5).buffer) } : entry)))
}

describe.each(['fp32', 'int8'] as const)('%s', (precision) => {
  it('an object that comes on the way changes nothing for the others', async () => {
    using one = await buildMultiObjectTracker(config, { model, precision, threads: 1 })
    using two = await buildMultiObjectTracker(config, { model, precision, threads: 1 })
    for (const tracker of [one, two]) {
      await tracker.init(frame(1), [bag])
      await tracker.update(frame(2))
    }
    await two.add(frame(2), [legs, head])
    for (let i = 3; i <= 5; i += 1) {
      const [wanted] = await one.update(frame(i))
      const [found] = await two.update(frame(i))
      // More than one crop: in fp32 other convolution routines, which sum in another order.
      for (const [k, value] of wanted!.box.entries()) expect(Math.abs(found!.box[k]! - value), `frame ${i}`).toBeLessThan(0.02)
    }
  })

  it('neither does one that cannot be added, nor an init that fails', async () => {
    using tracker = await buildMultiObjectTracker(config, { model, precision, threads: 1 })
    await tracker.init(frame(1), [bag])
    const wanted = await tracker.update(frame(2))
    await tracker.init(frame(1), [bag])
    await changeWeights()
    await expect(tracker.add(frame(1), [legs, off])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(tracker.init(frame(100), [legs, off])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(await tracker.update(frame(2))).toEqual(wanted)
  })

  it('all objects have the weights of init(), whenever they come', async () => {
    using tracker = await buildMultiObjectTracker(config, { model, precision, threads: 1 })
    await tracker.init(frame(1), [bag, legs])
    const wanted = await tracker.update(frame(2))
    await tracker.init(frame(1), [bag, legs])
    await tracker.remove(1)
    await changeWeights()
    await tracker.add(frame(1), [legs])
    const results = await tracker.update(frame(2))
    for (const [i, { box }] of results.entries()) expect(box, `object ${i}`).toEqual(wanted[i]!.box)
    // The first of an empty list begins anew.
    await tracker.remove(0)
    await tracker.remove(2)
    await tracker.add(frame(1), [legs])
    using single = await buildTracker(config, { model, precision, threads: 1 })
    await single.init(frame(1), legs)
    const changed = await single.update(frame(2))
    expect(changed.box).not.toEqual(wanted[1]!.box)
    expect((await tracker.update(frame(2)))[0]!.box).toEqual(changed.box)
  })
})

it('int8: the order of the boxes is of no matter, one object is a single tracker', async () => {
  using several = await buildMultiObjectTracker(config, { model, precision: 'int8', threads: 1 })
  await several.init(frame(1), [bag, legs])
  const [first, second] = await several.update(frame(2))
  await several.init(frame(1), [legs, bag])
  const turned = await several.update(frame(2))
  expect([turned[1]!.box, turned[0]!.box]).toEqual([first!.box, second!.box])
  await several.init(frame(1), [bag])
  using single = await buildTracker(config, { model, precision: 'int8', threads: 1 })
  await single.init(frame(1), bag)
  expect((await several.update(frame(2)))[0]!.box).toEqual((await single.update(frame(2))).box)
})
