/** One measurement of each kind, on one set of frames. */
import path from 'node:path'
import type { LoaderSpec, NativeDatasetIndex, NativeLoader } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { loaderUse, type LoaderUse } from '../../lib/pipeline/loader-use.ts'
import type { FrameSet } from './frame-sets.ts'
import { benchLoaderSpec } from './loader-spec.ts'

/** Pairs for each second that passed, and for each second of a core: the one to go by on a machine that does other work. */
export interface Speed {
  wall: number
  cpu: number
}

export interface LoaderRun extends Speed {
  use: LoaderUse
}

const batchSize = 32
const queueBatches = 2
/** Samples whose regions the limit is measured on. */
const limitSamples = 96

export function datasetOf(set: FrameSet): NativeDatasetIndex {
  return {
    name: set.frames,
    ratio: 1,
    maxDiff: set.files.length,
    sequenceDirs: [path.dirname(set.files[0] as string)],
    framePatterns: ['%08d.jpg'],
    firstNumbers: Int32Array.of(1),
    frameNames: [null],
    sequenceStart: Uint32Array.of(0, set.files.length),
    boxes: Float32Array.from(set.boxes.flatMap(([x, y, w, h]) => [x, y, x + w - 1, y + h - 1])),
  }
}

export function specOf(dataset: NativeDatasetIndex, threads: number, rememberMeans: boolean): LoaderSpec {
  return benchLoaderSpec([dataset], { batchSize, threads, queueBatches, rememberMeans })
}

/** A loader of its own, warmed up, then timed while batches are taken as fast as they come, for about as many seconds. */
export async function runLoader(spec: LoaderSpec, seconds: number): Promise<LoaderRun> {
  const loader = loadAddon().createLoader(spec)
  try {
    // With means remembered, the figure is that of a later epoch: every frame has been seen.
    for (let b = 0; b < (spec.rememberMeans === false ? 2 : 6); b += 1) await drop(loader)
    const [before, start] = [loader.stats(), performance.now()]
    do await drop(loader)
    while (performance.now() - start < seconds * 1000)
    const [after, took] = [loader.stats(), (performance.now() - start) / 1000]
    // Samples made are counted, not batches taken: batches that were ready at the start or the end would falsify the rate.
    const made = after.samples - before.samples
    return { wall: made / took, cpu: made / (after.cpuSeconds - before.cpuSeconds), use: loaderUse(before, after, took) as LoaderUse }
  } finally {
    await loader.close()
  }
}

async function drop(loader: NativeLoader): Promise<void> {
  for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
}

/** The regions that a spec's samples need, decoded from memory by one thread, and nothing else done. */
export async function runDecodeLimit(spec: LoaderSpec, seconds: number): Promise<Speed> {
  const run = await loadAddon().measureDecodeLimit(spec, { samples: limitSamples, threads: 1, seconds })
  return { wall: run.pairs / run.seconds, cpu: run.pairs / run.cpuSeconds }
}
