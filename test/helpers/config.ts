/** Configurations for tests: a small complete one as text, written to a folder of its own. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadConfig } from '../../lib/config/index.ts'
import type { Config, ConfigWarning } from '../../lib/config/index.ts'
import { SiamError } from '../../lib/errors.ts'

export const smallYaml = `train:
  track:
    exp_name: &NAME small
    exp_save: &SAVE snapshots
    model:
      backbone: {name: TinyConv}
      losses:
        names: [FocalLoss, SigmoidCrossEntropyCenterness, IOULoss]
        FocalLoss: {name: cls, alpha: 0.25, gamma: 2.0}
        SigmoidCrossEntropyCenterness: {name: ctr}
        IOULoss: {name: reg, weight: 3.0}
      task_head:
        name: DenseboxHead
        DenseboxHead: {head_width: 64}
      task_model:
        name: SiamTrack
        SiamTrack: {head_width: 64}
    data:
      exp_name: *NAME
      exp_save: *SAVE
      num_epochs: &EPOCHS 2
      minibatch: &BATCH 4
      nr_image_per_epoch: &IMAGES 40
      sampler:
        name: TrackPairSampler
        submodules:
          dataset:
            names: [GOT10kDataset]
            GOT10kDataset: &GOT {dataset_root: datasets/GOT-10k, subset: train}
            GOT10kDatasetFixed: *GOT
          filter: {name: TrackPairFilter}
      transformer: {names: [RandomCropTransformer]}
      target: {name: DenseboxTarget}
    trainer:
      name: RegularTrainer
      RegularTrainer:
        exp_name: *NAME
        exp_save: *SAVE
        max_epoch: *EPOCHS
        minibatch: *BATCH
        nr_image_per_epoch: *IMAGES
      monitors:
        names: [TextInfo]
        TextInfo:
    optim:
      optimizer:
        name: SGD
        SGD:
          minibatch: *BATCH
          nr_image_per_epoch: *IMAGES
          lr_policy:
          - >
            {
            "name": "CosineLR",
            "start_lr": 0.08,
            "end_lr": 0.000001,
            "max_epoch": 2
            }
          lr_multiplier:
          - >
            {
            "name": "all",
            "regex": "",
            "ratio": 1
            }
`

/** Writes `text` to a file of its own. @returns its path */
export function yamlFile(text: string): string {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'siam-config-')), 'experiment.yaml')
  writeFileSync(file, text)
  return file
}

/** Loads YAML text. @returns the configuration and what was warned about */
export async function load(text: string, overrides: string[] = []): Promise<{ config: Config; warnings: ConfigWarning[]; file: string }> {
  const file = yamlFile(text)
  const warnings: ConfigWarning[] = []
  const config = await loadConfig(file, overrides, { onWarning: (w) => warnings.push(w) })
  return { config, warnings, file }
}

/** Loads what must not load. @returns the ERR_CONFIG */
export async function refusal(text: string, overrides: string[] = []): Promise<SiamError> {
  try {
    await load(text, overrides)
  } catch (error) {
    if (error instanceof SiamError && error.code === 'ERR_CONFIG') return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

/** 1-based line of the first line of `text` that contains `part`. */
export function lineOf(text: string, part: string): number {
  const index = text.split('\n').findIndex((line) => line.includes(part))
  if (index < 0) throw new Error(`no line has ${part}`)
  return index + 1
}
