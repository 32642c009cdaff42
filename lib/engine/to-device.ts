/** Batches from the host to a device. */
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import type { TensorDict } from './losses.ts'

/**
 * A batch on the model's device: images as uint8, which is a quarter of the bytes of what the model makes of them there, and labels.
 * @param data    tensors anywhere; the caller disposes them, at once if it likes: what the device still reads is kept
 * @param device  'cpu', 'cuda', 'cuda:1'
 * @returns new handles, which the caller disposes too     @throws ERR_DEVICE_OOM, ERR_TORCH
 */
export async function toDevice(data: TensorDict, device: string): Promise<TensorDict> {
  const natives = Object.fromEntries(Object.entries(data).map(([name, { native }]) => [name, native]))
  const moved = await loadAddon().toDevice(natives, device)
  return Object.fromEntries(Object.entries(moved).map(([name, native]) => [name, new Tensor(native)]))
}
