/** What is refused or warned about, with file, line, dotted path, what was expected and what came. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, warningText } from '../../lib/config/index.ts'
import { SiamError } from '../../lib/errors.ts'
import { lineOf, load, refusal, smallYaml } from '../helpers/config.ts'

/** smallYaml with one part replaced, and the line where that is. */
function broken(part: string, by: string): { text: string; line: number } {
  const text = smallYaml.replace(part, by)
  if (text === smallYaml) throw new Error(`${part} is not there`)
  return { text, line: lineOf(smallYaml, part.split('\n')[0] as string) }
}

describe('ERR_CONFIG at its line', () => {
  const cases: [what: string, part: string, by: string, message: RegExp][] = [
    ['a word for a number', 'minibatch: &BATCH 4', 'minibatch: &BATCH many', /^Expected a positive integer for train\.track\.data\.minibatch but received "many" of type string/],
    ['a batch of 0', 'minibatch: &BATCH 4', 'minibatch: &BATCH 0', /^Expected a positive integer for train\.track\.data\.minibatch but received 0 of type number/],
    ['half a batch', 'minibatch: &BATCH 4', 'minibatch: &BATCH 0.5', /^Expected a positive integer for train\.track\.data\.minibatch but received 0\.5/],
    ['no epochs', 'num_epochs: &EPOCHS 2', 'num_epochs: &EPOCHS 0', /^Expected a positive integer for train\.track\.data\.num_epochs but received 0/],
    ['an epoch of 0 iterations', 'nr_image_per_epoch: &IMAGES 40', 'nr_image_per_epoch: &IMAGES 3', /^An epoch of 0 iterations: train\.track\.data\.nr_image_per_epoch is 3, expected at least one minibatch \(4\)/],
    ['a list for a map', 'backbone: {name: TinyConv}', 'backbone: [TinyConv]', /^Expected a map for train\.track\.model\.backbone but received \["TinyConv"\] of type list/],
    ['one loss for a list', 'names: [FocalLoss, SigmoidCrossEntropyCenterness, IOULoss]', 'names: FocalLoss', /^Expected a list of losses for train\.track\.model\.losses\.names but received "FocalLoss" of type string/],
    ['a ratio above 1', 'FocalLoss: {name: cls, alpha: 0.25', 'FocalLoss: {name: cls, alpha: 25', /^Expected a number from 0 to 1 for train\.track\.model\.losses\.FocalLoss\.alpha but received 25/],
    ['an unknown head', 'name: DenseboxHead', 'name: RpnHead', /^Expected "DenseboxHead" for train\.track\.model\.task_head\.name but received "RpnHead"/],
    ['no backbone', 'backbone: {name: TinyConv}', 'backbone: {}', /^Expected a name at train\.track\.model\.backbone\.name but there is none/],
    ['no trainer', '      name: RegularTrainer\n', '', /^Expected a name at train\.track\.trainer\.name/],
    ['too few flags', 'DenseboxHead: {head_width: 64}', 'DenseboxHead: {head_width: 64, head_conv_bn: [true]}', /^Expected one of true and false for each of the 3 convolutions .* but received 1/],
  ]
  it.each(cases)('%s', async (what, part, by, message) => {
    const { text, line } = broken(part, by)
    const error = await refusal(text)
    expect(error.message).toMatch(message)
    expect(error.file).toMatch(/experiment\.yaml$/)
    if (what !== 'no trainer') expect(error.line).toBe(line)
    expect(error.toLine()).toMatch(/^ERR_CONFIG .*experiment\.yaml:\d+: /)
  })

  it('an unknown backbone names those that are known and the nearest', async () => {
    const error = await refusal(smallYaml.replace('TinyConv', 'Alexnet'))
    expect(error.message).toBe('Expected one of AlexNet, Inception3, ShuffleNetV2_x0_5, ShuffleNetV2_x1_0, TinyConv, TorchScript for train.track.model.backbone.name but received "Alexnet" of type string')
    expect(error.hint).toBe('did you mean "AlexNet"?')
  })

  it('an unknown loss names its place in the list', async () => {
    const error = await refusal(smallYaml.replace('names: [FocalLoss,', 'names: [FocalLos,'))
    expect(error.message).toMatch(/^Expected one of FocalLoss, IOULoss, .* for train\.track\.model\.losses\.names\.0 but received "FocalLos"/)
    expect(error.hint).toBe('did you mean "FocalLoss"?')
  })

  it('tells how many more there are, and starts with the first line', async () => {
    const error = await refusal(smallYaml.replace('&BATCH 4', '&BATCH x').replace('{name: TinyConv}', '{name: 5}'))
    expect(error.line).toBe(lineOf(smallYaml, 'backbone:'))
    expect(error.message).toMatch(/\(and 3 more\)$/)
  })

  it('what came from an override says so', async () => {
    const error = await refusal(smallYaml, ['train.track.data.minibatch=0'])
    expect(error.message).toBe('Expected a positive integer for train.track.data.minibatch but received 0 of type number, from the override "train.track.data.minibatch=0" (and 2 more)')
    expect(error.line).toBeUndefined()
  })

  it.each([
    ['train.track.data.minibatch', /Expected an override of the form dotted\.key=value but received "train\.track\.data\.minibatch"/],
    ['=3', /Expected an override of the form/],
    ['train..data=3', /Expected an override of the form/],
    ['train.track.data.minibatch.x=3', /train\.track\.data\.minibatch is 4, which has no key "x"/],
    ['train.track.model.losses.names.7=IOULoss', /train\.track\.model\.losses\.names is a list of 3, which has no element "7"/],
    ['train.track.data.minibatch=[1', /The value of the override .* is not YAML/],
  ])('the override %s', async (override, message) => {
    expect((await refusal(smallYaml, [override])).message).toMatch(message)
  })
})

describe('malformed text', () => {
  it('YAML', async () => {
    const text = smallYaml.replace('      backbone: {name: TinyConv}', '      backbone: {name: TinyConv')
    const error = await refusal(text)
    expect(error.message).toMatch(/^Malformed YAML: /)
    expect(error.line).toBeGreaterThanOrEqual(lineOf(text, 'backbone'))
    expect(error.line).toBeLessThanOrEqual(lineOf(text, 'names: [FocalLoss'))
  })

  it.each([
    ['', /received an empty file/],
    ['- a\n- b\n', /received a seq/],
    ['a: *NOWHERE\n', /Malformed YAML|has no anchor/],
    ['a: &A [*A]\n', /An anchor contains an alias to itself/],
    ['a: 1\n---\nb: 2\n', /Malformed YAML/],
  ])('%j', async (text, message) => {
    expect((await refusal(text)).message).toMatch(message)
  })

  it('aliases that expand without measure', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]', ...Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`)]
    expect((await refusal(lines.join('\n'))).message).toMatch(/Aliases expand to more than 1000000 values/)
  })

  it.each([
    ['"end_lr": 0.000001,', '"end_lr" 0.000001,', '"end_lr"'],
    ['"start_lr": 0.08,', '"start_lr": 0.08', '"end_lr"'],
    ['"max_epoch": 2\n            }', '"max_epoch": 2', '"max_epoch"'],
    ['"ratio": 1', '"ratio": one', '"ratio"'],
  ])('JSON in a string: %j → %j', async (part, by, at) => {
    const text = smallYaml.replace(part, by)
    expect(text).not.toBe(smallYaml)
    const error = await refusal(text)
    expect(error.message).toMatch(/^Malformed JSON at train\.track\.optim\.optimizer\.SGD\.lr_(policy|multiplier)\.0: /)
    expect(error.line).toBe(lineOf(text, at))
  })

  it.each([
    ['"end_lr": 0.000001,', '"end_lr": "low",', /Expected a number for train\.track\.optim\.optimizer\.SGD\.lr_policy\.0\.end_lr but received "low"/, '"end_lr"'],
    ['"max_epoch": 2', '"max_epoch": 0', /Expected a positive integer for .*lr_policy\.0\.max_epoch but received 0/, '"max_epoch"'],
    ['"ratio": 1', '"ratio": "one"', /Expected a number for .*lr_multiplier\.0\.ratio but received "one"/, '"ratio"'],
    ['"regex": ""', '"regex": "(basemodel"', /Expected a Python regular expression but received "\(basemodel": Unterminated group \(train\.track\.optim\.optimizer\.SGD\.lr_multiplier\.0\.regex\)/, '"regex"'],
  ])('numbers and expressions in JSON: %j → %j', async (part, by, message, at) => {
    const text = smallYaml.replace(part, by)
    const error = await refusal(text)
    expect(error.message).toMatch(message)
    expect(error.line).toBe(lineOf(text, at))
  })

  it('a list element that is no JSON object', async () => {
    const error = await refusal(smallYaml, ['train.track.optim.optimizer.SGD.lr_policy=["[1, 2]"]'])
    expect(error.message).toMatch(/Expected a JSON object at train\.track\.optim\.optimizer\.SGD\.lr_policy\.0 but received \[1, 2\]/)
  })
})

describe('files that cannot be read', () => {
  it('missing', async () => {
    await expect(loadConfig('nowhere/at-all.yaml')).rejects.toMatchObject({ code: 'ERR_CONFIG', message: 'No such configuration file', file: path.resolve('nowhere/at-all.yaml') })
  })

  it('a folder', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'siam-config-'))
    await expect(loadConfig(folder)).rejects.toMatchObject({ code: 'ERR_IO', file: folder })
  })

  it('wrong arguments', async () => {
    await expect(loadConfig(5 as unknown as string)).rejects.toThrow('Expected the path of a YAML file or an object for source but received 5 of type number')
    await expect(loadConfig('x', 'a=b' as unknown as string[])).rejects.toBeInstanceOf(SiamError)
  })
})

describe('warnings', () => {
  it('an unknown key, with its line and the nearest known name', async () => {
    const text = smallYaml.replace('      minibatch: &BATCH 4', '      minibatch: &BATCH 4\n      num_worker: 3')
    const { config, warnings, file } = await load(text)
    expect(warnings).toEqual([
      { message: 'unknown key train.track.data.num_worker is ignored; did you mean num_workers?', path: 'train.track.data.num_worker', file, line: lineOf(text, 'num_worker:') },
    ])
    expect(warningText(warnings[0] as (typeof warnings)[0])).toBe(`${file}:${lineOf(text, 'num_worker:')}: unknown key train.track.data.num_worker is ignored; did you mean num_workers?`)
    expect(config.train?.track?.data).not.toHaveProperty('num_worker')
    expect(config.raw).toHaveProperty('train.track.data.num_worker', 3)
  })

  it('a key that resembles nothing, at the top level', async () => {
    const { warnings } = await load(`${smallYaml}wholly_unrelated: 1\n`)
    expect(warnings.map((w) => w.message)).toEqual(['unknown key wholly_unrelated is ignored'])
  })

  it('a mistake in a shared map once', async () => {
    const { warnings } = await load(smallYaml.replace('subset: train}', 'subset: train, max_dif: 5}'))
    expect(warnings.map((w) => w.message)).toEqual(['unknown key train.track.data.sampler.submodules.dataset.GOT10kDataset.max_dif is ignored; did you mean max_diff?'])
  })

  it('a section of a component that is not selected and not known', async () => {
    const { warnings } = await load(smallYaml.replace('        TextInfo:\n', '        TextInfo:\n        TextInf: {}\n'))
    expect(warnings.map((w) => w.message)).toEqual(['unknown key train.track.trainer.monitors.TextInf is ignored; did you mean TextInfo?'])
  })

  it.each([
    ['train.track.trainer.RegularTrainer.max_epoch=3', /lr_policy plans 2 epochs but max_epoch is 3; the last learning rate is held after that/],
    ['train.track.data.transformer.RandomCropTransformer.x_size=289', /RandomCropTransformer\.x_size is 289 but train\.track\.model\.task_head\.DenseboxHead\.x_size is 303/],
    ['train.track.model.task_head.DenseboxHead.score_size=19', /score_size is 19 but the target's sizes make a map of 17/],
    ['train.track.model.losses.IOULoss.name=cls', /two losses are called "cls"/],
    ['train.vos={}', /train\.vos is ignored/],
  ])('%s', async (override, message) => {
    const { warnings } = await load(smallYaml, [override])
    expect(warnings.map((w) => w.message)).toEqual([expect.stringMatching(message)])
  })

  it('go to process.emitWarning when nobody listens', async () => {
    const seen: Error[] = []
    const listen = (w: Error) => seen.push(w)
    process.on('warning', listen)
    try {
      await loadConfig({ nonsense: 1 })
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('warning', listen)
    }
    expect(seen.map((w) => [w.name, w.message])).toEqual([['SiamConfigWarning', 'unknown key nonsense is ignored']])
  })
})
