/**
 * What a run will need of the host's memory: measured on the real network with a few pairs, and carried on to the minibatch.
 *
 * Why not with one and two: the most is reached at different places of the step for small and for larger numbers of pairs, so that the line
 * through one and two is too flat (AlexNet: 12 % too little at 32).
 */
import { availableParallelism } from 'node:os'
import type { DataSettings } from '../data/settings.ts'
import type { ParameterInfo } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import type { Model } from './model.ts'
import type { TensorDict } from './losses.ts'
import type { Optimizer } from './optimizer.ts'
import { Handles } from './trainer-types.ts'

/** Bytes. */
export interface MemoryEstimate {
  /** Resident besides tensors and batches: Node, libtorch and oneDNN, code and small things. Measured. */
  runtime_bytes: number
  parameters_bytes: number
  /** BatchNorm's running statistics. */
  buffers_bytes: number
  momentum_bytes: number
  gradients_bytes: number
  /** Activations, and what forward and backward need besides, at their most. Measured with the pairs of `measured`, linear in the minibatch. */
  activations_bytes: number
  /** Copies of weights and momentum while a snapshot is written. */
  snapshot_bytes: number
  /** What the allocator of big tensors keeps for the next ones. */
  reserve_bytes: number
  /** Batches that wait, are made and are trained on; decoding; frames read ahead; the cache, full. */
  loader_bytes: number
  total_bytes: number
  minibatch: number
  /** What a step took on top of weights and momentum, gradients included, with so many pairs. */
  measured: { pairs: number; step_bytes: number }[]
}

/** The allocator's segments have gaps, and oneDNN takes scratch memory: this much of what tensors hold. docs/training.md has what it was measured on. */
const spareShare = 0.3

/** Pairs to measure with at most. */
const mostPairs = 8

export interface MeasuredSetup {
  model: Model
  optimizer: Optimizer
  data: Pick<DataSettings, 'batchSize' | 'crop' | 'target' | 'queueBatches' | 'cacheBytes' | 'numWorkers' | 'readAhead'>
  /** Threads of the loader that were asked for; without them numWorkers, as far as there are cores. */
  workers?: number
  /** Parameters that are frozen in the epoch that trains the most. */
  frozen: readonly string[]
  runtimeBytes: number
}

/**
 * Trains three steps on made-up pairs: give it a model that is thrown away.
 * @throws whatever forward, losses and backward throw; ERR_DEVICE_OOM where even these are too many
 */
export async function estimateMemory(setup: MeasuredSetup): Promise<MemoryEstimate> {
  const { model, data, frozen } = setup
  const described = model.describe()
  const parameters = described.filter(({ kind }) => kind === 'parameter')
  const trained = parameters.filter(({ name }) => !frozen.includes(name))
  model.setRequiresGrad(parameters.map(({ name }) => name), true)
  model.setRequiresGrad(frozen, false)
  model.train()
  // The first step makes the momentum buffers, and oneDNN its code. What is resident then besides the tensors stays.
  await stepBytes(setup, 1)
  const besides = process.memoryUsage.rss() - loadAddon().memory().hostPeakBytes
  const most = Math.min(data.batchSize, mostPairs)
  const few = Math.max(Math.floor(most / 2), 1)
  const measured: MemoryEstimate['measured'] = []
  for (const pairs of new Set([few, most])) measured.push({ pairs, step_bytes: await stepBytes(setup, pairs) })
  const first = measured[0] as (typeof measured)[number]
  const last = measured.at(-1) as (typeof measured)[number]
  const ofPair = last.pairs === first.pairs ? 0 : Math.max(last.step_bytes - first.step_bytes, 0) / (last.pairs - first.pairs)
  const step = last.step_bytes + ofPair * (data.batchSize - last.pairs)
  const gradients = bytesOf(trained)
  const tensors = {
    parameters_bytes: bytesOf(parameters),
    buffers_bytes: bytesOf(described.filter(({ kind }) => kind === 'buffer')),
    momentum_bytes: bytesOf(trained),
    gradients_bytes: gradients,
    // At the peak not all gradients are there yet: the rest of the step is activations.
    activations_bytes: Math.round(Math.max(step - gradients, 0)),
  }
  const parts = {
    runtime_bytes: Math.max(setup.runtimeBytes, besides),
    ...tensors,
    snapshot_bytes: tensors.parameters_bytes + tensors.buffers_bytes + tensors.momentum_bytes,
    reserve_bytes: Math.round(sum(tensors) * spareShare),
    loader_bytes: loaderBytes(data, setup.workers),
  }
  return { ...parts, total_bytes: sum(parts), minibatch: data.batchSize, measured }
}

function sum(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((total, bytes) => total + bytes, 0)
}

/** The most that tensors held during one step with so many pairs, beyond what they hold between steps. */
async function stepBytes({ model, optimizer, data }: MeasuredSetup, pairs: number): Promise<number> {
  const addon = loadAddon()
  const handles = new Handles()
  try {
    const batch = handles.add(madeUpBatch(data, pairs))
    optimizer.zeroGrad()
    await addon.resetPeakMemory()
    const before = addon.memory().hostBytes
    const predicted = handles.add(await model.forward(batch))
    const parts: Tensor[] = []
    for (const loss of Object.values(model.losses)) {
      const result = await loss.forward(predicted, batch)
      parts.push(handles.add(result.loss))
      handles.add(result.extra)
    }
    const total = handles.add(new Tensor(await addon.sum(parts.map(({ native }) => native))))
    await total.backward()
    await optimizer.step()
    return addon.memory().hostPeakBytes - before
  } finally {
    handles.dispose()
    optimizer.zeroGrad()
  }
}

/** Grey noise with a target in the middle: memory depends on sizes alone. */
function madeUpBatch({ crop, target }: MeasuredSetup['data'], pairs: number): TensorDict {
  const image = (size: number): Tensor => {
    const pixels = new Uint8Array(pairs * 3 * size * size)
    for (let i = 0; i < pixels.length; i++) pixels[i] = Math.imul(i, 2654435761) >>> 24
    return Tensor.from(pixels, [pairs, 3, size, size])
  }
  const cells = target.scoreSize ** 2
  const one = (value: number): Tensor => Tensor.from(new Float32Array(pairs * cells).fill(value), [pairs, cells, 1])
  const edge = crop.xSize / 4
  const boxes = Float32Array.from({ length: pairs * cells * 4 }, (_, i) => (i % 4 < 2 ? edge : 3 * edge))
  return { im_z: image(crop.zSize), im_x: image(crop.xSize), cls_gt: one(1), ctr_gt: one(0.5), box_gt: Tensor.from(boxes, [pairs, cells, 4]) }
}

/** Bound on the memory of frames that are read ahead, where any are (native/data/read_ahead.h). */
const readAheadBytes = 64 * 2 ** 20

/** Batches that wait (queue_batches), one that is trained on, one on its way; for each thread two whole frames of 1280 × 720; frames read ahead; and the cache, full. */
function loaderBytes({ batchSize, crop, target, queueBatches, numWorkers, readAhead, cacheBytes }: MeasuredSetup['data'], workers?: number): number {
  const pair = 3 * (crop.zSize ** 2 + crop.xSize ** 2) + target.scoreSize ** 2 * 6 * 4 + 2 * 4 * 4 + 8
  const threads = workers ?? Math.min(Math.max(numWorkers, 1), availableParallelism())
  return pair * batchSize * (queueBatches + 2) + threads * 2 * 3 * 1280 * 720 + (readAhead > 0 ? readAheadBytes : 0) + cacheBytes
}

const bytesPerElement: Record<ParameterInfo['dtype'], number> = { float64: 8, int64: 8, float32: 4, int32: 4, float16: 2, bfloat16: 2, int16: 2, int8: 1, uint8: 1, bool: 1 }

function bytesOf(infos: readonly ParameterInfo[]): number {
  return infos.reduce((sum, { shape, dtype }) => sum + shape.reduce((n, size) => n * size, 1) * bytesPerElement[dtype], 0)
}

