/** Several ranks share the stream without overlap, whatever their number, the batch size and the epoch's length. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-ranks-'))
const boxes = wanderingBoxes(2, 8)
beforeAll(() => writeFrames(root, boxes, () => [96, 80]))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Crops as small as they may be: there are many loaders to run. */
const spec = (more: Partial<LoaderSpec>) => {
  const plain = loaderSpec([indexOf(root, boxes)])
  return { ...plain, crop: { ...plain.crop, zSize: 8, xSize: 16 }, target: { totalStride: 8, scoreSize: 2, xSize: 16, numConv3x3: 0 }, negativePairRatio: 0.25, ...more }
}

/** Place in the stream and SHA-256 of each sample of so many batches. */
async function samples(config: LoaderSpec, batches: number): Promise<{ at: number; hash: string }[]> {
  const loader = addon.createLoader(config)
  const out: { at: number; hash: string }[] = []
  for (let b = 0; b < batches; b += 1) {
    const { epoch, firstSample, tensors } = await loader.next()
    const bytes = await Promise.all(Object.keys(tensors).sort().map((key) => tensors[key]!.toBytes()))
    for (const tensor of Object.values(tensors)) tensor.dispose()
    for (let i = 0; i < config.batchSize; i += 1) {
      const hash = createHash('sha256')
      for (const part of bytes) hash.update(part.subarray((i * part.length) / config.batchSize, ((i + 1) * part.length) / config.batchSize))
      out.push({ at: (epoch - config.startEpoch) * config.samplesPerEpoch + firstSample - config.startSample + i, hash: hash.digest('hex') })
    }
  }
  await loader.close()
  return out
}

describe('ranks', () => {
  const worlds = [1, 2, 3, 5, 8]
  const cases = worlds.flatMap((worldSize) => [1, 2, 5].flatMap((batchSize) => [7, 40].map((samplesPerEpoch, i) => ({ worldSize, batchSize, samplesPerEpoch, startSample: i * 3, threads: 1 + (worldSize % 3) }))))

  it.each(cases)('$worldSize of batches of $batchSize make the one-process stream of epochs of $samplesPerEpoch', async ({ worldSize, ...more }) => {
    const rounds = Math.ceil(48 / (worldSize * more.batchSize))
    const all = await samples(spec({ ...more, threads: 1 }), rounds * worldSize)
    const ranks = await Promise.all(Array.from({ length: worldSize }, (_, rank) => samples(spec({ ...more, rank, worldSize }), rounds)))
    // Every sample once, nothing twice, and each the same as with one process.
    expect(ranks.flat().sort((a, b) => a.at - b.at)).toEqual(all)
    expect(new Set(all.map(({ at }) => at)).size).toBe(all.length)
    expect(all.length).toBeGreaterThanOrEqual(48)
  })
})
