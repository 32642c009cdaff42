/** Keys below `optim:` and `trainer:`, with the original's defaults. */
import { z } from 'zod'
import { boolean, fraction, listOf, nonNegative, nonNegativeInteger, number, numeric, oneOf, positive, positiveInteger, section, text } from './fields.ts'

/**
 * One entry of `lr_policy`. Only what every policy has is typed here; the built-in ones check their own numbers (lib/engine/lr-policy.ts
 * when they are built, check.ts when the file is read), and a user's policy takes what it likes.
 */
const lrPhase = z.looseObject({ name: z.string({ error: 'the name of a learning-rate policy' }) }, { error: 'a map or JSON text with "name"' })

const lrGroup = z.looseObject(
  { name: z.string({ error: 'text' }), regex: z.string({ error: 'a regular expression' }), ratio: number() },
  { error: 'a map or JSON text with "name", "regex" and "ratio"' },
)

const freezeStep = z.looseObject(
  { name: z.string({ error: 'text' }).default(''), regex: z.string({ error: 'a regular expression' }), epoch: number(), freezed: boolean() },
  { error: 'a map or JSON text with "regex", "epoch" and "freezed"' },
)

export const optimSchema = section({
  optimizer: section({
    name: oneOf(['SGD']).default('SGD'),
    SGD: section({
      minibatch: positiveInteger().default(1),
      nr_image_per_epoch: positiveInteger().default(1),
      lr_policy: listOf(lrPhase, 'a list of learning-rate phases').default([]),
      lr_multiplier: listOf(lrGroup, 'a list of parameter groups').default([]),
      amp: boolean().default(false),
      lr: nonNegative().default(0.1),
      momentum: fraction().default(0.9),
      weight_decay: nonNegative().default(0.00005),
      // Ours: torch's SGD has them, the original leaves them at these values.
      dampening: fraction().default(0),
      nesterov: boolean().default(false),
      // Ours: limits of the gradients before each step; 0: none. And loader batches that make one step. docs/training.md says what they mean.
      clip_grad_norm: nonNegative().default(0),
      clip_grad_value: nonNegative().default(0),
      accumulate_batches: positiveInteger().default(1),
    }).prefault({}),
  }).prefault({}),
  // Ours: a moving average of the weights; a decay of 0 is none.
  ema: section({
    decay: numeric('a number from 0 to below 1', (v) => v >= 0 && v < 1).default(0),
    warmup: nonNegativeInteger().default(10),
    final_model: boolean().default(true),
  }).prefault({}),
  grad_modifier: section({
    // Not limited here: a user's own modifier is known only when it is built. Empty: none.
    name: text().default(''),
    DynamicFreezer: section({ schedule: listOf(freezeStep, 'a list of freezing steps').default([]) }).optional(),
  }).optional(),
})

/** Ours: how CUDA's libraries compute (docs/gpu.md); on the CPU nothing here changes a number. */
export const cudaSchema = section({
  // PyTorch's defaults, so that numbers on a GPU are those that PyTorch gives there.
  tf32_convolutions: boolean().default(true),
  tf32_matmuls: boolean().default(false),
  // Not PyTorch's: shapes are the same in every iteration, so that what the first one takes to choose comes back.
  cudnn_benchmark: boolean().default(true),
  deterministic: boolean().default(false),
})

/** What a trainer's section leaves out. */
export const trainerDefaults = {
  exp_name: 'default_training',
  exp_save: 'snapshots',
  max_epoch: 1,
  minibatch: 1,
  nr_image_per_epoch: 1,
  snapshot: '',
  snapshot_every: 0,
  timer: 'wall',
  cuda_graph: false,
  max_nonfinite: 10,
} as const

const trainerFields = {
  exp_name: text().default(trainerDefaults.exp_name),
  exp_save: text().default(trainerDefaults.exp_save),
  max_epoch: positiveInteger().default(trainerDefaults.max_epoch),
  minibatch: positiveInteger().default(trainerDefaults.minibatch),
  nr_image_per_epoch: positiveInteger().default(trainerDefaults.nr_image_per_epoch),
  snapshot: text().default(trainerDefaults.snapshot),
  // Ours: a snapshot inside the epoch every N iterations; 0 is the original's behaviour (at the end of an epoch only).
  snapshot_every: nonNegativeInteger().default(trainerDefaults.snapshot_every),
  // Ours: wall clock around each stage as in the original, or device time besides.
  timer: oneOf(['wall', 'event']).default(trainerDefaults.timer),
  // Ours: the step as a CUDA graph; auto: where it can be captured.
  cuda_graph: z.union([z.boolean(), z.literal('auto')], { error: 'true, false or auto' }).default(trainerDefaults.cuda_graph),
  // Ours: iterations in a row that may be skipped because a loss or a gradient is not finite before the run ends; 1: the first ends it.
  max_nonfinite: positiveInteger().default(trainerDefaults.max_nonfinite),
}

const every = () => ({
  // Ours: look at the numbers every N iterations; each look waits for the device.
  every: positiveInteger().default(1),
})

export const trainerSchema = section({
  // Not limited here: a user's own trainer is known only when it is built.
  name: text().optional(),
  RegularTrainer: section(trainerFields).optional(),
  DistributedRegularTrainer: section(trainerFields).optional(),
  monitors: section({
    names: listOf(text(), 'a list of monitors').default([]),
    TextInfo: section(every()).optional(),
    TensorboardLogger: section({ exp_name: text().default(''), exp_save: text().default(''), log_dir: text().default(''), flush_secs: positive().default(10), ...every() }).optional(),
  }).prefault({}),
})
