/** What carries the gradients, and which device a rank trains on. */
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'

export type Backend = 'gloo' | 'nccl'

export interface RankPlace {
  /** Of this machine's ranks. */
  localRank: number
  /** How many ranks the machine has; undefined: unknown. */
  localWorldSize: number | undefined
}

/** GPUs of this machine, and NCCL's version in this build, 0 without it. */
export interface Gpus {
  devices: number
  /** Why there are none. */
  reason: string
  nccl: number
}

export async function gpusHere(): Promise<Gpus> {
  const addon = loadAddon()
  const { available, reason, devices } = await addon.cudaAvailable()
  return { devices: available ? devices.length : 0, reason, nccl: available ? (await addon.cudaExtension()).nccl : 0 }
}

/**
 * `cuda` is each rank's own GPU, cuda:LOCAL_RANK. NCCL refuses two ranks on one card; over Gloo they may share one, and where there are fewer
 * GPUs than ranks they take turns.
 * @param asked    'cpu', 'cuda' or 'cuda:N', the same on all ranks
 * @param backend  what was asked for; undefined: nccl where each rank has a GPU of its own and the build has NCCL, else gloo
 * @throws ERR_DEVICE when there are too few GPUs, ERR_ARGUMENT when the backend does not fit the device
 */
export async function placeRank(asked: string, backend: Backend | undefined, place: RankPlace, gpus: () => Promise<Gpus> = gpusHere): Promise<{ device: string; backend: Backend }> {
  if (asked === 'cpu') {
    if (backend === 'nccl') throw new SiamError('ERR_ARGUMENT', '--backend nccl needs --device cuda: NCCL carries what lies on GPUs', { hint: 'gloo serves CPUs' })
    return { device: asked, backend: 'gloo' }
  }
  const { devices, reason, nccl } = await gpus()
  if (devices === 0) throw new SiamError('ERR_DEVICE', `the device ${asked} is not available: ${reason}`, { hint: 'siamtrain doctor says more' })
  const { localRank, localWorldSize } = place
  if (asked !== 'cuda') {
    if (backend === 'nccl' && localWorldSize !== 1) throw new SiamError('ERR_ARGUMENT', `--backend nccl needs a GPU for each rank, but --device ${asked} gives all ranks the same one`, { hint: '--device cuda gives each its own; --backend gloo lets them share' })
    return { device: asked, backend: backend ?? 'gloo' }
  }
  const ranks = Math.max(localWorldSize ?? 1, localRank + 1)
  if (ranks <= devices) return { device: `cuda:${localRank}`, backend: backend ?? (nccl > 0 ? 'nccl' : 'gloo') }
  if (backend === 'gloo') return { device: `cuda:${localRank % devices}`, backend }
  throw new SiamError('ERR_DEVICE', `${ranks} processes on this machine need ${ranks} GPUs, but there ${devices === 1 ? 'is 1' : `are ${devices}`}`, { hint: 'start fewer processes, or let them share by --backend gloo' })
}
