/** Iterations that are not finite on CUDA: skipped there without a wait, and as if they had never been. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { stateSha256 } from '../../lib/checkpoint/index.ts'
import { plannedRun, type Plan, type PlannedRun } from '../helpers/nonfinite-data.ts'
import { describeOnGpu } from './helpers/cuda.ts'

describeOnGpu('a batch that is not finite', (device) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'siam-gpu-nonfinite-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  let runs = 0
  type Setting = Omit<PlannedRun, 'folder' | 'name' | 'plan'>
  const run = (plan: Plan, setting: Setting) => plannedRun({ ...setting, model: { device, ...setting.model }, folder, name: `run${runs++}`, plan })
  const precisions = ['fp32', 'bf16', 'fp16'] as const
  type Precision = NonNullable<NonNullable<Setting['model']>['precision']>

  it.each(precisions)('leaves weights, momentum, average and running statistics bit by bit: %s', async (precision) => {
    const scale = precision === 'fp16' ? 256 : undefined
    const { trainer, model, optimizer } = await run([1, 2, 'bad', 'bad', 3], {
      model: { precision: precision as Precision, memoryFormat: 'channels_last' },
      average: true,
      scale,
      optimizer: { clipGradNorm: 0.5 },
    })
    await trainer.train({ maxIterations: 2 })
    const state = async (): Promise<string[]> => [await trainer.stateSha256(), await stateSha256(await model.stateDict()), await stateSha256(await optimizer.ema!.stateDict())]
    const before = await state()
    await trainer.train({ maxIterations: 2 })
    expect(await state()).toEqual(before)
    expect(trainer.nonFiniteCounts).toEqual({ skipped: 2, scaleSkips: 0, inARow: 2 })
    if (scale !== undefined) expect(await optimizer.gradScaler!.stateDict()).toMatchObject({ scale: scale / 4, _growth_tracker: 0 })
    await trainer.train({ maxIterations: 1 })
    expect((await state())[1]).not.toBe(before[1])
    expect(optimizer.ema!.updates).toBe(3)
    for (const { name, dtype, data } of await model.stateDict()) {
      if (dtype === 'float32') expect(new Float32Array(new Uint8Array(data).buffer).every(Number.isFinite), name).toBe(true)
    }
    await trainer.close()
  })

  it('comes first, before there is momentum: no buffer is left behind, and the next step is a first one', async () => {
    const { trainer, optimizer } = await run(['bad', 1], {})
    await trainer.train({ maxIterations: 1 })
    expect(await optimizer.native.momentumBuffers()).toEqual([])
    await trainer.train({ maxIterations: 1 })
    for (const { name, data } of await optimizer.native.momentumBuffers()) expect(new Float32Array(new Uint8Array(data).buffer).every(Number.isFinite), name).toBe(true)
    await trainer.close()
  })

  it('is one of two that are accumulated: the whole iteration is skipped', async () => {
    const { trainer, model } = await run([1, 2, 3, 'bad', 4, 5], { optimizer: { accumulateBatches: 2 } })
    await trainer.train({ maxIterations: 1 })
    const before = await stateSha256(await model.stateDict())
    await trainer.train({ maxIterations: 1 })
    expect(await stateSha256(await model.stateDict())).toBe(before)
    expect(trainer.nonFiniteCounts.skipped).toBe(1)
    await trainer.close()
  })

  it('gradients that overflow at a high scale only lower it', async () => {
    const { trainer, optimizer } = await run([1, 2, 3], { scale: 2 ** 127, hyperParams: { max_nonfinite: 1 } })
    await trainer.train({ maxIterations: 12 })
    const { skipped, scaleSkips } = trainer.nonFiniteCounts
    expect(skipped).toBe(0)
    expect(scaleSkips).toBeGreaterThan(1)
    expect(await optimizer.gradScaler!.stateDict()).toMatchObject({ scale: 2 ** (127 - scaleSkips), _growth_tracker: 12 - scaleSkips })
    await trainer.close()
  })

  it('is told when somebody asks, listed, and ends the run when it is one too many', async () => {
    const { trainer, monitor } = await run([1, 'bad', 2, 'bad', 'bad', 3], { every: 3, hyperParams: { exp_name: 'told', max_nonfinite: 2 } })
    await trainer.train({ maxIterations: 3 })
    expect(trainer.nonFiniteCounts.skipped).toBe(0)
    await trainer.train({ maxIterations: 1 })
    expect(trainer.nonFiniteCounts).toEqual({ skipped: 2, scaleSkips: 0, inARow: 1 })
    expect(monitor.seen.map(({ extras }) => extras.optim)).toEqual([undefined, { skipped: 2 }])
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_NONFINITE', message: expect.stringMatching(/^2 iterations in a row were skipped, the first at epoch 0, iteration 3, because the loss /) })
    const lines = readFileSync(path.join(folder, 'told', 'nonfinite.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { iteration: number })
    expect(lines.map(({ iteration }) => iteration)).toEqual([1, 3, 4])
    await trainer.close()
  })
})
