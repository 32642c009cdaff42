/** The online tracker on the bag sequence, with TinyConv as the original trained it on that very sequence, beside the plain tracker. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import type { Model } from '../../lib/engine/model.ts'
import type { TrackStep } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import type { Box, SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'
import { goldenJson } from '../helpers/golden.ts'
import { shared } from '../helpers/shared.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'

const { init_rect_xywh: first } = goldenJson<{ init_rect_xywh: Box }>('tracker_tinyconv_trained.json')
const frame = (number: number): string => shared('data', 'vot-bag', `${String(number).padStart(8, '0')}.jpg`)
const online = 'test.track.pipeline.SiamFCppOnlineTracker'
/** TinyConv's features are larger than AlexNet's. */
const cells = 'raw_fea_size=31'

/** A tracker of the configuration that the weights were trained with; `keys` are of the online tracker's section. */
async function trackerOf(name: string, keys: readonly string[] = [], model?: Model): Promise<SiamFCppTracker> {
  const overrides = [`test.track.pipeline.name=${name}`, ...[cells, ...keys].map((key) => `${online}.${key}`)]
  const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), overrides)
  return buildSiamFCpp(config, model === undefined ? { weights: shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl') } : { model })
}

async function follow(tracker: SiamFCppTracker, last: number): Promise<TrackStep[]> {
  await tracker.init(frame(1), first)
  const steps = []
  for (let i = 2; i <= last; i += 1) steps.push(await tracker.updateWithDetails(frame(i)))
  return steps
}

/** Upright boxes around the polygons. */
function truth(): Box[] {
  const lines = readFileSync(shared('data', 'vot-bag', 'groundtruth.txt'), 'utf8').trim().split('\n')
  return lines.map((line) => {
    const numbers = line.split(',').map(Number)
    const xs = numbers.filter((_, i) => i % 2 === 0)
    const ys = numbers.filter((_, i) => i % 2 === 1)
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)]
  })
}

function overlap(a: Box, b: Box): number {
  const w = Math.max(0, Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]))
  const h = Math.max(0, Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]))
  return (w * h) / (a[2] * a[3] + b[2] * b[3] - w * h)
}

const boxesOf = (steps: readonly TrackStep[]): Box[] => steps.map((step) => step.box)

describe('SiamFCppOnlineTracker', () => {
  /** Fewer samples and steps where it does not matter how well the target is followed. */
  const light = ['augmentation_rotate=[10]', 'augmentation_blur=[[2, 2]]', 'augmentation_dropout=[2, 0.2]', 'init_CG_iter=9', 'init_GN_iter=3', 'train_skipping=5']
  let plain: SiamFCppTracker
  let tracker: SiamFCppTracker
  let steps: TrackStep[]
  let generator: [Uint8Array, Uint8Array]

  beforeAll(async () => {
    // So little work is done sooner by one thread, above all where other processes want the cores as well.
    await loadAddon().setThreads(1)
    plain = await trackerOf('SiamFCppTracker')
    tracker = await trackerOf('SiamFCppOnlineTracker', light, plain.model)
    const before = await loadAddon().rngState()
    steps = await follow(tracker, 8)
    generator = [before, await loadAddon().rngState()]
  }, 120_000)
  afterAll(() => {
    tracker.dispose()
    plain.dispose()
  })

  it('follows the target better than the plain tracker with these weights', async () => {
    const boxes = truth()
    const meanOverlap = (found: readonly TrackStep[]): number => found.reduce((sum, step, i) => sum + overlap(step.box, boxes[i + 1] as Box), 0) / found.length
    using other = await trackerOf('SiamFCppOnlineTracker', [], plain.model)
    const last = 31
    // With four seeds it was better by 0.074 to 0.107 here, and better from three later places of the sequence, too.
    expect(meanOverlap(await follow(other, last))).toBeGreaterThan(meanOverlap(await follow(plain, last)) + 0.03)
  })

  it('gives the same boxes after another init, and in another tracker', async () => {
    await tracker.init(frame(100), [200, 100, 60, 80])
    await tracker.update(frame(101))
    expect(await follow(tracker, 8)).toEqual(steps)
    using other = await trackerOf('SiamFCppOnlineTracker', light, plain.model)
    expect(await follow(other, 8)).toEqual(steps)
  })

  it('leaves torch’s generator alone, and follows the seed of the tester', async () => {
    expect(Buffer.compare(generator[0], generator[1])).toBe(0)
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), ['test.track.pipeline.name=SiamFCppOnlineTracker', ...[cells, ...light].map((key) => `${online}.${key}`), 'test.track.tester.GOT10kTester.random_seed=7'])
    using other = await buildSiamFCpp(config, { model: plain.model })
    const found = await follow(other, 3)
    expect(found.map(({ pscore }) => pscore)).not.toEqual(steps.slice(0, 2).map(({ pscore }) => pscore))
  })

  it('is the plain tracker where the online score has no weight', async () => {
    using other = await trackerOf('SiamFCppOnlineTracker', [...light, 'online_score_weight=0', 'init_CG_iter=0'], plain.model)
    expect(boxesOf(await follow(other, 6))).toEqual(boxesOf(await follow(plain, 6)))
  })

  it('mixes the scores as it says', async () => {
    const [found] = await follow(tracker, 2)
    const tensors = await tracker.debug()
    const score = await (tensors.online_score as (typeof tensors)[string]).toTypedArray()
    const map = tensors.online_map as (typeof tensors)[string]
    expect(map.shape).toEqual([31, 31])
    for (const tensor of Object.values(tensors)) tensor.dispose()
    const { pscore, score: own, penalty, bestIndex } = found as TrackStep
    const hann = (i: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / 16)
    const window = hann(Math.floor(bestIndex / 17)) * hann(bestIndex % 17)
    expect(pscore).toBeCloseTo((0.5 * own * penalty + 0.5 * Number(score[bestIndex])) * (1 - 0.21) + window * 0.21, 5)
    expect(Math.max(...Array.from(score, Number))).toBe(1)
    expect(Math.min(...Array.from(score, Number))).toBe(0)
  })

  it('goes on from the last good frame after one that cannot be read', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'siam-online-'))
    try {
      const truncated = path.join(dir, 'truncated.jpg')
      copyFileSync(frame(3), truncated)
      truncateSync(truncated, 4000)
      await tracker.init(frame(1), first)
      const found = [await tracker.updateWithDetails(frame(2))]
      await expect(tracker.update(truncated)).rejects.toMatchObject({ code: 'ERR_DATA', file: truncated })
      // The filter is learned on the fifth frame that was good.
      for (let i = 3; i <= 8; i += 1) found.push(await tracker.updateWithDetails(frame(i)))
      expect(found).toEqual(steps)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('refuses sizes that are not the network’s, and updates after an init that failed', async () => {
    await expect(trackerOf('SiamFCppOnlineTracker', [...light, 'raw_fea_size=29'], plain.model).then((other) => other.init(frame(1), first))).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/raw_fea_size is 29 .* 31x31/) })
    await expect(trackerOf('SiamFCppOnlineTracker', ['raw_fea_size=14'], plain.model)).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/17 cells .* raw_fea_size 14/) })
    using other = await trackerOf('SiamFCppOnlineTracker', [...light, 'sample_memory_size=10'], plain.model)
    await expect(other.init(frame(1), first)).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/sample_memory_size 10 .* 10 samples/) })
    await expect(other.update(frame(2))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})
