/** Memory of the device that a run is on, for monitors. */
import type { MemoryEstimate } from './memory-estimate.ts'
import { loadAddon } from '../native/load.ts'
import type { EngineState } from '../monitors/monitor.ts'
import { binarySize } from '../native/device-errors.ts'
import type { DeviceMemory } from '../native/addon-cuda.ts'

/** @returns null for the CPU, and for a device that no tensor was made on */
export function deviceMemory(device: string): DeviceMemory | null {
  const name = device === 'cuda' ? 'cuda:0' : device
  return loadAddon().memory().devices.find((one) => one.device === name) ?? null
}

export interface DeviceRoom {
  name: string
  total_bytes: number
  free_bytes: number | null
}

/** @returns what a device has; null for the CPU, and for a device that is not there */
export async function deviceRoom(device: string): Promise<DeviceRoom | null> {
  if (device === 'cpu') return null
  const found = (await loadAddon().cudaAvailable()).devices[Number(device.split(':')[1] ?? 0)]
  return found === undefined ? null : { name: found.name, total_bytes: found.totalBytes, free_bytes: found.freeBytes }
}

/** CUDA's context and its libraries' scratch memory; seen: 0.5 GiB for the one, and as much for the other. */
const ownBytes = 2 ** 30

/**
 * @param need  what a step takes, as it was measured on the CPU
 * @returns a warning where a step is likely not to fit
 */
export function roomWarning(device: string, room: DeviceRoom, need: Pick<MemoryEstimate, 'parameters_bytes' | 'buffers_bytes' | 'momentum_bytes' | 'gradients_bytes' | 'activations_bytes' | 'minibatch'>): string | undefined {
  const bytes = need.parameters_bytes + need.buffers_bytes + need.momentum_bytes + need.gradients_bytes + need.activations_bytes + ownBytes
  const free = room.free_bytes ?? room.total_bytes
  if (bytes <= free) return undefined
  return `a minibatch of ${need.minibatch} may not fit: about ${binarySize(bytes)} are needed on ${device} (${room.name}), which has ${binarySize(free)} free of ${binarySize(room.total_bytes)}; take a smaller minibatch with accumulate_batches, or amp`
}

/** Curves of a device's memory, by their names in TensorBoard. */
export function memoryScalars(memory: DeviceMemory | null): Record<string, number> {
  if (memory === null) return {}
  const { allocatedBytes, allocatedPeakBytes, reservedBytes, reservedPeakBytes } = memory
  return { allocated_bytes: allocatedBytes, allocated_peak_bytes: allocatedPeakBytes, reserved_bytes: reservedBytes, reserved_peak_bytes: reservedPeakBytes }
}

/** What monitors read of the memory of `device`: on the CPU nothing, where the process's own is shown. */
export function watchDeviceMemory(state: EngineState, device: string): void {
  if (device === 'cpu') {
    delete state.max_memory_bytes
    delete state.device_memory
    return
  }
  // As the original's torch.cuda.max_memory_allocated.
  state.max_memory_bytes = () => deviceMemory(device)?.allocatedPeakBytes ?? 0
  state.device_memory = () => memoryScalars(deviceMemory(device))
}
