/**
 * TinyConv as a TorchScript file gives what the built-in one gives: forward, losses, gradients, statistics, boxes on the bag.
 * Tolerances: a tenth or less of those that ../shared/golden/README.md allows between the original and us. Both compute the same
 * convolutions; BatchNorm is torch's in the script and ours (sums in float64) in the built-in, which in training leaves the bias out.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { Loss } from '../../lib/engine/losses.ts'
import { Model } from '../../lib/engine/model.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { Box } from '../../lib/tracking/tracker.ts'
import { goldenJson, l2, maxAbsDifference, numbers, poolBatch } from '../helpers/golden.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { ruleWeights, ruleWeightsWithStatistics } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'
import { scriptFile } from '../helpers/torchscript-files.ts'

const folder = temporaryFolder('script-golden')
afterAll(() => removeFolder(folder))
const file = scriptFile(folder, 'tinyconv')

const golden = goldenJson<{ pool: string; pool_indices: number[]; true_zero_grad_params: string[]; scalars_f32: Record<string, number>; evalbn_scalars_f32: Record<string, number> }>('forward_tinyconv.json')

function create(backbone: ModelSpec['backbone'], memoryFormat: ModelSpec['memoryFormat']): Promise<Model> {
  const head = { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth: 64, convWeightStd: 1e-4, inputSizeAdapt: false }
  const spec: ModelSpec = { backbone, head, headWidth: 64, convWeightStd: 0.01, corrFeaOutput: false, precision: 'fp32', memoryFormat, device: 'cpu', seed: 0 }
  return Model.create(spec, {
    cls: new Loss({ type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 }),
    ctr: new Loss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }),
    reg: new Loss({ type: 'IOULoss', weight: 3 }),
  })
}

interface Pass {
  outputs: Record<string, Float32Array>
  losses: Record<string, number>
  gradients: Map<string, Float32Array>
  state: Map<string, Float32Array>
}

async function pass(model: Model): Promise<Pass> {
  const raws = poolBatch(`${golden.pool}.safetensors`, golden.pool_indices)
  const batch = Object.fromEntries(Object.entries(raws).map(([key, raw]) => [key, Tensor.from(raw.dtype === 'uint8' ? raw.data : new Float32Array(raw.data.slice().buffer), raw.shape)]))
  const predicted = await model.forward(batch)
  const parts: Record<string, Tensor> = {}
  for (const [name, loss] of Object.entries(model.losses)) parts[name] = (await loss.forward(predicted, batch)).loss
  const values = await Tensor.items(Object.values(parts))
  await (await Tensor.sum(Object.values(parts))).backward()
  const outputs: Record<string, Float32Array> = {}
  for (const [name, tensor] of Object.entries(predicted)) outputs[name] = Float32Array.from((await tensor.toTypedArray()) as Float32Array)
  return {
    outputs,
    losses: Object.fromEntries(Object.keys(parts).map((name, i) => [name, values[i]!])),
    gradients: new Map([...(await model.gradients())].map(([name, raw]) => [name, numbers(raw!) as Float32Array])),
    state: new Map((await model.stateDict()).map((raw) => [raw.name, Float32Array.from(numbers(raw))])),
  }
}

describe.each(['contiguous', 'channels_last'] as const)('%s', (memoryFormat) => {
  it.each([
    ['evaluation', { logits: 1e-5, box: 1e-3, loss: 1e-6, gradient: 1e-5, statistics: 0 }],
    ['training', { logits: 3e-5, box: 1e-3, loss: 5e-6, gradient: 1e-3, statistics: 1e-6 }],
  ] as const)('in %s', async (mode, limits) => {
    const results: Pass[] = []
    for (const backbone of [{ name: 'TinyConv' }, { name: 'TorchScript', path: file }] as const) {
      using model = await create(backbone, memoryFormat)
      await model.loadStateDict(mode === 'training' ? ruleWeights('tinyconv') : ruleWeightsWithStatistics('tinyconv'))
      if (mode === 'training') model.train()
      else model.eval()
      results.push(await pass(model))
    }
    const [built, script] = results as [Pass, Pass]
    expect([...script.state.keys()]).toEqual([...built.state.keys()])
    for (const name of ['cls_pred', 'ctr_pred']) expect(maxAbsDifference(script.outputs[name]!, built.outputs[name]!), name).toBeLessThan(limits.logits)
    expect(maxAbsDifference(script.outputs.box_pred!, built.outputs.box_pred!)).toBeLessThan(limits.box)
    const recorded = mode === 'training' ? golden.scalars_f32 : golden.evalbn_scalars_f32
    for (const [name, value] of Object.entries(built.losses)) {
      expect(Math.abs(script.losses[name]! - value) / value, name).toBeLessThan(limits.loss)
      expect(Math.abs(script.losses[name]! - recorded[`loss.${name}`]!) / value, `${name} of the original`).toBeLessThan(5e-6)
    }
    const largest = Math.max(...Array.from(built.gradients.values(), l2))
    for (const [name, gradient] of built.gradients) {
      const off = l2(script.gradients.get(name)!.map((value, i) => value - gradient[i]!))
      const zero = mode === 'training' && golden.true_zero_grad_params.includes(name)
      expect(off, name).toBeLessThan(zero ? 1e-4 * largest : limits.gradient * l2(gradient))
    }
    for (const [name, values] of built.state) {
      expect(maxAbsDifference(script.state.get(name)!, values), name).toBeLessThanOrEqual(limits.statistics * Math.max(1, l2(values)))
    }
  })
})

it('tracks the bag the same', async () => {
  const run = goldenJson<{ init_rect_xywh: Box; frames: string[]; rows: { frame: number; rect_xywh: Box }[] }>('tracker_tinyconv_trained.json')
  const frame = (index: number): string => shared('data', 'vot-bag', run.frames[index - 1]!)
  const follow = async (overrides: string[]): Promise<number[][]> => {
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), overrides)
    using tracker = await buildTracker(config, { weights: shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl') })
    await tracker.init(frame(1), run.init_rect_xywh)
    const boxes: number[][] = []
    for (const row of run.rows) boxes.push((await tracker.update(frame(row.frame))).box)
    return boxes
  }
  const built = await follow([])
  const script = await follow(['test.track.model.backbone.name=TorchScript', `test.track.model.backbone.TorchScript.path=${file}`])
  run.rows.forEach((row, i) => {
    expect(maxAbsDifference(script[i]!, built[i]!), `frame ${row.frame}`).toBeLessThan(5e-3)
    expect(maxAbsDifference(script[i]!, row.rect_xywh), `frame ${row.frame} of the original`).toBeLessThan(5e-2)
  })
})
