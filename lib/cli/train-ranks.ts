/** `siamtrain train` as one of several processes, and as the command that starts them (--nproc). */
import os from 'node:os'
import { InvalidArgumentError } from 'commander'
import { gpusHere, placeRank, type Backend } from '../distributed/backend.ts'
import { readEnvironment, slurmWithoutSrun, type RankEnvironment } from '../distributed/environment.ts'
import { freePort } from '../distributed/free-port.ts'
import type { ProcessGroup } from '../distributed/group.ts'
import { interfaceAddress } from '../distributed/interface.ts'
import { launch } from '../distributed/launch.ts'
import { endWithLauncher, isLaunched, launchedVariable } from '../distributed/launched.ts'
import { reachRank0 } from '../distributed/reach.ts'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { TrainFlags } from './train.ts'

/** An exchange waits so long for the other ranks: with it a machine that is lost ends the others within 30 s. */
export const defaultDistTimeout = 20
/** Pods and machines of a run may come minutes apart. */
export const defaultStartTimeout = 600

/** Who this process is in the run. */
export interface Ranks {
  /** undefined: one process, and nobody to talk to. */
  group: ProcessGroup | undefined
  /** Whether it is the one that prints, shows progress and saves. */
  first: boolean
  device: string
  /** Threads of libtorch's team; undefined: all cores. */
  threads: number | undefined
}

export function nprocFlag(text: string): number | 'auto' {
  if (text === 'auto') return text
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 1024) throw new InvalidArgumentError("Expected a number of processes from 1 to 1024, or 'auto'.")
  return value
}

export function backendFlag(text: string): Backend {
  if (text !== 'gloo' && text !== 'nccl') throw new InvalidArgumentError('Expected gloo or nccl.')
  return text
}

export function secondsFlag(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= 86_400)) throw new InvalidArgumentError('Expected a number of seconds above 0, at most 86400.')
  return value
}

/**
 * How many processes this command is to start itself.
 * @returns undefined: none, it trains (as the only process, or as a rank that somebody else has started)
 * @throws ERR_ARGUMENT when it is a rank already, 'auto' has nothing to count, or the backend does not fit the device; ERR_DEVICE when there are too few GPUs
 */
export async function processesToStart(flags: TrainFlags): Promise<number | undefined> {
  if (flags.nproc === undefined || isLaunched()) return undefined
  const environment = readEnvironment(process.env)
  if (environment !== null && environment.worldSize > 1) {
    const by = environment.source === 'slurm' ? 'srun (SLURM_PROCID, SLURM_NTASKS)' : 'RANK and WORLD_SIZE'
    throw new SiamError('ERR_ARGUMENT', `--nproc starts processes, but by ${by} this is rank ${environment.rank} of ${environment.worldSize} that were started already`, { hint: 'leave out --nproc' })
  }
  if (flags.nproc === 'auto' && flags.device === 'cpu') throw new SiamError('ERR_ARGUMENT', '--nproc auto is the number of GPUs and needs --device cuda', { hint: 'give the number of processes' })
  const processes = flags.nproc === 'auto' ? Math.max(1, (await gpusHere()).devices) : flags.nproc
  // Here, so that what fits no rank is said once.
  await placeRank(flags.device, flags.backend, { localRank: processes - 1, localWorldSize: processes })
  return processes === 1 ? undefined : processes
}

/** Starts this same command as so many ranks. @returns the exit code */
export async function startRanks(processes: number, say: (line: string) => void): Promise<number> {
  const [, script = '', ...args] = process.argv
  return launch({ processes, command: [process.execPath, ...process.execArgv, script, ...args], port: await freePort(), env: process.env, say })
}

/**
 * Meets the other ranks, where the environment says that there are some.
 * @throws ERR_CONFIG for a malformed environment, ERR_DEVICE, ERR_DISTRIBUTED when ranks do not meet, ERR_ABORTED
 */
export async function joinRanks(flags: TrainFlags, signal: AbortSignal, say: (line: string) => void): Promise<Ranks> {
  const environment = readEnvironment(process.env)
  // Before anything that takes time: the launcher may be gone already.
  if (isLaunched()) endWithLauncher(environment?.rank ?? 0)
  if (environment === null) {
    const note = slurmWithoutSrun(process.env)
    if (note !== undefined) say(note)
  }
  const alone = environment === null || environment.worldSize === 1
  if (alone && flags.backend === undefined) {
    const device = environment === null || flags.device !== 'cuda' ? flags.device : `cuda:${environment.localRank}`
    return { group: undefined, first: true, device, threads: flags.threads }
  }
  const rank: RankEnvironment = environment ?? { source: 'variables', rank: 0, worldSize: 1, localRank: 0, localWorldSize: 1, masterAddr: '127.0.0.1', masterPort: 0, keepsStore: true, storePrefix: 'siamfcpp' }
  const { device, backend } = await placeRank(flags.device, flags.backend, { localRank: rank.localRank, localWorldSize: rank.localWorldSize })
  return { group: await meet(rank, device, backend, flags, signal), first: rank.rank === 0, device, threads: threadsOfRank(flags, rank) }
}

async function meet(environment: RankEnvironment, device: string, backend: Backend, flags: TrainFlags, signal: AbortSignal): Promise<ProcessGroup> {
  const { rank, worldSize, masterAddr, keepsStore } = environment
  const masterPort = environment.masterPort === 0 ? await freePort() : environment.masterPort
  const host = interfaceAddress(process.env)
  let startTimeoutSeconds = flags.distStartTimeout ?? defaultStartTimeout
  if (!keepsStore) startTimeoutSeconds = (await reachRank0({ rank, worldSize, address: masterAddr, port: masterPort }, startTimeoutSeconds, signal)) / 1000
  const { ProcessGroup } = await import('../distributed/group.ts')
  signal.throwIfAborted()
  const cancel = (): void => loadAddon().cancelMeetings()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await ProcessGroup.create({ ...environment, masterPort, host, device, backend, timeoutSeconds: flags.distTimeout ?? defaultDistTimeout, startTimeoutSeconds })
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** --threads is for all processes together where this command started them, else for each; without it the machine's cores are divided. */
function threadsOfRank(flags: TrainFlags, { localWorldSize = 1, cpus }: RankEnvironment): number {
  if (!isLaunched()) return flags.threads ?? cpus ?? Math.max(1, Math.floor(os.availableParallelism() / localWorldSize))
  return Math.max(1, Math.floor((flags.threads ?? os.availableParallelism()) / Number(process.env[launchedVariable])))
}
