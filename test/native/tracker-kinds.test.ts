/**
 * The multi-template, the long-term and the one-shot tracker, step by step against the network's own outputs (test/helpers/reference-trackers.ts),
 * and where they must be SiamFCppTracker. Real frames, trained weights.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import type { TrackStep } from '../../lib/native/addon.ts'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'
import { networkOutputs } from '../helpers/network-outputs.ts'
import { centered, chooseCell, cornered, follow, movedTo, scaleOf, withinFrame, type Center, type Chosen, type HyperParams, type Outputs } from '../helpers/reference-trackers.ts'
import { shared } from '../helpers/shared.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'

const frame = (i: number): string => shared('data', 'vot-bag', `${String(i).padStart(8, '0')}.jpg`)
const size = { width: 480, height: 360 }
const init = [312.642, 146.888, 106.131, 96.414] as const
const params: HyperParams = { z_size: 127, x_size: 303, context_amount: 0.5, penalty_k: 0.04, window_influence: 0.21, test_lr: 0.52, min_w: 10, min_h: 10 }

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

async function crops(tracker: SiamFCppTracker): Promise<{ z: Uint8Array; x: Uint8Array }> {
  const { z_crop: z, x_crop: x, score } = await tracker.debug()
  const pixels = { z: (await z!.toTypedArray()) as Uint8Array, x: x === undefined ? new Uint8Array() : ((await x.toTypedArray()) as Uint8Array) }
  for (const tensor of [z, x, score]) tensor?.dispose()
  return pixels
}

function expectStep(step: TrackStep, chosen: Chosen, target: Center, label: string): void {
  if (chosen.gap > 1e-4) expect(step.bestIndex, label).toBe(chosen.best)
  expect(Math.abs(step.score - chosen.score), `${label}: score`).toBeLessThan(2e-5)
  expect(Math.abs(step.pscore - chosen.pscore), `${label}: pscore`).toBeLessThan(2e-5)
  expect(Math.abs(step.penalty - chosen.penalty), `${label}: penalty`).toBeLessThan(1e-4)
  const box = cornered(target)
  for (const [i, value] of step.box.entries()) expect(Math.abs(value - box[i]!), `${label}: box ${step.box.join()} instead of ${box.join()}`).toBeLessThan(5e-3)
}

let plainSteps: Promise<TrackStep[]> | undefined
/** SiamFCppTracker's steps at frames 2 to 6. */
const plain = (): Promise<TrackStep[]> => (plainSteps ??= boxesOf('SiamFCppTracker', {}, 6))

async function boxesOf(name: string, keys: Record<string, unknown>, frames: number): Promise<TrackStep[]> {
  using tracker = await buildSiamFCpp(await configOf(name, keys), { model })
  await tracker.init(frame(1), init)
  const steps: TrackStep[] = []
  for (let i = 2; i <= frames; i++) steps.push(await tracker.updateWithDetails(frame(i)))
  return steps
}

it('the reference is SiamFCppTracker', async () => {
  using tracker = await buildSiamFCpp(await configOf('SiamFCppTracker'), { model })
  await tracker.init(frame(1), init)
  let target = centered(init)
  for (let i = 2; i <= 4; i++) {
    const step = await tracker.updateWithDetails(frame(i))
    const { z, x } = await crops(tracker)
    const [outputs] = await networkOutputs(model, [z], x)
    const next = follow(outputs!, target, size, params)
    expectStep(step, next.chosen, next.target, `frame ${i}`)
    expect(Math.abs(step.scaleX - scaleOf(target, params))).toBeLessThan(1e-4)
    target = next.target
  }
})

describe('SiamFCppMultiTempTracker', () => {
  const memory = { mem_step: 2, mem_len: 3, mem_coef: 0.7, mem_sink_idx: 1 }

  it('mixes the scores of its templates, takes the boxes of the first, and renews the memory', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppMultiTempTracker', memory), { model })
    await tracker.init(frame(1), init)
    const first = (await crops(tracker)).z
    const templates = Array.from({ length: memory.mem_len }, () => first)
    let target = centered(init)
    for (let i = 2; i <= 8; i++) {
      const step = await tracker.updateWithDetails(frame(i))
      const { z, x } = await crops(tracker)
      const all = await networkOutputs(model, templates, x)
      const mean = (cell: number): number => all.slice(1).reduce((sum, { score }) => sum + score[cell]!, 0) / (all.length - 1)
      const mixed: Outputs = { score: all[0]!.score.map((score, cell) => (1 - memory.mem_coef) * score + memory.mem_coef * mean(cell)), boxes: all[0]!.boxes }
      const next = follow(mixed, target, size, params)
      expectStep(step, next.chosen, next.target, `frame ${i}`)
      target = next.target
      if ((i - 1) % memory.mem_step === 0) {
        templates.splice(memory.mem_sink_idx, 1)
        templates.push(z)
        if (i > 3) continue
        // The new template is what a tracker that starts here would take.
        using fresh = await buildSiamFCpp(await configOf('SiamFCppTracker'), { model })
        await fresh.init(frame(i), step.box)
        const anew = (await crops(fresh)).z
        const differing = z.filter((value, at) => Math.abs(value - anew[at]!) > 1).length
        expect(differing / z.length).toBeLessThan(1e-3)
      }
    }
    expect(new Set(templates.map((pixels) => Buffer.from(pixels).toString('base64'))).size).toBe(3)
  })

  it('with one template, or none renewed, is SiamFCppTracker', async () => {
    expect(await boxesOf('SiamFCppMultiTempTracker', { mem_len: 1, mem_step: 1 }, 6)).toEqual(await plain())
    expect(await boxesOf('SiamFCppMultiTempTracker', { mem_step: 2, mem_renew: false }, 6)).toEqual(await plain())
    const renewed = await boxesOf('SiamFCppMultiTempTracker', { mem_step: 2 }, 4)
    expect(renewed.slice(0, 2)).toEqual((await plain()).slice(0, 2))
    expect(renewed[2]!.score).not.toBe((await plain())[2]!.score)
  })

  it('with a share of 0 keeps to the first template', async () => {
    const first = await boxesOf('SiamFCppMultiTempTracker', { mem_step: 1, mem_coef: 0 }, 6)
    for (const [i, step] of first.entries()) for (const [k, value] of step.box.entries()) expect(Math.abs(value - (await plain())[i]!.box[k]!)).toBeLessThan(5e-3)
  })

  it('forgets its memory at another init', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppMultiTempTracker', { ...memory, mem_step: 1 }), { model })
    const run = async (): Promise<TrackStep[]> => {
      await tracker.init(frame(1), init)
      return [await tracker.updateWithDetails(frame(2)), await tracker.updateWithDetails(frame(3))]
    }
    const first = await run()
    expect(await run()).toEqual(first)
  })

  it('does not count a frame that failed', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppMultiTempTracker', memory), { model })
    await tracker.init(frame(1), init)
    const undisturbed = await boxesOf('SiamFCppMultiTempTracker', memory, 6)
    for (let i = 2; i <= 6; i++) {
      await expect(tracker.update(Buffer.from('not a frame'))).rejects.toMatchObject({ code: 'ERR_DATA' })
      expect(await tracker.updateWithDetails(frame(i)), `frame ${i}`).toEqual(undisturbed[i - 2])
    }
  })

  it.each([
    ['mem_len', 0, /an integer from 1 to 256/],
    ['mem_step', 0.5, /an integer ≥ 1/],
    ['mem_coef', 1.5, /a number from 0 to 1/],
    ['mem_sink_idx', 5, /an index of the memory, 0 to 4/],
  ])('refuses %s: %d', async (key, value, message) => {
    await expect(buildTracker(await configOf('SiamFCppMultiTempTracker', { [key]: value }), { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message) })
  })
})

describe('SiamFCppLTTracker', () => {
  // Scores of this small network are low; so are the thresholds.
  const keys = { window_influence: 0.002, lost_score_th_low: 0.082, lost_score_th_high: 0.085, lost_search_size: 399 }

  it('searches farther while it is lost, keeps the box where the score is low, and finds the target again', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppLTTracker', keys), { model })
    await tracker.init(frame(1), init)
    let target = centered(init)
    let lost = false
    const seen = { lost: 0, found: 0, kept: 0 }
    for (let i = 2; i <= 8; i++) {
      const step = await tracker.updateWithDetails(frame(i))
      const { z, x } = await crops(tracker)
      const xSize = lost ? keys.lost_search_size : params.x_size
      expect(Math.sqrt(x.length / 3), `frame ${i}: search size`).toBe(xSize)
      const [outputs] = await networkOutputs(model, [z], x)
      const scale = scaleOf(target, params)
      const chosen = chooseCell(outputs!, target, scale, params.penalty_k, lost ? 0.001 : keys.window_influence)
      const kept = chosen.score < keys.lost_score_th_low
      const next = kept ? target : movedTo(chosen, target, scale, xSize, chosen.penalty * chosen.score * params.test_lr)
      target = withinFrame(next, size.width, size.height, params)
      expectStep(step, chosen, target, `frame ${i}`)
      const before = lost
      if (chosen.pscore > keys.lost_score_th_high) lost = false
      else if (chosen.pscore < keys.lost_score_th_low) lost = true
      if (lost && !before) seen.lost += 1
      if (!lost && before) seen.found += 1
      if (kept) seen.kept += 1
    }
    expect(seen.lost).toBeGreaterThan(0)
    expect(seen.found).toBeGreaterThan(0)
    expect(seen.kept).toBeGreaterThan(0)
  })

  it('gives its confidence: the penalised score', async () => {
    using tracker = await buildTracker(await configOf('SiamFCppLTTracker', keys), { model })
    await tracker.init(frame(1), init)
    const { confidence } = await tracker.update(frame(2))
    expect(confidence).toBe((await boxesOf('SiamFCppLTTracker', keys, 2))[0]!.pscore)
  })

  it('that is never lost is SiamFCppTracker', async () => {
    expect(await boxesOf('SiamFCppLTTracker', { lost_score_th_low: 0, lost_score_th_high: 0 }, 6)).toEqual(await plain())
  })

  it('is not lost at the start of another sequence', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppLTTracker', { lost_score_th_low: 0.9, lost_score_th_high: 0.95 }), { model })
    await tracker.init(frame(1), init)
    const first = await tracker.updateWithDetails(frame(2))
    await tracker.update(frame(3))
    expect(Math.sqrt((await crops(tracker)).x.length / 3)).toBe(399)
    await tracker.init(frame(1), init)
    expect(await tracker.updateWithDetails(frame(2))).toEqual(first)
    expect(Math.sqrt((await crops(tracker)).x.length / 3)).toBe(303)
  })

  it('needs a head that takes search images of another size, and thresholds the right way round', async () => {
    const fixed = await configOf('SiamFCppLTTracker', {}, ['test.track.model.task_head.DenseboxHead.input_size_adapt=false'])
    await expect(buildTracker(fixed, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/lost_search_size 399/), hint: expect.stringMatching(/input_size_adapt: true/) })
    const small = await configOf('SiamFCppLTTracker', { lost_search_size: 127 })
    await expect(buildTracker(small, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/lost_search_size 127.*no score map/) })
    const half = await configOf('SiamFCppLTTracker', { lost_search_size: 399.5 })
    await expect(buildTracker(half, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/a positive integer/) })
    const turned = await configOf('SiamFCppLTTracker', { lost_score_th_low: 0.6 })
    await expect(buildTracker(turned, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/≤ lost_score_th_high \(0\.5\)/) })
  })
})

describe('SiamFCppOneShotDetector', () => {
  it('takes the best box as it is: no window, no smoothing, no limits', async () => {
    using tracker = await buildSiamFCpp(await configOf('SiamFCppOneShotDetector', { window_influence: 0.9, test_lr: 0.1, min_w: 400, min_h: 400 }), { model })
    await tracker.init(frame(1), init)
    let target = centered(init)
    for (let i = 2; i <= 5; i++) {
      const step = await tracker.updateWithDetails(frame(i))
      const { z, x } = await crops(tracker)
      const [outputs] = await networkOutputs(model, [z], x)
      const scale = scaleOf(target, params)
      const chosen = chooseCell(outputs!, target, scale, params.penalty_k, 0)
      target = movedTo(chosen, target, scale, params.x_size, 1)
      expectStep(step, chosen, target, `frame ${i}`)
      expect(step.pscore).toBeCloseTo(step.score * step.penalty, 6)
      // Each step from the box that the tracker has: without smoothing, differences would add up.
      target = centered(step.box)
    }
  })

  it('differs from SiamFCppTracker in these alone', async () => {
    const same = { window_influence: 0 }
    const [plain] = await boxesOf('SiamFCppTracker', same, 2)
    const [detected] = await boxesOf('SiamFCppOneShotDetector', {}, 2)
    expect(detected!.bestIndex).toBe(plain!.bestIndex)
    expect(detected!.boxInCrop).toEqual(plain!.boxInCrop)
    expect(detected!.box[2]).toBeCloseTo(detected!.boxInCrop[2] / detected!.scaleX, 3)
  })

  it('stays finite when its box shrinks or wanders off', async () => {
    using tracker = await buildTracker(await configOf('SiamFCppOneShotDetector'), { model })
    await tracker.init(frame(1), [0, 0, 1, 1])
    for (let i = 2; i <= 8; i++) {
      const { box } = await tracker.update(frame(i))
      expect(box.every(Number.isFinite)).toBe(true)
      expect(Math.min(box[2], box[3])).toBeGreaterThanOrEqual(1)
    }
  })
})
