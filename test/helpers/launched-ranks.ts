/** The processes that `siamtrain train --nproc N` started, and ranks without a launcher. */
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSiamtrain, type Running } from './train-process.ts'

/** Process ids of a launcher's ranks, by rank. Waits until all are there. */
export async function ranksOf(launcher: number, processes: number): Promise<number[]> {
  for (;;) {
    const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number)
    const pids: number[] = []
    for (const pid of children) {
      const rank = /(?:^|\0)RANK=(\d+)(?:\0|$)/.exec(environmentOf(pid))?.[1]
      if (rank !== undefined) pids[Number(rank)] = pid
    }
    if (pids.filter((pid) => pid !== undefined).length === processes) return pids
    await sleep(10)
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

export async function ended(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await sleep(20)
}

/** The variables that torchrun and a PyTorchJob set. */
export function rankVariables(rank: number, worldSize: number, port: number): Record<string, string> {
  return { RANK: String(rank), WORLD_SIZE: String(worldSize), LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: String(worldSize), MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) }
}

/** Starts each rank itself, as torchrun's agent does. */
export function startRanksOf(args: readonly string[], worldSize: number, port: number, env: Record<string, string> = {}): Running[] {
  return Array.from({ length: worldSize }, (_, rank) => startSiamtrain(args, { env: { ...rankVariables(rank, worldSize, port), ...env } }))
}
