/**
 * GoogLeNet and ShuffleNetV2 beyond the golden numbers: built from their configurations, initialised, trained, frozen, in bfloat16, in the
 * tracker, and refused where they do not fit.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CheckpointTensor, PyDict, writeSafetensors } from '../../lib/checkpoint/index.ts'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel, buildOptimizer } from '../../lib/engine/builders.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'
import { goldenJson, numbers, poolBatch } from '../helpers/golden.ts'
import { goldenModels, goldenPass, goldenSpec, readFloats } from '../helpers/golden-models.ts'
import { architecture, ruleWeightsWithStatistics } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'
import { scoreSize, tinyBatch, totalLoss } from '../helpers/tiny-model.ts'

const names = ['googlenet', 'shufflenetv2x0_5', 'shufflenetv2x1_0'] as const
type Name = (typeof names)[number]

const ownConfig = (name: Name): string => fileURLToPath(new URL(`../../configs/siamfcpp_${name}-got10k.yaml`, import.meta.url))
const facts = goldenJson<{ yaml: string; frozen_param_names_from_epoch: Record<string, string[]> }[]>('yaml_facts.json')

/** The configuration with its crops made so small that an iteration takes a fraction of a second, and without pretrained weights. */
function smallConfig(name: Name, more: string[] = []): Promise<Config> {
  const head = 'train.track.model.task_head.DenseboxHead'
  const backbone = `train.track.model.backbone.${goldenModels[name].backbone.name}`
  return loadConfig(
    ownConfig(name),
    [`${head}.score_size=${scoreSize}`, `${head}.x_size=207`, `${head}.num_conv3x3=3`, `${head}.head_conv_bn=[False, False, True]`, `${backbone}.pretrain_model_path=`, ...more],
    { onWarning: () => {} },
  )
}

const stateOf = async (model: Model): Promise<Map<string, NamedRawTensor>> => new Map((await model.stateDict()).map((tensor) => [tensor.name, tensor]))

const squares = (values: Float32Array): number => values.reduce((sum, value) => sum + value * value, 0)
const relativeError = (values: Float32Array, exact: Float32Array): number => Math.sqrt(squares(values.map((value, i) => value - exact[i]!)) / squares(exact))

/** A convolution's weights to the nearest bfloat16 (ties away from zero: there are next to none); other tensors as they are. */
function roundedToBfloat16(tensor: NamedRawTensor): NamedRawTensor {
  if (tensor.shape.length !== 4) return tensor
  const bits = new Uint32Array(tensor.data.slice().buffer).map((value) => (value + 0x8000) & 0xffff0000)
  return { ...tensor, data: new Uint8Array(bits.buffer) }
}

beforeAll(async () => {
  // One thread: two that wait for each other are slower than it where other processes want the cores as well.
  await loadAddon().setThreads(1)
})

describe.each(names)('%s', (name) => {
  describe('from its configuration', () => {
    it.each(['train', 'test'] as const)('%s: the state dict of the original', async (part) => {
      using model = await buildModel(await loadConfig(ownConfig(name)), { part, pretrained: false })
      expect(model.describe().map((entry) => [entry.name, entry.shape, entry.dtype])).toEqual(architecture(name).state_dict)
    })

    it('draws convolutions as torch does, leaves BatchNorm at one and zero, and repeats itself from a seed', async () => {
      const config = await loadConfig(ownConfig(name))
      using model = await buildModel(config, { pretrained: false, seed: 5 })
      using again = await buildModel(config, { pretrained: false, seed: 5 })
      const state = await stateOf(model)
      for (const { name: entry, data } of await again.stateDict()) expect(Buffer.compare(data, state.get(entry)!.data), entry).toBe(0)
      for (const [entry, tensor] of state) {
        if (!entry.startsWith('basemodel.') || tensor.dtype !== 'float32') continue
        const values = numbers(tensor) as Float32Array
        if (tensor.shape.length === 4) {
          // Kaiming's uniform distribution with a = √5: ± 1/√fan_in.
          const bound = 1 / Math.sqrt(tensor.shape[1]! * tensor.shape[2]! * tensor.shape[3]!)
          const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
          expect(largest, entry).toBeLessThanOrEqual(bound * (1 + 1e-6))
          expect(largest, entry).toBeGreaterThan(0.9 * bound)
        } else if (!entry.endsWith('channel_reduce.0.bias')) {
          const value = /(running_var|weight)$/.test(entry) ? 1 : 0
          expect(values.every((v) => v === value), entry).toBe(true)
        }
      }
    })
  })

  it('learns one batch', async () => {
    const config = await smallConfig(name, ['train.track.optim.optimizer.SGD.lr_policy=[]', 'train.track.optim.optimizer.SGD.lr=0.02', 'train.track.optim.grad_modifier.DynamicFreezer.schedule=[]'])
    using model = await buildModel(config, { seed: 1 })
    using optimizer = buildOptimizer(config, model)
    model.train()
    const batch = tinyBatch(3)
    const losses: number[] = []
    for (let i = 0; i < 5; i += 1) {
      optimizer.zeroGrad()
      using total = await totalLoss(model, batch)
      await total.backward()
      expect(await optimizer.step()).toBe(true)
      losses.push(await total.item())
    }
    disposeAll(batch)
    expect(losses.every(Number.isFinite), losses.join(' ')).toBe(true)
    expect(losses.at(-1), losses.join(' ')).toBeLessThan(0.9 * losses[0]!)
  })

  it("freezes what the original's file freezes, and only that stays as it was", async () => {
    const config = await smallConfig(name)
    using model = await buildModel(config, { seed: 1 })
    using optimizer = buildOptimizer(config, model)
    const frozen = facts.find(({ yaml }) => yaml === `got10k/siamfcpp_${name}-trn.yaml`)!.frozen_param_names_from_epoch
    for (const [epoch, expected] of Object.entries(frozen)) {
      await optimizer.modifyGrad(Number(epoch))
      expect(model.describe().filter(({ kind, requiresGrad }) => kind === 'parameter' && !requiresGrad).map((entry) => entry.name), `epoch ${epoch}`).toEqual(expected)
    }
    await optimizer.modifyGrad(0)
    const still = new Set(frozen['0'])
    expect(still.size).toBeGreaterThan(0)
    const before = await stateOf(model)
    model.train()
    const batch = tinyBatch(4)
    optimizer.schedule(1, 0)
    optimizer.zeroGrad()
    using total = await totalLoss(model, batch)
    await total.backward()
    await optimizer.step()
    disposeAll(batch)
    // A weight whose gradient is zero by the mathematics (a bias before BatchNorm) or too small to change it says nothing.
    const moved = (entry: string, tensor: NamedRawTensor): boolean => Buffer.compare(tensor.data, before.get(entry)!.data) !== 0
    for (const [entry, tensor] of await stateOf(model)) {
      if (still.has(entry)) expect(moved(entry, tensor), `${entry} is frozen`).toBe(false)
      else if (/^basemodel.*(weight|running_mean)$/.test(entry)) expect(moved(entry, tensor), `${entry} trains`).toBe(true)
    }
  })

  describe('in bfloat16', () => {
    const pool = goldenModels[name].xSize === 289 ? 'pool289.safetensors' : 'pool303.safetensors'
    const weights = ruleWeightsWithStatistics(name)
    const addon = loadAddon()

    // So deep a network with random weights makes much of little. What is allowed follows from what rounding the convolutions' weights alone
    // does to the float32 network: as much again for the activations, and a margin.
    it.each(['contiguous', 'channels_last'] as const)('%s: as close to float32 as bfloat16 weights are', async (memoryFormat) => {
      const images = poolBatch(pool, [0])
      const features = async (precision: 'fp32' | 'bf16', table: NamedRawTensor[]): Promise<Float32Array> => {
        const model = await addon.createModel(goldenSpec(name, { precision, memoryFormat }))
        await model.loadStateDict(table)
        model.setTraining(false)
        const predicted = await model.forward(addon.tensorFrom(images.im_z!, 'cpu'), addon.tensorFrom(images.im_x!, 'cpu'))
        model.dispose()
        return readFloats(predicted.corr_fea!)
      }
      const exact = await features('fp32', weights)
      const roundedWeights = relativeError(await features('fp32', weights.map(roundedToBfloat16)), exact)
      const bfloat16 = relativeError(await features('bf16', weights), exact)
      expect(bfloat16).toBeGreaterThan(0)
      expect(bfloat16, `${bfloat16} against ${roundedWeights} with rounded weights`).toBeLessThan(3 * roundedWeights)
    })

    it('trains: losses and gradients are finite', async () => {
      const model = await addon.createModel(goldenSpec(name, { precision: 'bf16', memoryFormat: 'channels_last' }))
      await model.loadStateDict(weights)
      model.setTraining(true)
      const { values } = await goldenPass(model, name, poolBatch(pool, [0, 1]))
      expect(Object.values(values).every(Number.isFinite)).toBe(true)
      const parameters = architecture(name).parameters_in_order
      const gradients = await model.gradients(parameters)
      for (const [i, gradient] of gradients.entries()) expect((numbers(gradient!) as Float32Array).every(Number.isFinite), parameters[i]).toBe(true)
      model.dispose()
    })
  })

  it('tracks: the scores of the forward pass, and a network in training is left as it was', async () => {
    // The module in the original's memory format: in channels_last GoogLeNet's own scores are off from float64's by up to 4e-4.
    const config = await loadConfig(ownConfig(name), ['test.track.model.memory_format=contiguous'])
    using model = await buildModel(config, { part: 'test', pretrained: false })
    // Sizes are exp(si · output + bi): a random network's outputs are so large that they overflow, unless si is small.
    const calm = (tensor: NamedRawTensor): NamedRawTensor => (tensor.name === 'head.si' ? { ...tensor, data: new Uint8Array(Float32Array.of(0.01).buffer) } : tensor)
    await model.loadStateDict(ruleWeightsWithStatistics(name).map(calm))
    model.train()
    const before = await stateOf(model)
    using tracker = await buildSiamFCpp(config, { model })
    const frame = (i: number): string => shared('data', 'vot-bag', `0000000${i}.jpg`)
    await tracker.init(frame(1), [300, 150, 60, 80])
    const { box, score } = await tracker.update(frame(2))
    expect(box.every(Number.isFinite)).toBe(true)
    expect(score).toBeGreaterThan(0)
    expect(score).toBeLessThan(1)
    for (const [entry, tensor] of await stateOf(model)) expect(Buffer.compare(tensor.data, before.get(entry)!.data), entry).toBe(0)

    const { z_crop: z, x_crop: x, score: tracked } = await tracker.debug()
    model.eval()
    const predicted = await model.forward({ im_z: z!, im_x: x! })
    const [cls, ctr, scores] = (await Promise.all([predicted.cls_pred!, predicted.ctr_pred!, tracked!].map((tensor) => tensor.toTypedArray()))) as [Float32Array, Float32Array, Float32Array]
    const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value))
    expect(scores.length).toBe(name === 'googlenet' ? 19 * 19 : 17 * 17)
    // The tracker's network is folded and rounds otherwise. Against float64 both are off by as much: GoogLeNet's folded network by 9e-5, its module
    // by 9e-5 to 1.3e-4 (as the processor sums), ShuffleNetV2's both by 2e-5 to 5e-5. ../shared/golden/README.md tolerates 2e-4 between two programs.
    const tolerance = name === 'googlenet' ? 2e-4 : 1e-4
    for (const [i, value] of scores.entries()) expect(Math.abs(value - sigmoid(cls[i]!) * sigmoid(ctr[i]!)), `cell ${i}`).toBeLessThan(tolerance)
    disposeAll([z!, x!, tracked!, ...Object.values(predicted)])
  })
})

describe('pretrained weights', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'siam-backbones-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['shufflenetv2x0_5', 'basemodel._model.', "torchvision's names"],
    ['shufflenetv2x0_5', 'basemodel.', "the original module's names"],
    ['googlenet', 'basemodel.', "torchvision's names"],
  ] as const)('%s without %s: %s', async (name, prefix, _names) => {
    const file = path.join(folder, `${name}${prefix}.safetensors`)
    const backbone = ruleWeightsWithStatistics(name).filter((tensor) => tensor.name.startsWith('basemodel.'))
    const extra: NamedRawTensor = { name: 'fc.weight', dtype: 'float32', shape: [2], data: new Uint8Array(8) }
    const chunks: Uint8Array[] = []
    const table = PyDict.ordered([...backbone.map((tensor) => [tensor.name.slice(prefix.length), tensor] as const), [extra.name, extra] as const].map(([key, raw]) => [key, CheckpointTensor.fromRaw(raw)]))
    await writeSafetensors(table, async (bytes) => void chunks.push(bytes.slice()))
    writeFileSync(file, Buffer.concat(chunks))
    const lines: string[] = []
    const key = `train.track.model.backbone.${goldenModels[name].backbone.name}.pretrain_model_path`
    using model = await buildModel(await loadConfig(ownConfig(name), [`${key}=${file}`]), { log: (line) => lines.push(line) })
    const state = await stateOf(model)
    for (const tensor of backbone) expect(Buffer.compare(state.get(tensor.name)!.data, tensor.data), tensor.name).toBe(0)
    expect(lines.join('\n')).toContain(`Loaded ${backbone.length} of the backbone's ${backbone.length} tensors`)
  })
})

describe('what does not fit', () => {
  const file = ownConfig('shufflenetv2x0_5')
  const lineOf = (key: string): number => readFileSync(file, 'utf8').split('\n').findIndex((line) => line.includes(key)) + 1

  it.each([
    ['train.track.model.task_head.DenseboxHead.head_width=128', /Expected 256 for train\.track\.model\.task_head\.DenseboxHead\.head_width .* but received 128/],
    ['train.track.model.task_model.SiamTrack.head_width=64', /Expected 256 for train\.track\.model\.task_model\.SiamTrack\.head_width .* but received 64/],
    ['train.track.model.backbone.ShuffleNetV2_x0_5.head_width=128', /Expected 128 for .*task_head\.DenseboxHead\.head_width \(train\.track\.model\.backbone\.ShuffleNetV2_x0_5\.head_width\) but received 256/],
  ])('%s', async (override, message) => {
    await expect(buildModel(await loadConfig(file, [override]), { pretrained: false })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message) })
  })

  it('names file and line of a width that does not fit', async () => {
    const text = readFileSync(file, 'utf8').replace('          head_conv_bn: [False, False, True]', '          head_conv_bn: [False, False, True]\n          head_width: 32')
    const changed = path.join(mkdtempSync(path.join(tmpdir(), 'siam-widths-')), 'changed.yaml')
    writeFileSync(changed, text)
    await expect(buildModel(await loadConfig(changed), { part: 'test', pretrained: false })).rejects.toMatchObject({
      code: 'ERR_CONFIG', file: changed, line: lineOf('head_conv_bn') + 1, message: expect.stringContaining('test.track.model.task_head.DenseboxHead.head_width'),
    })
    rmSync(path.dirname(changed), { recursive: true })
  })

  it('builds ShuffleNetV2 in another width, if all agree', async () => {
    const model = 'train.track.model'
    const config = await loadConfig(file, [`${model}.backbone.ShuffleNetV2_x0_5.head_width=64`, `${model}.task_head.DenseboxHead.head_width=64`, `${model}.task_model.SiamTrack.head_width=64`])
    using built = await buildModel(config, { pretrained: false })
    expect(built.describe().find(({ name }) => name === 'basemodel._model.channel_reduce.0.weight')?.shape).toEqual([64, 336, 1, 1])
  })

  it('the addon refuses widths that do not agree and backbones that it does not know', async () => {
    const spec = goldenSpec('googlenet')
    await expect(loadAddon().createModel({ ...spec, headWidth: 64 })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('the width of Inception3') })
    await expect(loadAddon().createModel({ ...spec, backbone: { name: 'VGG' as 'AlexNet' } })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining("'VGG'") })
  })

  it.each(['googlenet', 'shufflenetv2x0_5'] as const)('%s: images of which the crop would leave nothing', async (name) => {
    const model = await loadAddon().createModel(goldenSpec(name))
    const image = (size: number) => loadAddon().tensorFrom({ dtype: 'uint8', shape: [1, 3, size, size], data: new Uint8Array(3 * size * size) }, 'cpu')
    model.setTraining(false)
    await expect(model.forward(image(63), image(303))).rejects.toMatchObject({ code: 'ERR_SHAPE', message: expect.stringMatching(/more than 8 cells a side.*the image is too small/) })
    model.dispose()
  })

  it('an unknown backbone in a file', async () => {
    await expect(loadConfig(file, ['train.track.model.backbone.name=VGG'])).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

/** Both images as tensors are kept in float32 where they come so: no rounding before the normalisation. */
it.each(names)('%s: float images give what bytes give', async (name) => {
  const model = await loadAddon().createModel(goldenSpec(name, { precision: 'bf16', memoryFormat: 'channels_last' }))
  model.setTraining(false)
  const addon = loadAddon()
  const raw = poolBatch(goldenModels[name].xSize === 289 ? 'pool289.safetensors' : 'pool303.safetensors', [0])
  const outputs: Float32Array[] = []
  for (const dtype of ['uint8', 'float32'] as const) {
    const images = [raw.im_z!, raw.im_x!].map(({ shape, data }) => addon.tensorFrom({ dtype, shape, data: dtype === 'uint8' ? data : new Uint8Array(Float32Array.from(data).buffer) }, 'cpu'))
    outputs.push(await readFloats((await model.forward(images[0]!, images[1]!)).cls_pred!))
  }
  expect(outputs[1]).toEqual(outputs[0])
  model.dispose()
})
