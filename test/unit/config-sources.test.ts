/** Where values come from, and the YAML that says so. */
import { describe, expect, it } from 'vitest'
import { annotatedTrainYaml, trainSources } from '../../lib/config/index.ts'
import { load, smallYaml } from '../helpers/config.ts'
import { originalTrainFile, originalTrainFiles } from '../helpers/original-train-files.ts'

const overrides = ['train.track.data.minibatch=8', 'train.track.trainer.RegularTrainer.timer=event', 'train.track.optim.optimizer.SGD.lr_policy.0.end_lr=0.001']

describe('trainSources', () => {
  it('tells file, override and default apart, anchors and sections that are not there included', async () => {
    const { config } = await load(smallYaml, overrides)
    const sources = Object.fromEntries(trainSources(config).map(({ path, source }) => [path, source]))
    const at = (path: string): string | undefined => sources[`train.track.${path}`]
    expect(at('exp_name')).toBe('file')
    expect(at('data.minibatch')).toBe('override')
    // One anchor: the override of one place is that of the others.
    expect(at('trainer.RegularTrainer.minibatch')).toBe('override')
    expect(at('trainer.RegularTrainer.timer')).toBe('override')
    expect(at('trainer.RegularTrainer.snapshot')).toBe('default')
    expect(at('model.backbone.TinyConv.pretrain_model_path')).toBe('default')
    expect(at('model.task_head.DenseboxHead.head_width')).toBe('file')
    expect(at('model.losses.FocalLoss.weight')).toBe('default')
    expect(at('num_processes')).toBe('default')
    expect(at('data.sampler.submodules.dataset.names')).toBe('file')
    // The same paths as the configuration's, each once.
    expect(Object.keys(sources).length).toBe(trainSources(config).length)
    expect(trainSources(config).find(({ path }) => path === 'train.track.data.minibatch')?.value).toBe(8)
  })

  it('a configuration without training has none', async () => {
    const { config } = await load('test: {track: {exp_name: x}}')
    expect(trainSources(config)).toEqual([])
  })
})

describe('annotatedTrainYaml', () => {
  it('marks what is not the file’s own', async () => {
    const { config } = await load(smallYaml, overrides)
    const lines = annotatedTrainYaml(config).split('\n')
    expect(lines.find((line) => line.includes('exp_name:'))).toBe('    exp_name: small')
    expect(lines.find((line) => line.includes('minibatch:'))).toMatch(/^ {6}minibatch: 8 +# override$/)
    expect(lines.find((line) => line.includes('seed:'))).toMatch(/^ {6}seed: 0 +# default$/)
    expect(lines.find((line) => line.includes('CosineLR'))).toContain('end_lr: 0.001')
  })

  it.each(originalTrainFiles)('%s: loads again to the same values', async (name) => {
    const { config } = await load(originalTrainFile(name), ['train.track.data.minibatch=16'])
    const again = await load(annotatedTrainYaml(config))
    expect(again.config.train).toEqual(config.train)
    expect(again.warnings.filter(({ message }) => message.includes('unknown key'))).toEqual([])
  })
})
