/** What a run does to its output folder: checks before it starts, finding snapshots, tidying up. */
import { mkdirSync, rmdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Checkpoint } from '../checkpoint/index.ts'
import { SiamError } from '../errors.ts'
import { makeFolder } from '../make-folder.ts'
import { findLatest, listSnapshots, readSnapshotFile, type SnapshotInfo } from './snapshot-file.ts'

/** Makes the folder and proves that it can be written to, so that a run does not fail at its first snapshot. @throws ERR_IO */
export function checkWritable(dir: string): void {
  const probe = path.join(dir, `.probe-${process.pid}`)
  try {
    makeFolder(dir)
    mkdirSync(probe)
    rmdirSync(probe)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the output folder cannot be written: ${(cause as Error).message}`, { file: dir, cause, hint: 'choose another exp_save, or mend its permissions' })
  }
}

/**
 * Refuses to mix a new run with an older one's snapshots.
 * @throws ERR_ARGUMENT when the folder has snapshots
 */
export async function checkUnused(dir: string): Promise<void> {
  const newest = (await trainable(dir)).at(-1)
  if (newest === undefined) return
  throw new SiamError('ERR_ARGUMENT', `there is a run already, with ${path.basename(newest.path)}`, {
    file: dir,
    hint: 'go on with it by --resume latest, start anew by --overwrite, or choose another exp_name',
  })
}

/** Whether there is a snapshot that a run could go on from. */
export async function hasSnapshots(dir: string): Promise<boolean> {
  return (await trainable(dir)).length > 0
}

/** Removes an older run's snapshots, so that none of them is taken for the new run's. @returns how many there were */
export async function removeSnapshots(dir: string): Promise<number> {
  const old = await listSnapshots(dir)
  for (const snapshot of old) await rm(snapshot.path, { force: true })
  return old.length
}

/**
 * Removes mid-epoch snapshots but the last `keep`, up to `newest` alone: files of an older run that went further are not this run's.
 */
export async function removeOldMidEpoch(dir: string, newest: string, keep: number): Promise<void> {
  const all = await trainable(dir)
  const upTo = all.slice(0, all.findIndex((snapshot) => path.basename(snapshot.path) === path.basename(newest)) + 1)
  const midEpoch = upTo.filter(({ kind }) => kind === 'mid-epoch')
  for (const snapshot of midEpoch.slice(0, -keep)) await rm(snapshot.path, { force: true })
}

/**
 * Where `--resume target` leads, without reading the file.
 * @param target 'latest', an epoch number, or a file
 * @returns the file, or null for 'latest', which depends on what can be read
 * @throws ERR_CHECKPOINT when there is nothing to resume: nothing is trained from scratch silently
 */
export async function checkResumeTarget(dir: string, target: string | number): Promise<string | null> {
  const there = await trainable(dir)
  if (target === 'latest') {
    if (there.length > 0) return null
    throw new SiamError('ERR_CHECKPOINT', 'there is no snapshot (epoch-N.pkl) to resume from', { file: dir, hint: 'leave --resume out to start a new run' })
  }
  const isEpoch = /^\d+$/.test(String(target))
  const file = isEpoch ? path.join(dir, `epoch-${target}.pkl`) : String(target)
  const names = there.slice(-5).map((snapshot) => path.basename(snapshot.path))
  if (isEpoch && !there.some((snapshot) => snapshot.path === file)) {
    throw new SiamError('ERR_CHECKPOINT', `there is no snapshot of epoch ${target}`, { file, hint: names.length === 0 ? 'the folder has no snapshots' : `the folder has ${names.join(', ')}` })
  }
  return file
}

/** Reads the snapshot that `target` means. @param warn told of newer snapshots that could not be read */
export async function readResumeTarget(dir: string, target: string | number, warn: (line: string) => void): Promise<Checkpoint> {
  const file = await checkResumeTarget(dir, target)
  if (file !== null) return readSnapshotFile(file)
  const latest = await findLatest(dir)
  if (latest === null) throw new SiamError('ERR_CHECKPOINT', 'there is no snapshot (epoch-N.pkl) to resume from', { file: dir })
  for (const { path: rejected, error } of latest.rejected) warn(`Warning: ${rejected} cannot be read and is passed over: ${error.message}`)
  return latest.checkpoint
}

async function trainable(dir: string): Promise<SnapshotInfo[]> {
  return (await listSnapshots(dir)).filter(({ kind }) => kind !== 'final')
}
