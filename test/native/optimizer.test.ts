import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint, stateSha256, type PyDict } from '../../lib/checkpoint/index.ts'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { shared } from '../helpers/shared.ts'
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

async function values(of: Model = model): Promise<Map<string, Float64Array>> {
  return new Map((await of.stateDict()).map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))
}

async function gradients(): Promise<Map<string, Float64Array | null>> {
  return new Map(Array.from(await model.gradients(), ([name, raw]) => [name, raw === null ? null : decodeFloat64(raw.dtype, raw.data)]))
}

async function backward(optimizer: Optimizer, scaler?: GradScaler): Promise<void> {
  optimizer.zeroGrad()
  const loss = await totalLoss(model, batch)
  if (scaler === undefined) await loss.backward()
  else {
    const scaled = await scaler.scale(loss)
    await scaled.backward()
    scaled.dispose()
  }
  loss.dispose()
}

/** fp32 against the same sums in double precision: errors are measured against the largest value. */
function expectClose(actual: Float64Array, expected: (i: number) => number, what: string): void {
  let worst = 0
  let largest = 0
  for (const [i, value] of actual.entries()) {
    worst = Math.max(worst, Math.abs(value - expected(i)))
    largest = Math.max(largest, Math.abs(expected(i)))
  }
  expect(worst, what).toBeLessThanOrEqual(5e-7 * largest)
}

describe('SGD', () => {
  it('steps each group at its own rate, with momentum and decay on everything, as torch', async () => {
    const names = model.parameterNames()
    const isBackbone = (name: string): boolean => name.startsWith('basemodel')
    using optimizer = new Optimizer(model, {
      lr: 0.5,
      momentum: 0.9,
      weightDecay: 0.01,
      groups: [
        { name: 'backbone', ratio: 0.1, parameters: names.filter(isBackbone) },
        { name: 'other', ratio: 1, parameters: names.filter((name) => !isBackbone(name)) },
      ],
      schedule: { getLr: (epoch, iteration) => 0.01 * (epoch + 1) + iteration },
    })
    const buffers = new Map<string, Float64Array>()
    for (const step of [0, 1]) {
      expect(optimizer.schedule(step, 0)).toEqual({ lr: 0.01 * (step + 1) })
      await backward(optimizer)
      const before = await values()
      const grads = await gradients()
      await optimizer.step()
      const after = await values()
      for (const name of names) {
        const lr = 0.01 * (step + 1) * (isBackbone(name) ? 0.1 : 1)
        const p = before.get(name)!
        const g = grads.get(name)!
        const old = buffers.get(name)
        const buffer = Float64Array.from(p, (value, i) => (old === undefined ? 0 : 0.9 * old[i]!) + g[i]! + 0.01 * value)
        buffers.set(name, buffer)
        expectClose(after.get(name)!, (i) => p[i]! - lr * buffer[i]!, `${name} after step ${step}`)
      }
    }
    const momentum = await optimizer.native.momentumBuffers()
    expect(momentum.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
    for (const { name, dtype, data } of momentum) expectClose(decodeFloat64(dtype, data), (i) => buffers.get(name)![i]!, `momentum of ${name}`)
  })

  it('leaves frozen parameters and what is in no group alone', async () => {
    const names = model.parameterNames()
    const frozen = names.filter((name) => name.startsWith('basemodel.conv1'))
    const ungrouped = names.filter((name) => name.startsWith('c_x'))
    using optimizer = new Optimizer(model, { lr: 0.1, groups: [{ name: 'some', ratio: 1, parameters: names.filter((name) => !ungrouped.includes(name)) }] })
    model.setRequiresGrad(frozen, false)
    await backward(optimizer)
    const before = await values()
    await optimizer.step()
    const after = await values()
    const changed = names.filter((name) => before.get(name)!.some((value, i) => value !== after.get(name)![i]))
    expect(changed).toEqual(names.filter((name) => !frozen.includes(name) && !ungrouped.includes(name)))
    expect((await gradients()).get(frozen[0]!)).toBeNull()
    model.setRequiresGrad(frozen, true)
  })

  it('writes the state dict that torch writes, and reads it back bit for bit', async () => {
    using optimizer = new Optimizer(model, { lr: 0.25 })
    await backward(optimizer)
    await optimizer.step()
    const state = await optimizer.stateDict()
    const original = (await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))).root as PyDict
    const groupKeys = (dict: PyDict): unknown[] => [...((dict.get('param_groups') as PyDict[])[0] as PyDict).keys()]
    expect(groupKeys(state)).toEqual(groupKeys(original.get('optimizer_state_dict') as PyDict))
    expect([...(state.get('state') as PyDict).keys()]).toEqual(model.parameterNames().map((_, id) => id))
    using other = new Optimizer(model)
    await other.loadStateDict(state)
    expect(other.lr).toBe(0.25)
    expect(await stateSha256(await other.native.momentumBuffers())).toBe(await stateSha256(await optimizer.native.momentumBuffers()))
  })

  it("takes the original's momentum by its numbers", async () => {
    const { optimizer_param_id_to_name: ids } = JSON.parse(readFileSync(shared('golden', 'ckpt', 'tinyconv_optimizer_ids.json'), 'utf8')) as { optimizer_param_id_to_name: string[] }
    const root = (await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))).root as PyDict
    using optimizer = new Optimizer(model, {
      groups: [
        { name: 'backbone', ratio: 1, parameters: model.parameterNames().filter((name) => name.includes('basemodel')) },
        { name: 'other', ratio: 1, parameters: model.parameterNames().filter((name) => !name.includes('basemodel')) },
      ],
    })
    await optimizer.loadStateDict(root.get('optimizer_state_dict') as PyDict)
    const state = (root.get('optimizer_state_dict') as PyDict).get('state') as PyDict
    const momentum = new Map((await optimizer.native.momentumBuffers()).map((buffer) => [buffer.name, buffer]))
    for (const [id, name] of ids.entries()) {
      const expected = (state.get(id) as PyDict).get('momentum_buffer') as { contiguousBytes(): Uint8Array }
      expect(Buffer.compare(momentum.get(name)!.data, expected.contiguousBytes()), name).toBe(0)
    }
    const ungrouped = new Optimizer(model)
    await expect(ungrouped.loadStateDict(root.get('optimizer_state_dict') as PyDict)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
    ungrouped.dispose()
  })

  it('refuses wrong numbers, unknown parameters and a parameter in two groups', () => {
    const [first] = model.parameterNames()
    const wrong = (options: ConstructorParameters<typeof Optimizer>[1]): string => {
      try {
        new Optimizer(model, options).dispose()
      } catch (error) {
        return (error as { code: string }).code
      }
      return 'accepted'
    }
    expect(wrong({ lr: -1 })).toBe('ERR_CONFIG')
    expect(wrong({ momentum: Number.NaN })).toBe('ERR_CONFIG')
    expect(wrong({ nesterov: true, momentum: 0 })).toBe('ERR_CONFIG')
    expect(wrong({ groups: [{ name: 'a', ratio: 1, parameters: ['nothing'] }] })).toBe('ERR_CONFIG')
    expect(wrong({ groups: [{ name: 'a', ratio: 1, parameters: [] }] })).toBe('ERR_CONFIG')
    expect(wrong({ groups: [{ name: 'a', ratio: 1, parameters: [first!] }, { name: 'b', ratio: 1, parameters: [first!] }] })).toBe('ERR_CONFIG')
    expect(wrong({})).toBe('accepted')
  })

  it('after dispose() throws ERR_DISPOSED; disposing twice does nothing', async () => {
    const optimizer = new Optimizer(model)
    optimizer.dispose()
    optimizer.dispose()
    expect(() => optimizer.zeroGrad()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    await expect(optimizer.step()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('GradScaler', () => {
  it('scales the loss, and unscaling gives the plain gradients back', async () => {
    using optimizer = new Optimizer(model, { lr: 0 })
    using scaler = new GradScaler({ initScale: 1024 })
    await backward(optimizer)
    const plain = await gradients()
    await backward(optimizer, scaler)
    const scaled = await gradients()
    const bias = plain.get('head.bi')![0]!
    expect(scaled.get('head.bi')![0]! / bias).toBeCloseTo(1024, 1)
    await scaler.unscale(optimizer.native)
    expect((await gradients()).get('head.bi')![0]! / bias).toBeCloseTo(1, 4)
    expect(await scaler.step(optimizer.native)).toBe(true)
    await scaler.update()
  })

  it('grows after enough good steps and backs off after a bad one, which it skips', async () => {
    using scaler = new GradScaler({ initScale: 8, growthInterval: 2 })
    const optimizer = new Optimizer(model, { lr: 0.001, gradScaler: scaler })
    for (const expected of [{ scale: 8, _growth_tracker: 1 }, { scale: 16, _growth_tracker: 0 }, { scale: 16, _growth_tracker: 1 }]) {
      await backward(optimizer, scaler)
      expect(await optimizer.step()).toBe(true)
      expect(await scaler.stateDict()).toMatchObject(expected)
    }
    await scaler.loadStateDict({ ...(await scaler.stateDict()), scale: 3e38 })
    const hashes = async (): Promise<string[]> => [await stateSha256(await model.stateDict()), await stateSha256(await optimizer.native.momentumBuffers())]
    const before = await hashes()
    await backward(optimizer, scaler)
    expect(await optimizer.step()).toBe(false)
    expect(await hashes()).toEqual(before)
    const after = await scaler.stateDict()
    expect(after._growth_tracker).toBe(0)
    expect(after.scale / 1.5e38).toBeCloseTo(1, 5)
    optimizer.dispose()
  })

  it('keeps its state as torch does', async () => {
    using scaler = new GradScaler()
    expect(await scaler.stateDict()).toEqual({ scale: 65536, growth_factor: 2, backoff_factor: 0.5, growth_interval: 2000, _growth_tracker: 0 })
    const state = { scale: 32, growth_factor: 4, backoff_factor: 0.25, growth_interval: 7, _growth_tracker: 5 }
    await scaler.loadStateDict(state)
    expect(await scaler.stateDict()).toEqual(state)
    await expect(scaler.loadStateDict({ ...state, scale: undefined })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
  })

  it('refuses factors that cannot work, and use after dispose()', async () => {
    for (const options of [{ initScale: 0 }, { growthFactor: 1 }, { backoffFactor: 1 }, { growthInterval: 0 }]) {
      expect(() => new GradScaler(options), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    }
    const scaler = new GradScaler()
    scaler.dispose()
    scaler.dispose()
    await expect(scaler.stateDict()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})
