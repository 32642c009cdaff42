/** The five golden architectures: their specifications, tolerances, and one pass forward and backward by the golden files' names. */
import type { LossSpec, ModelSpec, NativeLoss, NativeModel, NativeTensor, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'

interface Limits {
  /** Score and probabilities. */
  probability: number
  evalLogits: number
  trainLogits: number
  /** Pixels. */
  evalBox: number
  trainBox: number
  /** Relative, as all that follow. */
  loss: number
  conv1Gradient: number
  gradient: number
  evalGradient: number
  statistics: number
}

interface GoldenModel {
  backbone: ModelSpec['backbone']
  headWidth: number
  xSize: number
  headConvBn: boolean[]
  cls: Pick<Extract<LossSpec, { alpha: number }>, 'type' | 'alpha'>
  limits: Limits
}

const shuffleNetLimits: Limits = {
  probability: 2e-4, evalLogits: 1.5e-3, trainLogits: 1.5e-3, evalBox: 5e-2, trainBox: 0.1, loss: 3e-5,
  conv1Gradient: 5e-2, gradient: 5e-2, evalGradient: 3e-2, statistics: 1e-5,
}
const shuffleNet = { headWidth: 256, xSize: 303, headConvBn: [false, false, true], limits: shuffleNetLimits }

/** Tolerances: ../shared/golden/README.md, "Recommended tolerances". */
export const goldenModels = {
  alexnet: {
    backbone: { name: 'AlexNet' }, headWidth: 256, xSize: 303, headConvBn: [false, false, true], cls: { type: 'FocalLoss', alpha: 0.25 },
    limits: {
      probability: 3e-5, evalLogits: 3e-4, trainLogits: 3e-4, evalBox: 2e-2, trainBox: 2e-2, loss: 5e-6,
      conv1Gradient: 5e-3, gradient: 5e-3, evalGradient: 2e-4, statistics: 1e-5,
    },
  },
  tinyconv: {
    backbone: { name: 'TinyConv' }, headWidth: 64, xSize: 303, headConvBn: [false, false, true], cls: { type: 'SigmoidCrossEntropyRetina', alpha: 0.25 },
    limits: {
      probability: 2e-5, evalLogits: 1e-4, trainLogits: 1e-4, evalBox: 5e-3, trainBox: 5e-3, loss: 5e-6,
      conv1Gradient: 2e-3, gradient: 2e-3, evalGradient: 2e-5, statistics: 1e-5,
    },
  },
  googlenet: {
    backbone: { name: 'Inception3', cropPad: 4, pruned: true }, headWidth: 256, xSize: 289, headConvBn: [false, false], cls: { type: 'FocalLoss', alpha: 0.75 },
    limits: { ...shuffleNetLimits, loss: 5e-5, statistics: 5e-5 },
  },
  shufflenetv2x0_5: { ...shuffleNet, backbone: { name: 'ShuffleNetV2_x0_5', cropPad: 4, headWidth: 256 }, cls: { type: 'SigmoidCrossEntropyRetina', alpha: 0.25 } },
  shufflenetv2x1_0: { ...shuffleNet, backbone: { name: 'ShuffleNetV2_x1_0', cropPad: 4, headWidth: 256 }, cls: { type: 'SigmoidCrossEntropyRetina', alpha: 0.5 } },
} as const satisfies Record<string, GoldenModel>

export type GoldenName = keyof typeof goldenModels

export function goldenSpec(name: GoldenName, changes: Partial<ModelSpec> = {}): ModelSpec {
  const { backbone, headWidth, xSize, headConvBn } = goldenModels[name]
  return {
    backbone,
    head: { totalStride: 8, scoreSize: 17, xSize, numConv3x3: headConvBn.length, headConvBn: [...headConvBn], headWidth, convWeightStd: 1e-4, inputSizeAdapt: false },
    headWidth, convWeightStd: 0.01, corrFeaOutput: true, precision: 'fp32', memoryFormat: 'contiguous', device: 'cpu', seed: 0,
    ...changes,
  }
}

export function goldenLosses(name: GoldenName): Record<'cls' | 'ctr' | 'reg', NativeLoss> {
  const addon = loadAddon()
  return {
    cls: addon.createLoss({ ...goldenModels[name].cls, weight: 1, gamma: 2, ignoreLabel: -1 }),
    ctr: addon.createLoss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }),
    reg: addon.createLoss({ type: 'IOULoss', weight: 3 }),
  }
}

/** The elements of a float32 or bfloat16 tensor. */
export async function readFloats(tensor: NativeTensor): Promise<Float32Array> {
  const bytes = await tensor.toBytes()
  if (tensor.dtype === 'bfloat16') {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
    return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer)
  }
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

export interface Pass {
  /** loss.cls, loss.ctr, loss.reg, extra.iou. */
  values: Record<string, number>
  cls: Float32Array
  ctr: Float32Array
  box: Float32Array
  /** [N,C,17,17] */
  corrFea: Float32Array
}

/** One forward pass with losses and backward; the model is on `device`. */
export async function goldenPass(model: NativeModel, name: GoldenName, batch: Record<string, RawTensor>, device = 'cpu'): Promise<Pass> {
  const addon = loadAddon()
  const tensors = Object.fromEntries(Object.entries(batch).map(([key, raw]) => [key, addon.tensorFrom(raw, device)]))
  const predictions = await model.forward(tensors.im_z!, tensors.im_x!)
  const inputs = { ...predictions, cls_gt: tensors.cls_gt!, ctr_gt: tensors.ctr_gt!, box_gt: tensors.box_gt! }
  const values: Record<string, number> = {}
  const parts: NativeTensor[] = []
  for (const [key, loss] of Object.entries(goldenLosses(name))) {
    const { loss: value, extras } = await loss.forward(inputs)
    parts.push(value)
    const [scalar, iou] = await addon.readScalars([value, ...Object.values(extras)])
    values[`loss.${key}`] = scalar!
    if (iou !== undefined) values['extra.iou'] = iou
    loss.dispose()
  }
  await addon.backward(await addon.sum(parts))
  const { cls_pred: cls, ctr_pred: ctr, box_pred: box, corr_fea: corrFea } = predictions
  return { values, cls: await readFloats(cls!), ctr: await readFloats(ctr!), box: await readFloats(box!), corrFea: await readFloats(corrFea!) }
}
