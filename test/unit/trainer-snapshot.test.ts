import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CheckpointTensor, PyDict } from '../../lib/checkpoint/index.ts'
import { checkResumeTarget, checkUnused, checkWritable, readResumeTarget, removeOldMidEpoch, removeSnapshots } from '../../lib/engine/output-folder.ts'
import { configurationChanges } from '../../lib/engine/snapshot-data.ts'
import { listSnapshots, readSnapshotFile, writeSnapshotFile } from '../../lib/engine/snapshot-file.ts'
import { composeSnapshot, composeWeights, readSnapshot, type RunState } from '../../lib/engine/snapshot.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'

const root = mkdtempSync(path.join(os.tmpdir(), 'trainer-snapshot-'))
afterAll(() => rmSync(root, { recursive: true }))
let made = 0
function folder(): string {
  const dir = path.join(root, String(made++))
  checkWritable(dir)
  return dir
}

const weights: NamedRawTensor[] = [
  { name: 'head.bi', dtype: 'float32', shape: [1], data: new Uint8Array(new Float32Array([1.5]).buffer) },
  { name: 'c_x.bn.num_batches_tracked', dtype: 'int64', shape: [], data: new Uint8Array(new BigInt64Array([7n]).buffer) },
]
const run: RunState = {
  epoch: 2,
  iteration: 5,
  sampler: { epoch: 3, sample: 40 },
  seed: 9,
  configSha256: 'ab',
  lr: 1,
  gradScaler: { scale: 65536, growth_factor: 2, backoff_factor: 0.5, growth_interval: 2000, _growth_tracker: 3 },
  rngState: new Uint8Array([1, 2, 3]),
  threads: 2,
  numIterations: 10,
  packageVersion: '0.1.0',
  libtorchVersion: '2.11.0',
}
const optimizerState = PyDict.fromObject({ state: new PyDict(), param_groups: [] })

describe('a snapshot', () => {
  it('comes back from its file as it was written', async () => {
    const file = path.join(folder(), 'epoch-3-iter-5.pkl')
    await writeSnapshotFile(file, composeSnapshot(weights, optimizerState, run))
    const back = readSnapshot(await readSnapshotFile(file))
    expect(back.epoch).toBe(2)
    expect(back.run).toEqual({ ...run, rngState: expect.any(Uint8Array) })
    expect([...(back.run?.rngState ?? [])]).toEqual([1, 2, 3])
    expect([...back.modelState.keys()]).toEqual(['head.bi', 'c_x.bn.num_batches_tracked'])
    expect([...(back.modelState.get('head.bi')?.toRaw().data ?? [])]).toEqual([...(weights[0]?.data ?? [])])
    expect(back.optimizerState).toBeInstanceOf(PyDict)
  })

  it('keeps the packs that it was trained from, and none are frames', async () => {
    for (const packs of [[], [{ dataset: 'GOT10kDataset', crc: 0xfedcba98, density: 1.3 }, { dataset: 'COCODataset', crc: 0, density: 1 }]]) {
      const file = path.join(folder(), 'epoch-0.pkl')
      await writeSnapshotFile(file, composeSnapshot(weights, optimizerState, { ...run, packs }))
      expect(readSnapshot(await readSnapshotFile(file)).run?.packs).toEqual(packs)
    }
  })

  it('names what the data was where a run goes on with other data', () => {
    const [pack, other] = [{ dataset: 'A', crc: 1, density: 1.3 }, { dataset: 'A', crc: 2, density: 1 }]
    const sumWith = (packs: readonly unknown[]): string => JSON.stringify(packs)
    const changes = (before: (typeof pack)[] | undefined, now: (typeof pack)[] | undefined, sum = sumWith(before ?? [])) => configurationChanges({ configSha256: sum, ...(before === undefined ? {} : { packs: before }) }, now, sumWith)
    expect(changes([pack], [])).toEqual(['pictures of a pack (this run reads frames: --pack DIR?)'])
    expect(changes([], [pack])).toEqual(['frames (this run reads a pack)'])
    expect(changes([pack], [other])).toEqual(['another pack of A (density 1.3, now 1)'])
    expect(changes([pack], [{ ...pack, crc: 3 }])).toEqual(['another pack of A'])
    expect(changes([pack], [], 'something else')).toEqual(['pictures of a pack (this run reads frames: --pack DIR?)', 'another configuration'])
    for (const [before, now] of [[undefined, [pack]], [[pack], undefined], [[pack], [pack]]] as const) {
      expect(changes(before === undefined ? undefined : [...before], now === undefined ? undefined : [...now])).toEqual(['another configuration'])
    }
  })

  it('without our section is one of the original, or weights alone', async () => {
    const file = path.join(folder(), 'final_model.pkl')
    await writeSnapshotFile(file, composeWeights(weights))
    expect(readSnapshot(await readSnapshotFile(file))).toMatchObject({ epoch: -1, optimizerState: null, run: null })
  })

  it.each([
    ['a missing seed', (section: PyDict) => section.delete('seed'), /siamfcpp_native\.seed is missing/],
    ['an iteration below 0', (section: PyDict) => section.set('iteration', -1), /siamfcpp_native\.iteration is not an integer ≥ 0/],
    ['a generator state of another type', (section: PyDict) => section.set('rng_state', 'x'), /rng_state is not a uint8 tensor/],
    ['a newer format', (section: PyDict) => section.set('format', 99), /format 99, this version reads up to 1/],
    ['packs that are none', (section: PyDict) => section.set('packs', 3), /packs is not a dict or None/],
    ['a cursor that is none', (section: PyDict) => section.set('sampler', 3), /sampler is not a dict or None/],
  ])('with %s is refused', async (_what, spoil, message) => {
    const file = path.join(folder(), 'epoch-0.pkl')
    const snapshot = composeSnapshot(weights, optimizerState, run)
    spoil(snapshot.get('siamfcpp_native') as PyDict)
    await writeSnapshotFile(file, snapshot)
    const checkpoint = await readSnapshotFile(file)
    expect(() => readSnapshot(checkpoint)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT', file, message: expect.stringMatching(message) }))
  })
})

describe('the output folder', () => {
  async function withSnapshots(...names: string[]): Promise<string> {
    const dir = folder()
    for (const name of names) await writeSnapshotFile(path.join(dir, name), composeWeights(weights))
    return dir
  }
  const names = async (dir: string): Promise<string[]> => (await listSnapshots(dir)).map((snapshot) => path.basename(snapshot.path))

  it('refuses a new run beside an older one, and says how to go on', async () => {
    await expect(checkUnused(folder())).resolves.toBeUndefined()
    await expect(checkUnused(path.join(root, 'not-there'))).resolves.toBeUndefined()
    const dir = await withSnapshots('epoch-0.pkl', 'epoch-1-iter-4.pkl')
    await expect(checkUnused(dir)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('epoch-1-iter-4.pkl'), hint: expect.stringContaining('--resume latest') })
    expect(await removeSnapshots(dir)).toBe(2)
    await expect(checkUnused(dir)).resolves.toBeUndefined()
  })

  it('keeps the last mid-epoch snapshots of this run and all epoch ends', async () => {
    const dir = await withSnapshots('epoch-0-iter-1.pkl', 'epoch-0-iter-2.pkl', 'epoch-0.pkl', 'epoch-1-iter-1.pkl', 'epoch-1-iter-10.pkl', 'epoch-9-iter-1.pkl')
    await removeOldMidEpoch(dir, path.join(dir, 'epoch-1-iter-10.pkl'), 2)
    expect(await names(dir)).toEqual(['epoch-0.pkl', 'epoch-1-iter-1.pkl', 'epoch-1-iter-10.pkl', 'epoch-9-iter-1.pkl'])
  })

  it('resumes from the furthest snapshot that can be read, never from final_model.pkl', async () => {
    const dir = await withSnapshots('epoch-2.pkl', 'epoch-10.pkl', 'epoch-10-iter-3.pkl', 'final_model.pkl')
    const said: string[] = []
    expect((await readResumeTarget(dir, 'latest', (line) => said.push(line))).file).toBe(path.join(dir, 'epoch-10.pkl'))
    writeFileSync(path.join(dir, 'epoch-11.pkl'), 'cut off')
    expect((await readResumeTarget(dir, 'latest', (line) => said.push(line))).file).toBe(path.join(dir, 'epoch-10.pkl'))
    expect(said).toEqual([expect.stringMatching(/epoch-11\.pkl cannot be read and is passed over/)])
    expect((await readResumeTarget(dir, '2', () => {})).file).toBe(path.join(dir, 'epoch-2.pkl'))
  })

  it('never trains from scratch because a snapshot is missing', async () => {
    const dir = await withSnapshots('epoch-2.pkl')
    await expect(checkResumeTarget(folder(), 'latest')).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
    await expect(checkResumeTarget(dir, 7)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', hint: expect.stringContaining('epoch-2.pkl') })
    await expect(readResumeTarget(dir, path.join(dir, 'nowhere.pkl'), () => {})).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  it('that cannot be written is ERR_IO before anything starts', () => {
    const file = path.join(folder(), 'a-file')
    writeFileSync(file, '')
    expect(() => checkWritable(path.join(file, 'below'))).toThrow(expect.objectContaining({ code: 'ERR_IO', hint: expect.stringContaining('exp_save') }))
  })
})

describe('a state dict with a stray entry', () => {
  it('is no model', async () => {
    const file = path.join(folder(), 'epoch-0.pkl')
    const snapshot = composeWeights(weights)
    ;(snapshot.get('model_state_dict') as PyDict).set('x', 'text')
    await writeSnapshotFile(file, snapshot)
    const checkpoint = await readSnapshotFile(file)
    expect(() => readSnapshot(checkpoint)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }))
    expect(checkpoint.tensors().get('model_state_dict.head.bi')).toBeInstanceOf(CheckpointTensor)
  })
})
