/**
 * Ranks whose parameters lie on a GPU, over Gloo, two of them on the same card: gradients are those of one process with the joined batch, with
 * BatchNorm's running statistics and with those over all ranks, and replicas stay bit-equal. (NCCL refuses two ranks on one card.)
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import type { GradientCase } from '../helpers/rank-tasks.ts'
import { runRanks, type RankEnd } from '../helpers/ranks.ts'

const device = process.env.SIAMFCPP_TEST_DEVICE ?? 'cuda:0'
const { available, reason } = device === 'cpu' ? { available: true, reason: '' } : await loadAddon().cudaAvailable()
if (!available) process.stdout.write(`skipped without a GPU: ranks on a GPU (${reason})\n`)

const cases: Record<string, GradientCase> = {
  eval: { seeds: [[1, 2]], eval: true },
  synced: { seeds: [[1, 2]], syncBn: true },
  syncedInterleaved: { seeds: [[3, 4]], syncBn: true, spec: { memoryFormat: 'channels_last' } },
  accumulated: { seeds: [[1, 2], [5, 6]], syncBn: true },
}
/** Relative l2; float32 (the ranks switch TF32 off), whose sums cuDNN makes in another order for another batch. */
const limits: Record<string, number> = { eval: 1e-5, synced: 1e-4, syncedInterleaved: 1e-4, accumulated: 1e-4 }

describe.skipIf(!available)('ranks on a GPU', () => {
  const folder = temporaryFolder('distributed-gpu')
  let one: RankEnd[] = []
  let two: RankEnd[] = []
  beforeAll(async () => {
    one = await runRanks([['gradients', { cases, folder: path.join(folder, 'one') }]], { worldSize: 1, device })
    two = await runRanks([['gradients', { cases, folder: path.join(folder, 'two') }], ['freezer', { seeds: [10, 20] }]], { device })
  }, 240_000)
  afterAll(() => removeFolder(folder))

  it('end well', () => {
    expect([...one, ...two].map(({ code, error, stderr }) => ({ code, error, stderr }))).toEqual([0, 1, 2].map(() => ({ code: 0, error: undefined, stderr: '' })))
  })

  it.each(Object.keys(cases))('%s: gradients of the joined batch, the same bits on both ranks', (name) => {
    const bytes = (side: string, rank: number): Buffer => readFileSync(path.join(folder, side, `${name}-${rank}`))
    expect(Buffer.compare(bytes('two', 0), bytes('two', 1))).toBe(0)
    const [whole, shared] = [floats(bytes('one', 0)), floats(bytes('two', 0))]
    expect(shared.length).toBe(whole.length)
    expect(norm(whole.map((value, i) => value - (shared[i] as number))) / norm(whole)).toBeLessThan(limits[name] as number)
  })

  it('train bit-equal replicas, while layers thaw', () => {
    const [first, second] = two.map(({ results }) => (results[1] as { shas: string[] }).shas)
    expect(first).toHaveLength(3)
    expect(second).toEqual(first)
  })
})

function floats(bytes: Buffer): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
}
