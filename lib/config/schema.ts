/** The whole schema: what a file may hold, and what it amounts to once the defaults are filled in. */
import { z } from 'zod'
import { anything, positiveInteger, section, text } from './fields.ts'
import { dataSchema } from './schema-data.ts'
import { modelSchema } from './schema-model.ts'
import { cudaSchema, optimSchema, trainerSchema } from './schema-optim.ts'
import { pipelineSchema, testerSchema } from './schema-test.ts'

const trainTrack = section({
  exp_name: text().default('unknown'),
  exp_save: text().default('unknown'),
  num_processes: positiveInteger().default(1),
  model: modelSchema.optional(),
  data: dataSchema.optional(),
  trainer: trainerSchema.optional(),
  optim: optimSchema.optional(),
  cuda: cudaSchema.prefault({}),
  // The original's tree has these two here as well and never reads them.
  pipeline: anything().optional(),
  tester: anything().optional(),
})

const testTrack = section({
  exp_name: text().default('unknown'),
  exp_save: text().default('unknown'),
  model: modelSchema.optional(),
  pipeline: pipelineSchema.optional(),
  tester: testerSchema.optional(),
  data: anything().optional(),
})

export const configSchema = z.strictObject(
  {
    task_name: text().optional(),
    train: section({ track: trainTrack.optional(), vos: anything().optional() }).optional(),
    test: section({ track: testTrack.optional(), vos: anything().optional() }).optional(),
  },
  { error: 'a map' },
)

export type TrainTrack = z.output<typeof trainTrack>
export type TestTrack = z.output<typeof testTrack>
export type ModelConfig = z.output<typeof modelSchema>
export type DataConfig = z.output<typeof dataSchema>
export type TrainerConfig = z.output<typeof trainerSchema>
export type CudaConfig = z.output<typeof cudaSchema>
export type OptimConfig = z.output<typeof optimSchema>
export type PipelineConfig = z.output<typeof pipelineSchema>
export type TesterConfig = z.output<typeof testerSchema>
export type SgdConfig = OptimConfig['optimizer']['SGD']
export type TrainerHyperParams = NonNullable<TrainerConfig['RegularTrainer']>
export type TrackerHyperParams = NonNullable<PipelineConfig['SiamFCppTracker']>
export type LossHyperParams = NonNullable<ModelConfig['losses']['FocalLoss']>

/** One phase of `lr_policy`, decoded. */
export interface LrPhase {
  name: string
  [parameter: string]: unknown
}
/** One group of `lr_multiplier`, decoded; the regex is Python's. */
export interface LrGroup {
  name: string
  regex: string
  ratio: number
}
/** One step of DynamicFreezer's `schedule`, decoded; the regex is Python's. */
export interface FreezeStep {
  name: string
  regex: string
  epoch: number
  freezed: boolean
}
