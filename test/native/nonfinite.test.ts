/** A batch that is not finite: its iteration is as if it had never been, on the CPU and where outcomes come late, as a device's do. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { stateSha256 } from '../../lib/checkpoint/index.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { badBatch, PlannedData, plannedRun, type Plan, type PlannedRun } from '../helpers/nonfinite-data.ts'
import { tinyBatch, tinyModel, totalLoss } from '../helpers/tiny-model.ts'
import { scriptFile, scriptModel } from '../helpers/torchscript-files.ts'

const folder = temporaryFolder('nonfinite')
afterAll(() => removeFolder(folder))

let runs = 0
type Setting = Omit<PlannedRun, 'folder' | 'name' | 'plan'>
const run = (plan: Plan, setting: Setting = {}) => plannedRun({ ...setting, folder, name: `run${runs++}`, plan })

/** Trains so many iterations of a plan. @returns what stands for all of the state, and the average's updates */
async function after(plan: Plan, iterations: number, setting: Setting): Promise<{ sha: string; updates: number | undefined; skipped: number }> {
  const { trainer, optimizer } = await run(plan, setting)
  await trainer.train({ maxIterations: iterations })
  await trainer.saveSnapshot()
  const result = { sha: await trainer.stateSha256(), updates: optimizer.ema?.updates, skipped: trainer.nonFiniteCounts.skipped }
  await trainer.close()
  return result
}

const lines = (name: string): Record<string, unknown>[] =>
  readFileSync(path.join(folder, name, 'nonfinite.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)

describe.each([
  ['known at once', {}],
  ['told late', { deferOutcomes: true }],
] as const)('outcomes %s', (_when, late) => {
  const everything: Setting = { average: true, optimizer: { ...late, clipGradNorm: 0.5, clipGradValue: 0.02 } }

  it.each<[string, Plan, Plan, number, Setting]>([
    ['in the middle', [1, 'bad', 2, 3], [1, 2, 3], 1, { optimizer: late }],
    ['first, before there is momentum', ['bad', 1, 2], [1, 2], 1, { optimizer: late }],
    ['twice in a row, with clipping and an average', [1, 'bad', 'bad', 2, 3], [1, 2, 3], 1, everything],
    ['as one of two that are accumulated', [1, 2, 3, 'bad', 4, 5, 'bad', 6, 7, 8], [1, 2, 4, 5, 7, 8], 2, { ...everything, optimizer: { ...everything.optimizer, accumulateBatches: 2 } }],
    ['in bfloat16, channels_last', [1, 'bad', 2], [1, 2], 1, { model: { precision: 'bf16', memoryFormat: 'channels_last' }, optimizer: late }],
  ])('a bad batch %s: all state is that of a run that never saw it', async (_where, with_, without, batches, setting) => {
    const bad = await after(with_, with_.length / batches, setting)
    const never = await after(without, without.length / batches, setting)
    expect(bad.skipped).toBe((with_.length - without.length) / batches)
    expect({ ...bad, skipped: 0 }).toEqual(never)
  })

  it('a bad batch with a gradient scaler: the scale is halved, nothing else changes', async () => {
    const setting = { scale: 1024, optimizer: late }
    const { trainer, optimizer, model } = await run([1, 'bad', 2], setting)
    await trainer.train({ maxIterations: 1 })
    const state = async (): Promise<string> => `${await trainer.stateSha256()} ${await stateSha256(await model.stateDict())}`
    const before = await state()
    await trainer.train({ maxIterations: 1 })
    expect(await state()).toBe(before)
    expect(await optimizer.gradScaler!.stateDict()).toMatchObject({ scale: 512, _growth_tracker: 0 })
    await trainer.train({ maxIterations: 1 })
    expect(await state()).not.toBe(before)
    expect(await optimizer.gradScaler!.stateDict()).toMatchObject({ scale: 512, _growth_tracker: 1 })
    expect(trainer.nonFiniteCounts).toEqual({ skipped: 1, scaleSkips: 0, inARow: 0 })
    await trainer.close()
  })

  it('gradients that overflow at a high scale are the scaler’s own matter: counted apart, not listed, no end', async () => {
    // 2^127 overflows in any gradient above 2; the scale is halved until none does, as torch's is.
    const { trainer, optimizer, monitor } = await run([1, 2, 3], { scale: 2 ** 127, optimizer: late, hyperParams: { max_nonfinite: 1, exp_name: 'overflow' } })
    await trainer.train({ maxIterations: 12 })
    const { skipped, scaleSkips } = trainer.nonFiniteCounts
    expect(skipped).toBe(0)
    expect(scaleSkips).toBeGreaterThan(1)
    expect(scaleSkips).toBeLessThan(12)
    expect(await optimizer.gradScaler!.stateDict()).toMatchObject({ scale: 2 ** (127 - scaleSkips), _growth_tracker: 12 - scaleSkips })
    expect(monitor.seen.at(-1)!.extras.optim).toEqual({ scale_skips: scaleSkips })
    expect(existsSync(path.join(folder, 'overflow', 'nonfinite.jsonl'))).toBe(false)
    await trainer.close()
  })

  it('max_nonfinite in a row end the run, and the error says where it began and which snapshot is good', async () => {
    const { trainer, said } = await run([1, 'bad', 2, 'bad', 'bad', 'bad', 3], { optimizer: late, hyperParams: { max_nonfinite: 3, exp_name: `enough-${_when}` } })
    const name = `enough-${_when}`
    await trainer.train({ maxIterations: 3 })
    const snapshot = await trainer.saveSnapshot()
    const good = await trainer.stateSha256()
    await expect(trainer.train()).rejects.toMatchObject({
      code: 'ERR_NONFINITE',
      message: expect.stringMatching(/^3 iterations in a row were skipped, the first at epoch 0, iteration 3, because the loss cls is NaN, the loss ctr is NaN, the loss reg is NaN \(learning rate 1\.00e-2\)$/),
      hint: expect.stringContaining(snapshot),
      file: path.join(folder, name, 'nonfinite.jsonl'),
    })
    expect(await trainer.stateSha256()).toBe(good)
    expect(lines(name).map(({ iteration, in_a_row }) => [iteration, in_a_row])).toEqual([[1, 1], [3, 1], [4, 2], [5, 3]])
    expect(lines(name)[1]).toMatchObject({ epoch: 0, lr: 0.01, scale: null, losses: { cls: null, ctr: null, reg: null }, samples: [{ epoch: 0, sample: 6 }, { epoch: 0, sample: 7 }] })
    expect(said.filter((line) => line.startsWith('Skipped epoch 0, iteration '))).toHaveLength(4)
    await trainer.close()
  })

  it('a skip is counted, with its samples, although the data was exchanged before anybody asked', async () => {
    const name = `exchanged-${_when}`
    const { trainer, optimizer } = await run([1, 'bad'], { ...everything, every: null, hyperParams: { exp_name: name } })
    await trainer.train({ maxIterations: 2 })
    trainer.setDataloader(Object.assign(new PlannedData([2]), { describeSamples: () => ['of the new data'] }))
    await trainer.train({ maxIterations: 1 })
    await trainer.saveSnapshot()
    expect(trainer.nonFiniteCounts.skipped).toBe(1)
    expect(optimizer.ema?.updates).toBe(2)
    expect(lines(name)).toMatchObject([{ iteration: 1, samples: [{ epoch: 0, sample: 2 }, { epoch: 0, sample: 3 }] }])
    await trainer.close()
  })

  it('a run that is resumed in between counts on, and ends as one that was not stopped', async () => {
    const plan: Plan = [1, 'bad', 'bad', 2, 3]
    const setting: Setting = { ...everything, hyperParams: { exp_name: `resumed-${_when}` } }
    const whole = await after(plan, 5, everything)
    const first = await run(plan, setting)
    await first.trainer.train({ maxIterations: 2 })
    await first.trainer.saveSnapshot()
    await first.trainer.close()
    const second = await run(plan, setting)
    await second.trainer.resume('latest')
    expect(second.trainer.nonFiniteCounts).toEqual({ skipped: 1, scaleSkips: 0, inARow: 1 })
    await second.trainer.train({ maxIterations: 1 })
    await second.trainer.saveSnapshot()
    expect(second.trainer.nonFiniteCounts).toEqual({ skipped: 2, scaleSkips: 0, inARow: 2 })
    await second.trainer.train({ maxIterations: 2 })
    await second.trainer.saveSnapshot()
    expect({ sha: await second.trainer.stateSha256(), updates: second.optimizer.ema!.updates, skipped: 2 }).toEqual(whole)
    await second.trainer.close()
  })

  it('monitors see the losses as they were, the count, and no norm of such gradients', async () => {
    const { trainer, monitor } = await run([1, 'bad', 2], { optimizer: { ...late, clipGradNorm: 1 } })
    await trainer.train({ maxIterations: 3 })
    expect(monitor.seen.map(({ extras }) => extras.optim)).toEqual([{ grad_norm: expect.any(Number) }, { skipped: 1 }, { grad_norm: expect.any(Number), skipped: 1 }])
    expect(monitor.seen.map(({ training_losses }) => Number.isFinite(training_losses.cls))).toEqual([true, false, true])
    await trainer.close()
  })

  it('frees every handle, also of what is read late', async () => {
    const { trainer } = await run([1, 'bad', 2], { average: true, optimizer: late, every: 4 })
    await trainer.train({ maxIterations: 5 })
    const { liveHandles } = loadAddon().memory()
    await trainer.train({ maxIterations: 4 })
    expect(loadAddon().memory().liveHandles).toBe(liveHandles)
    await trainer.close()
  })
})

describe('outcomes told late', () => {
  const late = { deferOutcomes: true }

  it('are read with the losses of the next iteration that is due, all of them', async () => {
    const { trainer, monitor } = await run([1, 'bad', 2, 'bad', 'bad', 3], { optimizer: late, every: 5, hyperParams: { exp_name: 'due' } })
    await trainer.train({ maxIterations: 5 })
    expect(trainer.nonFiniteCounts.skipped).toBe(0)
    await trainer.train({ maxIterations: 1 })
    expect(trainer.nonFiniteCounts).toEqual({ skipped: 3, scaleSkips: 0, inARow: 0 })
    expect(lines('due').map(({ iteration }) => iteration)).toEqual([1, 3, 4])
    expect(monitor.seen.map(({ extras }) => extras.optim)).toEqual([undefined, { skipped: 3 }])
    await trainer.close()
  })

  it('are read after 32 iterations where nobody asks', async () => {
    const { trainer } = await run(Array<'bad'>(40).fill('bad'), { optimizer: late, every: null, hyperParams: { max_nonfinite: 4 } })
    await trainer.train({ maxIterations: 31 })
    expect(trainer.nonFiniteCounts.skipped).toBe(0)
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_NONFINITE', message: expect.stringMatching(/^4 iterations in a row .* iteration 0, /) })
    await trainer.close()
  })

  it('give what outcomes that are known give', async () => {
    const plan: Plan = [1, 2, 'bad', 3]
    expect((await after(plan, 4, { optimizer: late })).sha).toBe((await after(plan, 4, {})).sha)
  })
})

describe('without a trainer', () => {
  it('a gradient that is not finite skips the step although the loss is finite', async () => {
    using model = await tinyModel()
    using optimizer = new Optimizer(model, { lr: 0.1 })
    using scaler = new GradScaler({ initScale: 2 ** 127 })
    optimizer.zeroGrad()
    const before = await stateSha256(await model.stateDict())
    const loss = await totalLoss(model, tinyBatch(1))
    const scaled = await scaler.scale(loss)
    await scaled.backward()
    expect(await stateSha256(await model.stateDict())).not.toBe(before)
    expect(await optimizer.step()).toBe(false)
    expect(optimizer.takeOutcome()).toEqual({ known: { skipped: true, lossBad: false, scale: null }, pending: {} })
    expect(optimizer.takeOutcome()).toBeNull()
    expect(await stateSha256(await model.stateDict())).toBe(before)
    expect(await optimizer.native.momentumBuffers()).toEqual([])
    loss.dispose()
    scaled.dispose()
  })

  it('backward() of a finite loss gives the gradients of the loss’s own, and wants one element', async () => {
    using model = await tinyModel()
    using optimizer = new Optimizer(model)
    const gradients = async (run: (loss: Awaited<ReturnType<typeof totalLoss>>) => Promise<void>): Promise<string> => {
      optimizer.zeroGrad()
      const loss = await totalLoss(model, tinyBatch(1))
      await run(loss)
      loss.dispose()
      return stateSha256([...(await model.gradients())].flatMap(([name, raw]) => (raw === null ? [] : [{ name, ...raw }])))
    }
    expect(await gradients((loss) => optimizer.backward(loss))).toBe(await gradients((loss) => loss.backward()))
    const batch = tinyBatch(1)
    await expect(optimizer.backward(batch.cls_gt!)).rejects.toMatchObject({ code: 'ERR_SHAPE', message: expect.stringMatching(/a loss of one element/) })
    for (const tensor of Object.values(batch)) tensor.dispose()
  })

  it('buffers that are loaded within an iteration are not put back to what they were before', async () => {
    using model = await tinyModel()
    using optimizer = new Optimizer(model)
    const counters = async (): Promise<string> => stateSha256((await model.stateDict()).filter(({ name }) => name.endsWith('num_batches_tracked')))
    const begin = await model.stateDict()
    const atBegin = await counters()
    const forward = async (batch: ReturnType<typeof tinyBatch>): Promise<void> => {
      const loss = await totalLoss(model, batch)
      await optimizer.backward(loss)
      for (const tensor of [loss, ...Object.values(batch)]) tensor.dispose()
    }
    optimizer.zeroGrad()
    await forward(badBatch())
    expect(await optimizer.step()).toBe(false)
    expect(await counters()).toBe(atBegin)
    await forward(tinyBatch(1))
    await forward(tinyBatch(2))
    optimizer.zeroGrad() // remembers counters of two iterations
    const later = await counters()
    await model.loadStateDict(begin)
    await forward(badBatch())
    expect(await optimizer.step()).toBe(false)
    expect(await counters()).not.toBe(later)
  })

  it.each(['small', 'counter', 'traced'])('buffers of a TorchScript backbone (%s) are put back, too', async (name) => {
    mkdirSync(folder, { recursive: true })
    const network = () => scriptModel(scriptFile(folder, name))
    for (const late of [{}, { deferOutcomes: true }]) {
      const bad = await after([1, 'bad', 2], 3, { network, optimizer: late })
      const never = await after([1, 2], 2, { network, optimizer: late })
      expect({ ...bad, skipped: 0 }).toEqual(never)
      expect(bad.skipped).toBe(1)
    }
  })
})
