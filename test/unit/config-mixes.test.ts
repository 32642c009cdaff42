/** Our configurations for other data than GOT-10k train what the original's train. */
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, numIterations, requireTrain, trainerParams, type Config } from '../../lib/config/index.ts'
import { load } from '../helpers/config.ts'
import { originalTrainFile } from '../helpers/original-train-files.ts'

const folder = fileURLToPath(new URL('../../configs', import.meta.url))

/** What decides the numbers of a run; of the data sets those that are in use. */
function essence(config: Config): unknown {
  const { model, data, optim } = requireTrain(config)
  const { submodules, ...sampler } = data.sampler
  const sets = submodules.dataset as unknown as Record<string, unknown> & { names: string[] }
  return {
    iterations: [numIterations(config), trainerParams(config).max_epoch],
    model: [model.backbone, model.task_head, model.task_model],
    losses: model.losses.names.map((name) => model.losses[name]),
    data: [data.minibatch, data.num_workers, sampler, data.transformer, data.target, submodules.filter],
    datasets: sets.names.map((name) => [name, sets[name]]),
    sgd: optim.optimizer,
    schedule: optim.grad_modifier?.DynamicFreezer?.schedule ?? [],
  }
}

describe.each([
  ['siamfcpp_alexnet-lasot.yaml', 'lasot/siamfcpp_alexnet-trn.yaml'],
  ['siamfcpp_alexnet-trackingnet.yaml', 'trackingnet/siamfcpp_alexnet-trn.yaml'],
  ['siamfcpp_googlenet-fulldata.yaml', 'fulldata/siamfcpp_googlenet-trn-fulldata.yaml'],
])('%s', (ours, theirs) => {
  it(`trains what the original's ${theirs} trains`, async () => {
    const own = await loadConfig(path.join(folder, ours), [], { onWarning: () => {} })
    const original = await load(originalTrainFile(theirs))
    expect(essence(own)).toEqual(essence(original.config))
  })
})
