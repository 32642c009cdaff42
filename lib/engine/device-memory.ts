/** Memory of the device that a run is on, for monitors. */
import { loadAddon } from '../native/load.ts'
import type { EngineState } from '../monitors/monitor.ts'
import type { DeviceMemory } from '../native/addon-cuda.ts'

/** @returns null for the CPU, and for a device that no tensor was made on */
export function deviceMemory(device: string): DeviceMemory | null {
  const name = device === 'cuda' ? 'cuda:0' : device
  return loadAddon().memory().devices.find((one) => one.device === name) ?? null
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
