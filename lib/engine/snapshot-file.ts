/** Snapshot files of a run: `epoch-N.pkl`, `epoch-N-iter-M.pkl`, `final_model.pkl`. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { ioError } from '../checkpoint/io-error.ts'
import { readCheckpoint } from '../checkpoint/read.ts'
import type { Checkpoint } from '../checkpoint/read.ts'
import type { CheckpointValue } from '../checkpoint/values.ts'
import { writeTorchZip } from '../checkpoint/write.ts'
import { SiamError } from '../errors.ts'

export const finalModelName = 'final_model.pkl'

export interface SnapshotInfo {
  path: string
  /** `epoch`: that epoch is finished; `mid-epoch`: `iteration` iterations of it are done; `final`: the end of a run, whatever its epoch. */
  kind: 'epoch' | 'mid-epoch' | 'final'
  /** −1 for the final model, whose name does not tell. */
  epoch: number
  /** Iterations of `epoch` that are done; 0 unless `mid-epoch`. */
  iteration: number
}

export interface LatestSnapshot {
  snapshot: SnapshotInfo
  checkpoint: Checkpoint
  /** Snapshots further in training that could not be read, and why: tell the user. */
  rejected: { path: string; error: SiamError }[]
}

/** The name of a snapshot: after `epoch` is finished, or after `iteration` iterations of it. */
export function snapshotName(epoch: number, iteration?: number): string {
  return iteration === undefined ? `epoch-${epoch}.pkl` : `epoch-${epoch}-iter-${iteration}.pkl`
}

/**
 * Writes a snapshot that torch.load opens; the file is there whole or not at all, also after a kill -9 or a power cut.
 * The event loop stays free: checksums go in slices, writing happens on the thread pool. Tensors must not change until it resolves.
 * @throws ERR_IO with the path and a hint (disk full, read-only, no such folder, …), ERR_ARGUMENT for a value that has no Python form
 */
export async function writeSnapshotFile(file: string, value: CheckpointValue): Promise<void> {
  const archive = path.basename(file, path.extname(file)) || 'archive'
  await writeFileAtomically(file, (sink) => writeTorchZip(value, sink, archive))
}

/**
 * Reads a snapshot, every checksum compared.
 * @throws ERR_IO when it cannot be read, ERR_CHECKPOINT when it is truncated, damaged or no checkpoint
 */
export function readSnapshotFile(file: string): Promise<Checkpoint> {
  return readCheckpoint(file, { verify: true })
}

/**
 * The snapshots in a folder, the least trained first, the final model last. A folder that is not there has none.
 * @throws ERR_IO when the folder cannot be listed
 */
export async function listSnapshots(folder: string): Promise<SnapshotInfo[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw ioError(error, 'list', folder)
  }
  const found: SnapshotInfo[] = []
  for (const name of names) {
    const match = /^epoch-(\d+)(?:-iter-(\d+))?\.pkl$/.exec(name)
    const file = path.join(folder, name)
    if (match !== null) found.push({ path: file, kind: match[2] === undefined ? 'epoch' : 'mid-epoch', epoch: Number(match[1]), iteration: Number(match[2] ?? 0) })
    else if (name === finalModelName) found.push({ path: file, kind: 'final', epoch: -1, iteration: 0 })
  }
  return found.toSorted((a, b) => compareProgress(progress(a), progress(b)))
}

/**
 * The snapshot furthest in training that can be read. Times of files play no part, nor does `final_model.pkl`.
 * @returns null when the folder has none
 * @throws ERR_CHECKPOINT when there are some and none can be read
 */
export async function findLatest(folder: string): Promise<LatestSnapshot | null> {
  const rejected: LatestSnapshot['rejected'] = []
  const candidates = (await listSnapshots(folder)).filter(({ kind }) => kind !== 'final')
  for (const snapshot of candidates.toReversed()) {
    try {
      return { snapshot, checkpoint: await readSnapshotFile(snapshot.path), rejected }
    } catch (error) {
      if (!(error instanceof SiamError)) throw error
      rejected.push({ path: snapshot.path, error })
    }
  }
  if (rejected.length === 0) return null
  throw new SiamError('ERR_CHECKPOINT', `none of the ${rejected.length} snapshots can be read; the newest: ${rejected[0]!.error.message}`, {
    file: rejected[0]!.path,
    hint: 'remove the damaged files and start again, or resume from another path',
    cause: rejected[0]!.error,
  })
}

/** [epochs finished, iterations of the next one done]; the final model sorts behind everything. */
function progress(snapshot: SnapshotInfo): [number, number] {
  if (snapshot.kind === 'final') return [Infinity, 0]
  return snapshot.kind === 'epoch' ? [snapshot.epoch + 1, 0] : [snapshot.epoch, snapshot.iteration]
}

function compareProgress(a: [number, number], b: [number, number]): number {
  return a[0] === b[0] ? a[1] - b[1] : a[0] - b[0]
}
