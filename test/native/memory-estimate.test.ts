/** Counting tensors' memory, and the estimate for a minibatch that was never run against the run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { readDataSettings } from '../../lib/data/index.ts'
import { buildModel, buildOptimizer } from '../../lib/engine/builders.ts'
import { estimateMemory, type MemoryEstimate } from '../../lib/engine/memory-estimate.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

const addon = loadAddon()
const megabyte = 1 << 20

describe('memory()', () => {
  it('counts what tensors hold and the most that they held', async () => {
    await addon.resetPeakMemory()
    const before = addon.memory()
    const big = addon.tensorFrom({ dtype: 'uint8', shape: [8 * megabyte], data: new Uint8Array(8 * megabyte) }, 'cpu')
    const small = addon.tensorFrom({ dtype: 'uint8', shape: [5000], data: new Uint8Array(5000) }, 'cpu')
    await addon.rngState() // what tensorFrom() queued is done
    const held = addon.memory()
    // malloc rounds small blocks up.
    expect(held.hostBytes - before.hostBytes).toBeGreaterThanOrEqual(8 * megabyte + 5000)
    expect(held.hostBytes - before.hostBytes).toBeLessThan(8 * megabyte + 5200)
    expect(held.hostMappedBytes).toBeGreaterThanOrEqual(8 * megabyte)
    big.dispose()
    small.dispose()
    await addon.rngState()
    const after = addon.memory()
    expect(Math.abs(after.hostBytes - before.hostBytes)).toBeLessThan(100_000)
    expect(after.hostPeakBytes - before.hostBytes).toBeGreaterThanOrEqual(8 * megabyte + 5000)
    await addon.resetPeakMemory()
    expect(addon.memory().hostPeakBytes).toBeLessThan(before.hostBytes + megabyte)
  })
})

describe('estimateMemory', () => {
  let experiment: Experiment
  beforeAll(() => {
    experiment = makeExperiment('memory', { iterations: 2, epochs: 1 })
  })
  afterAll(() => removeFolder(experiment.dir))

  async function estimateFor(minibatch: number, frozen: (names: string[]) => string[] = () => [], more: string[] = [], workers?: number): Promise<MemoryEstimate> {
    const config = await loadConfig(experiment.config, [...experiment.overrides, `train.track.data.minibatch=${minibatch}`, 'train.track.data.nr_image_per_epoch=100', ...more], { onWarning: () => {} })
    using model = await buildModel(config)
    using optimizer = buildOptimizer(config, model)
    return await estimateMemory({ model, optimizer, data: readDataSettings(config), workers, frozen: frozen(model.parameterNames()), runtimeBytes: process.memoryUsage.rss() })
  }
  const stepOf = (estimate: MemoryEstimate): number => estimate.activations_bytes + estimate.gradients_bytes

  it('a minibatch of 8 is measured, one of 4 and 8 pairs agree with their own measurements', async () => {
    const eight = await estimateFor(8)
    expect(eight.measured.map(({ pairs }) => pairs)).toEqual([4, 8])
    expect(stepOf(eight)).toBe(eight.measured[1]?.step_bytes)
    const one = await estimateFor(1)
    expect(one.measured.map(({ pairs }) => pairs)).toEqual([1])
    expect(stepOf(one)).toBe(one.measured[0]?.step_bytes)
  })

  it('a minibatch that is carried on to is as a run has it, within 5 %', async () => {
    const estimate = await estimateFor(32)
    const { buildTrainer } = await import('../../lib/index.ts')
    const config = await loadConfig(experiment.config, [...experiment.overrides, 'train.track.data.minibatch=32', 'train.track.data.nr_image_per_epoch=64', 'train.track.trainer.RegularTrainer.minibatch=32', 'train.track.trainer.RegularTrainer.nr_image_per_epoch=64'], { onWarning: () => {} })
    const trainer = await buildTrainer(config, { progress: 'none', log: () => {} })
    try {
      await trainer.train({ maxIterations: 1 })
      const before = addon.memory().hostBytes
      await addon.resetPeakMemory()
      await trainer.train({ maxIterations: 1 })
      const taken = addon.memory().hostPeakBytes - before
      // The run begins its second step with the gradients of the first.
      expect(Math.abs(taken + estimate.gradients_bytes - stepOf(estimate)) / taken).toBeLessThan(0.05)
    } finally {
      await trainer.close()
    }
  })

  it("has the loader's read-ahead, cache and threads in it", async () => {
    const loaderOf = async (more: string[], workers?: number): Promise<number> => (await estimateFor(1, undefined, more, workers)).loader_bytes
    const plain = await loaderOf(['train.track.data.read_ahead=0'], 1)
    expect((await loaderOf([], 1)) - plain).toBe(64 * megabyte)
    expect((await loaderOf(['train.track.data.read_ahead=0', 'train.track.data.cache=8G'], 1)) - plain).toBe(8 * 1024 * megabyte)
    expect((await loaderOf(['train.track.data.read_ahead=0'], 4)) - plain).toBe(3 * 2 * 3 * 1280 * 720)
  })

  it('parts add up, and frozen parameters have neither gradient nor momentum', async () => {
    const all = await estimateFor(4)
    const { runtime_bytes, parameters_bytes, buffers_bytes, momentum_bytes, gradients_bytes, activations_bytes, snapshot_bytes, reserve_bytes, loader_bytes, total_bytes } = all
    expect(total_bytes).toBe(runtime_bytes + parameters_bytes + buffers_bytes + momentum_bytes + gradients_bytes + activations_bytes + snapshot_bytes + reserve_bytes + loader_bytes)
    expect(snapshot_bytes).toBe(parameters_bytes + buffers_bytes + momentum_bytes)
    expect([momentum_bytes, gradients_bytes]).toEqual([parameters_bytes, parameters_bytes])
    // 3 bytes a pixel, 6 floats a cell, 2 boxes, 1 int64; 6 batches; frames of the decoding threads besides.
    expect(loader_bytes).toBeGreaterThan(6 * 4 * (3 * (127 ** 2 + 207 ** 2) + 25 * 24 + 40))
    const frozen = await estimateFor(4, (names) => names.filter((name) => name.startsWith('basemodel.')))
    expect(frozen.gradients_bytes).toBeLessThan(gradients_bytes)
    expect(frozen.activations_bytes).toBeLessThan(activations_bytes)
    expect(frozen.parameters_bytes).toBe(parameters_bytes)
  })
})
