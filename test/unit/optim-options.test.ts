/** The keys that the original's optimizer lacks: defaults, bad values, iterations, and a configuration's sum that they leave as it was. */
import { describe, expect, it } from 'vitest'
import { loadConfig, numIterations, requireTrain, type Config } from '../../lib/config/index.ts'
import { readDataSettings } from '../../lib/data/settings.ts'
import { configSha256 } from '../../lib/engine/builders.ts'
import { meanScalars } from '../../lib/engine/accumulation.ts'
import { buildLrPolicy } from '../../lib/engine/lr-policy.ts'
import { load, refusal, smallYaml } from '../helpers/config.ts'
import { shared } from '../helpers/shared.ts'

const sgd = 'train.track.optim.optimizer.SGD'
const ema = 'train.track.optim.ema'

describe('the keys', () => {
  it('are off by default', async () => {
    const { config, warnings } = await load(smallYaml)
    const { optim } = requireTrain(config)
    expect(optim.ema).toEqual({ decay: 0, warmup: 10, final_model: true })
    expect(optim.optimizer.SGD).toMatchObject({ clip_grad_norm: 0, clip_grad_value: 0, accumulate_batches: 1 })
    expect(warnings).toEqual([])
  })

  it.each<[override: string, message: RegExp]>([
    [`${sgd}.clip_grad_norm=-1`, /Expected a number ≥ 0 for train\.track\.optim\.optimizer\.SGD\.clip_grad_norm but received -1/],
    [`${sgd}.clip_grad_value=big`, /Expected a number ≥ 0 for .*clip_grad_value but received "big"/],
    [`${sgd}.accumulate_batches=0`, /Expected a positive integer for .*accumulate_batches but received 0/],
    [`${ema}.decay=1`, /Expected a number from 0 to below 1 for train\.track\.optim\.ema\.decay but received 1/],
    [`${ema}.warmup=-1`, /Expected an integer ≥ 0 for .*warmup but received -1/],
    [`${ema}.final_model=2`, /Expected true or false for .*final_model but received 2/],
    [`${sgd}.accumulate_batches=11`, /An epoch of 0 iterations: train\.track\..*nr_image_per_epoch is 40, expected at least 11 minibatches \(accumulate_batches\) of 4/],
  ])('%s is refused', async (override, message) => {
    expect((await refusal(smallYaml, [override])).message).toMatch(message)
  })
})

describe('accumulate_batches', () => {
  it('divides the iterations of an epoch, and cuts the epoch’s data to whole iterations', async () => {
    const plain = await load(smallYaml)
    const three = await load(smallYaml, [`${sgd}.accumulate_batches=3`])
    expect([numIterations(plain.config), numIterations(three.config)]).toEqual([10, 3])
    expect(readDataSettings(plain.config)).toMatchObject({ numIterations: 10, samplesPerEpoch: 40 })
    expect(readDataSettings(three.config)).toMatchObject({ numIterations: 3, samplesPerEpoch: 36 })
    // As one batch three times as large would.
    const large = await load(smallYaml, ['train.track.data.minibatch=12'])
    expect(readDataSettings(large.config)).toMatchObject({ numIterations: 3, samplesPerEpoch: 36 })
  })

  it('is refused by the data too, where a configuration is made by hand', () => {
    const by = (batches: unknown) => ({
      train: { track: { data: { minibatch: 4, nr_image_per_epoch: 10, sampler: { submodules: { dataset: { names: ['GOT10kDataset'] } } } }, optim: { optimizer: { SGD: { accumulate_batches: batches } } } } },
    })
    expect(readDataSettings(by(2)).samplesPerEpoch).toBe(8)
    expect(() => readDataSettings(by(3))).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(/0 iterations.*of which 3 \(accumulate_batches\) make an iteration/) }))
    expect(() => readDataSettings(by(0))).toThrow(/Expected an integer of at least 1 for train\.track\.optim\.optimizer\.SGD\.accumulate_batches/)
  })

  it('means the losses and extras of its batches', () => {
    const one = { training_losses: { cls: 0.1 }, extras: { cls: {}, reg: { iou: 0.3 } } }
    expect(meanScalars([one])).toEqual(one)
    expect(meanScalars([one, { training_losses: { cls: 0.5 }, extras: { cls: {}, reg: { iou: 0.5 } } }])).toEqual({ training_losses: { cls: 0.3 }, extras: { cls: {}, reg: { iou: 0.4 } } })
  })
})

describe('configSha256', () => {
  /** The configuration as a version before these keys knew it. */
  function withoutKeys(config: Config): Config {
    const train = structuredClone(config.train) as { track: { optim: { ema?: unknown; optimizer: { SGD: Record<string, unknown> } } } }
    delete train.track.optim.ema
    for (const key of ['clip_grad_norm', 'clip_grad_value', 'accumulate_batches']) delete train.track.optim.optimizer.SGD[key]
    return { ...config, train } as unknown as Config
  }

  it('is what it was before the keys came to be, as long as they are off', async () => {
    for (const file of ['got10k/siamfcpp_alexnet-trn.yaml', 'fulldata/siamfcpp_googlenet-trn-fulldata.yaml']) {
      const config = await loadConfig(shared('reference-configs', 'train', file), [], { onWarning: () => {} })
      expect(configSha256(config)).toBe(configSha256(withoutKeys(config)))
      const off = await loadConfig(shared('reference-configs', 'train', file), [`${sgd}.clip_grad_norm=0`, `${sgd}.clip_grad_value=0`, `${sgd}.accumulate_batches=1`, `${ema}={decay: 0, warmup: 3}`], { onWarning: () => {} })
      expect(configSha256(off)).toBe(configSha256(config))
    }
  })

  it('tells each of them when it is on', async () => {
    const sums = new Set<string>()
    const overrides = [[], [`${sgd}.clip_grad_norm=1`], [`${sgd}.clip_grad_value=1`], [`${sgd}.accumulate_batches=2`], [`${ema}.decay=0.9`], [`${ema}.decay=0.9`, `${ema}.warmup=3`]]
    for (const override of overrides) sums.add(configSha256((await load(smallYaml, override)).config))
    expect(sums.size).toBe(overrides.length)
  })
})

describe('learning-rate policies refuse', () => {
  it.each<[phase: { name: string; [key: string]: unknown }, message: RegExp]>([
    [{ name: 'LinearLR', start_lr: -0.1, end_lr: 1 }, /Expected numbers ≥ 0 for start_lr and end_lr of LinearLR but received \[-0\.1,1\]/],
    [{ name: 'CosineLR', start_lr: 1, end_lr: Number.NaN }, /Expected a number for end_lr of CosineLR/],
    [{ name: 'ExponentialLR', start_lr: -1, end_lr: 1 }, /Expected numbers ≥ 0/],
    [{ name: 'CosineLR', start_lr: 1, end_lr: 0, max_epoch: 2.5 }, /Expected a positive integer for max_epoch of CosineLR but received 2\.5/],
    [{ name: 'MultiStageLR' }, /Expected a list of \[epoch, lr\] pairs/],
    [{ name: 'MultiStageLR', lr_stages: [] }, /Expected a list of \[epoch, lr\] pairs/],
    [{ name: 'MultiStageLR', lr_stages: [[0, 0.1]] }, /the epochs rising from 1/],
    [{ name: 'MultiStageLR', lr_stages: [[2.5, 0.1]] }, /the epochs rising from 1/],
    [{ name: 'MultiStageLR', lr_stages: [[5, 0.1], [5, 0.01]] }, /the epochs rising from 1/],
    [{ name: 'MultiStageLR', lr_stages: [[5, 0.1], [9, -0.01]] }, /the rates ≥ 0/],
  ])('%j, when it is built and when it is read from a file', async (phase, message) => {
    expect(() => buildLrPolicy([phase], 4)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }))
    const { error } = await load(smallYaml, [`${sgd}.lr_policy=[${JSON.stringify(phase)}]`]).then(
      () => ({ error: undefined }),
      (thrown: unknown) => ({ error: thrown as { code: string } }),
    )
    expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(`${sgd}.lr_policy.0.`) })
  })
})
