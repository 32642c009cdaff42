/** accumulate_batches: what one step is made of, and what a trainer, its monitors and its snapshots make of it. */
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readCheckpoint, stateSha256, type PyDict } from '../../lib/checkpoint/index.ts'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { Ema } from '../../lib/engine/ema.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { disposeAll, type Model } from '../../lib/engine/model.ts'
import { Optimizer, type OptimizerOptions } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import type { DataPosition } from '../../lib/engine/trainer-types.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { scoreSize, tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'

const root = temporaryFolder('accumulation')
afterAll(() => removeFolder(root))

type Values = Map<string, Float64Array>

async function gradients(model: Model): Promise<Values> {
  return new Map(Array.from(await model.gradients(), ([name, raw]) => [name, raw === null ? new Float64Array() : decodeFloat64(raw.dtype, raw.data)]))
}

async function plainGradients(model: Model, batch: TensorDict): Promise<Values> {
  using optimizer = new Optimizer(model)
  optimizer.zeroGrad()
  const loss = await totalLoss(model, batch)
  await loss.backward()
  loss.dispose()
  return gradients(model)
}

function expectClose(actual: Values, expected: Values, tolerance: number): void {
  const scale = Math.max(...Array.from(expected.values(), (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)))
  for (const [name, values] of expected) {
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    const worst = actual.get(name)!.reduce((most, v, i) => Math.max(most, Math.abs(v - values[i]!)), 0)
    // Convolution biases before a BatchNorm have gradients of rounding noise alone: those are measured against the largest of all.
    expect(worst, name).toBeLessThanOrEqual(tolerance * Math.max(largest, 1e-4 * scale))
  }
}

/** Batches of 2 that all have the same number of positive cells, so that the losses' normalisers agree. */
function evenBatch(seed: number): TensorDict {
  const batch = tinyBatch(seed)
  const cells = scoreSize * scoreSize
  const cls = Float32Array.from({ length: 2 * cells }, (_, i) => (i % cells < 8 ? 1 : 0))
  const ctr = Float32Array.from(cls, (v, i) => (v === 0 ? 0 : 0.2 + 0.05 * (i % 8)))
  const box = Float32Array.from({ length: 8 * cells }, (_, i) => (cls[Math.floor(i / 4)] === 0 ? 0 : (i % 4 < 2 ? 60 : 120) + ((i * 7 + seed) % 20)))
  for (const key of ['cls_gt', 'ctr_gt', 'box_gt']) batch[key]!.dispose()
  return { ...batch, cls_gt: Tensor.from(cls, [2, cells, 1]), ctr_gt: Tensor.from(ctr, [2, cells, 1]), box_gt: Tensor.from(box, [2, cells, 4]) }
}

/** One batch of all samples of several. */
async function joined(batches: readonly TensorDict[]): Promise<TensorDict> {
  const entries = await Promise.all(
    Object.keys(batches[0]!).map(async (key) => {
      const parts = await Promise.all(batches.map((batch) => batch[key]!.toTypedArray()))
      const [, ...rest] = batches[0]![key]!.shape
      const flat = parts.flatMap((part) => Array.from(part as Float32Array))
      return [key, Tensor.from(key.startsWith('im_') ? Uint8Array.from(flat) : Float32Array.from(flat), [2 * batches.length, ...rest])] as const
    }),
  )
  return Object.fromEntries(entries)
}

/** Batch i of epoch e follows from (e, i). */
class OwnData implements AsyncIterable<TensorDict> {
  cursor: DataPosition = { epoch: 0, sample: 0 }
  readonly given: string[] = []
  fails: string | null = null
  readonly #perEpoch: number

  constructor(batchesPerEpoch: number) {
    this.#perEpoch = batchesPerEpoch
  }

  seek(position: DataPosition): void {
    this.cursor = { ...position }
  }

  [Symbol.asyncIterator](): AsyncIterator<TensorDict> {
    return {
      next: async () => {
        const { epoch, sample } = this.cursor
        const place = `${epoch}:${sample}`
        if (this.fails === place) {
          this.fails = null
          throw new Error(`the disk hiccuped at ${place}`)
        }
        this.given.push(place)
        this.cursor = sample + 2 === 2 * this.#perEpoch ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: sample + 2 }
        return { done: false, value: tinyBatch(epoch * 100 + sample) }
      },
    }
  }
}

class Recorder extends Monitor {
  readonly seen: EngineData[] = []

  override update(data: EngineData): void {
    this.seen.push(data)
  }
}

const perEpoch = 3

interface Setting extends Omit<OptimizerOptions, 'ema'> {
  precision?: 'fp32' | 'bf16'
  average?: { decay: number; warmup?: number; finalModel?: boolean }
}

async function makeTrainer(
  name: string,
  batches: number,
  options: Setting = {},
): Promise<{ trainer: RegularTrainer; model: Model; optimizer: Optimizer; data: OwnData; monitor: Recorder; said: string[] }> {
  const { precision = 'fp32', average, ...rest } = options
  const model = await tinyModel({ precision })
  const schedule = { getLr: (epoch: number, iteration: number) => 0.01 / (1 + epoch + iteration / perEpoch) }
  const optimizer = new Optimizer(model, { schedule, accumulateBatches: batches, ema: average === undefined ? null : new Ema(model, average), ...rest })
  const monitor = new Recorder()
  const data = new OwnData(perEpoch * batches)
  const said: string[] = []
  const trainer = new RegularTrainer(optimizer, data, [monitor], { progress: 'none', log: (line) => said.push(line), seed: 3, threads: 1 })
  // One batch too many for the iterations: it is no matter.
  trainer.setHyperParams({ exp_save: root, exp_name: name, max_epoch: 2, minibatch: 2, nr_image_per_epoch: 2 * perEpoch * batches + (batches > 1 ? 2 : 0) })
  trainer.own([model, optimizer])
  return { trainer, model, optimizer, data, monitor, said }
}

describe('the gradient of a step', () => {
  it('of K batches of n is that of one batch of K·n, where BatchNorm uses its running statistics and the batches have as many positives', async () => {
    const model = await tinyModel()
    model.eval()
    const batches = [1, 2, 3, 4].map(evenBatch)
    const whole = await joined(batches)
    const expected = await plainGradients(model, whole)
    using optimizer = new Optimizer(model)
    optimizer.zeroGrad()
    const share = Tensor.from(new Float32Array([1 / batches.length]), [])
    for (const batch of batches) {
      const loss = await totalLoss(model, batch)
      await loss.backward(share)
      loss.dispose()
    }
    // fp32 sums in another order (measured 4e-6 of a tensor's largest gradient; the forward's golden tolerance for gradients is 2e-5).
    expectClose(await gradients(model), expected, 2e-5)
    for (const batch of [...batches, whole]) disposeAll(batch)
    share.dispose()
    model.dispose()
  })

  it('is the mean of the batches’ gradients, BatchNorm seeing one batch at a time', async () => {
    // With a power of two each share is exact, so the float32 sums are predictable to the bit.
    const K = 4
    const { trainer, model } = await makeTrainer('mean', K, { momentum: 0, weightDecay: 0 })
    const start = await model.stateDict()
    // The same batches, one by one, from the same weights: their statistics go on from batch to batch.
    const reference = await tinyModel()
    await reference.loadStateDict(start)
    const sum: Values = new Map()
    for (const sample of [0, 2, 4, 6]) {
      const batch = tinyBatch(sample)
      for (const [name, values] of await plainGradients(reference, batch)) sum.set(name, values.map((v, i) => Math.fround((sum.get(name)?.[i] ?? 0) + v / K)))
      disposeAll(batch)
    }
    await trainer.train({ maxIterations: 1 })
    for (const [name, values] of await gradients(model)) expect(values.every((v, i) => v === sum.get(name)![i]), name).toBe(true)
    const statistics = async (of: Model): Promise<string> => stateSha256((await of.stateDict()).filter(({ name }) => /running_|num_batches/.test(name)))
    expect(await statistics(model)).toBe(await statistics(reference))
    const before = new Map(start.map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))
    const after: Values = new Map((await model.stateDict()).map(({ name, dtype, data }) => [name, decodeFloat64(dtype, data)]))
    for (const [name, gradient] of sum) {
      const p = before.get(name)!
      const worst = after.get(name)!.reduce((most, v, i) => Math.max(most, Math.abs(v - (p[i]! - 0.01 * gradient[i]!))), 0)
      expect(worst, name).toBeLessThan(1e-6)
    }
    await trainer.close()
    reference.dispose()
  })
})

describe('a trainer that accumulates', () => {
  it('counts steps: an epoch has nr_image_per_epoch // (minibatch · K) iterations, each of K batches in the data’s order', async () => {
    const { trainer, data, monitor } = await makeTrainer('counts', 2)
    expect(trainer.getHyperParams().num_iterations).toBe(perEpoch)
    await trainer.train()
    expect(data.given).toEqual(['0:0', '0:2', '0:4', '0:6', '0:8', '0:10'])
    expect(trainer.getPosition()).toEqual({ epoch: 0, iteration: 0 })
    expect(monitor.seen.map(({ schedule_info }) => schedule_info.lr)).toEqual([0, 1, 2].map((iteration) => 0.01 / (1 + iteration / perEpoch)))
    await trainer.train({ maxIterations: 1 })
    expect(data.given.slice(6)).toEqual(['1:0', '1:2'])
    const file = await trainer.saveSnapshot()
    const run = ((await readCheckpoint(file)).root as PyDict).get('siamfcpp_native') as PyDict
    expect([path.basename(file), run.get('iteration'), run.get('num_iterations'), Object.fromEntries(run.get('sampler') as PyDict)]).toEqual(['epoch-1-iter-1.pkl', 1, perEpoch, { epoch: 1, sample: 4 }])
    await trainer.close()
  })

  it('shows monitors the means of losses and extras and the sums of times', async () => {
    const { trainer, monitor, model } = await makeTrainer('means', 2)
    const reference = await tinyModel()
    await reference.loadStateDict(await model.stateDict())
    const parts: number[][] = []
    for (const sample of [0, 2]) {
      const batch = tinyBatch(sample)
      const predicted = await reference.forward(batch)
      const values: number[] = []
      for (const loss of Object.values(reference.losses)) {
        const { loss: value, extra } = await loss.forward(predicted, batch)
        values.push(await value.item(), ...(await Promise.all(Object.values(extra).map((tensor) => tensor.item()))))
        disposeAll([value, ...Object.values(extra)])
      }
      parts.push(values)
      disposeAll(predicted)
      disposeAll(batch)
    }
    await trainer.train({ maxIterations: 1 })
    const { training_losses, extras, time_dict } = monitor.seen[0]!
    expect([training_losses.cls, training_losses.ctr, training_losses.reg, extras.reg!.iou]).toEqual(parts[0]!.map((v, i) => (v + parts[1]![i]!) / 2))
    expect(Object.keys(time_dict)).toEqual(['data', 'fwd', 'bwd', 'optim'])
    expect(extras.optim).toBeUndefined()
    await trainer.close()
    reference.dispose()
  })

  it('frees every handle of an iteration', async () => {
    const { trainer } = await makeTrainer('handles', 3, { clipGradNorm: 1, average: { decay: 0.9 } })
    await trainer.train({ maxIterations: 1 })
    const { liveHandles } = loadAddon().memory()
    await trainer.train({ maxIterations: 2 })
    expect(loadAddon().memory().liveHandles).toBe(liveHandles)
    await trainer.close()
  })

  it('goes on with the batch that failed, when the data fails in the middle of an iteration', async () => {
    const whole = await makeTrainer('flaky-whole', 3)
    await whole.trainer.train()
    const expected = await whole.trainer.stateSha256()
    const { trainer, data, monitor } = await makeTrainer('flaky', 3)
    data.fails = '0:8'
    await expect(trainer.train()).rejects.toThrow('the disk hiccuped at 0:8')
    expect(trainer.getPosition()).toEqual({ epoch: -1, iteration: 1 })
    await trainer.train()
    expect(await trainer.stateSha256()).toBe(expected)
    expect(monitor.seen.map(({ training_losses }) => training_losses)).toEqual(whole.monitor.seen.map(({ training_losses }) => training_losses))
    await Promise.all([trainer.close(), whole.trainer.close()])
  })

  it('finishes the iteration when it is told to stop in the middle of it', async () => {
    const { trainer, data } = await makeTrainer('stopped', 3)
    const controller = new AbortController()
    const next = data[Symbol.asyncIterator].bind(data)
    data[Symbol.asyncIterator] = () => {
      const inner = next()
      return { next: () => (data.given.length === 4 && controller.abort(), inner.next()) }
    }
    await expect(trainer.train({ signal: controller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(trainer.getPosition()).toEqual({ epoch: -1, iteration: 2 })
    expect(data.given).toHaveLength(6)
    await trainer.close()
  })

  it('wants enough images for an iteration', async () => {
    const { trainer } = await makeTrainer('few', 3)
    expect(() => trainer.setHyperParams({ nr_image_per_epoch: 5 })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: 'an epoch would have 0 iterations: nr_image_per_epoch is 5, minibatch is 2, and an iteration takes 3 of them (accumulate_batches)' }),
    )
    await trainer.close()
  })
})

describe('clipping, accumulation and average together', () => {
  const three = { clipGradNorm: 0.5, clipGradValue: 0.02, average: { decay: 0.95, warmup: 5 } }

  it('the norm is logged under extras.optim', async () => {
    const { trainer, monitor } = await makeTrainer('logged', 2, three)
    await trainer.train()
    expect(monitor.seen.map(({ extras }) => Object.keys(extras))).toEqual(Array(perEpoch).fill(['cls', 'ctr', 'reg', 'optim']))
    for (const { extras } of monitor.seen) expect(extras.optim).toEqual({ grad_norm: expect.any(Number) })
    await trainer.close()
  })

  it.each<[string, number, Setting, boolean]>([
    ['in the middle of an epoch', perEpoch + 1, {}, false],
    ['before the first epoch is done', 2, {}, false],
    ['at an epoch’s end', perEpoch, {}, false],
    ['with a gradient scaler and bfloat16', 2, { precision: 'bf16' }, true],
  ])('a run resumed %s ends bit-identical to one that was never stopped', async (_where, stopAt, setting, scaled) => {
    const name = `three-${stopAt}-${scaled}`
    const options = () => ({ ...three, ...setting, gradScaler: scaled ? new GradScaler({ growthInterval: 3 }) : null })
    const whole = await makeTrainer(`${name}-whole`, 2, options())
    while (!whole.trainer.isCompleted()) await whole.trainer.train()
    const expected = await whole.trainer.stateSha256()
    const average = await stateSha256(await whole.optimizer.ema!.stateDict())
    await whole.trainer.close()

    const first = await makeTrainer(name, 2, options())
    for (let left = stopAt; left > 0; left -= perEpoch) await first.trainer.train({ maxIterations: left })
    await first.trainer.saveSnapshot()
    await first.trainer.close()

    const second = await makeTrainer(name, 2, options())
    await second.trainer.resume('latest')
    while (!second.trainer.isCompleted()) await second.trainer.train()
    expect(await second.trainer.stateSha256()).toBe(expected)
    expect(await stateSha256(await second.optimizer.ema!.stateDict())).toBe(average)
    expect(second.optimizer.ema!.updates).toBe(2 * perEpoch)
    const computed = (monitor: Recorder): unknown[] => monitor.seen.map(({ time_dict: _time, ...data }) => data)
    expect(computed(second.monitor)).toEqual(computed(whole.monitor).slice(stopAt))
    await second.trainer.close()
  })

  it('a snapshot keeps the average under a key of its own, final_model.pkl has it for its weights', async () => {
    const { trainer, model, optimizer, said } = await makeTrainer('kept', 2, three)
    await trainer.train()
    const root = (await readCheckpoint(await trainer.saveSnapshot())).root as PyDict
    expect([...root.keys()]).toEqual(['epoch', 'model_state_dict', 'optimizer_state_dict', 'ema_state_dict', 'siamfcpp_native'])
    const average = new Map((await optimizer.ema!.stateDict()).map(({ name, data }) => [name, data]))
    const saved = root.get('ema_state_dict') as PyDict
    expect([...saved.keys()]).toEqual((await model.stateDict()).map(({ name }) => name))
    for (const [name, data] of average) expect(Buffer.compare((saved.get(name) as { contiguousBytes(): Uint8Array }).contiguousBytes(), data), name).toBe(0)
    const final = (await readCheckpoint(await trainer.saveSnapshot({ modelParamOnly: true }))).root as PyDict
    expect([...final.keys()]).toEqual(['model_state_dict'])
    for (const [name, data] of average) expect(Buffer.compare(((final.get('model_state_dict') as PyDict).get(name) as { contiguousBytes(): Uint8Array }).contiguousBytes(), data), name).toBe(0)
    await trainer.close()

    // Off: neither key is there, and a run that goes on without the average says so.
    const off = await makeTrainer('kept', 2, {})
    await off.trainer.resume('latest')
    expect(off.said.join('\n')).toMatch(/has averaged weights, which this run does not go on with/)
    await off.trainer.train()
    const plain = (await readCheckpoint(await off.trainer.saveSnapshot())).root as PyDict
    expect([...plain.keys()]).toEqual(['epoch', 'model_state_dict', 'optimizer_state_dict', 'siamfcpp_native'])
    expect((plain.get('siamfcpp_native') as PyDict).has('ema')).toBe(false)
    await off.trainer.close()

    // On again, from a snapshot that has none: the average begins with its weights.
    const again = await makeTrainer('kept', 2, three)
    await again.trainer.resume('latest')
    expect(again.said.join('\n')).toMatch(/has no averaged weights: the average begins with its weights/)
    expect(await stateSha256(await again.optimizer.ema!.stateDict())).toBe(await stateSha256(await again.model.stateDict()))
    await again.trainer.close()
    expect(said).toEqual([expect.stringMatching(/^Epoch 0: /)])
  })

  it('the average leaves the training itself as it is without it', async () => {
    const states: string[] = []
    for (const average of [undefined, { decay: 0.9 }]) {
      const { trainer, model, optimizer } = await makeTrainer(`untouched-${states.length}`, 1, { average })
      await trainer.train()
      states.push(await stateSha256([...(await model.stateDict()), ...(await optimizer.native.momentumBuffers()).map((buffer) => ({ ...buffer, name: `m.${buffer.name}` }))]))
      await trainer.close()
    }
    expect(states[0]).toBe(states[1])
  })

  it('final_model: false keeps the weights themselves in final_model.pkl', async () => {
    const { trainer, model } = await makeTrainer('own-weights', 2, { ...three, average: { decay: 0.9, finalModel: false } })
    await trainer.train()
    const final = (await readCheckpoint(await trainer.saveSnapshot({ modelParamOnly: true }))).root as PyDict
    for (const { name, data } of await model.stateDict()) expect(Buffer.compare(((final.get('model_state_dict') as PyDict).get(name) as { contiguousBytes(): Uint8Array }).contiguousBytes(), data), name).toBe(0)
    await trainer.close()
  })
})
