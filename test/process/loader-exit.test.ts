/** A process ends by itself, whatever a loader with a slow disk, reads under way and a cache is doing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inWorkers, runWithLoader, withLoader } from '../helpers/loader-process.ts'
import { indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'

const root = mkdtempSync(path.join(tmpdir(), 'siamfcpp-loader-exit-'))
const boxes = wanderingBoxes(2, 6)
beforeAll(() => writeFrames(root, boxes))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const spec = () => loaderSpec([indexOf(root, boxes)], { threads: 2, readAheadThreads: 8, readDelayMicroseconds: 60_000 })
const reading = 'await loader.next()'

describe('a process whose loader reads a slow disk', () => {
  it.each([
    ['ends without closing it', reading],
    ['never asked for a batch', 'await new Promise((resolve) => setTimeout(resolve, 300))'],
    ['exits with requests pending', `${reading}; loader.next().catch(() => undefined); loader.next().catch(() => undefined); process.exit(0)`],
    ['closes it in the middle of a read', `${reading}; loader.next().catch(() => undefined); await loader.close()`],
    ['has a cache that nobody disposed', `const cache = loadAddon().createFrameCache(1e7); const other = loadAddon().createLoader({ ...spec, cache }); await other.next(); ${reading}`],
    ['disposes the cache under a running loader', `const cache = loadAddon().createFrameCache(1e7); const other = loadAddon().createLoader({ ...spec, cache }); await other.next(); cache.dispose(); for (let i = 0; i < 4; i++) await other.next(); await other.close()`],
  ])('and that %s exits by itself', (_, more) => {
    const { status, signal, stderr } = runWithLoader(spec(), withLoader(more))
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  })

  it('and whose worker_threads end in the middle of reads exits by itself', () => {
    const worker = withLoader(`const cache = loadAddon().createFrameCache(1e7); const other = loadAddon().createLoader({ ...spec, cache }); other.next().catch(() => undefined); ${reading}; loader.next().catch(() => undefined)`)
    const { status, stdout, stderr } = runWithLoader(spec(), inWorkers(worker))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/ends 0\nexit 0\nterminate 1\n/)
  })
})
