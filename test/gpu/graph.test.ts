/** CUDA graphs of the training step: replayed steps are the eager ones. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { Model } from '../../lib/engine/model.ts'
import { Optimizer, type GradientModifier } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'
import { describeOnGpu, sameInEveryRun } from './helpers/cuda.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-graph-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Run {
  cuda_graph: boolean
  epochs?: number
  iterations?: number
  /** Pairs of iteration i's batch. */
  size?: (iteration: number) => number
  spec?: Partial<ModelSpec>
  scaler?: () => GradScaler
  freeze?: boolean
  /** The iteration whose boxes are NaN. */
  bad?: number
  /** After all epochs, before everything is closed. */
  after?: (trainer: RegularTrainer, model: Model) => Promise<void>
}

interface Outcome {
  losses: number[][]
  weights: Buffer
  replays: number
  captures: number
  skipped: number
  lines: string[]
}

class Losses extends Monitor {
  readonly seen: number[][] = []
  override update({ training_losses, extras }: EngineData): void {
    this.seen.push([...Object.values(training_losses), extras.reg!.iou!])
  }
}

/** Frozen in epoch 0, trained from epoch 1 on: as the original's DynamicFreezer does with a backbone. */
class Freezer implements GradientModifier {
  readonly #model: Model
  readonly #names: string[]
  constructor(model: Model) {
    this.#model = model
    this.#names = model.parameterNames().filter((name) => name.startsWith('basemodel.'))
  }
  modifyGrad(epoch: number, iteration?: number): void {
    if (iteration === undefined) this.#model.setRequiresGrad(this.#names, epoch > 0)
  }
}

describeOnGpu('a training step as a CUDA graph', (device) => {
  beforeAll(sameInEveryRun)
  const addon = loadAddon()
  const create = addon.createStepGraph.bind(addon)
  afterEach(() => void (addon.createStepGraph = create))

  async function train({ cuda_graph, epochs = 1, iterations = 20, size = () => 4, spec = {}, scaler, freeze = false, bad = -1, after }: Run): Promise<Outcome> {
    const outcome: Outcome = { losses: [], weights: Buffer.alloc(0), replays: 0, captures: 0, skipped: 0, lines: [] }
    addon.createStepGraph = async (...parts) => {
      const native = await create(...parts)
      return {
        begin: (batch) => native.begin(batch),
        end: async (results) => {
          await native.end(results)
          outcome.captures++
        },
        abandon: () => native.abandon(),
        replay: async (batch) => {
          const done = await native.replay(batch)
          if (done !== null) outcome.replays++
          return done
        },
        get disposed() {
          return native.disposed
        },
        dispose: () => native.dispose(),
      }
    }
    async function* batches(): AsyncGenerator<TensorDict> {
      for (let i = 0; ; i++) {
        const batch = tinyBatch(i, size(i))
        if (i === bad) {
          const boxes = batch.box_gt!
          batch.box_gt = Tensor.from(new Float32Array(boxes.shape.reduce((product, n) => product * n, 1)).fill(Number.NaN), boxes.shape)
          boxes.dispose()
        }
        yield batch
      }
    }
    const model = await tinyModel({ device, ...spec })
    const schedule = { getLr: (epoch: number, iteration: number) => 0.002 * (1 + epoch) * (1 + iteration / iterations) }
    const optimizer = new Optimizer(model, { schedule, gradScaler: scaler?.() ?? null, gradModifier: freeze ? new Freezer(model) : null, clipGradNorm: 10 })
    const losses = new Losses()
    const trainer = new RegularTrainer(optimizer, batches(), [losses], { log: (line) => outcome.lines.push(line), progress: 'none' })
    try {
      trainer.setHyperParams({ exp_save: folder, exp_name: `graph-${cuda_graph}`, minibatch: 4, nr_image_per_epoch: 4 * iterations, max_epoch: epochs, cuda_graph })
      while (!trainer.isCompleted()) await trainer.train()
      outcome.losses = losses.seen
      outcome.skipped = trainer.nonFiniteCounts.skipped
      outcome.weights = Buffer.concat((await model.stateDict()).map(({ data }) => Buffer.from(data)))
      await after?.(trainer, model)
    } finally {
      await trainer.close()
      optimizer.dispose()
      model.dispose()
    }
    return outcome
  }

  /**
   * The replayed run against the eager one: bit by bit where two eager runs agree bit by bit, else within `tolerance`, relative, of the losses.
   * cuDNN may add in another order from run to run, and training carries that on.
   */
  async function expectEqual(run: Omit<Run, 'cuda_graph'>, tolerance: number): Promise<Outcome> {
    const eager = await train({ ...run, cuda_graph: false, after: undefined })
    const again = await train({ ...run, cuda_graph: false, after: undefined })
    const graph = await train({ ...run, cuda_graph: true })
    expect([eager.replays, again.replays]).toEqual([0, 0])
    expect(graph.losses.filter((_, i) => i !== run.bad).flat().every(Number.isFinite)).toBe(true)
    expect([graph.skipped, again.skipped]).toEqual([eager.skipped, eager.skipped])
    if (eager.weights.equals(again.weights)) {
      expect(graph.losses).toEqual(eager.losses)
      expect(graph.weights.equals(eager.weights)).toBe(true)
    } else {
      process.stdout.write('two eager runs differ by bits: the graph is compared within a tolerance\n')
      for (const [i, expected] of eager.losses.entries()) {
        if (i === run.bad) continue
        for (const [k, value] of expected.entries()) expect(Math.abs(graph.losses[i]![k]! - value), `iteration ${i}`).toBeLessThanOrEqual(tolerance * Math.max(Math.abs(value), 0.05))
      }
    }
    return graph
  }

  it('equals eager steps over two epochs with a schedule and a freezer, which makes it be captured anew', async () => {
    const { replays, captures, lines } = await expectEqual({ epochs: 2, iterations: 10, freeze: true }, 1e-3)
    // Each epoch: three eager steps, then the capture.
    expect([replays, captures]).toEqual([14, 2])
    expect(lines.filter((line) => line.includes('CUDA graph'))).toEqual([expect.stringContaining('was captured')])
  })

  it('equals eager steps in bfloat16 and channels_last', async () => {
    const { replays } = await expectEqual({ iterations: 12, spec: { precision: 'bf16', memoryFormat: 'channels_last' } }, 2e-2)
    expect(replays).toBe(9)
  })

  it('equals eager steps with a gradient scaler, whose scale grows between replays', async () => {
    const { replays } = await expectEqual({ iterations: 16, scaler: () => new GradScaler({ initScale: 256, growthInterval: 3 }) }, 1e-3)
    expect(replays).toBe(13)
  })

  it.each([undefined, () => new GradScaler({ initScale: 256 })])('skips a replayed step that is not finite (%#)', async (scaler) => {
    const { replays, skipped, losses } = await expectEqual({ iterations: 12, bad: 7, scaler }, 1e-3)
    expect([replays, skipped]).toEqual([9, 1])
    expect(losses[7]!.some(Number.isNaN)).toBe(true)
  })

  it('runs a batch of another size eagerly and goes on', async () => {
    const { replays, captures } = await expectEqual({ iterations: 12, size: (i) => (i === 6 || i === 9 ? 3 : 4) }, 1e-3)
    expect([replays, captures]).toEqual([7, 1])
  })

  it('leaves weights that a snapshot keeps and a run goes on from', async () => {
    await train({
      cuda_graph: true,
      iterations: 8,
      after: async (trainer, model) => {
        const before = await model.stateDict()
        const file = await trainer.saveSnapshot()
        await model.loadStateDict(before.map(({ data, ...rest }) => ({ ...rest, data: new Uint8Array(data.length) })))
        await trainer.resume(file)
        const after = await model.stateDict()
        expect(after.map(({ name, data }) => [name, Buffer.from(data).equals(Buffer.from(before.find((entry) => entry.name === name)!.data))])).toEqual(before.map(({ name }) => [name, true]))
        trainer.setHyperParams({ max_epoch: 2 })
        await trainer.train()
      },
    })
  })

  it('gives its memory back when it goes', async () => {
    const handles = addon.memory().liveHandles
    await train({ cuda_graph: true, iterations: 6 })
    expect(addon.memory().liveHandles).toBe(handles)
  })

  it('is refused to a model on the CPU', async () => {
    await expect(train({ cuda_graph: true, spec: { device: 'cpu' } })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})
