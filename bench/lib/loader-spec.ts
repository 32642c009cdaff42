/** The loader of the original's usual settings, without filter and negative pairs, as the benches of the data pipeline want it. */
import type { LoaderSpec } from '../../lib/native/addon.ts'

export function benchLoaderSpec(datasets: LoaderSpec['datasets'], more: Partial<LoaderSpec> = {}): LoaderSpec {
  return {
    datasets,
    seed: 1,
    negativePairRatio: 0,
    symmetricWindow: true,
    filter: null,
    crop: { contextAmount: 0.5, maxScale: 0.3, maxShift: 0.4, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 },
    target: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3 },
    batchSize: 32,
    threads: 1,
    queueBatches: 2,
    samplesPerEpoch: 1 << 30,
    startEpoch: 0,
    startSample: 0,
    strict: true,
    ...more,
  }
}
