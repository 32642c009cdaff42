/** All four losses on the golden cases (mixed, no positive, all ignored, saturated, disjoint boxes, …): values and gradients. */
import { afterAll, describe, expect, it } from 'vitest'
import type { LossSpec, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenJson, goldenTensors, numbers } from './golden.ts'
import type { OnDevice } from './golden-forward.ts'
import { Nearness } from './nearness.ts'

const focal = { weight: 1, gamma: 2, ignoreLabel: -1 }
const losses: Record<string, { spec: LossSpec; prediction: string; extra?: string }> = {
  focal: { spec: { type: 'FocalLoss', ...focal, alpha: 0.25 }, prediction: 'cls_pred' },
  focal_a75: { spec: { type: 'FocalLoss', ...focal, alpha: 0.75 }, prediction: 'cls_pred' },
  retina: { spec: { type: 'SigmoidCrossEntropyRetina', ...focal, alpha: 0.25 }, prediction: 'cls_pred' },
  retina_a75: { spec: { type: 'SigmoidCrossEntropyRetina', ...focal, alpha: 0.75 }, prediction: 'cls_pred' },
  ctr: { spec: { type: 'SigmoidCrossEntropyCenterness', weight: 1 }, prediction: 'ctr_pred' },
  iou: { spec: { type: 'IOULoss', weight: 3 }, prediction: 'box_pred', extra: 'iou_extra' },
}

/** Tolerances: ../shared/golden/README.md: value 2e-6 relative, gradient 1e-6 absolute (2e-5 relative for saturated_logits), times `slack`. */
export function describeLosses({ device, slack = 1 }: OnDevice): void {
  const addon = loadAddon()
  const golden = goldenJson<{ values: Record<string, Record<string, number>> }>('losses.json')
  const tensors = goldenTensors('losses.safetensors')
  const near = new Nearness()
  afterAll(() => {
    if (device !== 'cpu') near.print(`losses on ${device}`)
  })
  // A value of zero must be met exactly.
  const relative = (value: number, expected: number): number => Math.abs(value - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE)

  it('has every case that the golden material has, for every loss', () => {
    expect(Object.keys(golden.values)).toEqual([
      'mixed', 'mixed_bg0', 'no_positive', 'all_ignored', 'all_positive', 'negative_pair_like', 'saturated_logits', 'disjoint_boxes', 'touching_boxes', 'equal_boxes', 'ctr_all_zero',
    ])
    for (const values of Object.values(golden.values)) expect(Object.keys(values).filter((key) => key !== 'iou_extra')).toEqual(Object.keys(losses))
  })

  describe.each(Object.keys(golden.values))('%s', (name) => {
    const inputs: Record<string, RawTensor> = Object.fromEntries(['cls_pred', 'ctr_pred', 'box_pred', 'cls_gt', 'ctr_gt', 'box_gt'].map((key) => [key, tensors.get(`${name}.${key}`)!]))

    it.each(Object.keys(losses))('%s', async (key) => {
      const { spec, prediction, extra } = losses[key]!
      const handles = Object.fromEntries(Object.entries(inputs).map(([input, raw]) => [input, addon.tensorFrom(raw, device, { requiresGrad: input === prediction })]))
      const { loss: value, extras } = await addon.createLoss(spec).forward(handles)
      const [scalar, ...others] = await addon.readScalars([value, ...Object.values(extras)])
      const expected = golden.values[name]!
      near.below('value', relative(scalar!, expected[key]!), slack * 2e-6)
      if (extra !== undefined) near.below('extra', relative(others[0]!, expected[extra]!), slack * 2e-6)

      await addon.backward(value)
      const gradient = numbers((await handles[prediction]!.gradient())!)
      const wanted = numbers(tensors.get(`${name}.grad.${key}`)!)
      expect(gradient).toHaveLength(wanted.length)
      for (let i = 0; i < wanted.length; i++) {
        const limit = name === 'saturated_logits' ? Math.max(1e-6, 2e-5 * Math.abs(wanted[i]!)) : 1e-6
        near.below('gradient', Math.abs(gradient[i]! - wanted[i]!), slack * limit, `element ${i}`)
      }
      for (const tensor of [value, ...Object.values(extras), ...Object.values(handles)]) tensor.dispose()
    })
  })
}
