/** One fixed batch, the same numbers in every process of a bench. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CheckpointTensor, PyDict, writeSafetensors } from '../../lib/checkpoint/index.ts'
import { writeFileAtomically } from '../../lib/checkpoint/atomic-file.ts'
import type { NamedRawTensor, RawTensor } from '../../lib/native/addon.ts'

const cells = 17 * 17

/** xorshift32: the same everywhere, and fast enough for 9 million pixels. */
function generator(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
}

/**
 * Random pixels with targets of the usual form: a box in the search crop, some 8 % of the cells positive.
 * @returns im_z, im_x uint8, cls_gt, ctr_gt, box_gt float32
 */
export function fixedBatch(samples: number, seed = 7, xSize = 303): Record<string, RawTensor> {
  const random = generator(seed)
  const image = (size: number): RawTensor => {
    const data = new Uint8Array(samples * 3 * size * size)
    for (let i = 0; i < data.length; i += 1) data[i] = random() * 256
    return { dtype: 'uint8', shape: [samples, 3, size, size], data }
  }
  const cls = new Float32Array(samples * cells)
  const ctr = new Float32Array(samples * cells)
  const box = new Float32Array(samples * cells * 4)
  for (let n = 0; n < samples; n += 1) {
    const w = 40 + 60 * random()
    const h = 40 + 60 * random()
    const left = 100 + 60 * random()
    const top = 100 + 60 * random()
    for (let i = 0; i < cells; i += 1) {
      const x = 87 + 8 * (i % 17)
      const y = 87 + 8 * Math.floor(i / 17)
      const [l, t, r, b] = [x - left, y - top, left + w - x, top + h - y]
      if (Math.min(l, t, r, b) <= 0) continue
      const at = n * cells + i
      cls[at] = 1
      ctr[at] = Math.sqrt((Math.min(l, r) * Math.min(t, b)) / (Math.max(l, r) * Math.max(t, b)))
      box.set([left, top, left + w, top + h], 4 * at)
    }
  }
  const floats = (values: Float32Array, width: number): RawTensor => ({ dtype: 'float32', shape: [samples, cells, width], data: new Uint8Array(values.buffer) })
  return { im_z: image(127), im_x: image(xSize), cls_gt: floats(cls, 1), ctr_gt: floats(ctr, 1), box_gt: floats(box, 4) }
}

/** Writes named tensors as safetensors. */
export async function writeTensors(file: string, tensors: readonly NamedRawTensor[]): Promise<void> {
  const table = PyDict.ordered(tensors.map((tensor) => [tensor.name, CheckpointTensor.fromRaw(tensor)]))
  await writeFileAtomically(file, (sink) => writeSafetensors(table, sink))
}

/** A folder that goes when the bench ends. */
export class ScratchFolder implements Disposable {
  readonly folder: string

  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'siam-bench-'))
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
