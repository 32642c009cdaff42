/** Snapshot files on disk: whole or not at all, found in order of training. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { removeStaleTemporaries, writeFileAtomically } from '../../lib/checkpoint/atomic-file.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict } from '../../lib/checkpoint/values.ts'
import { findLatest, listSnapshots, readSnapshotFile, snapshotName, writeSnapshotFile } from '../../lib/engine/snapshot-file.ts'
import { SiamError } from '../../lib/errors.ts'
import { floats, smallSnapshot } from '../helpers/checkpoint-files.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-snapshot-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const host = os.hostname().replace(/[^A-Za-z0-9_.]/g, '_')

/** A pid that was someone's and is no one's now. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

async function save(name: string, epoch = 0): Promise<string> {
  const file = path.join(folder, name)
  await writeSnapshotFile(file, PyDict.fromObject({ epoch, model_state_dict: PyDict.ordered([['w', floats([epoch])]]) }))
  return file
}

describe('writing', () => {
  it('leaves the file alone in its folder, its entries under the file\'s name', async () => {
    const file = path.join(folder, 'epoch-3.pkl')
    await writeSnapshotFile(file, smallSnapshot())
    expect(readdirSync(folder)).toEqual(['epoch-3.pkl'])
    expect(readFileSync(file).includes('epoch-3/data.pkl')).toBe(true)
    expect(((await readSnapshotFile(file)).root as PyDict).get('epoch')).toBe(3)
  })

  it('replaces a file in one step: a reader of the old one keeps it, a new reader sees the new one', async () => {
    const file = await save('epoch-0.pkl', 1)
    const before = await readSnapshotFile(file)
    await save('epoch-0.pkl', 2)
    expect((before.root as PyDict).get('epoch')).toBe(1)
    expect(((await readSnapshotFile(file)).root as PyDict).get('epoch')).toBe(2)
  })

  it('a value that cannot be written leaves the old file and nothing else', async () => {
    const file = await save('epoch-0.pkl', 1)
    await expect(writeSnapshotFile(file, [{} as never])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(readdirSync(folder)).toEqual(['epoch-0.pkl'])
    expect(((await readSnapshotFile(file)).root as PyDict).get('epoch')).toBe(1)
  })

  it('writes of one file at the same time each come out whole', async () => {
    await Promise.all([1, 2, 3, 4, 5].map((epoch) => save('epoch-0.pkl', epoch)))
    expect(readdirSync(folder)).toEqual(['epoch-0.pkl'])
    expect([1, 2, 3, 4, 5]).toContain(((await readSnapshotFile(path.join(folder, 'epoch-0.pkl'))).root as PyDict).get('epoch'))
  })

  it('a missing folder, a file where a folder is needed, a folder where the file goes', async () => {
    await expect(writeSnapshotFile(path.join(folder, 'no', 'epoch-0.pkl'), smallSnapshot())).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(folder, 'no', 'epoch-0.pkl'), message: expect.stringContaining('ENOENT') })
    writeFileSync(path.join(folder, 'plain'), '')
    await expect(writeSnapshotFile(path.join(folder, 'plain', 'epoch-0.pkl'), smallSnapshot())).rejects.toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('ENOTDIR') })
    mkdirSync(path.join(folder, 'epoch-0.pkl'))
    await expect(writeSnapshotFile(path.join(folder, 'epoch-0.pkl'), smallSnapshot())).rejects.toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('EISDIR') })
    expect(readdirSync(folder).toSorted()).toEqual(['epoch-0.pkl', 'plain'])
  })

  it('a folder without write permission', async () => {
    if (process.getuid?.() === 0) {
      // root may write anywhere; what it may not write to is /proc.
      await expect(writeSnapshotFile('/proc/epoch-0.pkl', smallSnapshot())).rejects.toMatchObject({ code: 'ERR_IO', file: '/proc/epoch-0.pkl' })
      return
    }
    chmodSync(folder, 0o555)
    await expect(writeSnapshotFile(path.join(folder, 'epoch-0.pkl'), smallSnapshot())).rejects.toMatchObject({ code: 'ERR_IO', hint: expect.stringContaining('permissions') })
    chmodSync(folder, 0o755)
    expect(readdirSync(folder)).toEqual([])
  })

  it('a full disk: ERR_IO with the path and a hint, nothing half-written', async () => {
    const file = path.join(folder, 'epoch-0.pkl')
    const failure = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    await expect(
      writeFileAtomically(file, async (sink) => {
        await sink(new Uint8Array(1 << 20))
        throw failure
      }),
    ).rejects.toMatchObject({ code: 'ERR_IO', file, message: expect.stringContaining('ENOSPC'), hint: expect.stringContaining('disk is full') })
    expect(readdirSync(folder)).toEqual([])
  })

  it('a disk that really is full (a small tmpfs in a mount namespace, where one may be made)', () => {
    const script = `
      import { writeSnapshotFile } from ${JSON.stringify(new URL('../../lib/engine/snapshot-file.ts', import.meta.url).href)}
      import { CheckpointTensor } from ${JSON.stringify(new URL('../../lib/checkpoint/tensor.ts', import.meta.url).href)}
      import { readdirSync } from 'node:fs'
      const tensor = (bytes) => CheckpointTensor.fromRaw({ dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes) })
      await writeSnapshotFile('epoch-0.pkl', [tensor(1000)])
      const error = await writeSnapshotFile('epoch-1.pkl', [tensor(2 ** 21)]).catch((error) => error)
      console.log(JSON.stringify({ code: error.code, file: error.file, hint: error.hint, left: readdirSync('.') }))`
    const inside = 'mount -t tmpfs -o size=1m tmpfs "$0" && cd "$0" && exec "$1" --input-type=module -e "$2"'
    const result = spawnSync('unshare', [...(process.getuid?.() === 0 ? ['-m'] : ['-r', '-m']), 'sh', '-c', inside, folder, process.execPath, script], { encoding: 'utf8' })
    if (result.error !== undefined || /unshare|mount/.test(result.stderr)) return
    expect(JSON.parse(result.stdout)).toEqual({ code: 'ERR_IO', file: 'epoch-1.pkl', hint: expect.stringContaining('disk is full'), left: ['epoch-0.pkl'] })
  })
})

describe('temporaries', () => {
  it('of dead processes are removed by the next write; of living ones and of other machines they stay', async () => {
    const dead = `epoch-1.pkl.tmp-${host}-${deadPid()}-0-0`
    const alive = `epoch-1.pkl.tmp-${host}-${process.ppid}-0-0`
    const elsewhere = 'epoch-1.pkl.tmp-otherhost-1-0-0'
    const old = 'epoch-2.pkl.tmp-otherhost-1-0-0'
    const unrelated = 'notes.tmp-1'
    for (const name of [dead, alive, elsewhere, old, unrelated]) writeFileSync(path.join(folder, name), 'part')
    utimesSync(path.join(folder, old), new Date(0), new Date(0))
    await save('epoch-0.pkl')
    expect(readdirSync(folder).toSorted()).toEqual(['epoch-0.pkl', alive, elsewhere, unrelated].toSorted())
    expect(await removeStaleTemporaries(folder)).toEqual([])
  })

  it('a process killed while it writes leaves the old snapshot and a temporary that names it', async () => {
    const file = await save('epoch-0.pkl', 1)
    const script = `
      import { writeFileAtomically } from ${JSON.stringify(new URL('../../lib/checkpoint/atomic-file.ts', import.meta.url).href)}
      await writeFileAtomically(process.argv[1], async (sink) => {
        await sink(new Uint8Array(1 << 20))
        process.stdout.write('writing')
        setInterval(() => {}, 1000)
        await new Promise(() => {})
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    const left = readdirSync(folder).filter((name) => name !== 'epoch-0.pkl')
    expect(left).toHaveLength(1)
    expect(left[0]).toContain(`.tmp-${host}-${child.pid}-`)
    expect((await findLatest(folder))?.snapshot.path).toBe(file)
    expect(((await readSnapshotFile(file)).root as PyDict).get('epoch')).toBe(1)
    await save('epoch-1.pkl', 2)
    expect(readdirSync(folder).toSorted()).toEqual(['epoch-0.pkl', 'epoch-1.pkl'])
  })
})

it('the event loop turns while a large snapshot is written', async () => {
  const tensors = Array.from({ length: 4 }, (_, i) => [`w${i}`, CheckpointTensor.fromRaw({ dtype: 'float32', shape: [10 << 20], data: new Uint8Array(40 << 20).fill(i) })] as const)
  const gaps: number[] = []
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    gaps.push(now - last)
    last = now
  }, 1)
  await writeSnapshotFile(path.join(folder, 'epoch-0.pkl'), PyDict.ordered(tensors))
  clearInterval(timer)
  // A checksum over 160 MB in one go takes tens of milliseconds and would show as one gap; the slices are of 3 ms. Other processes may take
  // the core in between, so the median is judged.
  expect(gaps.length).toBeGreaterThan(10)
  expect(gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)]!).toBeLessThan(15)
})

describe('finding', () => {
  it('lists in order of training: a whole epoch is behind its own iterations, the final model last', async () => {
    for (const name of ['final_model.pkl', 'epoch-10.pkl', 'epoch-2.pkl', 'epoch-3-iter-500.pkl', 'epoch-3-iter-60.pkl', 'epoch-3.pkl', 'epoch-x.pkl', 'epoch-3.pkl.tmp-h-1-0-0', 'other.txt']) {
      writeFileSync(path.join(folder, name), '')
    }
    const list = await listSnapshots(folder)
    expect(list.map((snapshot) => path.basename(snapshot.path))).toEqual(['epoch-2.pkl', 'epoch-3-iter-60.pkl', 'epoch-3-iter-500.pkl', 'epoch-3.pkl', 'epoch-10.pkl', 'final_model.pkl'])
    expect(list[1]).toMatchObject({ kind: 'mid-epoch', epoch: 3, iteration: 60 })
    expect(list.map(({ kind, epoch, iteration }) => (kind === 'final' ? 'final_model.pkl' : snapshotName(epoch, kind === 'mid-epoch' ? iteration : undefined)))).toEqual(list.map((snapshot) => path.basename(snapshot.path)))
  })

  it('the latest is the furthest, not the newest, and never the final model', async () => {
    await save('epoch-2-iter-7.pkl', 2)
    await save('epoch-1.pkl', 1)
    await save('final_model.pkl', 9)
    const latest = await findLatest(folder)
    expect(latest).toMatchObject({ snapshot: { kind: 'mid-epoch', epoch: 2, iteration: 7 }, rejected: [] })
    expect((latest!.checkpoint.root as PyDict).get('epoch')).toBe(2)
  })

  it('a truncated or damaged one is reported and the one before it is used', async () => {
    await save('epoch-0.pkl', 0)
    const truncated = await save('epoch-1.pkl', 1)
    truncateSync(truncated, 700)
    const damaged = await save('epoch-2.pkl', 77)
    const bytes = readFileSync(damaged)
    bytes[bytes.indexOf(Buffer.from(Float32Array.of(77).buffer))] = 9
    writeFileSync(damaged, bytes)
    symlinkSync('nowhere', path.join(folder, 'epoch-3.pkl'))
    const latest = await findLatest(folder)
    expect(latest!.snapshot.epoch).toBe(0)
    expect(latest!.rejected.map(({ path: file, error }) => [path.basename(file), error.code])).toEqual([['epoch-3.pkl', 'ERR_IO'], ['epoch-2.pkl', 'ERR_CHECKPOINT'], ['epoch-1.pkl', 'ERR_CHECKPOINT']])
    expect(latest!.rejected.every(({ error }) => error instanceof SiamError && error.file !== undefined)).toBe(true)
  })

  it('none: null; none that can be read: an error; no folder: null', async () => {
    expect(await findLatest(folder)).toBeNull()
    expect(await findLatest(path.join(folder, 'missing'))).toBeNull()
    writeFileSync(path.join(folder, 'epoch-0.pkl'), 'no')
    await expect(findLatest(folder)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', file: path.join(folder, 'epoch-0.pkl') })
  })
})
