/**
 * Which process of a run this one is, by the environment that starts it: torchrun, Kubeflow's PyTorchJob (RANK, WORLD_SIZE, …), or srun (SLURM_*).
 * Pure: no file, no network. docs/distributed.md has the table.
 */
import { isIP } from 'node:net'
import { SiamError } from '../errors.ts'
import { firstSlurmHost } from './slurm-nodes.ts'

/** Environment variables; an empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface RankEnvironment {
  /** Who said so: `RANK` and `WORLD_SIZE` (torchrun, PyTorchJob, --nproc), or SLURM. */
  source: 'variables' | 'slurm'
  /** 0 … worldSize − 1. */
  rank: number
  worldSize: number
  /** Among the processes on this machine: which GPU it takes. */
  localRank: number
  /** Processes on this machine, where it is known. */
  localWorldSize?: number
  /** Cores that are this process's own, where SLURM has bound it to some. */
  cpus?: number
  /** Where the ranks meet; '127.0.0.1' and 0 where there is only one and nothing is said. */
  masterAddr: string
  masterPort: number
  /** Rank 0 listens at masterPort; not under torchrun, whose agent does. */
  keepsStore: boolean
  /** Keys of this start, so that a restart never reads those of the one before from a store that outlives it. */
  storePrefix: string
}

/** Ports of SLURM jobs: above those of services, below those that systems give to outgoing connections. */
const slurmPorts = { first: 15_000, count: 15_000 } as const

/**
 * @returns null where nothing says that there are other processes: one process, as without any launcher
 * @throws ERR_CONFIG for a variable that is missing, malformed, out of range, or contradicts another; it names the variable and what came
 */
export function readEnvironment(env: Environment): RankEnvironment | null {
  if (text(env, 'RANK') !== undefined || text(env, 'WORLD_SIZE') !== undefined || text(env, 'LOCAL_RANK') !== undefined) return fromVariables(env)
  return isSlurmTask(env) ? fromSlurm(env) : null
}

/**
 * Why a job of several tasks trains in one process: sbatch's script (and salloc's shell) has the job's variables, but only srun starts the tasks.
 * @returns a line for the user, or undefined
 */
export function slurmWithoutSrun(env: Environment): string | undefined {
  const tasks = text(env, 'SLURM_NTASKS')
  if (tasks === undefined || !/^\d+$/.test(tasks) || Number(tasks) < 2 || readEnvironment(env) !== null) return undefined
  return `Note: the SLURM job has ${tasks} tasks, but srun did not start this process: it trains alone (srun siamtrain train … starts one process for each task)`
}

function text(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function wrong(expected: string, name: string, value: string): SiamError {
  return new SiamError('ERR_CONFIG', `Expected ${expected} for the environment variable ${name} but received ${JSON.stringify(value)}`)
}

function missing(name: string, expected: string, because: string, hint: string): SiamError {
  return new SiamError('ERR_CONFIG', `Expected ${expected} in the environment variable ${name}, which is not set although ${because}`, { hint })
}

/** @returns undefined where it is not set */
function integer(env: Environment, name: string, min: number, max = 1_000_000): number | undefined {
  const value = text(env, name)
  if (value === undefined) return undefined
  const number = /^\d{1,10}$/.test(value) ? Number(value) : NaN
  if (!(number >= min && number <= max)) throw wrong(max === 1_000_000 ? `an integer ≥ ${min}` : `an integer from ${min} to ${max}`, name, value)
  return number
}

const isSet = (...names: string[]): string => `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'}`

/** torchrun's variables, which PyTorchJob and our own launcher set, too. In a task of SLURM what is missing of them comes from there. */
function fromVariables(env: Environment): RankEnvironment {
  const slurm = isSlurmTask(env)
  const named = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK'].filter((name) => text(env, name) !== undefined)
  const because = isSet(...named)
  const hint = 'torchrun, PyTorchJob and siamtrain train --nproc set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; to train in one process unset them all'
  const rank = integer(env, 'RANK', 0) ?? (slurm ? slurmValue(env, 'SLURM_PROCID', 0) : undefined)
  const worldSize = integer(env, 'WORLD_SIZE', 1) ?? (slurm ? slurmTasks(env) : undefined)
  if (worldSize === undefined) throw missing('WORLD_SIZE', 'the number of processes', because, hint)
  if (rank === undefined) throw missing('RANK', `this process's number, from 0 to ${worldSize - 1},`, because, hint)
  if (slurm && text(env, 'RANK') === undefined && worldSize !== slurmTasks(env)) {
    throw new SiamError('ERR_CONFIG', `The environment variable WORLD_SIZE is ${worldSize}, but srun started ${slurmTasks(env)} tasks (SLURM_NTASKS), and RANK is not set`, { hint: 'unset WORLD_SIZE, or set RANK too' })
  }
  if (rank >= worldSize) throw wrong(`an integer from 0 to ${worldSize - 1} (WORLD_SIZE is ${worldSize})`, 'RANK', String(rank))
  // A PyTorchJob has one process a pod, whose GPUs are counted from 0: it sets no LOCAL_RANK.
  const localRank = integer(env, 'LOCAL_RANK', 0) ?? (slurm && text(env, 'RANK') === undefined ? slurmValue(env, 'SLURM_LOCALID', 0) : 0)
  const localWorldSize = integer(env, 'LOCAL_WORLD_SIZE', 1)
  if (localWorldSize !== undefined && localWorldSize > worldSize) throw wrong(`an integer from 1 to ${worldSize} (WORLD_SIZE is ${worldSize})`, 'LOCAL_WORLD_SIZE', String(localWorldSize))
  const locals = localWorldSize ?? worldSize
  if (localRank >= locals) throw wrong(`an integer from 0 to ${locals - 1} (${localWorldSize === undefined ? 'WORLD_SIZE' : 'LOCAL_WORLD_SIZE'} is ${locals})`, 'LOCAL_RANK', String(localRank))
  // torchrun counts the ranks of one machine after the other and srun's local numbers grow with the rank, too.
  if (localRank > rank) throw new SiamError('ERR_CONFIG', `The environment variable LOCAL_RANK is ${localRank}, but RANK is ${rank}: a rank has at most RANK others before it on its machine`)
  const others = worldSize > 1
  const told = isSet('WORLD_SIZE').replace('is', `is ${worldSize}`)
  const masterAddr = masterAddress(env) ?? (slurm ? slurmMaster(env) : undefined)
  if (masterAddr === undefined && others) throw missing('MASTER_ADDR', "rank 0's host name or address", told, hint)
  const masterPort = integer(env, 'MASTER_PORT', 1, 65_535) ?? (slurm ? slurmPort(env) : undefined)
  if (masterPort === undefined && others) throw missing('MASTER_PORT', 'a port that is free on rank 0', told, hint)
  return {
    source: 'variables',
    rank,
    worldSize,
    localRank,
    ...(localWorldSize === undefined ? {} : { localWorldSize }),
    masterAddr: masterAddr ?? '127.0.0.1',
    masterPort: masterPort ?? 0,
    ...storeOf(env, rank),
  }
}

/** As torch.distributed's env:// rendezvous: torchrun's agent keeps the store at MASTER_PORT, and all its restarts share it. */
function storeOf(env: Environment, rank: number): { keepsStore: boolean; storePrefix: string } {
  if (env.TORCHELASTIC_USE_AGENT_STORE !== 'True') return { keepsStore: rank === 0, storePrefix: 'siamfcpp' }
  return { keepsStore: false, storePrefix: `siamfcpp/attempt_${integer(env, 'TORCHELASTIC_RESTART_COUNT', 0) ?? 0}` }
}

/** A host's name or address; undefined where it is not set. @throws ERR_CONFIG for what cannot be one, such as host:port */
function masterAddress(env: Environment): string | undefined {
  const value = text(env, 'MASTER_ADDR')
  if (value === undefined || isIP(value) !== 0 || /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(value)) return value
  throw wrong('a host name or an address (the port goes to MASTER_PORT)', 'MASTER_ADDR', value)
}

/** Whether srun started this process. A batch script and its children have the job's variables and those of task 0, too, but no step. */
function isSlurmTask(env: Environment): boolean {
  if (text(env, 'SLURM_PROCID') === undefined) return false
  return text(env, 'SLURM_STEP_ID') !== undefined || env.ENVIRONMENT !== 'BATCH'
}

function slurmValue(env: Environment, name: string, min: number): number {
  const value = integer(env, name, min)
  if (value === undefined) throw missing(name, `an integer ≥ ${min}`, isSet('SLURM_PROCID'), 'srun sets it; to train in one process unset SLURM_PROCID')
  return value
}

/** Tasks of the step where it says, for a step may have fewer than its job. */
function slurmTasks(env: Environment): number {
  return integer(env, 'SLURM_STEP_NUM_TASKS', 1) ?? slurmValue(env, 'SLURM_NTASKS', 1)
}

function slurmMaster(env: Environment): string | undefined {
  for (const name of ['SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_NODELIST']) {
    const list = text(env, name)
    if (list !== undefined) return firstSlurmHost(list, name)
  }
  return undefined
}

/** All tasks of a step find the same one, steps of a job and neighbouring jobs different ones. */
function slurmPort(env: Environment): number | undefined {
  const job = integer(env, 'SLURM_JOB_ID', 0, 9_999_999_999) ?? integer(env, 'SLURM_JOBID', 0, 9_999_999_999)
  if (job === undefined) return undefined
  const step = integer(env, 'SLURM_STEP_ID', 0, 9_999_999_999) ?? 0
  return slurmPorts.first + ((job + step) % slurmPorts.count)
}

function fromSlurm(env: Environment): RankEnvironment {
  const rank = slurmValue(env, 'SLURM_PROCID', 0)
  const worldSize = slurmTasks(env)
  if (rank >= worldSize) throw wrong(`an integer from 0 to ${worldSize - 1} (srun started ${worldSize} tasks)`, 'SLURM_PROCID', String(rank))
  const localRank = worldSize === 1 ? (integer(env, 'SLURM_LOCALID', 0) ?? 0) : slurmValue(env, 'SLURM_LOCALID', 0)
  if (localRank > rank) throw wrong(`an integer from 0 to ${rank} (SLURM_PROCID is ${rank})`, 'SLURM_LOCALID', String(localRank))
  const masterAddr = masterAddress(env) ?? slurmMaster(env)
  const masterPort = integer(env, 'MASTER_PORT', 1, 65_535) ?? slurmPort(env)
  const told = `srun started ${worldSize} tasks`
  if (worldSize > 1 && masterAddr === undefined) throw missing('SLURM_JOB_NODELIST', "the job's hosts", told, 'srun sets it; MASTER_ADDR, the host of rank 0, does as well')
  if (worldSize > 1 && masterPort === undefined) throw missing('SLURM_JOB_ID', "the job's number", told, 'srun sets it; MASTER_PORT, a port that is free on rank 0, does as well')
  const localWorldSize = slurmTasksHere(env)
  const cpus = integer(env, 'SLURM_CPUS_PER_TASK', 1)
  return {
    source: 'slurm',
    rank,
    worldSize,
    localRank,
    ...(localWorldSize === undefined || localWorldSize <= localRank || localWorldSize > worldSize ? {} : { localWorldSize }),
    ...(cpus === undefined ? {} : { cpus }),
    masterAddr: masterAddr ?? '127.0.0.1',
    masterPort: masterPort ?? 0,
    keepsStore: rank === 0,
    storePrefix: 'siamfcpp',
  }
}

/** `4(x2),1`: tasks of each node in turn; which of them is this node's says SLURM_NODEID. It only divides threads, so nonsense is passed over. */
function slurmTasksHere(env: Environment): number | undefined {
  const list = text(env, 'SLURM_STEP_TASKS_PER_NODE') ?? text(env, 'SLURM_TASKS_PER_NODE')
  const node = Number(text(env, 'SLURM_NODEID') ?? '0')
  let before = 0
  for (const item of list?.split(',') ?? []) {
    const match = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(item)
    if (match === null) return undefined
    before += Number(match[2] ?? 1)
    if (node < before) return Number(match[1])
  }
  return undefined
}
