/** When a step is captured, replayed or left to the trainer; on parts that only write down what is asked of them. No addon. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Forwarded } from '../../lib/engine/accumulation.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { buildStepGraph, StepGraph, type StepStages, whyNotCaptured } from '../../lib/engine/step-graph.ts'
import { Handles, type TrainableOptimizer } from '../../lib/engine/trainer-types.ts'
import type { NativeTensor } from '../../lib/native/addon.ts'
import type { NativeStepGraph } from '../../lib/native/addon-graph.ts'
import { Tensor } from '../../lib/native/tensor.ts'

let calls: string[] = []
let lines: string[] = []
let live = 0

class FakeTensor implements NativeTensor {
  readonly dtype = 'float32'
  readonly device = 'cuda:0'
  readonly shape: number[]
  readonly value: number
  disposed = false

  constructor(value: number, shape: number[] = []) {
    this.value = value
    this.shape = shape
    live++
  }

  async toBytes(): Promise<Uint8Array> {
    return new Uint8Array(0)
  }

  async gradient(): Promise<null> {
    return null
  }

  dispose(): void {
    if (!this.disposed) live--
    this.disposed = true
  }
}

const valueOf = (tensor: Tensor): number => (tensor.native as FakeTensor).value

/** A graph whose results are those of the capture, plus the batch's own value. */
class FakeGraph implements NativeStepGraph {
  fits = true
  failing = 0
  disposed = false
  #results: number[] = []

  async begin(batch: NativeTensor[]): Promise<NativeTensor[]> {
    calls.push('begin')
    return batch.map(({ shape }) => new FakeTensor(0, shape))
  }

  async end(results: NativeTensor[]): Promise<void> {
    calls.push('end')
    if (this.failing-- > 0) throw new Error('operation not permitted when stream is capturing\nand a trace')
    this.#results = results.map((result) => (result as FakeTensor).value)
  }

  async abandon(): Promise<void> {
    calls.push('abandon')
  }

  async replay(batch: NativeTensor[]): Promise<NativeTensor[] | null> {
    if (!this.fits) {
      calls.push('unfit')
      return null
    }
    calls.push('replay')
    return this.#results.map((value) => new FakeTensor(value + (batch[0] as FakeTensor).value))
  }

  dispose(): void {
    this.disposed = true
  }
}

const stages: StepStages = {
  async forward(batch, handles): Promise<Forwarded> {
    calls.push(`forward ${valueOf(batch.im_z!)}`)
    const scalars = { cls: 1, reg: 2 }
    const training_losses = handles.add(Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, new Tensor(new FakeTensor(value))])))
    return { training_losses, extras: { cls: {}, reg: handles.add({ iou: new Tensor(new FakeTensor(0.5)) }) }, total_loss: handles.add(new Tensor(new FakeTensor(3))) }
  },
  async backward({ total_loss }) {
    calls.push(`backward ${valueOf(total_loss)}`)
  },
}

function makeBatch(value: number, n = 2): TensorDict {
  return { im_z: new Tensor(new FakeTensor(value, [n, 3, 127, 127])) }
}

/** The step's losses where it was replayed, null where it was left to the trainer. */
async function step(graph: StepGraph, value: number, n = 2): Promise<Record<string, number> | null> {
  const kept = new Handles()
  const batch = makeBatch(value, n)
  try {
    const done = await graph.run(batch, stages, kept)
    if (done === null) return null
    return { total: valueOf(done.total_loss), cls: valueOf(done.training_losses.cls!), reg: valueOf(done.training_losses.reg!), iou: valueOf(done.extras.reg!.iou!) }
  } finally {
    kept.dispose()
    batch.im_z!.dispose()
  }
}

const times = async (count: number, work: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < count; i++) await work()
}

const captureCalls = ['begin', 'forward 0', 'backward 3', 'end']

describe('StepGraph', () => {
  let native: FakeGraph
  let graph: StepGraph

  beforeEach(() => {
    calls = []
    lines = []
    live = 0
    native = new FakeGraph()
    graph = new StepGraph(native, (line) => lines.push(line))
  })

  it('leaves three steps to the trainer, captures the fourth, and replays it and those that follow', async () => {
    for (let i = 0; i < 3; i++) expect(await step(graph, i)).toBeNull()
    expect(calls).toEqual([])
    expect(await step(graph, 10)).toEqual({ total: 13, cls: 11, reg: 12, iou: 10.5 })
    expect(await step(graph, 20)).toEqual({ total: 23, cls: 21, reg: 22, iou: 20.5 })
    expect(calls).toEqual([...captureCalls, 'replay', 'replay'])
    expect(lines).toEqual([expect.stringContaining('captured')])
  })

  it('keeps no tensor but those that it hands over', async () => {
    await times(6, () => step(graph, 1))
    expect(live).toBe(0)
  })

  it('leaves a batch of another size to the trainer and goes on with the graph after it', async () => {
    await times(4, () => step(graph, 1))
    expect(await step(graph, 1, 3)).toBeNull()
    expect(await step(graph, 1)).not.toBeNull()
    expect(calls.filter((call) => call === 'begin')).toHaveLength(1)
  })

  it('captures anew for another size that stays', async () => {
    await times(4, () => step(graph, 1))
    const seen: boolean[] = []
    await times(5, async () => seen.push((await step(graph, 1, 3)) !== null))
    expect(seen).toEqual([false, false, false, true, true])
    expect(calls.filter((call) => call === 'begin')).toHaveLength(2)
  })

  it('warms up again before it captures anew when the graph does not fit any more', async () => {
    await times(5, () => step(graph, 1))
    native.fits = false
    calls = []
    expect(await step(graph, 1)).toBeNull()
    native.fits = true
    expect([await step(graph, 1), await step(graph, 1)]).toEqual([null, null])
    expect(calls).toEqual(['unfit'])
    expect(await step(graph, 1)).not.toBeNull()
    expect(calls).toEqual(['unfit', ...captureCalls, 'replay'])
    expect(lines).toHaveLength(1)
  })

  it('tries once more when a capture fails, and gives it up with one line when that fails, too', async () => {
    native.failing = 2
    const seen: boolean[] = []
    await times(12, async () => seen.push((await step(graph, 1)) !== null))
    expect(seen).not.toContain(true)
    expect(calls).toEqual([...captureCalls, 'abandon', ...captureCalls, 'abandon'])
    expect(lines).toEqual(['CUDA graph: the training step cannot be captured and stays eager: Error: operation not permitted when stream is capturing'])
    expect(live).toBe(0)
  })

  it('replays after a capture that failed once', async () => {
    native.failing = 1
    const seen: boolean[] = []
    await times(8, async () => seen.push((await step(graph, 1)) !== null))
    expect(seen).toEqual([false, false, false, false, false, false, false, true])
  })

  it('ends the capture when a stage fails, and leaves the error to the eager step', async () => {
    const broken = { ...stages, forward: async () => Promise.reject(new Error('the images do not fit')) }
    const kept = new Handles()
    for (let i = 0; i < 4; i++) expect(await graph.run(makeBatch(1), broken, kept)).toBeNull()
    expect(calls).toEqual(['begin', 'abandon'])
  })

  it('frees the graph', () => {
    graph.dispose()
    expect(native.disposed).toBe(true)
  })
})

describe('buildStepGraph', () => {
  const log = (line: string): void => void lines.push(line)
  const optimizer = (device: string, accumulateBatches = 1): TrainableOptimizer => ({ model: { device, losses: {} }, gradScaler: null, accumulateBatches }) as unknown as TrainableOptimizer

  beforeEach(() => void (lines = []))

  it('is asked for on the CPU: true is an error, auto is eager', async () => {
    await expect(buildStepGraph(optimizer('cpu'), true, { log })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: 'cuda_graph is true, and the model is on the CPU' })
    expect(await buildStepGraph(optimizer('cpu'), 'auto', { log })).toBeNull()
    expect(await buildStepGraph(optimizer('cuda'), false, { log })).toBeNull()
    expect(lines).toEqual([])
  })

  it.each([
    [optimizer('cuda', 4), undefined, 'accumulate_batches is 4'],
    [optimizer('cuda'), {}, 'a process group exchanges gradients'],
    [optimizer('cuda'), undefined, "the model, the optimizer or the scaler is a user's own"],
  ])('stays eager and says why (%#)', async (parts, group, why) => {
    expect(whyNotCaptured(parts, group !== undefined)).toContain(why)
    expect(await buildStepGraph(parts, true, { log, group })).toBeNull()
    expect(lines).toEqual([expect.stringContaining(`stays eager: ${why}`)])
  })
})
