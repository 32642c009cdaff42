/** A TorchScript module as the backbone: its tensors, its modes, training, freezing, snapshots. Files: test/fixtures/torchscript.py. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Model } from '../../lib/engine/model.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { l2, maxAbsDifference, numbers } from '../helpers/golden.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { tinyBatch, totalLoss } from '../helpers/tiny-model.ts'
import { pythonNames, scriptFile, scriptModel } from '../helpers/torchscript-files.ts'

const folder = temporaryFolder('script-backbone')
afterAll(() => removeFolder(folder))

const models: Model[] = []
afterAll(() => models.forEach((model) => model.dispose()))

async function open(name: string, changes: Partial<ModelSpec> = {}): Promise<Model> {
  const model = await scriptModel(scriptFile(folder, name), changes)
  models.push(model)
  return model
}

async function stateOf(model: Model): Promise<Map<string, Float32Array>> {
  return new Map((await model.stateDict()).map((tensor) => [tensor.name, Float32Array.from(numbers(tensor))]))
}

/** cls_pred, ctr_pred and box_pred of batch 1, one after the other. */
async function predict(model: Model, batch = tinyBatch(1)): Promise<Float32Array[]> {
  const predicted = await model.forward(batch)
  const arrays: Float32Array[] = []
  for (const tensor of Object.values(predicted)) {
    arrays.push(Float32Array.from((await tensor.toTypedArray()) as Float32Array))
    tensor.dispose()
  }
  return arrays
}

async function backward(model: Model, seed = 1): Promise<number> {
  const total = await totalLoss(model, tinyBatch(seed))
  const [value] = await Tensor.items([total])
  await total.backward()
  total.dispose()
  return value!
}

const difference = (a: Float32Array[], b: Float32Array[]): number => Math.max(...a.map((array, i) => maxAbsDifference(array, b[i]!)))

describe('tensors', () => {
  it.each(['small', 'eval', 'tied', 'tied_tensor', 'counter', 'dropout', 'optional', 'traced', 'strides_of_its_own', 'frozen'])('%s: names in the order of Python’s state_dict', async (name) => {
    const described = (await open(name)).describe()
    const script = described.filter((info) => info.name.startsWith('basemodel.'))
    expect(script.map((info) => info.name.slice('basemodel.'.length))).toEqual(pythonNames(name))
    // The script comes first, as every backbone.
    expect(described.slice(0, script.length)).toEqual(script)
    for (const info of script) {
      expect(info.kind, info.name).toBe(/mean$|calls$|running_|num_batches/.test(info.name) ? 'buffer' : 'parameter')
      expect(info.requiresGrad, info.name).toBe(info.kind === 'parameter' && info.name !== 'basemodel.last.bias')
    }
  })

  it('weights come from the file, whatever the seed; the rest of the network from the seed', async () => {
    const [a, b, c] = [await stateOf(await open('small', { seed: 1 })), await stateOf(await open('small', { seed: 2 })), await stateOf(await open('small', { seed: 1 }))]
    for (const [name, values] of a) {
      expect(c.get(name), name).toEqual(values)
      if (name.startsWith('basemodel.')) expect(b.get(name), name).toEqual(values)
    }
    expect(b.get('c_x.conv.weight')).not.toEqual(a.get('c_x.conv.weight'))
    expect(l2(a.get('basemodel.body.weight')!)).toBeGreaterThan(0.1)
    expect(Array.from(a.get('basemodel.mean')!)).toEqual([103.53, 116.28, 123.675].map(Math.fround))
  })

  it('a state dict survives a round trip into another model of the file', async () => {
    const from = await open('counter')
    from.train()
    await predict(from)
    const to = await open('counter')
    const before = await stateOf(to)
    await to.loadStateDict(await from.stateDict())
    const after = await stateOf(to)
    expect(after).toEqual(await stateOf(from))
    expect(after.get('basemodel.norm.running_mean')).not.toEqual(before.get('basemodel.norm.running_mean'))
    expect(await stateOf(await open('counter'))).toEqual(before)
  })
})

describe('modes', () => {
  it('train() and eval() reach its BatchNorm: two updates a training step, none in evaluation', async () => {
    const model = await open('small')
    const start = await stateOf(model)
    model.eval()
    const evaluated = await predict(model)
    expect(await stateOf(model)).toEqual(start)
    model.train()
    const trained = await predict(model)
    const after = await stateOf(model)
    expect(difference(trained, evaluated)).toBeGreaterThan(1e-3)
    for (const norm of ['basemodel.stem.1', 'basemodel.norm']) {
      expect(after.get(`${norm}.num_batches_tracked`)![0]).toBe(2)
      expect(after.get(`${norm}.running_mean`)).not.toEqual(start.get(`${norm}.running_mean`))
    }
  })

  it('a new model trains and a model of a file saved in evaluation mode trains as well', async () => {
    for (const name of ['small', 'eval']) {
      const model = await open(name)
      await predict(model)
      expect((await stateOf(model)).get('basemodel.norm.num_batches_tracked')![0], name).toBe(2)
    }
  })

  it('a buffer for which the script puts a new tensor is the new one', async () => {
    const model = await open('counter')
    model.train()
    await predict(model)
    await predict(model)
    expect((await stateOf(model)).get('basemodel.calls')![0]).toBe(4)
    model.eval()
    await predict(model)
    expect((await stateOf(model)).get('basemodel.calls')![0]).toBe(4)
    await model.loadStateDict((await model.stateDict()).map((tensor) => (tensor.name === 'basemodel.calls' ? { ...tensor, data: new Uint8Array(8) } : tensor)))
    model.train()
    await predict(model)
    expect((await stateOf(model)).get('basemodel.calls')![0]).toBe(2)
  })

  it('a module traced in evaluation mode keeps its statistics in training', async () => {
    const model = await open('traced')
    const before = await stateOf(model)
    model.train()
    await backward(model)
    const after = await stateOf(model)
    expect(after.get('basemodel.norm.running_mean')).toEqual(before.get('basemodel.norm.running_mean'))
    expect(l2(numbers((await model.gradients(['basemodel.body.weight'])).get('basemodel.body.weight')!))).toBeGreaterThan(0)
  })

  it('every forward of the same is the same: no executor that changes the graph after the first runs', async () => {
    const model = await open('small')
    model.eval()
    const first = await predict(model)
    for (let i = 0; i < 4; i++) expect(await predict(model)).toEqual(first)
  })

  it('a script that writes into its input leaves the caller’s images alone', async () => {
    const [plain, writing] = [await open('small'), await open('writes_input')]
    plain.eval()
    writing.eval()
    const { im_z, im_x } = tinyBatch(1)
    const floats = async (tensor: Tensor): Promise<Tensor> => Tensor.from(Float32Array.from((await tensor.toTypedArray()) as Uint8Array), [...tensor.shape])
    const batch = { im_z: await floats(im_z as Tensor), im_x: await floats(im_x as Tensor) }
    const expected = await predict(plain, batch)
    expect(difference(await predict(writing, batch), expected)).toBeLessThan(1e-5)
    expect(difference(await predict(writing, batch), expected)).toBeLessThan(1e-5)
  })
})

describe('training', () => {
  it('learns, its own weights included', async () => {
    const model = await open('small')
    const optimizer = new Optimizer(model, { lr: 0.02 })
    const before = await stateOf(model)
    const losses: number[] = []
    for (let i = 0; i < 12; i++) {
      optimizer.zeroGrad()
      losses.push(await backward(model))
      await optimizer.step()
    }
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!)
    const after = await stateOf(model)
    for (const name of model.parameterNames().filter((parameter) => parameter.startsWith('basemodel.'))) expect(after.get(name), name).not.toEqual(before.get(name))
    expect(after.get('basemodel.mean')).toEqual(before.get('basemodel.mean'))
    optimizer.dispose()
  })

  it('freezes by name: no gradient, no step', async () => {
    const model = await open('small')
    const frozen = ['basemodel.stem.0.weight', 'basemodel.norm.weight']
    model.setRequiresGrad(frozen, false)
    const optimizer = new Optimizer(model, { lr: 0.02, weightDecay: 0.1 })
    const before = await stateOf(model)
    await backward(model)
    const gradients = await model.gradients()
    expect([...gradients].filter(([, gradient]) => gradient === null).map(([name]) => name)).toEqual(frozen)
    await optimizer.step()
    const after = await stateOf(model)
    for (const name of model.parameterNames()) expect(Buffer.compare(Buffer.from(after.get(name)!.buffer), Buffer.from(before.get(name)!.buffer)) === 0, name).toBe(frozen.includes(name))
    model.setRequiresGrad(frozen, true)
    await backward(model)
    expect((await model.gradients(frozen)).get('basemodel.norm.weight')).not.toBeNull()
    optimizer.dispose()
  })

  it.each(['tied', 'tied_tensor'])('%s: a weight under two names is one parameter', async (name) => {
    const model = await open(name)
    const [first, second] = ['basemodel.body.weight', 'basemodel.again.weight']
    expect(model.describe().find((info) => info.name === second)).toMatchObject({ aliasOf: first, kind: 'parameter' })
    expect(model.parameterNames()).toContain(first)
    expect(model.parameterNames()).not.toContain(second)
    await backward(model)
    const gradients = await model.gradients([first, second])
    expect(gradients.get(second)).toEqual({ ...gradients.get(first)!, name: second })
    const optimizer = new Optimizer(model, { lr: 0.05 })
    await optimizer.step()
    const state = await stateOf(model)
    expect(state.get(second)).toEqual(state.get(first))
    expect(state.get(first)).not.toEqual((await stateOf(await open(name))).get(first))
    // What Python does not train has no gradient, until it is thawed.
    expect(model.parameterNames()).toContain('basemodel.last.bias')
    expect((await model.gradients(['basemodel.last.bias'])).get('basemodel.last.bias')).toBeNull()
    await (await open(name)).loadStateDict(await model.stateDict())
    optimizer.dispose()
  })

  it('a weight that two names share gets the sum of both gradients', async () => {
    const shared = await open('tied_tensor')
    const twice = await open('tied')
    await backward(shared)
    await backward(twice)
    const gradient = async (model: Model): Promise<Float32Array> => numbers((await model.gradients(['basemodel.body.weight'])).get('basemodel.body.weight')!) as Float32Array
    // Both modules compute norm(1.5·body(x)) of the same weights.
    const [a, b] = [await gradient(shared), await gradient(twice)]
    expect(maxAbsDifference(a, b)).toBeLessThan(1e-6 * l2(b))
    expect(l2(b)).toBeGreaterThan(0)
  })

  it('a frozen module gives fixed features; the rest trains', async () => {
    const model = await open('frozen')
    expect(model.parameterNames().some((name) => name.startsWith('basemodel.'))).toBe(false)
    const optimizer = new Optimizer(model, { lr: 0.02 })
    const losses: number[] = []
    for (let i = 0; i < 10; i++) {
      optimizer.zeroGrad()
      losses.push(await backward(model))
      await optimizer.step()
    }
    expect(losses.at(-1)).toBeLessThan(losses[0]!)
    const same = await open('small')
    same.eval()
    await same.loadStateDict(await model.stateDict(), { strict: false })
    model.eval()
    // Convolution and BatchNorm are one operation there: other rounding, on boxes of some hundred pixels.
    expect(difference(await predict(model), await predict(same))).toBeLessThan(2e-3)
    optimizer.dispose()
  })

  it('an exception in training names the file and what was raised, and the model goes on', async () => {
    const model = await open('fails_in_training')
    model.train()
    await expect(predict(model)).rejects.toMatchObject({
      code: 'ERR_TORCH',
      file: expect.stringMatching(/fails_in_training\.pt$/),
      message: 'TorchScript backbone: forward() failed on Float[2,3,207,207]: ValueError: no training today',
    })
    model.eval()
    expect(await predict(model)).toHaveLength(3)
  })
})

describe('precision and layout', () => {
  let expected: Float32Array[]
  let gradient: Float32Array
  const gradientOf = async (model: Model): Promise<Float32Array> => numbers((await model.gradients(['basemodel.stem.0.weight'])).get('basemodel.stem.0.weight')!) as Float32Array
  beforeAll(async () => {
    const model = await open('small')
    expected = await predict(model)
    await backward(model)
    gradient = await gradientOf(model)
  })

  it('channels_last: the script computes exactly as before', async () => {
    const plain = await open('small')
    await predict(plain)
    await backward(plain)
    const running = (await stateOf(plain)).get('basemodel.norm.running_var')
    for (const name of ['small', 'strides_of_its_own']) {
      const model = await open(name, { memoryFormat: 'channels_last' })
      expect(difference(await predict(model), expected), name).toBeLessThan(2e-4)
      await backward(model)
      expect(maxAbsDifference(await gradientOf(model), gradient), name).toBeLessThan(1e-4 * l2(gradient))
      expect((await stateOf(model)).get('basemodel.norm.running_var'), name).toEqual(running)
    }
  })

  it('bf16: the script runs under autocast, its parameters and statistics stay float32', async () => {
    const model = await open('small', { precision: 'bf16' })
    for (const info of model.describe()) expect(info.dtype, info.name).toBe(info.name.endsWith('num_batches_tracked') ? 'int64' : 'float32')
    const predicted = await predict(model)
    const scale = Math.max(...expected[0]!.map(Math.abs))
    const off = maxAbsDifference(predicted[0]!, expected[0]!) / scale
    expect(off).toBeGreaterThan(1e-4)
    expect(off).toBeLessThan(0.1)
    await backward(model)
    const own = await gradientOf(model)
    expect(maxAbsDifference(own, gradient)).toBeLessThan(0.2 * l2(gradient))
    expect(own.some((value, i) => value !== gradient[i])).toBe(true)
  })

  it('bf16: a step changes what the next forward computes (no cast weight is kept)', async () => {
    const model = await open('small', { precision: 'bf16' })
    model.eval()
    const before = await predict(model)
    const optimizer = new Optimizer(model, { lr: 0.5, groups: [{ name: 'backbone', ratio: 1, parameters: model.parameterNames().filter((name) => name.startsWith('basemodel.')) }] })
    await backward(model)
    await optimizer.step()
    expect(difference(await predict(model), before)).toBeGreaterThan(0)
    optimizer.dispose()
  })
})
