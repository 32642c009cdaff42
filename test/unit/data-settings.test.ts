/** `train.track.data` → what the loader is told. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { SiamError } from '../../lib/errors.ts'
import { type DataConfig, readDataSettings } from '../../lib/data/settings.ts'
import { shared } from '../helpers/shared.ts'

type Json = Record<string, unknown>

const load = (name: string): DataConfig => parse(readFileSync(shared('reference-configs', 'train', name), 'utf8'), { merge: true, uniqueKeys: false }) as DataConfig

const minimal = (data: Json = {}): DataConfig => ({
  train: { track: { data: { minibatch: 4, nr_image_per_epoch: 10, sampler: { submodules: { dataset: { names: ['GOT10kDataset'] } } }, ...data } } },
})

function failure(config: DataConfig): SiamError {
  try {
    readDataSettings(config)
  } catch (error) {
    expect(error).toBeInstanceOf(SiamError)
    return error as SiamError
  }
  throw new Error('no error')
}

describe("the original's files", () => {
  it('AlexNet on GOT-10k', () => {
    const settings = readDataSettings(load('got10k/siamfcpp_alexnet-trn.yaml'))
    expect(settings.crop).toEqual({ contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 })
    expect(settings.target).toEqual({ totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3 })
    expect(settings.filter).toEqual({ maxAreaRate: 0.6, minAreaRate: 0.001, maxRatio: 10, applyAreaLimits: false })
    expect(settings.datasets.map(({ name }) => name)).toEqual(['GOT10kDataset'])
    expect(settings.samplesPerEpoch).toBe(settings.numIterations * settings.batchSize)
  })

  it('289 pixels and two convolutions also make a score map of 17', () => {
    const settings = readDataSettings(load('fulldata/siamfcpp_googlenet-trn-fulldata.yaml'))
    expect(settings.target).toEqual({ totalStride: 8, scoreSize: 17, xSize: 289, numConv3x3: 2 })
    expect(settings.datasets.reduce((sum, { ratio }) => sum + ratio, 0)).toBeCloseTo(1, 12)
    expect(settings.datasets.find(({ name }) => name === 'TrackingNetDataset')?.ratio).toBeCloseTo(0.65 / 1.5, 12)
  })
})

describe('defaults and numbers', () => {
  it('an epoch has floor(images / minibatch) iterations', () => {
    const settings = readDataSettings(minimal())
    expect([settings.numIterations, settings.samplesPerEpoch]).toEqual([2, 8])
    expect(settings.filter).toBeNull()
    expect([settings.seed, settings.queueBatches, settings.strict, settings.negativePairRatio]).toEqual([0, 4, false, 0])
  })

  it('a data set of ratio 0 is left out', () => {
    const dataset = { names: ['GOT10kDataset', 'B'], B: { ratio: 0 } }
    expect(readDataSettings(minimal({ sampler: { submodules: { dataset } } })).datasets.map(({ name }) => name)).toEqual(['GOT10kDataset'])
  })
})

describe('what is refused, with the path of the key', () => {
  const inTarget = (more: Json) => minimal({ target: { name: 'DenseboxTarget', DenseboxTarget: more } })
  const inDataset = (more: Json) => minimal({ sampler: { submodules: { dataset: more } } })
  it.each<[string, DataConfig, string]>([
    ['a batch of 0', minimal({ minibatch: 0 }), 'train.track.data.minibatch'],
    ['a batch of text', minimal({ minibatch: '4' }), 'train.track.data.minibatch'],
    ['an epoch of 0 iterations', minimal({ nr_image_per_epoch: 3 }), '0 iterations'],
    ['no data part', { train: { track: {} } }, 'train.track.data'],
    ['no data set', inDataset({ names: [] }), 'dataset.names'],
    ['a data set twice', inDataset({ names: ['A', 'A'] }), 'twice'],
    ['ratios of 0', inDataset({ names: ['A'], A: { ratio: 0 } }), 'add up to 0'],
    ['a negative ratio', inDataset({ names: ['A'], A: { ratio: -1 } }), 'dataset.A.ratio'],
    ['a share above 1', minimal({ sampler: { TrackPairSampler: { negative_pair_ratio: 1.5 }, submodules: { dataset: { names: ['A'] } } } }), 'negative_pair_ratio'],
    ['crops and targets of two sizes', inTarget({ x_size: 289 }), '289'],
    ['no room for a score map', inTarget({ num_conv3x3: 12 }), 'score map'],
    ['another target', minimal({ target: { name: 'Other' } }), 'train.track.data.target.name'],
    ['a list where a mapping should be', minimal({ sampler: [] }), 'train.track.data.sampler'],
  ])('%s', (_, config, text) => {
    const error = failure(config)
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.message).toContain(text)
  })
})
