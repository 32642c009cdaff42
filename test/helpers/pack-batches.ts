/** Batches of a loader as bytes, and how far two streams of them are apart. */
import type { LoaderSpec, NativeDatasetIndex, SkippedSample } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { loaderSpec } from './loader-spec.ts'

export type Parts = Record<string, Uint8Array>

/** The keys that are equal bit by bit, however pictures are stored. */
export const exactKeys = ['bbox_z', 'bbox_x', 'cls_gt', 'ctr_gt', 'box_gt', 'is_negative_pair'] as const
export const pixelKeys = ['im_z', 'im_x'] as const

/** @returns `count` batches, and what was skipped */
export async function takeBatches(datasets: NativeDatasetIndex[], count: number, more: Partial<LoaderSpec> = {}): Promise<{ batches: Parts[]; skipped: SkippedSample[]; wholeDecodes: number }> {
  const loader = loadAddon().createLoader(loaderSpec(datasets, { negativePairRatio: 0.3, samplesPerEpoch: 1000, ...more }))
  try {
    const batches: Parts[] = []
    for (let b = 0; b < count; b += 1) {
      const { tensors } = await loader.next()
      const parts: Parts = {}
      for (const [key, tensor] of Object.entries(tensors)) {
        parts[key] = await tensor.toBytes()
        tensor.dispose()
      }
      batches.push(parts)
    }
    return { batches, skipped: loader.takeSkipped(), wholeDecodes: loader.stats().wholeDecodes }
  } finally {
    await loader.close()
  }
}

/** Keys in which two streams differ in any byte. */
export function differingKeys(a: readonly Parts[], b: readonly Parts[]): string[] {
  if (a.length !== b.length) throw new Error(`${a.length} batches against ${b.length}`)
  return [...new Set(a.flatMap((parts, i) => Object.keys(parts).filter((key) => Buffer.compare(parts[key]!, b[i]![key]!) !== 0)))].sort()
}

/** Of all pixels' values: mean absolute difference and 99.9th percentile, levels. */
export function pixelError(a: readonly Parts[], b: readonly Parts[]): { mean: number; p999: number; max: number } {
  const counts = new Float64Array(256)
  for (const [i, parts] of a.entries()) for (const key of pixelKeys) parts[key]!.forEach((value, at) => (counts[Math.abs(value - b[i]![key]![at]!)]! += 1))
  const total = counts.reduce((sum, count) => sum + count, 0)
  let [below, p999] = [0, 0]
  while ((below += counts[p999]!) < 0.999 * total) p999 += 1
  return { mean: counts.reduce((sum, count, level) => sum + count * level, 0) / total, p999, max: counts.findLastIndex((count) => count > 0) }
}
