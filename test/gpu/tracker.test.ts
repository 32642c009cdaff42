/**
 * Tracking on CUDA: against the original's boxes, with and without graphs, in every precision, by every kind of tracker.
 * Tolerances of fp32: ../shared/golden/README.md (boxes 0.05 px), as on the CPU (test/golden/tracker.test.ts).
 */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'
import { bagFrame, boxesOf, configOfKind, farthest, followBag, kinds, meanOverlapOf, objectsWith, threeBoxes, trackerWith, trainedModel, trainedRun, type Changes } from '../helpers/device-tracking.ts'
import { goldenJson } from '../helpers/golden.ts'
import { ruleWeightsWithStatistics } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'
import type { GoldenRun } from '../helpers/device-tracking.ts'
import { describeOnGpu } from './helpers/cuda.ts'

describeOnGpu('tracking', (device) => {
  let model: Model
  beforeAll(async () => {
    model = await trainedModel(device)
  })
  afterAll(() => model.dispose())

  /** With SIAMFCPP_TRACK_GRAPH as `graph` says, which is read when a tracker is made. */
  async function made(changes: Changes = {}, graph = true): Promise<SiamFCppTracker> {
    const before = process.env.SIAMFCPP_TRACK_GRAPH
    process.env.SIAMFCPP_TRACK_GRAPH = graph ? '1' : '0'
    try {
      return await trackerWith(await configOfKind('SiamFCppTracker'), model, changes)
    } finally {
      if (before === undefined) delete process.env.SIAMFCPP_TRACK_GRAPH
      else process.env.SIAMFCPP_TRACK_GRAPH = before
    }
  }

  it.each([true, false])('fp32 follows the original within 0.05 px (graph: %s)', async (graph) => {
    const run = trainedRun()
    using tracker = await made({}, graph)
    const steps = await followBag(tracker, 1 + run.rows.length)
    expect(farthest(boxesOf(steps), run.rows.map((row) => row.rect_xywh))).toBeLessThan(0.05)
    for (const [i, row] of run.rows.entries()) {
      const step = steps[i]!
      if (row.gap > 1e-3) expect(step.bestIndex, `cell, frame ${row.frame}`).toBe(row.best)
      expect(Math.abs(step.score - row.score), `score, frame ${row.frame}`).toBeLessThan(5e-3)
      expect(Math.abs(step.pscore - row.pscore), `pscore, frame ${row.frame}`).toBeLessThan(5e-3)
      expect(Math.abs(step.penalty - row.penalty), `penalty, frame ${row.frame}`).toBeLessThan(1e-3)
    }
  })

  it('AlexNet with weights by the rule, frame by frame', async () => {
    const run = goldenJson<GoldenRun>('tracker_alexnet_rule_forced.json')
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_alexnet-trn.yaml'))
    using deep = await buildModel(config, { part: 'test', pretrained: false, device })
    await deep.loadStateDict(ruleWeightsWithStatistics('alexnet'))
    using tracker = await trackerWith(config, deep, {})
    await tracker.init(bagFrame(run.frames[0]!), run.init_rect_xywh)
    const differences: number[] = []
    for (const row of run.rows) {
      const step = await tracker.updateWithDetails(bagFrame(run.frames[row.frame - 1]!), row.prior_rect_xywh === null ? {} : { prior: row.prior_rect_xywh })
      if (row.gap > 1e-3) expect(step.bestIndex, `frame ${row.frame}`).toBe(row.best)
      if (step.bestIndex === row.best) differences.push(farthest([step.box], [row.rect_xywh]))
    }
    expect(differences.length).toBeGreaterThanOrEqual(27)
    expect(Math.max(...differences)).toBeLessThan(0.5)
    expect(differences.toSorted((a, b) => a - b)[Math.floor(differences.length / 2)]).toBeLessThan(0.05)
  })

  it.each([
    ['fp16', 0.99],
    // bfloat16 has 8 bits where the CPU's words have 12: 0.966 was seen on an H100.
    ['bf16', 0.95],
  ] as const)('%s stays within a mean overlap of %f of fp32 over the whole bag', async (precision, least) => {
    using exact = await made()
    using tracker = await made({ precision })
    const [a, b] = [boxesOf(await followBag(tracker, 196)), boxesOf(await followBag(exact, 196))]
    const mean = meanOverlapOf(a, b)
    process.stdout.write(`${precision}: mean overlap with fp32 ${mean.toFixed(4)}\n`)
    expect(mean).toBeGreaterThan(least)
    expect(a).not.toEqual(b)
  })

  it.each(['fp32', 'fp16', 'bf16'] as const)('%s: a graph gives what its work gives one by one, again and after another target', async (precision) => {
    using eager = await made({ precision }, false)
    using recorded = await made({ precision }, true)
    const steps = await followBag(eager, 12)
    expect(await followBag(recorded, 12)).toEqual(steps)
    await followBag(recorded, 6, [200, 100, 60, 80])
    expect(await followBag(recorded, 12)).toEqual(steps)
  })

  it('takes the weights as they are at init()', async () => {
    const config = await configOfKind('SiamFCppTracker')
    using other = await buildModel(config, { part: 'test', pretrained: false, seed: 3, device })
    using tracker = await trackerWith(config, other, {})
    const before = boxesOf(await followBag(tracker, 8))
    await other.loadStateDict(await model.stateDict())
    const trained = boxesOf(await followBag(tracker, 8))
    expect(trained).not.toEqual(before)
    using wanted = await made()
    expect(trained).toEqual(boxesOf(await followBag(wanted, 8)))
  })

  it('follows several objects as single trackers do', async () => {
    using together = await objectsWith(await configOfKind('SiamFCppTracker'), model, {})
    await together.init(bagFrame(1), threeBoxes)
    const seen = []
    for (let i = 2; i <= 10; i += 1) seen.push(await together.update(bagFrame(i)))
    for (const [id, box] of threeBoxes.entries()) {
      using single = await made()
      expect(farthest(seen.map((objects) => objects[id]!.box), boxesOf(await followBag(single, 10, box))), `object ${id}`).toBeLessThan(0.05)
    }
  })

  it.each(kinds)('%s is where it is on the CPU', async (name, sections) => {
    const config = await configOfKind(name, sections)
    using onCpu = await trainedModel('cpu')
    using tracker = await trackerWith(config, model, {})
    using wanted = await trackerWith(config, onCpu, {})
    // What the online tracker learns amplifies rounding.
    expect(farthest(boxesOf(await followBag(tracker, 10)), boxesOf(await followBag(wanted, 10)))).toBeLessThan(name === 'SiamFCppOnlineTracker' ? 1 : 0.05)
  })

  it.each([
    ['googlenet', 'siamfcpp_googlenet-trn.yaml'],
    ['shufflenetv2x0_5', 'siamfcpp_shufflenetv2x0_5-trn.yaml'],
  ] as const)("%s makes the CPU's score map", async (name, yaml) => {
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', yaml))
    // A random network's sizes overflow unless si is small.
    const calm = (tensor: NamedRawTensor): NamedRawTensor => (tensor.name === 'head.si' ? { ...tensor, data: new Uint8Array(Float32Array.of(0.01).buffer) } : tensor)
    const weights = ruleWeightsWithStatistics(name).map(calm)
    const maps: Float32Array[] = []
    for (const where of ['cpu', device]) {
      using deep = await buildModel(config, { part: 'test', pretrained: false, device: where })
      await deep.loadStateDict(weights)
      using tracker = await trackerWith(config, deep, {})
      await tracker.init(bagFrame(1), trainedRun().init_rect_xywh)
      // More frames than come before a graph.
      for (let i = 0; i < 6; i += 1) await tracker.update(bagFrame(5), { prior: trainedRun().init_rect_xywh })
      const { score, ...rest } = await tracker.debug()
      maps.push((await score!.toTypedArray()) as Float32Array)
      for (const tensor of [score!, ...Object.values(rest)]) tensor.dispose()
    }
    const [wanted, seen] = maps as [Float32Array, Float32Array]
    const spread = Math.max(...wanted) - Math.min(...wanted)
    expect(Math.max(...seen.map((value, i) => Math.abs(value - wanted[i]!))) / spread).toBeLessThan(1e-3)
  })

  it('refuses what a GPU does not have, and goes on after a frame that cannot be read', async () => {
    await expect(buildTracker(await configOfKind('SiamFCppTracker'), { model, precision: 'int8' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/int8 runs on the CPU/) })
    using tracker = await made()
    using wanted = await made()
    await tracker.init(bagFrame(1), trainedRun().init_rect_xywh)
    await tracker.update(bagFrame(2))
    await expect(tracker.update(path.join(path.dirname(bagFrame(1)), 'missing.jpg'))).rejects.toMatchObject({ code: 'ERR_IO' })
    expect((await tracker.update(bagFrame(3))).box).toEqual((await followBag(wanted, 3))[1]?.box)
  })
})
