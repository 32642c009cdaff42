/** Clipping against torch's formulas, computed here in double precision; alone and behind a gradient scaler. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stateSha256 } from '../../lib/checkpoint/index.ts'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { Optimizer, type OptimizerOptions } from '../../lib/engine/optimizer.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'

let model: Model
let batch: TensorDict
beforeAll(async () => {
  model = await tinyModel()
  batch = tinyBatch(1)
})
afterAll(() => {
  disposeAll(batch)
  model.dispose()
})

async function gradients(): Promise<Map<string, Float64Array>> {
  return new Map(Array.from(await model.gradients(), ([name, raw]) => [name, raw === null ? new Float64Array() : decodeFloat64(raw.dtype, raw.data)]))
}

async function weights(): Promise<Map<string, Float64Array>> {
  return new Map((await model.stateDict()).map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))
}

/** Backward, then one step; returns the gradients from before and from after clipping, and the extras that monitors get. */
async function stepWith(options: OptimizerOptions, scale = 1): Promise<{ before: Map<string, Float64Array>; after: Map<string, Float64Array>; norm: number | undefined; stepped: boolean | null }> {
  const gradScaler = scale === 1 ? null : new GradScaler({ initScale: scale })
  using optimizer = new Optimizer(model, { lr: 0, momentum: 0, weightDecay: 0, gradScaler, ...options })
  optimizer.zeroGrad()
  const loss = await totalLoss(model, batch)
  const scaled = gradScaler === null ? loss : await gradScaler.scale(loss)
  await scaled.backward()
  if (scaled !== loss) scaled.dispose()
  loss.dispose()
  const before = await gradients()
  const stepped = await optimizer.step()
  const { grad_norm: norm } = optimizer.takeExtras()
  const value = await norm?.item()
  norm?.dispose()
  return { before, after: await gradients(), norm: value, stepped }
}

const norm = (all: Map<string, Float64Array>): number => Math.sqrt([...all.values()].reduce((sum, values) => sum + values.reduce((s, v) => s + v * v, 0), 0))

/** fp32 arithmetic: largest error relative to the largest value of the tensor. */
function expectClose(actual: Map<string, Float64Array>, expected: (name: string, i: number) => number, tolerance = 1e-6): void {
  for (const [name, values] of actual) {
    let worst = 0
    let largest = 0
    for (const [i, value] of values.entries()) {
      worst = Math.max(worst, Math.abs(value - expected(name, i)))
      largest = Math.max(largest, Math.abs(expected(name, i)))
    }
    expect(worst, name).toBeLessThanOrEqual(tolerance * largest)
  }
}

describe('clip_grad_norm', () => {
  it('multiplies every gradient by max / (norm + 1e-6) where the norm is larger', async () => {
    const { before, after, norm: seen } = await stepWith({ clipGradNorm: 0.25 })
    const total = norm(before)
    expect(total).toBeGreaterThan(0.5) // else nothing would be clipped
    expect(Math.abs((seen as number) / total - 1)).toBeLessThan(1e-6)
    expectClose(after, (name, i) => before.get(name)![i]! * (0.25 / (total + 1e-6)))
    expect(norm(after)).toBeLessThanOrEqual(0.25 * (1 + 1e-6))
  })

  it('leaves smaller ones as they are, bit by bit, and still tells the norm', async () => {
    const { before, after, norm: seen } = await stepWith({ clipGradNorm: 1e6 })
    for (const [name, values] of after) expect(values.every((v, i) => v === before.get(name)![i]), name).toBe(true)
    expect(Math.abs((seen as number) / norm(before) - 1)).toBeLessThan(1e-6)
  })

  it('counts every group into one norm, frozen parameters out of it', async () => {
    const names = model.parameterNames()
    const frozen = names.filter((name) => name.startsWith('c_x'))
    model.setRequiresGrad(frozen, false)
    const half = Math.floor(names.length / 2)
    const groups = [{ name: 'a', ratio: 1, parameters: names.slice(0, half) }, { name: 'b', ratio: 0.1, parameters: names.slice(half) }]
    const { before, after } = await stepWith({ clipGradNorm: 0.25, groups })
    model.setRequiresGrad(frozen, true)
    expect(frozen.every((name) => before.get(name)!.length === 0)).toBe(true)
    const total = norm(before)
    expectClose(after, (name, i) => before.get(name)![i]! * (0.25 / (total + 1e-6)))
  })

  it('has a norm of 0 where nothing has a gradient', async () => {
    using optimizer = new Optimizer(model, { clipGradNorm: 1, clipGradValue: 1 })
    optimizer.zeroGrad()
    await optimizer.step()
    const { grad_norm: none } = optimizer.takeExtras()
    expect(await none!.item()).toBe(0)
    none!.dispose()
  })
})

describe('clip_grad_value', () => {
  it('limits every element to ± the value', async () => {
    const limit = 0.001
    const { before, after, norm: seen } = await stepWith({ clipGradValue: limit })
    const float = Math.fround(limit)
    expect([...before.values()].some((values) => values.some((v) => Math.abs(v) > limit))).toBe(true)
    for (const [name, values] of after) expect(values.every((v, i) => v === Math.min(float, Math.max(-float, before.get(name)![i]!))), name).toBe(true)
    expect(seen).toBeUndefined()
  })

  it('comes before the norm where both are asked for', async () => {
    const limit = Math.fround(0.01)
    const { before, after, norm: seen } = await stepWith({ clipGradValue: limit, clipGradNorm: 0.05 })
    const clamped = new Map(Array.from(before, ([name, values]) => [name, Float64Array.from(values, (v) => Math.min(limit, Math.max(-limit, v)))]))
    const total = norm(clamped)
    expect(total).toBeGreaterThan(0.05)
    // torch adds squares up in fp32: with most of a tensor's elements at the limit their errors do not cancel (measured 2.3e-5).
    expect(Math.abs((seen as number) / total - 1)).toBeLessThan(1e-4)
    expectClose(after, (name, i) => clamped.get(name)![i]! * (0.05 / (total + 1e-6)), 1e-4)
  })
})

describe('behind a gradient scaler', () => {
  it('the limits are meant for the unscaled gradients', async () => {
    // A scale of 2^k changes exponents only, so the unscaled gradients are the plain ones.
    const { before: plain } = await stepWith({})
    const { after, norm: seen, stepped } = await stepWith({ clipGradNorm: 0.25 }, 1024)
    expect(stepped).toBe(true)
    const total = norm(plain)
    expect(Math.abs((seen as number) / total - 1)).toBeLessThan(1e-5)
    expectClose(after, (name, i) => plain.get(name)![i]! * (0.25 / (total + 1e-6)), 2e-5)
  })

  it('a step that the scaler skips changes nothing and has no norm to tell', async () => {
    const parameters = async (): Promise<string> => stateSha256((await model.stateDict()).filter(({ name }) => model.parameterNames().includes(name)))
    const before = await parameters()
    const { stepped, norm: seen } = await stepWith({ lr: 1, clipGradNorm: 0.25, clipGradValue: 1 }, 3e38)
    expect([stepped, seen]).toEqual([false, undefined])
    expect(await parameters()).toBe(before)
  })
})

describe('handles and numbers', () => {
  it('a norm that nobody takes is freed at the next step and with the optimizer', async () => {
    const live = loadAddon().memory().liveHandles
    const optimizer = new Optimizer(model, { lr: 0, clipGradNorm: 1 })
    optimizer.zeroGrad()
    for (let step = 0; step < 3; step++) {
      await optimizer.step()
      expect(loadAddon().memory().liveHandles).toBe(live + 2) // the optimizer and one norm
    }
    optimizer.dispose()
    expect(loadAddon().memory().liveHandles).toBe(live)
  })

  it('an unclipped optimizer has no extras', async () => {
    using optimizer = new Optimizer(model, { lr: 0 })
    optimizer.zeroGrad()
    await optimizer.step()
    expect(optimizer.takeExtras()).toEqual({})
  })

  it.each([{ clipGradNorm: -1 }, { clipGradValue: Number.NaN }, { clipGradNorm: Infinity }, { accumulateBatches: 0 }, { accumulateBatches: 1.5 }])('refuses %j', (options) => {
    expect(() => new Optimizer(model, options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it('steps with the clipped gradients', async () => {
    const before = await weights()
    const { after: clipped } = await stepWith({ lr: 0.5, clipGradValue: 0.001 })
    const now = await weights()
    for (const name of model.parameterNames()) {
      const p = before.get(name)!
      const g = clipped.get(name)!
      expect(Math.max(...now.get(name)!.map((v, i) => Math.abs(v - (p[i]! - 0.5 * g[i]!)))), name).toBeLessThan(1e-6)
    }
  })
})
