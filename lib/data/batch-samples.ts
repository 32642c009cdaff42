/** Which frames a batch was made of, for whoever must say what was wrong with it. */
import type { LoaderSpec } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { DatasetIndex } from './compact-index.ts'

/** Where a batch comes from: samples `sample` to `sample + count − 1` of an epoch; they may go on into the next one. */
export interface BatchSource {
  epoch: number
  sample: number
  count: number
}

/** One frame of a pair. */
export interface SampleFrame {
  dataset: string
  /** Numbers in the index, from 0: of the sequence, and of the frame (a still picture: the object) in it. */
  sequence: number
  frame: number
  /** The picture's file; absent where the index does not name any. Of a pack: what it was made from. */
  file?: string
}

export interface SampleDescription {
  epoch: number
  sample: number
  /** Template and search image come from different sequences. */
  negative: boolean
  template: SampleFrame
  search: SampleFrame
}

/** What the samples of a batch drew. A sample whose frames could not be read was replaced by another pair, which `takeSkipped()` tells of. */
export function describeSamples(spec: LoaderSpec, source: BatchSource): SampleDescription[] {
  const described: SampleDescription[] = []
  let { epoch, sample } = source
  for (let left = source.count; left > 0; epoch++, sample = 0) {
    const count = Math.min(left, spec.samplesPerEpoch - sample)
    for (const [i, { dataset, sequence, frame, negative }] of loadAddon().samplePairs(spec, epoch, sample, 0, count).entries()) {
      const of = (side: 0 | 1): SampleFrame => frameOf(spec, dataset[side], sequence[side], frame[side])
      described.push({ epoch, sample: sample + i, negative, template: of(0), search: of(1) })
    }
    left -= count
  }
  return described
}

function frameOf(spec: LoaderSpec, dataset: number, sequence: number, frame: number): SampleFrame {
  const index = spec.datasets[dataset]
  const file = index instanceof DatasetIndex ? index.framePath(sequence, frame) : undefined
  return { dataset: index?.name ?? '', sequence, frame, ...(file === undefined ? {} : { file }) }
}
