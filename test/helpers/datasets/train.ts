/** Training TinyConv on examples of data sets, through the public API alone. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { type EngineData, Monitor, buildTrainer, loadConfig } from '../../../lib/index.ts'
import { writeText } from './pictures.ts'

const quickstart = fileURLToPath(new URL('../../../configs/quickstart.yaml', import.meta.url))

/** What is changed of it. */
interface QuickstartYaml {
  train: {
    track: {
      exp_save: string
      data: { exp_save: string; sampler: { submodules: { dataset: unknown } } }
      trainer: { RegularTrainer: { exp_save: string }; monitors: unknown }
      optim: { optimizer: { SGD: { lr_policy: unknown } } }
    }
  }
}

/** Keeps the losses of each iteration. */
export class Losses extends Monitor {
  readonly iterations: Record<string, number>[] = []

  override update({ training_losses }: EngineData): void {
    this.iterations.push({ ...training_losses })
  }
}

/**
 * Writes a configuration for one epoch of `iterations` batches of 4 pairs.
 * @param folder    where it and its snapshots go
 * @param datasets  settings by the data sets' names, as in the YAML; `ratio` mixes them
 * @returns its file
 */
export function writeTraining(folder: string, datasets: Readonly<Record<string, Record<string, unknown>>>, iterations: number): string {
  const yaml = parse(readFileSync(quickstart, 'utf8').replaceAll(/&NUM_EPOCHS 4/g, '&NUM_EPOCHS 1').replace('&MINIBATCH 16', '&MINIBATCH 4').replace(/&NR_IMAGE_PER_EPOCH \d+/, `&NR_IMAGE_PER_EPOCH ${4 * iterations}`)) as QuickstartYaml
  const { track } = yaml.train
  track.exp_save = track.trainer.RegularTrainer.exp_save = track.data.exp_save = path.join(folder, 'snapshots')
  track.data.sampler.submodules.dataset = { names: Object.keys(datasets), ...datasets }
  track.trainer.monitors = { names: [] }
  track.optim.optimizer.SGD.lr_policy = [{ name: 'LinearLR', start_lr: 0.001, end_lr: 0.01, max_epoch: 1 }]
  const file = path.join(folder, 'datasets.yaml')
  writeText(file, stringify({ train: yaml.train }))
  return file
}

/**
 * Trains as {@link writeTraining} says; bad data is an error.
 * @returns the losses of each iteration
 */
export async function trainOnDatasets(folder: string, datasets: Readonly<Record<string, Record<string, unknown>>>, iterations: number): Promise<Record<string, number>[]> {
  const file = writeTraining(folder, datasets, iterations)
  const monitor = new Losses()
  const trainer = await buildTrainer(await loadConfig(file), { monitors: [monitor], progress: 'none', strict: true, threads: 1, workers: 1, log: () => {} })
  try {
    while (!trainer.isCompleted()) await trainer.train()
    return monitor.iterations
  } finally {
    await trainer.close()
  }
}
