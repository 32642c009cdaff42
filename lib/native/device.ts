/** Names of devices, and whether there is one. */
import { SiamError, invalidArgument } from '../errors.ts'
import { loadAddon } from './load.ts'

/**
 * @param name  what the device is called in the message
 * @returns the device's name as it came
 * @throws ERR_ARGUMENT unless it is 'cpu', 'cuda' or 'cuda:N'
 */
export function checkedDevice(device: unknown, name = 'device'): string {
  if (typeof device !== 'string' || !/^(cpu|cuda(:\d{1,3})?)$/.test(device)) throw invalidArgument("'cpu', 'cuda' or 'cuda:N'", name, device)
  return device
}

/**
 * @throws ERR_ARGUMENT for no device's name, ERR_DEVICE with the reason when it is not there
 */
export async function requireDevice(device: unknown): Promise<void> {
  const wanted = checkedDevice(device)
  if (wanted === 'cpu') return
  const { available, reason, devices } = await loadAddon().cudaAvailable()
  const number = Number(wanted.split(':')[1] ?? 0)
  if (available && number < devices.length) return
  const why = available ? `there ${devices.length === 1 ? 'is 1 device' : `are ${devices.length} devices`}, counted from 0` : reason
  throw new SiamError('ERR_DEVICE', `the device ${wanted} is not available: ${why}`, { hint: 'siamtrain doctor says more' })
}
