/** The tracker against the original's runs, on any device. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import type { Model, StateTable } from '../../lib/engine/model.ts'
import type { NamedRawTensor, TrackStep } from '../../lib/native/addon.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import type { SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'
import { goldenJson, goldenTensors, numbers } from './golden.ts'
import { bagFrame, type GoldenRun } from './device-tracking.ts'
import type { OnDevice } from './golden-forward.ts'
import { ruleWeightsWithStatistics } from './rule-weights.ts'
import { shared } from './shared.ts'
import { buildSiamFCpp } from './siamfcpp-tracker.ts'

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] as number))))

/** HWC [S,S,3] → planar values. */
function planar(hwc: ArrayLike<number>): Float32Array {
  const plane = hwc.length / 3
  const out = new Float32Array(hwc.length)
  for (let i = 0; i < plane; i += 1) for (let c = 0; c < 3; c += 1) out[c * plane + i] = hwc[3 * i + c] as number
  return out
}

async function trackerOf(yaml: string, weights: string | StateTable, device: string): Promise<SiamFCppTracker> {
  return buildSiamFCpp(await loadConfig(shared('reference-configs', 'train', 'got10k', yaml)), { weights, threads: 2, device })
}

/** Follows the run; `prior` as the golden run had it. */
async function follow(tracker: SiamFCppTracker, run: GoldenRun): Promise<TrackStep[]> {
  await tracker.init(bagFrame(run.frames[0] as string), run.init_rect_xywh)
  const steps: TrackStep[] = []
  for (const row of run.rows) {
    steps.push(await tracker.updateWithDetails(bagFrame(run.frames[row.frame - 1] as string), row.prior_rect_xywh === null ? {} : { prior: row.prior_rect_xywh }))
  }
  return steps
}

/** Largest difference and share of differing values between one of the tracker's crops and the golden one. */
async function cropDifference(tracker: SiamFCppTracker, name: string, golden: NamedRawTensor): Promise<{ largest: number; share: number }> {
  const tensors = await tracker.debug()
  const ours = await (tensors[name] as Tensor).toTypedArray()
  for (const tensor of Object.values(tensors)) tensor.dispose()
  const wanted = planar(numbers(golden))
  let largest = 0
  let differing = 0
  for (let i = 0; i < wanted.length; i += 1) {
    const difference = Math.abs(Number(ours[i]) - (wanted[i] as number))
    largest = Math.max(largest, difference)
    if (difference > 0) differing += 1
  }
  return { largest, share: differing / wanted.length }
}

/** The network's score map for given crops, in evaluation mode. */
async function scoreOfCrops(model: Model, zCrop: NamedRawTensor, xCrop: NamedRawTensor): Promise<number[]> {
  const image = (raw: NamedRawTensor): Tensor => Tensor.from(planar(numbers(raw)), [1, 3, raw.shape[0] as number, raw.shape[1] as number], { device: model.device })
  model.eval()
  using z = image(zCrop)
  using x = image(xCrop)
  const predicted = await model.forward({ im_z: z, im_x: x })
  const [cls, ctr] = await Promise.all([(predicted.cls_pred as Tensor).toTypedArray(), (predicted.ctr_pred as Tensor).toTypedArray()])
  for (const tensor of Object.values(predicted)) tensor.dispose()
  const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value))
  return Array.from(cls as Float32Array, (value, i) => sigmoid(value) * sigmoid((ctr as Float32Array)[i] as number))
}

const storedFrames = [2, 3, 16, 30]

/**
 * TinyConv in closed loop from the snapshot that Python wrote, AlexNet frame by frame.
 * Tolerances: ../shared/golden/README.md (boxes 0.05 px; score 2e-5 and 3e-5 for equal crops, times `slack`).
 */
export function describeGoldenTracker({ device, slack = 1 }: OnDevice): void {
  describe('TinyConv trained on the bag, closed loop', () => {
    describeTrained({ device, slack })
  })
  describe('AlexNet with weights by the rule, frame by frame', () => {
    describeForced({ device, slack })
  })
}

function describeTrained({ device, slack }: Required<OnDevice>): void {
  const run = goldenJson<GoldenRun>('tracker_tinyconv_trained.json')
  const tensors = goldenTensors('tracker_tinyconv_trained.safetensors')
  let tracker: SiamFCppTracker
  let steps: TrackStep[]

  beforeAll(async () => {
    tracker = await trackerOf('siamfcpp_tinyconv-trn.yaml', shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'), device)
    steps = await follow(tracker, run)
  })
  afterAll(() => tracker.dispose())

  it('takes the same cell of the score map in every frame', () => {
    expect(run.rows.length).toBe(29)
    for (const [i, row] of run.rows.entries()) if (row.gap > 1e-3) expect(steps[i]?.bestIndex, `frame ${row.frame}`).toBe(row.best)
  })

  it('follows the boxes within 0.05 px', () => {
    const worst = run.rows.map((row, i) => maxDifference((steps[i] as TrackStep).box, row.rect_xywh))
    expect(Math.max(...worst)).toBeLessThan(0.05)
  })

  it('follows score, penalty, penalized score and scale', () => {
    for (const [i, row] of run.rows.entries()) {
      const step = steps[i] as TrackStep
      expect(Math.abs(step.score - row.score), `score, frame ${row.frame}`).toBeLessThan(5e-3)
      expect(Math.abs(step.pscore - row.pscore), `pscore, frame ${row.frame}`).toBeLessThan(5e-3)
      expect(Math.abs(step.penalty - row.penalty), `penalty, frame ${row.frame}`).toBeLessThan(1e-3)
      expect(Math.abs(step.scaleX - row.scale_x), `scale, frame ${row.frame}`).toBeLessThan(1e-3)
    }
  })

  it('cuts the same crops within one level', async () => {
    await tracker.init(bagFrame(run.frames[0] as string), run.init_rect_xywh)
    const z = await cropDifference(tracker, 'z_crop', tensors.get('z_crop') as NamedRawTensor)
    expect(z.largest).toBeLessThanOrEqual(1)
    expect(z.share).toBeLessThan(0.002)
    await tracker.update(bagFrame('00000002.jpg'))
    const x = await cropDifference(tracker, 'x_crop', tensors.get('x_crop_2') as NamedRawTensor)
    expect(x.largest).toBeLessThanOrEqual(1)
    expect(x.share).toBeLessThan(0.002)
  })

  it.each(storedFrames)('scores the original crops of frame %i as the original does', async (frame) => {
    const score = await scoreOfCrops(tracker.model, tensors.get('z_crop') as NamedRawTensor, tensors.get(`x_crop_${frame}`) as NamedRawTensor)
    expect(maxDifference(score, numbers(tensors.get(`score_${frame}`) as NamedRawTensor))).toBeLessThan(slack * 2e-5)
  })

  it('gives the same boxes from the legacy snapshot, from bytes and from pixels', async () => {
    using other = await trackerOf('siamfcpp_tinyconv-trn.yaml', shared('golden', 'ckpt', 'tinyconv_epoch-0.legacy.pkl'), device)
    await other.init(readFileSync(bagFrame('00000001.jpg')), run.init_rect_xywh)
    expect((await other.update(readFileSync(bagFrame('00000002.jpg')))).box).toEqual(steps[0]?.box)
    const { framePixels } = await import('../../lib/tracking/overlay.ts')
    const pixels = await framePixels(bagFrame('00000003.jpg'))
    expect((await other.update({ ...pixels, channels: 3, format: 'bgr' })).box).toEqual(steps[1]?.box)
  })

  it('gives the same boxes again after another init', async () => {
    await tracker.init(bagFrame('00000100.jpg'), [200, 100, 60, 80])
    await tracker.update(bagFrame('00000101.jpg'))
    const again = await follow(tracker, { ...run, rows: run.rows.slice(0, 3) })
    expect(again).toEqual(steps.slice(0, 3))
  })
}

function describeForced({ device, slack }: Required<OnDevice>): void {
  const run = goldenJson<GoldenRun>('tracker_alexnet_rule_forced.json')
  const tensors = goldenTensors('tracker_alexnet_rule_forced.safetensors')
  let tracker: SiamFCppTracker
  let steps: TrackStep[]

  beforeAll(async () => {
    tracker = await trackerOf('siamfcpp_alexnet-trn.yaml', ruleWeightsWithStatistics('alexnet'), device)
    steps = await follow(tracker, run)
  })
  afterAll(() => tracker.dispose())

  // A random network answers to single levels of a pixel: golden boxes move by up to 1 px and cells by 2 of 29 with another OpenCV.
  it('takes the same cell wherever the second best is not near', () => {
    const near = run.rows.filter((row, i) => row.gap > 1e-3 && steps[i]?.bestIndex !== row.best)
    expect(near).toEqual([])
  })

  it('follows the boxes', () => {
    const same = run.rows.flatMap((row, i) => (steps[i]?.bestIndex === row.best ? [maxDifference((steps[i] as TrackStep).box, row.rect_xywh)] : []))
    expect(same.length).toBeGreaterThanOrEqual(27)
    expect(Math.max(...same)).toBeLessThan(0.5)
    const median = same.toSorted((a, b) => a - b)[Math.floor(same.length / 2)]
    expect(median).toBeLessThan(0.05)
  })

  it('keeps the scale of the prior exactly', () => {
    for (const [i, row] of run.rows.entries()) expect(steps[i]?.scaleX).toBe(row.scale_x)
  })

  it.each(storedFrames)('scores the original crops of frame %i as the original does', async (frame) => {
    const score = await scoreOfCrops(tracker.model, tensors.get('z_crop') as NamedRawTensor, tensors.get(`x_crop_${frame}`) as NamedRawTensor)
    expect(maxDifference(score, numbers(tensors.get(`score_${frame}`) as NamedRawTensor))).toBeLessThan(slack * 3e-5)
  })
}
