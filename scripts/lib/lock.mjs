/**
 * A lock between processes: a folder that only one of them can make, with a heartbeat.
 *
 * A holder that was killed leaves its folder behind. It counts as stale when the holder was of this machine (host and PID namespace)
 * and is gone, or when its heartbeat is older than {@link STALE_MS} (a holder of another machine on a shared home folder).
 */
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BEAT_MS = 3_000
const STALE_MS = 60_000
/** A lock without an owner file is one that is being made, or whose maker died in between. */
const UNOWNED_MS = 10_000

function identity() {
  let namespace = ''
  try {
    namespace = readlinkSync('/proc/self/ns/pid')
  } catch {
    // No /proc: the host name alone must do.
  }
  return `${os.hostname()} ${namespace}`
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** @returns {string | undefined} why the lock is stale, or undefined while somebody holds it */
export function staleReason(folder, now = Date.now()) {
  let age
  try {
    age = now - statSync(folder).mtimeMs
  } catch {
    return undefined // gone in the meantime: the next attempt to make it decides
  }
  let owner
  try {
    owner = JSON.parse(readFileSync(path.join(folder, 'owner.json'), 'utf8'))
  } catch {
    return age > UNOWNED_MS ? 'it has no owner' : undefined
  }
  if (owner.identity === identity() && !isAlive(owner.pid)) return `its owner, process ${owner.pid}, is gone`
  return age > STALE_MS ? `its owner has been silent for ${Math.round(age / 1000)} s` : undefined
}

/**
 * Runs work while holding the lock.
 * @template T
 * @param {string} folder  the lock; its parent must exist
 * @param {() => Promise<T>} work
 * @param {(text: string) => void} [progress]  told once when another holder must be waited for
 * @returns {Promise<T>}
 */
export async function withLock(folder, work, progress = () => {}) {
  let told = false
  for (;;) {
    try {
      mkdirSync(folder)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const reason = staleReason(folder)
    if (reason !== undefined) {
      // The rename decides between two processes that both saw it stale: the second finds nothing to move.
      const grave = `${folder}.stale-${process.pid}-${Date.now()}`
      try {
        renameSync(folder, grave)
        rmSync(grave, { recursive: true, force: true })
      } catch {
        // Somebody else was quicker.
      }
      continue
    }
    if (!told) progress(`waiting for another set-up that holds ${folder}`)
    told = true
    await sleep(500)
  }
  writeFileSync(path.join(folder, 'owner.json'), JSON.stringify({ pid: process.pid, identity: identity(), since: new Date().toISOString() }))
  const beat = setInterval(() => {
    try {
      utimesSync(folder, new Date(), new Date())
    } catch {
      // Removed by hand: the work goes on, its last step is atomic anyway.
    }
  }, BEAT_MS)
  const release = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    process.off('exit', release)
    release()
  }
}
