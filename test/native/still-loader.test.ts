/** Batches of still pictures: both crops of a positive pair are of one object of one file, whose mean is kept for all of its objects. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LoaderSpec, LoaderStats } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { type Box, indexOf, loaderSpec, writeFrames } from '../helpers/loader-spec.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-stills-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

// Objects at the border, so that every crop leaves the picture and needs its mean.
const objects: Box[][] = [[[0, 0, 40, 30], [150, 110, 199, 149], [0, 100, 50, 149]], [[100, 0, 199, 60]]]
const spec = (more: Partial<LoaderSpec> = {}) => loaderSpec([indexOf(root, objects, { still: true })], { batchSize: 8, samplesPerEpoch: 40, ...more })
// One file a picture is all there is.
beforeAll(() => writeFrames(root, objects.map((boxes) => boxes.slice(0, 1))))

async function batches(more: Partial<LoaderSpec>): Promise<{ bytes: Record<string, Uint8Array>[]; stats: LoaderStats }> {
  const loader = addon.createLoader(spec(more))
  const bytes: Record<string, Uint8Array>[] = []
  for (let i = 0; i < 5; i += 1) {
    const { tensors } = await loader.next()
    bytes.push(Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([key, tensor]) => [key, await tensor.toBytes()] as const))))
    for (const tensor of Object.values(tensors)) tensor.dispose()
  }
  const stats = loader.stats()
  await loader.close()
  return { bytes, stats }
}

const digest = (batch: Record<string, Uint8Array>): Record<string, string> => Object.fromEntries(Object.entries(batch).map(([key, bytes]) => [key, createHash('sha256').update(bytes).digest('hex')]))

it('are the same with means that are kept as with ones that are not, positive and negative pairs', async () => {
  for (const negativePairRatio of [0, 0.5]) {
    const kept = await batches({ negativePairRatio })
    const fresh = await batches({ negativePairRatio, rememberMeans: false })
    expect(kept.bytes.map(digest)).toEqual(fresh.bytes.map(digest))
    // The mean of each of the two pictures is computed once, not once an object (one thread, so no two threads miss together).
    expect(kept.stats.wholeDecodes).toBe(2)
    expect(fresh.stats.wholeDecodes).toBeGreaterThanOrEqual(40)
    expect(kept.stats.skipped).toBe(0)
  }
})

it('without augmentation show a positive pair\'s object in the middle of both crops', async () => {
  const { bytes } = await batches({ crop: { contextAmount: 0.5, maxScale: 0, maxShift: 0, maxScaleTemp: 0, maxShiftTemp: 0, zSize: 127, xSize: 303 } })
  for (const { bbox_z: z, bbox_x: x } of bytes) {
    const [template, search] = [new Float32Array(z!.slice().buffer), new Float32Array(x!.slice().buffer)]
    for (let i = 0; i < template.length; i += 1) expect(Math.abs((search[i] as number) - (template[i] as number) - 88)).toBeLessThan(1e-3)
  }
})
