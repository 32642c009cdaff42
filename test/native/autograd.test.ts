import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { tinyBatch, tinyModel, totalLoss, uniforms } from '../helpers/tiny-model.ts'

describe('Tensor', () => {
  it('copies in and out in every dtype', async () => {
    const cases = [
      [new Float32Array([1.5, -2]), 'float32'],
      [new Float64Array([Math.PI, 1e300]), 'float64'],
      [new BigInt64Array([-1n, 2n ** 62n]), 'int64'],
      [new Int32Array([-5, 7]), 'int32'],
      [new Int16Array([-5, 7]), 'int16'],
      [new Int8Array([-5, 7]), 'int8'],
      [new Uint8Array([0, 255]), 'uint8'],
    ] as const
    for (const [data, dtype] of cases) {
      using tensor = Tensor.from(data, [2, 1])
      expect([tensor.dtype, tensor.shape, tensor.device]).toEqual([dtype, [2, 1], 'cpu'])
      expect(await tensor.toTypedArray()).toEqual(data)
    }
    using half = Tensor.from(new Uint16Array([0x3c00, 0xc000]), [2], { dtype: 'float16' })
    expect(await half.toTypedArray()).toEqual(new Uint16Array([0x3c00, 0xc000]))
    using scalar = Tensor.from(new Float32Array([0.25]), [])
    expect([scalar.shape, await scalar.item()]).toEqual([[], 0.25])
    using empty = Tensor.from(new Float32Array(0), [0, 4])
    expect(await empty.toTypedArray()).toEqual(new Float32Array(0))
  })

  it('does not see what happens to the array afterwards', async () => {
    const data = new Float32Array([1, 2])
    using tensor = Tensor.from(data, [2])
    data[0] = 9
    expect(await tensor.toTypedArray()).toEqual(new Float32Array([1, 2]))
  })

  it('refuses what does not fit, with the numbers', () => {
    const code = (make: () => Tensor): string => {
      try {
        make().dispose()
      } catch (error) {
        return (error as { code: string }).code
      }
      return 'accepted'
    }
    expect(code(() => Tensor.from(new Float32Array(3), [2, 2]))).toBe('ERR_SHAPE')
    expect(code(() => Tensor.from([1, 2] as unknown as Float32Array, [2]))).toBe('ERR_ARGUMENT')
    expect(code(() => Tensor.from(new Float32Array(2), [-2]))).toBe('ERR_ARGUMENT')
    expect(code(() => Tensor.from(new Uint16Array(2), [2]))).toBe('ERR_ARGUMENT')
    expect(code(() => Tensor.from(new Float32Array(2), [2], { device: 'cuda' }))).toBe('ERR_DEVICE')
    expect(code(() => Tensor.from(new Float32Array(2), [2], { device: 'toaster' }))).toBe('ERR_ARGUMENT')
    expect(code(() => Tensor.from(new Float32Array(2), [2]))).toBe('accepted')
  })

  it('after dispose() throws ERR_DISPOSED; disposing twice does nothing', async () => {
    const tensor = Tensor.from(new Float32Array(2), [2])
    tensor.dispose()
    tensor[Symbol.dispose]()
    expect(tensor.disposed).toBe(true)
    await expect(tensor.toTypedArray()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect(() => tensor.shape).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
  })

  it('of many elements has no item()', async () => {
    using tensor = Tensor.from(new Float32Array(2), [2])
    await expect(tensor.item()).rejects.toMatchObject({ code: 'ERR_SHAPE' })
  })
})

describe('xcorrDepthwise', () => {
  it('slides each channel of the template over its search channel', async () => {
    const [n, c, h, k] = [2, 3, 7, 4]
    const random = uniforms(3)
    const x = Float32Array.from({ length: n * c * h * h }, random)
    const z = Float32Array.from({ length: n * c * k * k }, random)
    using xTensor = Tensor.from(x, [n, c, h, h])
    using zTensor = Tensor.from(z, [n, c, k, k], { requiresGrad: true })
    using out = new Tensor(await loadAddon().xcorrDepthwise(xTensor.native, zTensor.native))
    const size = h - k + 1
    expect(out.shape).toEqual([n, c, size, size])
    const got = (await out.toTypedArray()) as Float32Array
    for (let plane = 0; plane < n * c; plane++) {
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          let sum = 0
          for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) sum += x[plane * h * h + (i + a) * h + j + b]! * z[plane * k * k + a * k + b]!
          expect(got[plane * size * size + i * size + j]).toBeCloseTo(sum, 4)
        }
      }
    }
    await expect(xTensor.gradient()).resolves.toBeNull()
    // The gradient of the sum with respect to the template is the sum of the search cells that each of its cells meets.
    using ones = Tensor.from(new Float32Array(n * c * size * size).fill(1), out.shape)
    await out.backward(ones)
    const slope = (await zTensor.gradient()) as Float32Array
    let met = 0
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) met += x[i * h + j]!
    expect(slope[0]).toBeCloseTo(met, 4)
    using small = Tensor.from(new Float32Array(n * c * 9), [n, c, 3, 3])
    await expect(loadAddon().xcorrDepthwise(small.native, zTensor.native)).rejects.toMatchObject({ code: 'ERR_SHAPE' })
  })
})

describe('backward', () => {
  let model: Model
  let batch: TensorDict
  beforeAll(async () => {
    model = await tinyModel()
    batch = tinyBatch(4)
  })
  afterAll(() => {
    disposeAll(batch)
    model.dispose()
  })

  it('gives the slope that the loss has', async () => {
    const lossAt = async (): Promise<number> => {
      using loss = await totalLoss(model, batch)
      return loss.item()
    }
    using loss = await totalLoss(model, batch)
    await loss.backward()
    const names = ['head.si', 'head.bi', 'head.ctr_score_p5.bn.bias', 'head.cls_score_p5.bn.bias']
    const slopes = await model.gradients(names)
    const state = await model.stateDict()
    for (const name of names) {
      const entry = state.find((tensor) => tensor.name === name)!
      const at = decodeFloat64('float32', entry.data)[0]!
      const step = 2e-2
      const values: number[] = []
      for (const value of [at + step, at - step, at]) {
        await model.loadStateDict([{ ...entry, data: new Uint8Array(new Float32Array([value]).buffer) }], { strict: false })
        values.push(await lossAt())
      }
      const slope = decodeFloat64('float32', slopes.get(name)!.data)[0]!
      const measured = (values[0]! - values[1]!) / (2 * step)
      expect(Math.abs(measured - slope), `${name}: measured ${measured}, computed ${slope}`).toBeLessThan(0.02 * Math.abs(slope) + 1e-3)
    }
  })

  it('consumes the graph, and wants one', async () => {
    using loss = await totalLoss(model, batch)
    await loss.backward()
    await expect(loss.backward()).rejects.toMatchObject({ code: 'ERR_TORCH' })
    using constant = Tensor.from(new Float32Array([1]), [])
    await expect(constant.backward()).rejects.toMatchObject({ code: 'ERR_TORCH' })
  })

  it('leaves no gradient on frozen parameters', async () => {
    const frozen = model.parameterNames().filter((name) => name.startsWith('basemodel'))
    model.setRequiresGrad(frozen, false)
    const { Optimizer } = await import('../../lib/engine/optimizer.ts')
    using optimizer = new Optimizer(model)
    optimizer.zeroGrad()
    using loss = await totalLoss(model, batch)
    await loss.backward()
    for (const [name, gradient] of await model.gradients()) expect(gradient === null, name).toBe(frozen.includes(name))
    model.setRequiresGrad(frozen, true)
    expect(() => model.setRequiresGrad(['nobody'], false)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })
})

describe('Model', () => {
  it('wants its images, and says which is missing or of another shape', async () => {
    using model = await tinyModel()
    const { im_z, im_x, ...rest } = tinyBatch(1)
    await expect(model.forward({ im_z: im_z! })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('im_x') })
    using flat = Tensor.from(new Uint8Array(12), [12])
    await expect(model.forward({ im_z: im_z!, im_x: flat })).rejects.toMatchObject({ code: 'ERR_SHAPE' })
    disposeAll([im_z!, im_x!, ...Object.values(rest)])
  })

  it('takes only a table of its own, and is unchanged by another', async () => {
    using model = await tinyModel()
    const state = await model.stateDict()
    const [first, ...others] = state
    await expect(model.loadStateDict(others)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringContaining(first!.name) })
    await expect(model.loadStateDict([...state, { ...first!, name: 'stranger' }])).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringContaining('stranger') })
    await expect(model.loadStateDict([{ ...first!, shape: [first!.data.byteLength / 4] }, ...others])).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
    expect(await model.loadStateDict(new Map(others.map((tensor) => [tensor.name, tensor])), { strict: false })).toMatchObject({ missing: [first!.name], unexpected: [] })
  })

  it('draws its weights from the seed alone', async () => {
    const { stateSha256 } = await import('../../lib/checkpoint/index.ts')
    const hash = async (seed: number): Promise<string> => {
      using model = await tinyModel({ seed })
      return stateSha256(await model.stateDict())
    }
    expect(await hash(5)).toBe(await hash(5))
    expect(await hash(5)).not.toBe(await hash(6))
  })

  it('refuses a device that is not there', async () => {
    await expect(tinyModel({ device: 'cuda' })).rejects.toMatchObject({ code: 'ERR_DEVICE' })
  })

  it('after dispose() throws ERR_DISPOSED', async () => {
    const model = await tinyModel()
    model.dispose()
    model.dispose()
    await expect(model.stateDict()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})
