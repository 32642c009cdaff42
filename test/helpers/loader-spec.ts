/** Small data sets and loader specs for tests of the native sampler and loader. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { LoaderSpec, NativeDatasetIndex } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { testPicture } from './pixels.ts'

export type Box = [x1: number, y1: number, x2: number, y2: number]

/** An index of sequences whose boxes are given; `root` holds a folder for each, made only by {@link writeFrames}. */
export function indexOf(root: string, boxes: Box[][], more: Partial<NativeDatasetIndex> = {}): NativeDatasetIndex {
  const start = [0]
  for (const sequence of boxes) start.push(start.at(-1)! + sequence.length)
  return {
    name: 'test',
    ratio: 1,
    maxDiff: 100,
    sequenceDirs: boxes.map((_, s) => path.join(root, `s${s}`)),
    framePatterns: boxes.map(() => '%08d.jpg'),
    firstNumbers: Int32Array.from(boxes, () => 1),
    frameNames: boxes.map(() => null),
    sequenceStart: Uint32Array.from(start),
    boxes: Float32Array.from(boxes.flat(2)),
    ...more,
  }
}

export const framePath = (root: string, s: number, k: number) => path.join(root, `s${s}`, `${String(k + 1).padStart(8, '0')}.jpg`)

/** Writes a different JPEG for each frame of an index of `indexOf`; `size` may differ between sequences. */
export function writeFrames(root: string, boxes: Box[][], size: (s: number) => [number, number] = () => [200, 150]): void {
  boxes.forEach((sequence, s) => {
    mkdirSync(path.join(root, `s${s}`), { recursive: true })
    const [width, height] = size(s)
    sequence.forEach((_, k) => {
      writeFileSync(framePath(root, s, k), loadAddon().encodeJpeg(testPicture(width, height, s * 50 + k), width, height, { quality: 88, subsampling: '420', format: 'bgr' }))
    })
  })
}

/** `sequences` × `frames` boxes that wander, about 40 × 30. */
export function wanderingBoxes(sequences: number, frames: number): Box[][] {
  return Array.from({ length: sequences }, (_, s) => Array.from({ length: frames }, (_, k) => [30 + 6 * k + s, 40 + 3 * s + k, 70 + 6 * k + s, 70 + 4 * s + k] as Box))
}

export function loaderSpec(datasets: NativeDatasetIndex[], more: Partial<LoaderSpec> = {}): LoaderSpec {
  return {
    datasets,
    seed: 11,
    negativePairRatio: 0,
    symmetricWindow: false,
    filter: { maxAreaRate: 0.6, minAreaRate: 0.001, maxRatio: 10, applyAreaLimits: false },
    crop: { contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 },
    target: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3 },
    batchSize: 4,
    threads: 1,
    queueBatches: 2,
    samplesPerEpoch: 10,
    startEpoch: 0,
    startSample: 0,
    strict: false,
    ...more,
  }
}
