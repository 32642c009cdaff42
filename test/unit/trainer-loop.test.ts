/** The loop itself, on parts that only write down what is asked of them: order, positions, signals, disposal. No addon. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { PyDict } from '../../lib/checkpoint/index.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { TrainableOptimizer, TrainingBatches } from '../../lib/engine/trainer-types.ts'
import type { EngineData } from '../../lib/monitors/monitor.ts'
import type { GradScalerState, LoaderStats, NativeTensor, SkippedSample } from '../../lib/native/addon.ts'
import type { EpochReport } from '../../lib/pipeline/epoch-report.ts'

const world = vi.hoisted(() => ({ calls: [] as string[], live: 0, reads: 0, rng: [0] }))

class FakeTensor implements NativeTensor {
  readonly shape: number[] = []
  readonly dtype = 'float32'
  readonly device = 'cpu'
  disposed = false
  readonly value: number

  constructor(value: number) {
    this.value = value
    world.live++
  }

  async toBytes(): Promise<Uint8Array> {
    return new Uint8Array(new Float32Array([this.value]).buffer)
  }

  async gradient(): Promise<null> {
    return null
  }

  dispose(): void {
    if (!this.disposed) world.live--
    this.disposed = true
  }
}

vi.mock('../../lib/native/load.ts', () => ({
  loadAddon: () => ({
    sum: async (scalars: FakeTensor[]) => new FakeTensor(scalars.reduce((total, { value }) => total + value, 0)),
    readScalars: async (scalars: FakeTensor[]) => {
      world.reads++
      return Float64Array.from(scalars, ({ value }) => value)
    },
    toDevice: async (tensors: Record<string, FakeTensor>) => Object.fromEntries(Object.entries(tensors).map(([name, { value }]) => [name, new FakeTensor(value)])),
    backward: async (scalar: FakeTensor) => void world.calls.push(`backward ${scalar.value}`),
    versions: () => ({ libtorch: '2.11.0' }),
    rngState: async () => Uint8Array.from(world.rng),
    setRngState: async (state: Uint8Array) => void (world.rng = [...state]),
  }),
}))

const { RegularTrainer } = await import('../../lib/engine/regular-trainer.ts')
const { Tensor } = await import('../../lib/native/tensor.ts')
const { Monitor } = await import('../../lib/monitors/monitor.ts')

const scalar = (value: number): InstanceType<typeof Tensor> => new Tensor(new FakeTensor(value))
const root = mkdtempSync(path.join(os.tmpdir(), 'trainer-loop-'))
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  world.calls.length = 0
  world.live = 0
  world.reads = 0
})

function makeOptimizer(options: { losses?: Record<string, number>; device?: string; gradScaler?: TrainableOptimizer['gradScaler'] } = {}): TrainableOptimizer {
  const losses = Object.entries(options.losses ?? { cls: 1, ctr: 2, reg: 4 }).map(([name, value]) => [
    name,
    {
      forward: async () => ({ loss: scalar(value), extra: name === 'reg' ? { iou: scalar(0.5) } : ({} as TensorDict) }),
      dispose: () => {},
    },
  ])
  const note = (text: string): void => void world.calls.push(text)
  return {
    model: {
      device: options.device ?? 'cpu',
      losses: Object.fromEntries(losses),
      forward: async (data) => {
        note(`forward ${Object.keys(data).join()}`)
        return { cls_pred: scalar(0) }
      },
      train: () => note('train mode'),
      stateDict: async () => [{ name: 'w', dtype: 'float32', shape: [1], data: new Uint8Array(4) }],
      loadStateDict: async () => note('load model'),
    },
    gradScaler: options.gradScaler ?? null,
    schedule: (epoch, iteration) => {
      note(`schedule ${epoch} ${iteration}`)
      return { lr: 0.125 }
    },
    zeroGrad: () => note('zeroGrad'),
    modifyGrad: (epoch, iteration) => note(`modifyGrad ${epoch}${iteration === undefined ? '' : ` ${iteration}`}`),
    step: async () => note('step'),
    stateDict: async () => PyDict.fromObject({ state: new PyDict(), param_groups: [] }),
    loadStateDict: async () => note('load optimizer'),
  }
}

/** Counting batches with a cursor, as our Dataloader's. */
class Batches implements AsyncIterable<TensorDict> {
  cursor = { epoch: 0, sample: 0 }
  closed = false
  readonly #perEpoch: number

  constructor(perEpoch = 3) {
    this.#perEpoch = perEpoch
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    for (;;) {
      const { epoch, sample } = this.cursor
      this.cursor = sample + 1 === this.#perEpoch ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: sample + 1 }
      world.calls.push(`batch ${epoch} ${sample}`)
      yield { im_z: scalar(epoch), im_x: scalar(sample) }
    }
  }

  seek(position: { epoch: number; sample: number }): void {
    this.cursor = { ...position }
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

class Recorder extends Monitor {
  readonly seen: (EngineData & { epoch: number; iteration: number })[] = []

  override update(data: EngineData): void {
    this.seen.push({ ...data, epoch: this.engineState.epoch, iteration: this.engineState.iteration })
    this.engineState.print_str = 'said'
  }
}

let made = 0
function makeTrainer(optimizer: TrainableOptimizer, data: TrainingBatches, monitors: InstanceType<typeof Monitor>[] = [], more: object = {}): InstanceType<typeof RegularTrainer> {
  const trainer = new RegularTrainer(optimizer, data, monitors, { progress: 'none', log: (line) => void world.calls.push(`log: ${line}`) })
  trainer.setHyperParams({ exp_save: root, exp_name: `run${made++}`, max_epoch: 2, minibatch: 4, nr_image_per_epoch: 15, ...more })
  return trainer
}

describe('the loop', () => {
  it("is the original's, line by line, and frees every handle", async () => {
    const monitor = new Recorder()
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [monitor])
    await trainer.train()
    expect(world.calls.slice(0, 9)).toEqual(['train mode', 'modifyGrad 0', 'batch 0 0', 'schedule 0 0', 'zeroGrad', 'forward im_z,im_x', 'backward 7', 'modifyGrad 0 0', 'step'])
    expect(world.calls.filter((call) => call === 'step')).toHaveLength(3) // 15 // 4 iterations
    expect(monitor.seen).toHaveLength(3)
    const [first] = monitor.seen
    expect(first).toMatchObject({ epoch: 0, iteration: 0, schedule_info: { lr: 0.125 }, training_losses: { cls: 1, ctr: 2, reg: 4 }, extras: { cls: {}, ctr: {}, reg: { iou: 0.5 } } })
    expect(Object.keys(first?.time_dict ?? {})).toEqual(['data', 'fwd', 'bwd', 'optim'])
    expect(trainer.state).toMatchObject({ epoch: 0, max_epoch: 2, max_iteration: 3, print_str: 'said' })
    expect(world.live).toBe(0)
    expect(trainer.isCompleted()).toBe(false)
    await trainer.train()
    expect(trainer.isCompleted()).toBe(true)
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/finished: 2 of 2 epochs/) })
  })

  it('reads scalars on a device only when a monitor is due or a snapshot follows', async () => {
    const monitor = new Recorder()
    monitor.setHyperParams({ every: 2 })
    const trainer = makeTrainer(makeOptimizer({ device: 'cuda:0' }), new Batches(5), [monitor], { nr_image_per_epoch: 24 })
    await trainer.train()
    expect(monitor.seen.map(({ iteration }) => iteration)).toEqual([0, 2, 4])
    expect(world.reads).toBe(4) // 0, 2, 4 and the epoch's last, 5
  })

  it('stops at a loss that is not finite, before it reaches the weights', async () => {
    const trainer = makeTrainer(makeOptimizer({ losses: { cls: 1, reg: Number.NaN } }), new Batches())
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_NONFINITE', message: expect.stringMatching(/loss reg became NaN at epoch 0, iteration 0/) })
    expect(world.calls).not.toContain('step')
    expect(world.live).toBe(0)
  })

  it('leaves losses that are not finite to a gradient scaler', async () => {
    const gradScaler = { scale: async (loss: InstanceType<typeof Tensor>) => scalar((await loss.item()) * 8), stateDict: vi.fn<() => Promise<GradScalerState>>(), loadStateDict: vi.fn<() => Promise<void>>() }
    const trainer = makeTrainer(makeOptimizer({ losses: { cls: Infinity }, gradScaler }), new Batches())
    await trainer.train()
    expect(world.calls).toContain('backward Infinity')
    expect(world.live).toBe(0)
  })

  it('begins a finite iterable anew, and refuses an empty one', async () => {
    const finite: Iterable<TensorDict> = { [Symbol.iterator]: () => [{ im_z: scalar(1) }, { im_z: scalar(2) }][Symbol.iterator]() }
    await makeTrainer(makeOptimizer(), finite).train()
    expect(world.calls.filter((call) => call === 'step')).toHaveLength(3)
    await expect(makeTrainer(makeOptimizer(), []).train()).rejects.toMatchObject({ code: 'ERR_DATA' })
  })

  it('wants iterations, known keys and losses', async () => {
    const make = (more: object) => makeTrainer(makeOptimizer(), new Batches(), [], more)
    expect(() => make({ minibatch: 16, nr_image_per_epoch: 15 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(/0 iterations/) }))
    expect(() => make({ minibatch: 0 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(() => make({ max_epochs: 3 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', hint: 'did you mean "max_epoch"?' }))
    await expect(makeTrainer(makeOptimizer({ losses: {} }), new Batches()).train()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/no losses/) })
  })

  it('gives every trainer hyper-parameters of its own', () => {
    const one = makeTrainer(makeOptimizer(), new Batches(), [], { max_epoch: 7 })
    const other = new RegularTrainer(makeOptimizer(), new Batches())
    expect(one.getHyperParams()).toMatchObject({ max_epoch: 7 })
    expect(other.getHyperParams()).toMatchObject({ exp_name: 'default_training', exp_save: 'snapshots', max_epoch: 1 })
    expect(RegularTrainer.defaultHyperParams).toMatchObject({ max_epoch: 1 })
  })
})

describe('the report of an epoch', () => {
  class Reports extends Recorder {
    readonly reports: EpochReport[] = []
    override epochEnd(report: EpochReport): void {
      this.reports.push(report)
    }
  }

  it('goes to the log and to monitors, once an epoch', async () => {
    const monitor = new Reports()
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [monitor, new Recorder()])
    await trainer.train()
    await trainer.train()
    expect(monitor.reports).toMatchObject([0, 1].map((epoch) => ({ epoch, firstIteration: 0, iterations: 3, iterationsPerEpoch: 3, pairs: 12, skipped: 0, loader: null })))
    const sums = monitor.seen.slice(0, 3).map(({ time_dict }) => time_dict.data!)
    expect(monitor.reports[0]!.stages.data).toBeCloseTo(sums[0]! + sums[1]! + sums[2]!, 9)
    expect([monitor.reports[0]!.startSeconds, monitor.reports[1]!.startSeconds]).toEqual([sums[0], 0])
    const lines = world.calls.filter((call) => call.startsWith('log: Epoch '))
    expect(lines).toEqual([expect.stringMatching(/^log: Epoch 0: 3 iterations in .+-bound/), expect.stringMatching(/^log: Epoch 1: /)])
    // After the epoch's last step, before anything of the next.
    expect(world.calls.indexOf(lines[0]!)).toBe(world.calls.indexOf('modifyGrad 1') - 1)
  })

  it('takes the part that train() did', async () => {
    const monitor = new Reports()
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [monitor])
    await trainer.train({ maxIterations: 1 })
    await trainer.train()
    expect(monitor.reports).toMatchObject([{ epoch: 0, firstIteration: 0, iterations: 1, pairs: 4 }, { epoch: 0, firstIteration: 1, iterations: 2, pairs: 8 }])
  })

  it('is only printed where a signal ended the epoch, and left out where nothing was done', async () => {
    const controller = new AbortController()
    const monitor = new (class extends Reports {
      override update(data: EngineData): void {
        super.update(data)
        controller.abort()
      }
    })()
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [monitor])
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED' })
    await expect(trainer.train({ signal: controller.signal })).rejects.toEqual(aborted)
    await expect(trainer.train({ signal: controller.signal })).rejects.toEqual(aborted)
    expect(monitor.reports).toEqual([])
    expect(world.calls.filter((call) => call.startsWith('log: Epoch'))).toEqual([expect.stringMatching(/^log: Epoch 0: 1 iteration \(1 to 1 of 3\) /)])
  })

  it('tells copies from the forward pass where the model counts them', async () => {
    const optimizer = makeOptimizer()
    let copied = 5
    const counting = { ...optimizer.model, copySeconds: () => (copied += 1e-7) }
    const monitor = new Reports()
    await makeTrainer({ ...optimizer, model: counting }, new Batches(), [monitor]).train()
    const { stages, seconds } = monitor.reports[0]!
    expect(stages.copy).toBeCloseTo(1e-7, 12)
    expect(stages.sync).toBe(0)
    expect(Object.values(stages).reduce((sum, value) => sum + value, 0)).toBeCloseTo(seconds, 9)
  })

  it('counts handing batches to a device as copying, and waits for it from what is left', async () => {
    const monitor = new Reports()
    await makeTrainer(makeOptimizer({ device: 'cuda:0' }), new Batches(), [monitor]).train()
    const { stages, seconds } = monitor.reports[0]!
    expect(stages.copy).toBeGreaterThan(0)
    expect(stages.sync).toBeGreaterThan(0)
    expect(Object.values(stages).reduce((sum, value) => sum + value, 0)).toBeCloseTo(seconds, 9)
  })

  it('has the bad samples apart from the attempts, and warns where they are many', async () => {
    const skip = (sample: number, attempt: number): SkippedSample => ({ epoch: 0, sample, attempt, file: `/f/${sample}-${attempt}.jpg`, reason: 'bad' })
    const entries = [[skip(0, 0), skip(0, 1), skip(3, 0)], [], [], [skip(0, 0)], [], []]
    let taken = 0
    const monitor = new Reports()
    const trainer = makeTrainer(makeOptimizer(), Object.assign(new Batches(), { takeSkipped: () => entries[taken++] ?? [] }), [monitor])
    await trainer.train()
    await trainer.train()
    expect(monitor.reports).toMatchObject([{ pairs: 12, skipped: 2, skippedAttempts: 3 }, { pairs: 12, skipped: 1, skippedAttempts: 1 }])
    expect(trainer.skippedSamples).toBe(3)
    const warnings = world.calls.filter((call) => call.startsWith('log: Warning: '))
    expect(warnings).toEqual([expect.stringContaining('2 of the 12 samples of epoch 0 (17 %) were bad and had to be replaced, last because of /f/3-0.jpg; siamtrain data verify')])
  })

  it('takes the counts of data that has some, since not all entries may be kept', async () => {
    let samples = 0
    const data = Object.assign(new Batches(), { takeSkipped: () => [], skipCounts: () => ({ samples: (samples += 1000), attempts: samples * 9 }) })
    const monitor = new Reports()
    await makeTrainer(makeOptimizer(), data, [monitor]).train()
    expect(monitor.reports).toMatchObject([{ skipped: 3000, skippedAttempts: 27000 }])
  })

  it('does not take a stats() of something else for the counts of our loader', async () => {
    const data = Object.assign(new Batches(), { stats: () => ({ hits: 3 }) as unknown as LoaderStats })
    const monitor = new Reports()
    await makeTrainer(makeOptimizer(), data, [monitor]).train()
    expect(monitor.reports[0]!.loader).toBeNull()
  })
})

describe('a stopped run', () => {
  it('keeps the place after the running iteration, and resumes there', async () => {
    const controller = new AbortController()
    const stopper = new (class extends Recorder {
      override update(data: EngineData): void {
        super.update(data)
        if (this.engineState.iteration === 1) controller.abort()
      }
    })()
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [stopper])
    await expect(trainer.train({ signal: controller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(trainer.getPosition()).toEqual({ epoch: -1, iteration: 2 })
    expect(trainer.hasUnsavedWork()).toBe(true)
    const file = await trainer.saveSnapshot()
    expect(path.basename(file)).toBe('epoch-0-iter-2.pkl')
    expect(trainer.hasUnsavedWork()).toBe(false)

    world.calls.length = 0
    const data = new Batches()
    const next = makeTrainer(makeOptimizer(), data, [], { exp_name: path.basename(path.dirname(file)) })
    await next.resume('latest')
    expect(data.cursor).toEqual({ epoch: 0, sample: 2 })
    await next.train()
    expect(world.calls).toContain('modifyGrad 0')
    expect(world.calls.filter((call) => call.startsWith('batch'))).toEqual(['batch 0 2'])
    expect(world.calls.filter((call) => call.startsWith('schedule'))).toEqual(['schedule 0 2'])
    expect(next.getPosition()).toEqual({ epoch: 0, iteration: 0 })
    expect(path.basename(await next.saveSnapshot())).toBe('epoch-0.pkl')
  })

  it('answers while it waits for data, and neither loses nor leaks the batch that comes later', async () => {
    const controller = new AbortController()
    let arrive: ((batch: TensorDict) => void) | undefined
    const slow = { cursor: { epoch: 0, sample: 0 }, [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false as const, value: await new Promise<TensorDict>((resolve) => (arrive = resolve)) }) }) }
    const trainer = makeTrainer(makeOptimizer(), slow)
    const waiting = trainer.train({ signal: controller.signal })
    await vi.waitFor(() => expect(arrive).toBeDefined())
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(trainer.getPosition()).toEqual({ epoch: -1, iteration: 0 })
    await expect(trainer.saveSnapshot()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    const again = trainer.train({ maxIterations: 1 })
    arrive?.({ im_z: scalar(1) })
    await again
    expect(world.calls).toContain('step')
    expect(world.live).toBe(0)
  })

  it('resumes at the place of the snapshot although a batch is still being made, which moves the data on', async () => {
    let made: (() => void) | undefined
    class Slow extends Batches {
      override async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
        for (;;) {
          const { epoch, sample } = this.cursor
          if (sample === 2) await new Promise<void>((resolve) => (made = resolve))
          this.cursor = { epoch, sample: this.cursor.sample + 1 }
          yield { im_z: scalar(sample) }
        }
      }
    }
    const data = new Slow()
    const trainer = makeTrainer(makeOptimizer(), data)
    await trainer.train({ maxIterations: 1 })
    const file = await trainer.saveSnapshot()
    const controller = new AbortController()
    const stopped = trainer.train({ signal: controller.signal })
    await vi.waitFor(() => expect(made).toBeDefined())
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const resumed = trainer.resume(file)
    setTimeout(() => made?.(), 50)
    await resumed
    expect(data.cursor).toEqual({ epoch: 0, sample: 1 })
    expect(world.live).toBe(0)
  })

  it('lets the data clean up when it is closed with a batch that came too late', async () => {
    let arrive: (() => void) | undefined
    let cleaned = false
    const data = {
      async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
        try {
          await new Promise<void>((resolve) => (arrive = resolve))
          yield { im_z: scalar(1) }
        } finally {
          cleaned = true
        }
      },
    }
    const controller = new AbortController()
    const trainer = makeTrainer(makeOptimizer(), data)
    const stopped = trainer.train({ signal: controller.signal })
    await vi.waitFor(() => expect(arrive).toBeDefined())
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    arrive?.()
    await trainer.close()
    expect(cleaned).toBe(true)
    expect(world.live).toBe(0)
  })

  it.each(['setDataloader', 'resume', 'close'] as const)('frees the batch that was fetched ahead for a device, by %s()', async (how) => {
    const trainer = makeTrainer(makeOptimizer({ device: 'cuda:0' }), new Batches(), [new Recorder()])
    await trainer.train({ maxIterations: 1 })
    const file = await trainer.saveSnapshot()
    await vi.waitFor(() => expect(world.live).toBeGreaterThan(0))
    await { setDataloader: () => trainer.setDataloader(new Batches()), resume: () => trainer.resume(file), close: () => trainer.close() }[how]()
    await vi.waitFor(() => expect(world.live).toBe(0))
  })

  it('saves the cursor of what was trained on, not of what was fetched', async () => {
    const data = new Batches()
    const trainer = makeTrainer(makeOptimizer(), data)
    await trainer.train({ maxIterations: 1 })
    data.cursor = { epoch: 0, sample: 2 } // as if a batch had been fetched and not used
    const file = await trainer.saveSnapshot()
    const fresh = new Batches()
    const next = makeTrainer(makeOptimizer(), fresh, [], { exp_name: path.basename(path.dirname(file)) })
    await next.resume(file)
    expect(fresh.cursor).toEqual({ epoch: 0, sample: 1 })
  })

  it('refuses a mid-epoch snapshot when an epoch has another length now', async () => {
    const trainer = makeTrainer(makeOptimizer(), new Batches())
    await trainer.train({ maxIterations: 1 })
    const file = await trainer.saveSnapshot()
    const next = makeTrainer(makeOptimizer(), new Batches(), [], { nr_image_per_epoch: 40 })
    world.calls.length = 0
    await expect(next.resume(file)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(/iteration 1 of 3, but an epoch now has 10/) })
    expect(world.calls).not.toContain('load model')
  })

  it('that is complete says so and trains no more', async () => {
    const trainer = makeTrainer(makeOptimizer(), new Batches(), [], { max_epoch: 1 })
    await trainer.train()
    const file = await trainer.saveSnapshot()
    const next = makeTrainer(makeOptimizer(), new Batches(), [], { max_epoch: 1, exp_name: path.basename(path.dirname(file)) })
    await next.resume('latest')
    expect(next.isCompleted()).toBe(true)
    expect(world.calls.at(-1)).toMatch(/^log: Loaded .*all 1 epochs are done/)
  })

  it('writes mid-epoch snapshots on its way and keeps the last two', async () => {
    const trainer = makeTrainer(makeOptimizer(), new Batches(7), [], { nr_image_per_epoch: 28, snapshot_every: 2 })
    await trainer.train()
    const saved = world.calls.filter((call) => call.startsWith('log: Saved')).map((call) => path.basename(call))
    expect(saved).toEqual(['epoch-0-iter-2.pkl', 'epoch-0-iter-4.pkl', 'epoch-0-iter-6.pkl'])
    const { listSnapshots } = await import('../../lib/engine/snapshot-file.ts')
    expect((await listSnapshots(trainer.state.snapshot_dir)).map((snapshot) => path.basename(snapshot.path))).toEqual(['epoch-0-iter-4.pkl', 'epoch-0-iter-6.pkl'])
  })

  it('runs one epoch at a time', async () => {
    const trainer = makeTrainer(makeOptimizer(), new Batches())
    const first = trainer.train()
    await expect(trainer.train()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await first
    expect(trainer.getPosition()).toEqual({ epoch: 0, iteration: 0 })
  })

  it("lets a user's generator clean up when it is closed", async () => {
    let cleaned = false
    async function* own(): AsyncGenerator<TensorDict> {
      try {
        for (;;) yield { im_z: scalar(1) }
      } finally {
        cleaned = true
      }
    }
    const trainer = makeTrainer(makeOptimizer(), own())
    await trainer.train()
    expect(cleaned).toBe(false)
    await trainer.close()
    expect(cleaned).toBe(true)
  })

  it('closes its parts once', async () => {
    const data = new Batches()
    const monitor = new Recorder()
    const close = vi.spyOn(monitor, 'close')
    const trainer = makeTrainer(makeOptimizer(), data, [monitor])
    const freed: string[] = []
    trainer.own([{ [Symbol.dispose]: () => void freed.push('model') }, { [Symbol.asyncDispose]: async () => void freed.push('optimizer') }])
    await trainer.close()
    await trainer.close()
    expect(close).toHaveBeenCalledTimes(1)
    expect(data.closed).toBe(true)
    expect(freed).toEqual(['optimizer', 'model'])
  })
})
