/** Keys below `model:` (train and test), with the original's defaults. */
import type { z } from 'zod'
import { boolean, fieldsOf, fraction, integer, listOf, nonNegative, oneOf, positiveInteger, section, text } from './fields.ts'

export const backboneNames = ['AlexNet', 'Inception3', 'ShuffleNetV2_x0_5', 'ShuffleNetV2_x1_0', 'TinyConv', 'TorchScript'] as const
export const lossNames = ['FocalLoss', 'IOULoss', 'SigmoidCrossEntropyCenterness', 'SigmoidCrossEntropyRetina'] as const
export const headNames = ['DenseboxHead'] as const
export const taskModelNames = ['SiamTrack'] as const

const shuffleNet = section({ pretrain_model_path: text().default(''), crop_pad: positiveInteger().default(4), head_width: positiveInteger().default(256) })

const backbone = section({
  name: oneOf(backboneNames).optional(),
  AlexNet: section({ pretrain_model_path: text().default('') }).optional(),
  TinyConv: section({ pretrain_model_path: text().default('') }).optional(),
  Inception3: section({ pretrain_model_path: text().default(''), crop_pad: positiveInteger().default(4), pruned: boolean().default(true) }).optional(),
  ShuffleNetV2_x0_5: shuffleNet.optional(),
  ShuffleNetV2_x1_0: shuffleNet.optional(),
  // Ours: a user's own backbone out of a file.
  TorchScript: section({ path: text().default(''), pretrain_model_path: text().default('') }).optional(),
})

function loss<T extends z.ZodRawShape>(name: string, more: T) {
  return section({
    name: text().default(name),
    background: integer().default(0),
    ignore_label: integer().default(-1),
    weight: nonNegative().default(1),
    ...more,
  }).optional()
}

const focal = () => ({ alpha: fraction().default(0.5), gamma: nonNegative().default(0) })

const losses = section({
  names: listOf(oneOf(lossNames), 'a list of losses').default([]),
  FocalLoss: loss('focal_loss', focal()),
  SigmoidCrossEntropyRetina: loss('focal_ce', focal()),
  SigmoidCrossEntropyCenterness: loss('centerness', {}),
  IOULoss: loss('iou_loss', {}),
})

const taskHead = section({
  name: oneOf(headNames).optional(),
  DenseboxHead: section({
    total_stride: positiveInteger().default(8),
    score_size: positiveInteger().default(17),
    x_size: positiveInteger().default(303),
    num_conv3x3: positiveInteger().default(3),
    head_conv_bn: listOf(boolean(), 'a list of true and false').default([false, false, true]),
    head_width: positiveInteger().default(256),
    conv_weight_std: nonNegative().default(0.0001),
    input_size_adapt: boolean().default(false),
  }).prefault({}),
})

const taskModel = section({
  name: oneOf(taskModelNames).optional(),
  SiamTrack: section({
    pretrain_model_path: text().default(''),
    head_width: positiveInteger().default(256),
    conv_weight_std: nonNegative().default(0.01),
    neck_conv_bias: listOf(boolean(), 'a list of true and false').default([true, true, true, true]),
    corr_fea_output: boolean().default(false),
    amp: boolean().default(false),
    ...fieldsOf({ trt_mode: false, trt_fea_model_path: '', trt_track_model_path: '' }),
  }).prefault({}),
})

export const modelSchema = section({
  backbone: backbone.prefault({}),
  losses: losses.prefault({}),
  task_head: taskHead.prefault({}),
  task_model: taskModel.prefault({}),
  // Ours: the defaults are what the original does.
  precision: oneOf(['fp32', 'bf16', 'fp16']).default('fp32'),
  sync_bn: boolean().default(false),
  memory_format: oneOf(['contiguous', 'channels_last']).default('channels_last'),
})
