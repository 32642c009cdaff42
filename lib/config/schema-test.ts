/** Keys below `test:`: trackers (`pipeline:`) and benchmarks (`tester:`), with the original's defaults. */
import { z } from 'zod'
import { fieldsOf, listOf, number, oneOf, positiveInteger, section, text } from './fields.ts'

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

/** The online tracker's second model, in the original's order and with its names ("reponse" is its spelling). */
const online = fieldsOf({
  debug_show: false,
  online_debug_show: false,
  online_score_weight: 0.5,
  projection_reg: 1e-4,
  use_projection_matrix: true,
  update_projection_matrix: true,
  compressed_dim: 128,
  proj_init_method: 'pca',
  projection_activation: 'none',
  use_attention_layer: true,
  channel_attention: true,
  att_fc1_reg: 1e-4,
  att_fc2_reg: 1e-4,
  att_init_method: 'randn',
  spatial_attention: 'pool',
  att_activation: 'relu',
  filter_reg: 1e-1,
  raw_fea_size: 26,
  z_kernel_size: [4, 4],
  filter_init_method: 'randn',
  reponse_activation: ['mlu', 0.05],
  use_augmentation: true,
  augmentation_expansion_factor: 2,
  augmentation_shift_factor: 1 / 3,
  augmentation_shift: false,
  augmentation_scale: false,
  augmentation_rotate: [5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60],
  augmentation_relativeshift: [[0.6, 0.6], [-0.6, 0.6], [0.6, -0.6], [-0.6, -0.6]],
  augmentation_fliplr: true,
  augmentation_blur: [[2, 0.2], [0.2, 2], [3, 1], [1, 3], [2, 2]],
  augmentation_dropout: [7, 0.2],
  CG_optimizer: true,
  precond_learning_rate: 0.01,
  init_samples_minimum_weight: 0.25,
  sample_memory_size: 250,
  output_sigma_factor: 0.25,
  optimizer: 'GaussNewtonCG',
  init_CG_iter: 60,
  init_GN_iter: 6,
  train_skipping: 10,
  CG_iter: 5,
  post_init_CG_iter: 0,
  fletcher_reeves: false,
  CG_forgetting_rate: false,
  optimizer_step_length: 10,
  optimizer_momentum: 0.9,
  advanced_localization: true,
  analyze_convergence: false,
  hard_negative_learning_rate: 0.02,
  hard_negative_CG_iter: 5,
  target_not_found_threshold: 0.25,
  target_neighborhood_scale: 2.2,
  distractor_threshold: 0.8,
  displacement_scale: 0.8,
  hard_negative_threshold: 0.5,
})

export const pipelineSchema = section({
  // A user's own code may register more of them; building one that is not there is an error.
  name: text().optional(),
  SiamFCppTracker: section(siamFCppTracker).optional(),
  SiamFCppLTTracker: section({ ...siamFCppTracker, ...fieldsOf({ lost_score_th_low: 0.3, lost_score_th_high: 0.5, lost_search_size: 399 }) }).optional(),
  SiamFCppMultiTempTracker: section({ ...siamFCppTracker, ...fieldsOf({ mem_step: 5, mem_len: 5, mem_coef: 0.7, mem_sink_idx: 1, mem_renew: true }) }).optional(),
  SiamFCppOnlineTracker: section({ ...siamFCppTracker, ...online }).optional(),
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

