/**
 * Batches out of page-locked memory: what arrives on the GPU is what the loader made, bit by bit, although its slots are few, are written
 * again as soon as they may be, and the GPU is behind with its work.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoaderSpec, NativeLoader, NativeTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { describeOnGpu } from './helpers/cuda.ts'

type Batch = Record<string, NativeTensor>

const batches = 12
const dispose = (batch: Batch): void => Object.values(batch).forEach((tensor) => tensor.dispose())

async function bytesOf(batch: Batch): Promise<Record<string, Buffer>> {
  const all: Record<string, Buffer> = {}
  for (const [name, tensor] of Object.entries(batch)) all[name] = Buffer.from(await tensor.toBytes())
  return all
}

/** Names of the tensors that differ. */
const differing = (a: Record<string, Buffer>, b: Record<string, Buffer>): string[] => Object.keys({ ...a, ...b }).filter((name) => a[name]?.equals(b[name] ?? Buffer.alloc(0)) !== true)

describeOnGpu('batches', (device) => {
  const addon = loadAddon()
  const root = mkdtempSync(path.join(tmpdir(), 'siam-gpu-loader-'))
  const boxes = wanderingBoxes(3, 4)
  const loader = (more: Partial<LoaderSpec> = {}): NativeLoader => addon.createLoader(loaderSpec([indexOf(root, boxes)], { queueBatches: 1, batchSize: 8, samplesPerEpoch: 64, ...more }))
  let expected: Record<string, Buffer>[]
  let big: NativeTensor
  afterAll(() => {
    big.dispose()
    rmSync(root, { recursive: true, force: true })
  })
  beforeAll(async () => {
    writeFrames(root, boxes)
    const own = loader()
    expected = []
    for (let i = 0; i < batches; i += 1) {
      const { tensors } = await own.next()
      expected.push(await bytesOf(tensors))
      dispose(tensors)
    }
    await own.close()
    // 64 MB on a GPU, whose sum with itself takes tens of microseconds.
    const count = device === 'cpu' ? 1 : 1 << 24
    big = addon.tensorFrom({ dtype: 'float32', shape: [count], data: new Uint8Array(4 * count) }, device)
  })

  /** Gives the device work for some 25 ms; its copies come after. */
  async function keepBusy(): Promise<void> {
    ;(await addon.sum(Array.from({ length: 400 }, () => big))).dispose()
  }

  describe.each([
    ['in page-locked memory', { device }],
    ['in page-locked memory, more slots and threads', { device, queueBatches: 4, threads: 3 }],
    ['in plain memory', {}],
  ])('%s', (_where, more) => {
    it.each([
      ['at once', false],
      ['when the GPU is behind', true],
    ])('arrive as they were made, %s', async (_when, late) => {
      const own = loader(more)
      const moved: Batch[] = []
      let held = 0
      for (let i = 0; i < batches; i += 1) {
        if (late) await keepBusy()
        const { tensors } = await own.next()
        moved.push(await addon.toDevice(tensors, device))
        // From here on the loader may write where it finds room.
        dispose(tensors)
        held = Math.max(held, addon.heldCopies())
      }
      process.stdout.write(`${_where}, ${_when}: at most ${held} tensors were still being copied\n`)
      for (const [i, batch] of moved.entries()) {
        expect(Object.values(batch).map((tensor) => tensor.device)).toEqual(Object.keys(batch).map(() => device))
        expect(differing(await bytesOf(batch), expected[i]!), `batch ${i}`).toEqual([])
      }
      moved.forEach(dispose)
      await own.close()
    })
  })

  it('arrive although the loader is closed before', async () => {
    const own = loader({ device })
    await keepBusy()
    const { tensors } = await own.next()
    const moved = await addon.toDevice(tensors, device)
    dispose(tensors)
    await own.close()
    expect(differing(await bytesOf(moved), expected[0]!)).toEqual([])
    dispose(moved)
  })

  it('come back to the CPU, and may stay where they are', async () => {
    const own = loader({ device })
    const { tensors } = await own.next()
    const there = await addon.toDevice(tensors, device)
    const same = await addon.toDevice(there, device)
    const back = await addon.toDevice(there, 'cpu')
    dispose(there)
    expect(differing(await bytesOf(same), expected[0]!)).toEqual([])
    expect(differing(await bytesOf(back), expected[0]!)).toEqual([])
    expect(Object.values(back).map((tensor) => tensor.device)).toEqual(Object.keys(back).map(() => 'cpu'))
    for (const batch of [tensors, same, back]) dispose(batch)
    await own.close()
  })
})
