/** How far the fast mode's losses stray from fp32's while both train on the same batches. */
import path from 'node:path'
import { loadConfig } from '../../lib/config/index.ts'
import { buildDataloader, disposeTrainingData, makeSyntheticDataset } from '../../lib/data/index.ts'
import type { NativeTensor } from '../../lib/native/addon.ts'
import { packageRoot } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { modelSpec, NativeStep, type Mode } from './native-step.ts'

export interface LossDrift {
  iterations: number
  batch: number
  lr: number
  /** Mean total loss of the first and of the last tenth. */
  fp32: { first: number; last: number }
  fast: { first: number; last: number }
  /** |fast − fp32| / fp32 of the total loss, iteration by iteration. */
  relative: { mean: number; median: number; max: number }
}

/**
 * Trains two models from the same weights on the same synthetic sequences, a step of each in turn.
 * @param folder where the data set goes
 */
export async function lossDrift(folder: string, fast: Mode, options: { iterations: number; batch: number; lr: number }, progress: (done: number) => void): Promise<LossDrift> {
  const root = path.join(folder, 'synth')
  await makeSyntheticDataset({ out: root, sequences: 12, val: 1, frames: 30, seed: 5 })
  const config = await loadConfig(
    path.join(packageRoot(), 'configs', 'siamfcpp_alexnet-got10k.yaml'),
    [`train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`, `train.track.data.minibatch=${options.batch}`, `train.track.data.nr_image_per_epoch=${options.batch * options.iterations}`],
    { onWarning: () => {} },
  )
  await using loader = await buildDataloader(config as Parameters<typeof buildDataloader>[0], { seed: 11, threads: 1 })
  using exact = await NativeStep.create(modelSpec('AlexNet', { precision: 'fp32', memoryFormat: 'contiguous' }, 1), options.lr)
  using quick = await NativeStep.create(modelSpec('AlexNet', fast, 1), options.lr, await exact.model.stateDict())
  const totals: { exact: number[]; quick: number[] } = { exact: [], quick: [] }
  for await (const data of loader) {
    const batch = Object.fromEntries(Object.entries(data).flatMap(([name, value]) => (value instanceof Tensor ? [[name, value.native as NativeTensor]] : [])))
    totals.exact.push(sumOf((await exact.run(batch)).losses))
    totals.quick.push(sumOf((await quick.run(batch)).losses))
    disposeTrainingData(data)
    progress(totals.exact.length)
    if (totals.exact.length === options.iterations) break
  }
  const relative = totals.exact.map((value, i) => Math.abs((totals.quick[i] as number) - value) / value)
  return {
    ...options,
    fp32: ends(totals.exact),
    fast: ends(totals.quick),
    relative: { mean: mean(relative), median: relative.toSorted((a, b) => a - b)[Math.floor(relative.length / 2)] as number, max: Math.max(...relative) },
  }
}

const sumOf = (losses: Record<string, number>): number => Object.values(losses).reduce((sum, value) => sum + value, 0)
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

function ends(values: readonly number[]): { first: number; last: number } {
  const tenth = Math.max(1, Math.round(values.length / 10))
  return { first: mean(values.slice(0, tenth)), last: mean(values.slice(-tenth)) }
}
