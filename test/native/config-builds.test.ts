/**
 * Every training file, the original's 17 and our own, builds: network, losses, groups and schedule, with nothing changed but what points to files that
 * a test has not (pretrained weights). Their data sets are known by name; one step of each network stays in test/golden.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, requireTrain, type Config } from '../../lib/config/index.ts'
import { datasetNames } from '../../lib/data/index.ts'
import { buildModel, buildOptimizer, trainerRegistry } from '../../lib/engine/builders.ts'
import { load } from '../helpers/config.ts'
import { goldenJson } from '../helpers/golden.ts'
import { originalTrainFile, originalTrainFiles } from '../helpers/original-train-files.ts'

const stateDicts = goldenJson<Record<string, { parameters_in_order: string[] }>>('state_dicts.json')
/** The golden name of each backbone. */
const architectures: Record<string, string> = { AlexNet: 'alexnet', TinyConv: 'tinyconv', Inception3: 'googlenet', ShuffleNetV2_x0_5: 'shufflenetv2x0_5', ShuffleNetV2_x1_0: 'shufflenetv2x1_0' }

async function builds(config: Config): Promise<void> {
  const { model: modelConfig, optim, trainer, data } = requireTrain(config)
  using model = await buildModel(config, { pretrained: false })
  const names = model.parameterNames()
  expect(names).toEqual(stateDicts[architectures[modelConfig.backbone.name as string] as string]?.parameters_in_order)
  expect(Object.keys(model.losses)).toEqual(['cls', 'ctr', 'reg'])
  const complaints: string[] = []
  using optimizer = buildOptimizer(config, model, { log: (line) => void complaints.push(line) })
  expect(complaints).toEqual([])
  expect(optimizer.groups.flatMap(({ parameters }) => parameters).sort()).toEqual([...names].sort())
  expect(optimizer.groups.map(({ name }) => name)).toEqual(optim.optimizer.SGD.lr_multiplier.map(({ name }) => name))
  expect(optimizer.gradScaler !== null).toBe(optim.optimizer.SGD.amp)
  await optimizer.modifyGrad(0)
  const frozen = model.describe().filter(({ kind, requiresGrad }) => kind === 'parameter' && !requiresGrad)
  expect(frozen.length > 0).toBe((optim.grad_modifier?.DynamicFreezer?.schedule.length ?? 0) > 0)
  expect(trainerRegistry.has(trainer.name as string)).toBe(true)
  const known = datasetNames()
  expect(data.sampler.submodules.dataset.names.filter((name) => !known.includes(name))).toEqual([])
}

const folder = fileURLToPath(new URL('../../configs', import.meta.url))
const cases: [name: string, config: () => Promise<Config>][] = [
  ...readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name): [string, () => Promise<Config>] => [`configs/${name}`, () => loadConfig(path.join(folder, name), [], { onWarning: () => {} })]),
  ...originalTrainFiles.map((name): [string, () => Promise<Config>] => [`the original's ${name}`, async () => (await load(originalTrainFile(name))).config]),
]

describe('builds', () => {
  it.each(cases)('%s', async (_name, config) => {
    await builds(await config())
  })
})
