/** Trainers over the addon, on a user's own data: learning, resuming bit by bit, freeing handles, the original's snapshots. */
import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../lib/checkpoint/index.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { Optimizer, type OptimizerOptions } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'
import { tinyBatch, tinyModel, uniforms } from '../helpers/tiny-model.ts'
import { Losses, OwnData } from '../helpers/own-data.ts'

const root = temporaryFolder('trainer')
afterAll(() => removeFolder(root))

const perEpoch = 4

interface Setting extends OptimizerOptions {
  precision?: 'fp32' | 'bf16'
  scaled?: boolean
  name: string
  epochs?: number
}

async function makeTrainer({ name, precision = 'fp32', scaled = false, epochs = 2, ...options }: Setting): Promise<{ trainer: RegularTrainer; losses: Losses; optimizer: Optimizer }> {
  const model = await tinyModel({ precision })
  const freezer = {
    modifyGrad: (epoch: number, iteration?: number): void => {
      if (iteration === undefined) model.setRequiresGrad(model.parameterNames().filter((parameter) => parameter.startsWith('basemodel.conv1.')), epoch >= 1)
    },
  }
  const schedule = { getLr: (epoch: number, iteration: number) => 0.01 / (1 + epoch + iteration / perEpoch) }
  const optimizer = new Optimizer(model, { schedule, gradModifier: freezer, gradScaler: scaled ? new GradScaler({ growthInterval: 3 }) : null, ...options })
  const losses = new Losses()
  const trainer = new RegularTrainer(optimizer, new OwnData(perEpoch), [losses], { progress: 'none', log: () => {}, seed: 3, threads: 1 })
  trainer.setHyperParams({ exp_save: root, exp_name: name, max_epoch: epochs, minibatch: 2, nr_image_per_epoch: 2 * perEpoch })
  trainer.own([model, optimizer])
  return { trainer, losses, optimizer }
}

describe('RegularTrainer', () => {
  it('learns, on parts that a user put together', async () => {
    const model = await tinyModel()
    const losses = new Losses()
    const same: AsyncIterable<TensorDict> = {
      async *[Symbol.asyncIterator]() {
        for (;;) yield tinyBatch(1)
      },
    }
    const trainer = new RegularTrainer(new Optimizer(model, { lr: 0.02 }), same, [losses], { progress: 'none' })
    trainer.setHyperParams({ nr_image_per_epoch: 15 })
    trainer.own([model])
    await trainer.train()
    expect(losses.totals).toHaveLength(15)
    expect(losses.totals.at(-1)).toBeLessThan(0.8 * losses.totals[0]!)
    expect(trainer.isCompleted()).toBe(true)
    await trainer.close()
  })

  it('frees every handle of an iteration', async () => {
    const { trainer } = await makeTrainer({ name: 'handles' })
    await trainer.train({ maxIterations: 1 })
    const { liveHandles } = loadAddon().memory()
    await trainer.train({ maxIterations: 2 })
    expect(loadAddon().memory().liveHandles).toBe(liveHandles)
    await trainer.close()
  })

  it.each([
    ['at an epoch’s end', perEpoch, {}],
    ['in the middle of an epoch', perEpoch + 1, {}],
    ['before the first epoch is done', 3, {}],
    ['with a gradient scaler and bfloat16', 3, { precision: 'bf16' as const, scaled: true }],
  ])('resumes bit-identical %s', async (_where, stopAt, setting) => {
    const name = `resume-${stopAt}-${Object.keys(setting).length}`
    const whole = await makeTrainer({ ...setting, name: `${name}-whole` })
    while (!whole.trainer.isCompleted()) await whole.trainer.train()
    const expected = await whole.trainer.stateSha256()
    const scaler = await whole.optimizer.gradScaler?.stateDict()
    await whole.trainer.close()

    const first = await makeTrainer({ ...setting, name })
    for (let left = stopAt; left > 0; left -= perEpoch) await first.trainer.train({ maxIterations: left })
    await first.trainer.saveSnapshot()
    await first.trainer.close()

    const second = await makeTrainer({ ...setting, name })
    await second.trainer.resume('latest')
    while (!second.trainer.isCompleted()) await second.trainer.train()
    expect(await second.trainer.stateSha256()).toBe(expected)
    expect(second.losses.totals).toEqual(whole.losses.totals.slice(stopAt))
    expect(await second.optimizer.gradScaler?.stateDict()).toEqual(scaler)
    await second.trainer.close()
  })

  it('resumes the random numbers of torch', async () => {
    const { trainer } = await makeTrainer({ name: 'rng' })
    await trainer.train()
    const file = await trainer.saveSnapshot()
    const state = await loadAddon().rngState()
    await (await tinyModel({ seed: 99 })).dispose()
    await loadAddon().setRngState(Uint8Array.from(state, (byte, i) => (i === 8 ? byte ^ 1 : byte)))
    await trainer.resume(file)
    expect(Buffer.compare(await loadAddon().rngState(), state)).toBe(0)
    await trainer.close()
  })

  it("goes on from the original's own snapshot: weights, momentum, epoch", async () => {
    const name = 'original'
    mkdirSync(path.join(root, name))
    const file = path.join(root, name, 'epoch-0.pkl')
    cpSync(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'), file)
    const tensors = (await readCheckpoint(file)).tensors()
    const model = await tinyModel()
    const groups = [
      { name: 'backbone', ratio: 1, parameters: model.parameterNames().filter((parameter) => parameter.includes('basemodel')) },
      { name: 'other', ratio: 1, parameters: model.parameterNames().filter((parameter) => !parameter.includes('basemodel')) },
    ]
    const optimizer = new Optimizer(model, { groups, schedule: { getLr: () => 1e-5 } })
    const data = new OwnData(perEpoch)
    const said: string[] = []
    const trainer = new RegularTrainer(optimizer, data, [], { progress: 'none', log: (line) => said.push(line) })
    trainer.setHyperParams({ exp_save: root, exp_name: name, max_epoch: 2, minibatch: 2, nr_image_per_epoch: 2 })
    trainer.own([model, optimizer])
    await trainer.resume(0)
    expect(said.join('\n')).toMatch(/not written by siamfcpp-native: model, momentum and epoch were taken over/)
    expect(trainer.getPosition()).toEqual({ epoch: 0, iteration: 0 })
    expect(data.cursor).toEqual({ epoch: 1, sample: 0 })
    for (const { name: tensor, data: bytes } of await model.stateDict()) {
      expect(Buffer.compare(bytes, tensors.get(`model_state_dict.${tensor}`)!.contiguousBytes()), tensor).toBe(0)
    }
    expect((await optimizer.native.momentumBuffers()).length).toBe(66)
    await trainer.train()
    expect(trainer.isCompleted()).toBe(true)
    await trainer.close()
  })

  it("refuses another model's snapshot and leaves the weights as they are", async () => {
    const { trainer } = await makeTrainer({ name: 'another' })
    const before = await trainer.stateSha256()
    const file = path.join(root, 'another.pkl')
    cpSync(shared('golden', 'ckpt', 'odd.zip.pkl'), file)
    await expect(trainer.resume(file)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', file })
    expect(await trainer.stateSha256()).toBe(before)
    await trainer.close()
  })

  it('stops when no iteration has a finite loss, with weights that still are', async () => {
    const { trainer, optimizer } = await makeTrainer({ name: 'nonfinite' })
    trainer.setHyperParams({ max_nonfinite: 3 })
    const state = await optimizer.model.stateDict()
    const poisoned = state.map((tensor) => (tensor.name === 'head.si' ? { ...tensor, data: new Uint8Array(new Float32Array([Number.NaN]).buffer) } : tensor))
    await optimizer.model.loadStateDict(poisoned)
    const before = await trainer.stateSha256()
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_NONFINITE', message: expect.stringMatching(/3 iterations in a row were skipped, the first at epoch 0, iteration 0, because the loss reg is NaN/) })
    expect(await optimizer.native.momentumBuffers()).toEqual([])
    expect(await trainer.stateSha256()).toBe(before)
    await trainer.close()
  })

  it('survives data that fails, and goes on', async () => {
    const model = await tinyModel()
    const random = uniforms(1)
    const flaky: AsyncIterable<TensorDict> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          if (random() < 0.5) throw new Error('the disk hiccuped')
          return { done: false, value: tinyBatch(2) }
        },
      }),
    }
    const trainer = new RegularTrainer(new Optimizer(model), flaky, [], { progress: 'none' })
    trainer.setHyperParams({ nr_image_per_epoch: 4 })
    let failures = 0
    while (!trainer.isCompleted()) {
      await trainer.train().catch((error: Error) => {
        expect(error.message).toBe('the disk hiccuped')
        failures++
      })
    }
    expect(failures).toBeGreaterThan(0)
    expect(trainer.getPosition()).toEqual({ epoch: 0, iteration: 0 })
    await trainer.close()
    model.dispose()
  })
})
