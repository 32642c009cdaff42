/** The loader: what it makes, in which order, whatever the number of threads. Faults and lifetimes: loader-faults.test.ts. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoaderSpec, NativeLoader } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { type Box, framePath, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { readFrame } from '../helpers/pixels.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-'))
/** The last two sequences leave the frame with nearly every search crop; the first boxes are small and rarely do. */
const boxes: Box[][] = [...wanderingBoxes(3, 8), wanderingBoxes(1, 8)[0]!.map(([x, y]) => [x, y, x + 14, y + 11] as Box)]
beforeAll(() => writeFrames(root, boxes, (s) => [200 + 40 * s, 150 + 20 * s]))
afterAll(() => rmSync(root, { recursive: true, force: true }))

type Batch = Awaited<ReturnType<NativeLoader['next']>>

async function take(loader: NativeLoader): Promise<{ epoch: number; firstSample: number; bytes: Record<string, Uint8Array>; shapes: Record<string, number[]>; dtypes: Record<string, string> }> {
  const { epoch, firstSample, tensors }: Batch = await loader.next()
  const [bytes, shapes, dtypes] = [{} as Record<string, Uint8Array>, {} as Record<string, number[]>, {} as Record<string, string>]
  for (const [key, tensor] of Object.entries(tensors)) {
    shapes[key] = tensor.shape
    dtypes[key] = tensor.dtype
    bytes[key] = await tensor.toBytes()
    tensor.dispose()
  }
  return { epoch, firstSample, bytes, shapes, dtypes }
}

/** SHA-256 of each sample, in order, over all its parts. */
async function sampleHashes(spec: LoaderSpec, batches: number): Promise<string[]> {
  const loader = addon.createLoader(spec)
  const hashes: string[] = []
  for (let b = 0; b < batches; b += 1) {
    const { bytes } = await take(loader)
    for (let i = 0; i < spec.batchSize; i += 1) {
      const hash = createHash('sha256')
      for (const key of Object.keys(bytes).sort()) {
        const size = bytes[key]!.length / spec.batchSize
        hash.update(bytes[key]!.subarray(i * size, (i + 1) * size))
      }
      hashes.push(hash.digest('hex'))
    }
  }
  await loader.close()
  return hashes
}

/** Strict: the frames are good, so nothing may be skipped. */
const spec = (more: Partial<LoaderSpec> = {}) => loaderSpec([indexOf(root, boxes)], { negativePairRatio: 0.25, strict: true, ...more })
const floats = (bytes: Uint8Array) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)

describe('a batch', () => {
  it('has the eight entries of the training data, typed and shaped', async () => {
    const loader = addon.createLoader(spec())
    const { epoch, firstSample, shapes, dtypes } = await take(loader)
    await loader.close()
    expect([epoch, firstSample]).toEqual([0, 0])
    expect(shapes).toEqual({ im_z: [4, 3, 127, 127], im_x: [4, 3, 303, 303], bbox_z: [4, 4], bbox_x: [4, 4], cls_gt: [4, 289, 1], ctr_gt: [4, 289, 1], box_gt: [4, 289, 4], is_negative_pair: [4] })
    expect(dtypes).toEqual({ im_z: 'uint8', im_x: 'uint8', bbox_z: 'float32', bbox_x: 'float32', cls_gt: 'float32', ctr_gt: 'float32', box_gt: 'float32', is_negative_pair: 'int64' })
  })

  it('holds what whole decoding, the frame\'s mean and the separate primitives give', async () => {
    const config = spec({ batchSize: 12, samplesPerEpoch: 36, seed: 5 })
    const loader = addon.createLoader(config)
    let leaving = 0
    for (let b = 0; b < 3; b += 1) {
      const { bytes } = await take(loader)
      const pairs = addon.samplePairs(config, 0, b * 12, 0, 12)
      pairs.forEach((pair, i) => {
        const part = (key: string) => bytes[key]!.slice((i * bytes[key]!.length) / 12, ((i + 1) * bytes[key]!.length) / 12)
        const frames = pair.sequence.map((s, k) => readFrame(framePath(root, s, pair.frame[k]!)))
        const at = pair.sequence.map((s, k) => Float32Array.from(boxes[s]![pair.frame[k]!]!))
        const geometry = addon.cropGeometry(at[0]!, at[1]!, config.crop, cropUniforms(config.seed, 0, b * 12 + i, 0))
        const [z, x] = frames as [(typeof frames)[0], (typeof frames)[0]]
        const far = addon.cropSubwindow(z.data, z.width, z.height, -1e5, -1e5, 10, 2, null)
        const padding: [number, number, number] = [far[0]!, far[1]!, far[2]!]
        const [cx = 0, cy = 0, side = 0] = geometry.cropX
        if (cx - side / 2 < 0 || cy - side / 2 < 0 || cx + side / 2 > x.width || cy + side / 2 > x.height) leaving += 1
        const crop = (frame: typeof z, square: Float64Array, size: number) => addon.cropSubwindow(frame.data, frame.width, frame.height, square[0]!, square[1]!, square[2]!, size, padding, 'chw')
        expect(Buffer.compare(part('im_z'), crop(z, geometry.cropZ, 127))).toBe(0)
        expect(Buffer.compare(part('im_x'), crop(x, geometry.cropX, 303))).toBe(0)
        expect(floats(part('bbox_z'))).toEqual(geometry.bboxZ)
        expect(floats(part('bbox_x'))).toEqual(geometry.bboxX)
        const target = addon.denseboxTarget(geometry.bboxX, config.target, pair.negative)
        expect(floats(part('cls_gt'))).toEqual(target.cls)
        expect(floats(part('ctr_gt'))).toEqual(target.ctr)
        expect(floats(part('box_gt'))).toEqual(target.box)
        expect(part('is_negative_pair')[0]).toBe(pair.negative ? 1 : 0)
      })
    }
    const { wholeDecodes, regionDecodes } = loader.stats()
    await loader.close()
    expect(leaving).toBeGreaterThan(5) // both ways were taken: with padding and without
    expect(leaving).toBeLessThan(36)
    expect(wholeDecodes).toBeGreaterThan(0)
    expect(regionDecodes).toBeGreaterThan(wholeDecodes)
  })
})

describe('the stream', () => {
  it('is bit-identical for 1, 2, 4 and 8 threads', async () => {
    const one = await sampleHashes(spec(), 8)
    for (const threads of [2, 4, 8]) expect(await sampleHashes(spec({ threads, queueBatches: 3 }), 8)).toEqual(one)
  })

  it('does not depend on the batch size, nor on what is remembered of whole frames', async () => {
    const one = await sampleHashes(spec({ batchSize: 1 }), 24)
    expect(await sampleHashes(spec({ batchSize: 8, threads: 2 }), 3)).toEqual(one)
    expect(await sampleHashes(spec({ batchSize: 6, rememberMeans: false }), 4)).toEqual(one)
  })

  it('goes on into the next epoch, also within a batch', async () => {
    const loader = addon.createLoader(spec({ samplesPerEpoch: 10 }))
    const places = []
    for (let b = 0; b < 6; b += 1) {
      const { epoch, firstSample } = await take(loader)
      places.push([epoch, firstSample])
    }
    await loader.close()
    expect(places).toEqual([[0, 0], [0, 4], [0, 8], [1, 2], [1, 6], [2, 0]])
  })

  it('may start at any sample: the rest is the same', async () => {
    const all = await sampleHashes(spec({ samplesPerEpoch: 10 }), 10)
    expect(await sampleHashes(spec({ samplesPerEpoch: 10, startEpoch: 1, startSample: 6, threads: 2 }), 6)).toEqual(all.slice(16))
  })

  it('repeats no epoch and no seed', async () => {
    const all = await sampleHashes(spec({ samplesPerEpoch: 8 }), 4)
    expect(new Set(all).size).toBe(16)
    expect((await sampleHashes(spec({ seed: 12, samplesPerEpoch: 8 }), 2)).filter((hash) => all.includes(hash))).toEqual([])
  })

  it('is dealt out to ranks without overlap', async () => {
    const all = await sampleHashes(spec({ batchSize: 2, samplesPerEpoch: 30 }), 12)
    const ranks = await Promise.all([0, 1, 2].map((rank) => sampleHashes(spec({ batchSize: 2, samplesPerEpoch: 30, rank, worldSize: 3 }), 4)))
    const dealt = Array.from({ length: 12 }, (_, b) => ranks[b % 3]!.slice(Math.floor(b / 3) * 2, Math.floor(b / 3) * 2 + 2)).flat()
    expect(dealt).toEqual(all)
  })

  it('answers many requests at once in order', async () => {
    const loader = addon.createLoader(spec({ threads: 2, queueBatches: 2 }))
    const batches = await Promise.all(Array.from({ length: 10 }, () => loader.next()))
    await loader.close()
    expect(batches.map(({ epoch, firstSample }) => epoch * 10 + firstSample)).toEqual(Array.from({ length: 10 }, (_, b) => b * 4))
    for (const { tensors } of batches) for (const tensor of Object.values(tensors)) tensor.dispose()
  })

  it('reads frames by name where a sequence has names', async () => {
    const names = boxes.map((sequence, s) => sequence.map((_, k) => path.basename(framePath(root, s, k))))
    const named = loaderSpec([indexOf(root, boxes, { framePatterns: boxes.map(() => ''), frameNames: names })], { negativePairRatio: 0.25 })
    expect(await sampleHashes(named, 2)).toEqual(await sampleHashes(spec(), 2))
  })

  it('pairs a still image with itself', async () => {
    const stills = boxes[0]!.map((box) => [box])
    const index = indexOf(root, stills, { sequenceDirs: stills.map(() => path.join(root, 's0')), firstNumbers: Int32Array.from(stills, (_, k) => k + 1) })
    const config = loaderSpec([index], { batchSize: 2, crop: { ...spec().crop, maxScale: 0, maxShift: 0 } })
    const loader = addon.createLoader(config)
    const { bytes } = await take(loader)
    await loader.close()
    // The template is the middle of the search crop: the same frame, scale and centre.
    const [imZ, imX] = [bytes['im_z']!, bytes['im_x']!]
    let difference = 0
    for (let y = 0; y < 127; y += 1) for (let x = 0; x < 127; x += 1) difference += Math.abs(imZ[y * 127 + x]! - imX[(y + 88) * 303 + x + 88]!)
    expect(difference / 127 ** 2).toBeLessThan(12)
  })
})

describe('back-pressure', () => {
  it('makes no more than the queue holds, and goes on when batches are taken', async () => {
    const loader = addon.createLoader(spec({ threads: 2, queueBatches: 3 }))
    await settled(() => loader.stats().queueDepthBatches === 3)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(loader.stats()).toMatchObject({ samples: 12, queueDepthBatches: 3, batches: 0 })
    await take(loader)
    await settled(() => loader.stats().samples === 16)
    await loader.close()
    expect(loader.stats().idleSeconds).toBeGreaterThan(0.03)
  })

  it('does not count batches that are still held: holding many is no deadlock, and they keep their values', async () => {
    const loader = addon.createLoader(spec({ queueBatches: 1 }))
    const held = []
    for (let b = 0; b < 12; b += 1) held.push(await loader.next())
    const before = await held[0]!.tensors['im_x']!.toBytes()
    for (let b = 0; b < 12; b += 1) await take(loader)
    await loader.close()
    expect(await held[0]!.tensors['im_x']!.toBytes()).toEqual(before)
    for (const { tensors } of held) for (const tensor of Object.values(tensors)) tensor.dispose()
  })
})

describe('stats', () => {
  it('count frames, bytes and time', async () => {
    const loader = addon.createLoader(spec({ negativePairRatio: 0, batchSize: 6, queueBatches: 1 }))
    await take(loader)
    await settled(() => loader.stats().samples === 12)
    const stats = loader.stats()
    await loader.close()
    expect(stats.batches).toBe(1)
    expect(stats.skipped).toBe(0)
    const smallest = readFileSync(framePath(root, 0, 0)).length / 2
    expect(stats.bytesRead).toBeGreaterThan(12 * smallest)
    expect(stats.decodeSeconds).toBeGreaterThan(0)
    expect(stats.warpSeconds).toBeGreaterThan(0)
    expect(stats.readSeconds).toBeGreaterThan(0)
  })
})

async function settled(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The uniforms of a sample's crop stream, from the documented counter layout: word 0 = stream · 2^28 + block, then attempt, sample, epoch. */
function cropUniforms(seed: number, epoch: number, sample: number, attempt: number): Float64Array {
  const uniforms: number[] = []
  for (let block = 0; block < 153; block += 1) {
    const words = addon.philox(Uint32Array.of(2 ** 28 + block, attempt, sample, epoch, seed % 2 ** 32, Math.floor(seed / 2 ** 32)))
    for (const k of [0, 2]) uniforms.push(((words[k]! >>> 5) * 67108864 + (words[k + 1]! >>> 6)) / 9007199254740992)
  }
  return Float64Array.from(uniforms)
}
