/** The moving average of the weights against the recurrence computed here in double precision. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CheckpointTensor, stateSha256 } from '../../lib/checkpoint/index.ts'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { emaDecayAt } from '../../lib/engine/ema-decay.ts'
import { Ema } from '../../lib/engine/ema.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'

let model: Model
let batch: TensorDict
beforeAll(async () => {
  model = await tinyModel({ memoryFormat: 'channels_last' })
  batch = tinyBatch(3)
})
afterAll(() => {
  disposeAll(batch)
  model.dispose()
})

type Values = Map<string, Float64Array>
const decoded = (table: readonly NamedRawTensor[]): Values => new Map(table.map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))
const asMap = (table: readonly NamedRawTensor[]): Map<string, CheckpointTensor> => new Map(table.map((entry) => [entry.name, CheckpointTensor.fromRaw(entry)]))

async function trainStep(optimizer: Optimizer): Promise<boolean | null> {
  optimizer.zeroGrad()
  const loss = await totalLoss(model, batch)
  const scaled = optimizer.gradScaler === null ? loss : await optimizer.gradScaler.scale(loss)
  await scaled.backward()
  if (scaled !== loss) scaled.dispose()
  loss.dispose()
  return optimizer.step()
}

/** fp32: one rounding an update. */
function expectFollows(actual: Values, expected: Values, updates: number): void {
  for (const [name, values] of expected) {
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    const worst = actual.get(name)!.reduce((most, v, i) => Math.max(most, Math.abs(v - values[i]!)), 0)
    expect(worst, name).toBeLessThanOrEqual(updates * 1.2e-7 * largest)
  }
}

describe('Ema', () => {
  it.each([
    { decay: 0.9, warmup: 0 },
    { decay: 0.9, warmup: 10 },
    { decay: 0.3, warmup: 4 },
  ])('is shadow + (1 − d)·(value − shadow) for weights and running statistics, with $decay and a warm-up of $warmup', async ({ decay, warmup }) => {
    using optimizer = new Optimizer(model, { lr: 0.05, ema: new Ema(model, { decay, warmup }) })
    const ema = optimizer.ema as Ema
    const shadow = decoded(await model.stateDict()) // the weights before the first step
    const steps = 6
    for (let t = 0; t < steps; t++) {
      expect(ema.updates).toBe(t)
      // BatchNorm's statistics move in the forward pass, before the first step: the average begins just before that step.
      if (t === 0) {
        optimizer.zeroGrad()
        const loss = await totalLoss(model, batch)
        await loss.backward()
        loss.dispose()
        for (const [name, values] of decoded(await model.stateDict())) if (/running_/.test(name)) shadow.set(name, values)
        await optimizer.step()
      } else await trainStep(optimizer)
      const d = warmup <= 1 ? decay : Math.min(decay, (1 + t) / (warmup + t))
      for (const [name, values] of decoded(await model.stateDict())) {
        const old = shadow.get(name)!
        shadow.set(name, name.endsWith('num_batches_tracked') ? values : Float64Array.from(values, (v, i) => old[i]! + (1 - d) * (v - old[i]!)))
      }
    }
    const average = await ema.stateDict()
    expect(average.map(({ name }) => name)).toEqual((await model.stateDict()).map(({ name }) => name))
    expectFollows(decoded(average), shadow, steps)
    // And it is not simply the weights.
    expect(await stateSha256(average)).not.toBe(await stateSha256(await model.stateDict()))
  })

  it('has the decays of its warm-up', () => {
    expect([0, 1, 90, 1e6].map((t) => emaDecayAt(t, 0.999, 10))).toEqual([0.1, 2 / 11, 0.91, 0.999])
    expect([emaDecayAt(0, 0.999, 0), emaDecayAt(0, 0.999, 1)]).toEqual([0.999, 0.999])
  })

  it('leaves frozen weights where they are, bit by bit', async () => {
    const names = model.parameterNames().filter((name) => name.startsWith('basemodel.conv1.conv'))
    model.setRequiresGrad(names, false)
    using optimizer = new Optimizer(model, { lr: 0.05, ema: new Ema(model, { decay: 0.9 }) })
    for (let t = 0; t < 3; t++) await trainStep(optimizer)
    model.setRequiresGrad(names, true)
    const average = new Map((await optimizer.ema!.stateDict()).map((entry) => [entry.name, entry.data]))
    for (const { name, data } of await model.stateDict()) if (names.includes(name)) expect(Buffer.compare(average.get(name)!, data), name).toBe(0)
  })

  it('stays where a gradient scaler skips the step', async () => {
    using optimizer = new Optimizer(model, { lr: 0.05, gradScaler: new GradScaler({ initScale: 8 }), ema: new Ema(model, { decay: 0.9 }) })
    expect(await trainStep(optimizer)).toBe(true)
    const before = await stateSha256(await optimizer.ema!.stateDict())
    await optimizer.gradScaler!.loadStateDict({ ...(await optimizer.gradScaler!.stateDict()), scale: 3e38 })
    expect(await trainStep(optimizer)).toBe(false)
    expect([optimizer.ema!.updates, await stateSha256(await optimizer.ema!.stateDict())]).toEqual([1, before])
  })

  it('goes on from a saved average bit by bit, and begins anew after reset()', async () => {
    const start = await model.stateDict()
    const first = new Optimizer(model, { lr: 0.05, momentum: 0, ema: new Ema(model, { decay: 0.9 }) })
    for (let t = 0; t < 2; t++) await trainStep(first)
    const [weights, saved] = [await model.stateDict(), await first.ema!.stateDict()]
    await trainStep(first)
    const expected = await stateSha256(await first.ema!.stateDict())
    first.dispose()

    await model.loadStateDict(weights)
    using second = new Optimizer(model, { lr: 0.05, momentum: 0, ema: new Ema(model, { decay: 0.9 }) })
    await second.ema!.loadStateDict(asMap(saved), 2)
    await trainStep(second)
    expect(second.ema!.updates).toBe(3)
    expect(await stateSha256(await second.ema!.stateDict())).toBe(expected)

    second.ema!.reset()
    await model.loadStateDict(start)
    expect(second.ema!.updates).toBe(0)
    expect(await stateSha256(await second.ema!.stateDict())).toBe(await stateSha256(start))
  })

  it('refuses an average of another model and stays as it was', async () => {
    using ema = new Ema(model, { decay: 0.9 })
    await ema.update()
    const table = await ema.stateDict()
    const before = await stateSha256(table)
    const other = table.map((entry, i) => (i === 0 ? { ...entry, shape: [1], data: entry.data.slice(0, 4) } : entry))
    await expect(ema.loadStateDict(asMap(other), 1, 'x.pkl')).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', file: 'x.pkl' })
    await expect(ema.loadStateDict(asMap(table.slice(1)), 1)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringContaining('missing') })
    // The addon itself checks too.
    const native = loadAddon().createEma(model.native)
    await expect(native.loadStateDict(table.slice(1))).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(/Ema\.loadStateDict: expected '.*' but it is missing/) })
    await expect(native.loadStateDict(other)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(/of shape .* but received \[1\]/) })
    native.dispose()
    expect(await stateSha256(await ema.stateDict())).toBe(before)
  })

  it('refuses numbers out of range, and use after dispose()', async () => {
    for (const options of [{ decay: 1 }, { decay: -0.1 }, { decay: Number.NaN }, { decay: 0.9, warmup: -1 }, { decay: 0.9, warmup: 2.5 }]) {
      expect(() => new Ema(model, options), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    }
    const ema = new Ema(model, { decay: 0.9 })
    ema.dispose()
    ema.dispose()
    expect(() => ema.begin()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    await expect(ema.stateDict()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('is freed with its optimizer', async () => {
    const live = loadAddon().memory().liveHandles
    new Optimizer(model, { ema: new Ema(model, { decay: 0.9 }) }).dispose()
    expect(loadAddon().memory().liveHandles).toBe(live)
  })
})
