/** A TinyConv on little crops, so that an iteration takes milliseconds, its losses, and batches for it. */
import { Loss, type TensorDict } from '../../lib/engine/losses.ts'
import { Model } from '../../lib/engine/model.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'

const zSize = 127
const xSize = 207
/** (207 − 127)/8 + 1 − 2·3 cells a side. */
export const scoreSize = 5

export function tinySpec(changes: Partial<ModelSpec> = {}): ModelSpec {
  return {
    backbone: { name: 'TinyConv' },
    head: { totalStride: 8, scoreSize, xSize, numConv3x3: 3, headConvBn: [false, false, true], headWidth: 64, convWeightStd: 0.01, inputSizeAdapt: false },
    headWidth: 64,
    convWeightStd: 0.01,
    corrFeaOutput: false,
    precision: 'fp32',
    memoryFormat: 'contiguous',
    device: 'cpu',
    seed: 1,
    ...changes,
  }
}

export async function tinyModel(changes: Partial<ModelSpec> = {}): Promise<Model> {
  // So little work is done sooner by one thread, above all where other processes want the cores as well.
  await loadAddon().setThreads(1)
  return Model.create(tinySpec(changes), {
    cls: new Loss({ type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 }),
    ctr: new Loss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }),
    reg: new Loss({ type: 'IOULoss', weight: 3 }),
  })
}

/** A repeatable sequence of numbers in [0, 1). */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Batch `seed`: noise with a brighter square, and targets that say where it is. */
export function tinyBatch(seed: number, n = 2): TensorDict {
  const random = uniforms(seed * 7919 + 1)
  const image = (size: number): Uint8Array => Uint8Array.from({ length: n * 3 * size * size }, () => Math.floor(random() * 256))
  const cells = scoreSize * scoreSize
  const cls = new Float32Array(n * cells)
  const ctr = new Float32Array(n * cells)
  const box = new Float32Array(n * cells * 4)
  for (let i = 0; i < n * cells; i++) {
    if (random() < 0.4) {
      cls[i] = 1
      ctr[i] = 0.2 + 0.8 * random()
      box.set([60 + 20 * random(), 60 + 20 * random(), 120 + 20 * random(), 120 + 20 * random()], i * 4)
    }
  }
  return {
    im_z: Tensor.from(image(zSize), [n, 3, zSize, zSize]),
    im_x: Tensor.from(image(xSize), [n, 3, xSize, xSize]),
    cls_gt: Tensor.from(cls, [n, cells, 1]),
    ctr_gt: Tensor.from(ctr, [n, cells, 1]),
    box_gt: Tensor.from(box, [n, cells, 4]),
  }
}

/** Forward and all losses; disposes everything but the total. */
export async function totalLoss(model: Model, batch: TensorDict): Promise<Tensor> {
  const predicted = await model.forward(batch)
  const parts: Tensor[] = []
  for (const loss of Object.values(model.losses)) {
    const { loss: value, extra } = await loss.forward(predicted, batch)
    parts.push(value)
    for (const tensor of Object.values(extra)) tensor.dispose()
  }
  const total = new Tensor(await loadAddon().sum(parts.map(({ native }) => native)))
  for (const tensor of [...parts, ...Object.values(predicted)]) tensor.dispose()
  return total
}
