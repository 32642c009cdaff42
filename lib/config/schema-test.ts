/** Keys below `test:`: trackers (`pipeline:`) and benchmarks (`tester:`), with the original's defaults. */
import { z } from 'zod'
import { anything, boolean, fieldsOf, listOf, number, oneOf, positiveInteger, section, text } from './fields.ts'
import { onlineDefaults } from './online-defaults.ts'

export const testerNames = ['GOT10kTester', 'LaSOTTester', 'OTBTester', 'TrackingNetTester', 'UAVTester', 'VOTLTTester', 'VOTTester'] as const

const siamFCppTracker = {
  total_stride: positiveInteger().default(8),
  // Both are computed from the sizes when the tracker is built, as in the original; what a file says is ignored.
  ...fieldsOf({ score_size: 17, score_offset: 87, context_amount: 0.5, test_lr: 0.52, penalty_k: 0.04, window_influence: 0.21 }),
  windowing: oneOf(['cosine', 'uniform']).default('cosine'),
  z_size: positiveInteger().default(127),
  x_size: positiveInteger().default(303),
  num_conv3x3: positiveInteger().default(3),
  min_w: number().default(10),
  min_h: number().default(10),
  ...fieldsOf({ phase_init: 'feature', phase_track: 'track', corr_fea_output: false }),
}

const online = fieldsOf(onlineDefaults)

const anyList = () => listOf(anything(), 'a list')
const activation = () => z.union([anyList(), text()], { error: 'the name of an activation, or [mlu, its knee]' })
const listOrFalse = () => z.union([anyList(), boolean()], { error: 'a list, or false' })

/** Keys whose values may be of another type than their default; the original refuses that although its code provides for it. */
const onlineOfTypes = {
  ...online,
  projection_activation: activation().default(onlineDefaults.projection_activation),
  att_activation: activation().default(onlineDefaults.att_activation),
  reponse_activation: activation().default(onlineDefaults.reponse_activation),
  augmentation_shift: listOrFalse().default(onlineDefaults.augmentation_shift),
  augmentation_scale: listOrFalse().default(onlineDefaults.augmentation_scale),
  augmentation_rotate: listOrFalse().default(onlineDefaults.augmentation_rotate),
  augmentation_relativeshift: listOrFalse().default(onlineDefaults.augmentation_relativeshift),
  augmentation_blur: listOrFalse().default(onlineDefaults.augmentation_blur),
  augmentation_dropout: listOrFalse().default(onlineDefaults.augmentation_dropout),
  init_CG_iter: z.union([anyList(), number()], { error: 'a number, or a list' }).default(onlineDefaults.init_CG_iter),
  CG_forgetting_rate: z.union([number(), boolean()], { error: 'a number, or false' }).default(onlineDefaults.CG_forgetting_rate),
}

export const pipelineSchema = section({
  // A user's own code may register more of them; building one that is not there is an error.
  name: text().optional(),
  SiamFCppTracker: section(siamFCppTracker).optional(),
  SiamFCppLTTracker: section({ ...siamFCppTracker, ...fieldsOf({ lost_score_th_low: 0.3, lost_score_th_high: 0.5, lost_search_size: 399 }) }).optional(),
  SiamFCppMultiTempTracker: section({ ...siamFCppTracker, ...fieldsOf({ mem_step: 5, mem_len: 5, mem_coef: 0.7, mem_sink_idx: 1, mem_renew: true }) }).optional(),
  SiamFCppOnlineTracker: section({ ...siamFCppTracker, ...onlineOfTypes }).optional(),
  SiamFCppOneShotDetector: section(siamFCppTracker).optional(),
})

const common = () => ({
  ...fieldsOf({ exp_name: '', exp_save: '', random_seed: 12345 }),
  device_num: number().default(1),
})

function folderTester(dataRoot: string, subsets: string[]) {
  return section({ ...common(), data_root: text().default(dataRoot), subsets: listOf(text(), 'a list of subsets').default(subsets) }).optional()
}

function votTester(roots: Record<string, string>, names: string[], more: Record<string, unknown>) {
  return section({
    ...common(),
    data_root: z.record(z.string(), z.string({ error: 'a path' }), { error: 'a map from data set to path' }).default(roots),
    dataset_names: listOf(text(), 'a list of data sets').default(names),
    ...fieldsOf(more),
  }).optional()
}

export const testerSchema = section({
  names: listOf(oneOf(testerNames), 'a list of testers').default([]),
  GOT10kTester: folderTester('datasets/GOT-10k', ['val']),
  LaSOTTester: folderTester('datasets/LaSOT', ['test']),
  OTBTester: folderTester('datasets/OTB/OTB2015', ['2015']),
  UAVTester: folderTester('datasets/UAV123', ['UAV123']),
  TrackingNetTester: folderTester('datasets/TrackingNet', ['TEST']),
  VOTTester: votTester({ VOT2018: 'datasets/VOT/vot2018', VOT2019: 'datasets/VOT/vot2019' }, ['VOT2018'], { video_name_list: [] }),
  VOTLTTester: votTester({ VOT2018LT: 'datasets/' }, ['VOT2018LT'], { save_video: true }),
})

