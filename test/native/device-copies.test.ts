/**
 * Batches on their way to a device, with one that is late with its copies: what it still reads must be nobody else's. Events and page-locked
 * memory of a real device need one.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { NativeLoader, NativeTensor } from '../../lib/native/addon.ts'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'

const addon = loadAddon()
const root = mkdtempSync(path.join(tmpdir(), 'siam-copies-'))
const boxes = wanderingBoxes(3, 4)
writeFrames(root, boxes)
afterAll(() => rmSync(root, { recursive: true, force: true }))
afterEach(() => addon.delayCopies(false))

type Batch = Record<string, NativeTensor>
const loader = (more = {}): NativeLoader => addon.createLoader(loaderSpec([indexOf(root, boxes)], { queueBatches: 1, ...more }))
const dispose = (batch: Batch): void => Object.values(batch).forEach((tensor) => tensor.dispose())
const parts = 8

async function bytesOf(batch: Batch): Promise<Record<string, Buffer>> {
  const all: Record<string, Buffer> = {}
  for (const [name, tensor] of Object.entries(batch)) all[name] = Buffer.from(await tensor.toBytes())
  return all
}

function sameBytes(a: Record<string, Buffer>, b: Record<string, Buffer>): boolean {
  return Object.keys(b).length === Object.keys(a).length && Object.entries(a).every(([name, bytes]) => b[name]?.equals(bytes) === true)
}

/** The first `count` batches, from a loader that nobody copies from. */
async function expectedBatches(count: number): Promise<Record<string, Buffer>[]> {
  const own = loader()
  const all: Record<string, Buffer>[] = []
  for (let i = 0; i < count; i += 1) {
    const { tensors } = await own.next()
    all.push(await bytesOf(tensors))
    dispose(tensors)
  }
  await own.close()
  return all
}

it('leaves tensors where they are when they are there already', async () => {
  const own = loader()
  const { tensors } = await own.next()
  const moved = await addon.toDevice(tensors, 'cpu')
  expect(Object.keys(moved)).toEqual(Object.keys(tensors))
  const before = await bytesOf(tensors)
  dispose(tensors)
  expect(sameBytes(before, await bytesOf(moved))).toBe(true)
  expect(addon.heldCopies()).toBe(0)
  dispose(moved)
  await own.close()
})

describe('a device that is late with its copies', () => {
  it('reads each batch as it was, whatever the loader has made since', async () => {
    const expected = await expectedBatches(6)
    await addon.delayCopies(true)
    const own = loader()
    const moved: Batch[] = []
    for (let i = 0; i < 6; i += 1) {
      const { tensors } = await own.next()
      moved.push(await addon.toDevice(tensors, 'cpu'))
      dispose(tensors)
    }
    // The engine lets go of the handles' tensors in its own time; this comes after.
    await moved[0]!.bbox_z!.toBytes()
    expect(addon.heldCopies()).toBe(6 * parts)
    // The loader writes batches 6 to 9 where it finds room.
    for (let i = 0; i < 4; i += 1) dispose((await own.next()).tensors)
    addon.finishCopies()
    for (const [i, batch] of moved.entries()) expect(sameBytes(expected[i]!, await bytesOf(batch)), `batch ${i}`).toBe(true)
    moved.forEach(dispose)
    await own.close()
  })

  it('is not waited for, and what it is done with goes when the next batch comes', async () => {
    await addon.delayCopies(true)
    const own = loader()
    const send = async (): Promise<void> => {
      const { tensors } = await own.next()
      dispose(await addon.toDevice(tensors, 'cpu'))
      dispose(tensors)
    }
    await send()
    await send()
    expect(addon.heldCopies()).toBe(2 * parts)
    addon.finishCopies()
    await send()
    expect(addon.heldCopies()).toBe(parts)
    await own.close()
  })

  it('keeps the blocks of a loader that is closed', async () => {
    const [expected] = await expectedBatches(1)
    await addon.delayCopies(true)
    const own = loader()
    const { tensors } = await own.next()
    const moved = await addon.toDevice(tensors, 'cpu')
    dispose(tensors)
    await own.close()
    addon.finishCopies()
    expect(sameBytes(expected!, await bytesOf(moved))).toBe(true)
    dispose(moved)
  })

  it('does not keep the process from ending', async () => {
    const script = `
      const { loadAddon } = await import(${JSON.stringify(path.join(packageRoot(), 'lib/native/load.ts'))})
      const addon = loadAddon()
      await addon.delayCopies(true)
      const tensor = addon.tensorFrom({ dtype: 'float32', shape: [2], data: new Uint8Array(8) }, 'cpu')
      await addon.toDevice({ tensor }, 'cpu')
      process.stdout.write('held ' + addon.heldCopies())
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { timeout: 60_000 })
    expect(stdout).toBe('held 1')
  })
})

describe('memory for the batches of a device', () => {
  it('is plain for the CPU, and the batches are the same', async () => {
    const [expected] = await expectedBatches(1)
    const own = loader({ device: 'cpu' })
    const { tensors } = await own.next()
    expect(sameBytes(expected!, await bytesOf(tensors))).toBe(true)
    dispose(tensors)
    await own.close()
  })

  it('is refused for a device that is not there', async () => {
    if ((await addon.cudaAvailable()).available) return
    expect(() => loader({ device: 'cuda' })).toThrow(expect.objectContaining({ code: 'ERR_DEVICE', message: expect.stringMatching(/no such device was found/) }))
    const tensor = addon.tensorFrom({ dtype: 'float32', shape: [1], data: new Uint8Array(4) }, 'cpu')
    await expect(addon.toDevice({ tensor }, 'cuda')).rejects.toThrow(expect.objectContaining({ code: 'ERR_TORCH' }))
    expect(addon.heldCopies()).toBe(0)
    tensor.dispose()
  })
})
