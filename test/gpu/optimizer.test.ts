/** SGD, clipping, scaling and the average of the weights on CUDA, against the same sums in double precision. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { Ema } from '../../lib/engine/ema.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { Optimizer, type OptimizerOptions } from '../../lib/engine/optimizer.ts'
import { toDevice } from '../../lib/engine/to-device.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'
import { describeOnGpu } from './helpers/cuda.ts'

type Values = Map<string, Float64Array>

const decoded = (entries: readonly NamedRawTensor[]): Values => new Map(entries.map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))

/**
 * float32 against double precision: errors are measured against the largest value (eps / 2 = 6e-8 for each of a handful of operations).
 * @param summands  what the values are sums of: where those cancel, the error is theirs
 */
function expectClose(actual: Float64Array, expected: Float64Array, what: string, summands: readonly Float64Array[] = []): void {
  let worst = 0
  let largest = 0
  for (const values of summands) for (const value of values) largest = Math.max(largest, Math.abs(value))
  for (const [i, value] of expected.entries()) {
    worst = Math.max(worst, Math.abs(actual[i]! - value))
    largest = Math.max(largest, Math.abs(value))
  }
  expect(worst, what).toBeLessThanOrEqual(5e-7 * largest)
}

describeOnGpu('the optimizer', (device) => {
  let model: Model
  let batch: TensorDict
  beforeAll(async () => {
    model = await tinyModel({ device })
    const there = tinyBatch(1)
    batch = await toDevice(there, device)
    disposeAll(there)
  })
  afterAll(() => {
    disposeAll(batch)
    model.dispose()
  })

  const parameters = async (): Promise<Values> => {
    const names = new Set(model.parameterNames())
    return decoded((await model.stateDict()).filter(({ name }) => names.has(name)))
  }
  const gradients = async (): Promise<Values> => new Map(Array.from(await model.gradients(), ([name, raw]) => [name, decodeFloat64(raw!.dtype, raw!.data)]))

  async function backward(optimizer: Optimizer): Promise<void> {
    optimizer.zeroGrad()
    const loss = await totalLoss(model, batch)
    if (optimizer.gradScaler === null) await loss.backward()
    else {
      const scaled = await optimizer.gradScaler.scale(loss)
      await scaled.backward()
      scaled.dispose()
      await optimizer.gradScaler.unscale(optimizer.native)
    }
    loss.dispose()
  }

  const names = (): string[] => model.parameterNames()
  const isBackbone = (name: string): boolean => name.startsWith('basemodel')

  describe.each<[string, OptimizerOptions, scaled: boolean]>([
    ['momentum and decay', { momentum: 0.9, weightDecay: 0.01 }, false],
    ['dampening', { momentum: 0.9, weightDecay: 0.01, dampening: 0.3 }, false],
    ['nesterov', { momentum: 0.9, weightDecay: 0.01, nesterov: true }, false],
    ['no momentum', { momentum: 0, weightDecay: 0.01 }, false],
    ['scaled gradients', { momentum: 0.9, weightDecay: 0.01 }, true],
  ])('%s', (_what, options, scaled) => {
    it('steps each group at its own rate, three times', async () => {
      using optimizer = new Optimizer(model, {
        ...options,
        lr: 0.02,
        gradScaler: scaled ? new GradScaler() : null,
        groups: [
          { name: 'backbone', ratio: 0.1, parameters: names().filter(isBackbone) },
          { name: 'other', ratio: 1, parameters: names().filter((name) => !isBackbone(name)) },
        ],
      })
      const { momentum = 0, weightDecay = 0, dampening = 0, nesterov = false } = options
      const buffers: Values = new Map()
      for (let step = 0; step < 3; step++) {
        await backward(optimizer)
        const [before, grads] = [await parameters(), await gradients()]
        await optimizer.step()
        const [after, kept] = [await parameters(), decoded(await optimizer.native.momentumBuffers())]
        for (const name of names()) {
          const lr = 0.02 * (isBackbone(name) ? 0.1 : 1)
          const decayed = grads.get(name)!.map((g, i) => g + weightDecay * before.get(name)![i]!)
          const old = buffers.get(name)
          const buffer = old === undefined ? decayed : decayed.map((g, i) => momentum * old[i]! + (1 - dampening) * g)
          const direction = nesterov ? decayed.map((g, i) => g + momentum * buffer[i]!) : momentum === 0 ? decayed : buffer
          expectClose(after.get(name)!, before.get(name)!.map((p, i) => p - lr * direction[i]!), `${name}, step ${step}`)
          if (momentum === 0) continue
          expectClose(kept.get(name)!, buffer, `the momentum of ${name}, step ${step}`, [grads.get(name)!, ...(old === undefined ? [] : [old])])
          // From the device's own, so that an error of one step is not counted in the next.
          buffers.set(name, kept.get(name)!)
        }
      }
    })
  })

  it('knows the norm of the gradients, and clips to it', async () => {
    using optimizer = new Optimizer(model, { lr: 0.001, momentum: 0.9, weightDecay: 0, clipGradNorm: 0.5 })
    await backward(optimizer)
    const norm = Math.sqrt([...(await gradients()).values()].reduce((sum, values) => sum + values.reduce((part, value) => part + value * value, 0), 0))
    expect(Math.abs((await optimizer.gradNorm()) / norm - 1)).toBeLessThan(1e-6)
    expect(norm).toBeGreaterThan(0.5)
    await optimizer.step()
    const clipped = Math.sqrt([...decoded(await optimizer.native.momentumBuffers()).values()].reduce((sum, values) => sum + values.reduce((part, value) => part + value * value, 0), 0))
    expect(Math.abs(clipped / 0.5 - 1)).toBeLessThan(1e-5)
    const { grad_norm: seen } = optimizer.takeExtras()
    expect(Math.abs((await seen!.item()) / norm - 1)).toBeLessThan(1e-6)
    seen!.dispose()
  })

  it('keeps a moving average of the weights', async () => {
    const ema = new Ema(model, { decay: 0.9, warmup: 0 })
    using optimizer = new Optimizer(model, { lr: 0.05, ema })
    let average: Values | null = null
    for (let step = 0; step < 3; step++) {
      await backward(optimizer)
      average ??= await parameters()
      await optimizer.step()
      const now = await parameters()
      const shadow = decoded(await ema.stateDict())
      for (const name of names()) {
        expectClose(shadow.get(name)!, average.get(name)!.map((value, i) => value + 0.1 * (now.get(name)![i]! - value)), `${name}, step ${step}`)
        average.set(name, shadow.get(name)!)
      }
    }
  })
})
