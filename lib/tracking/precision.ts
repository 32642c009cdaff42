/** The arithmetic of a tracker's network, and which device has which. */
import { invalidArgument, SiamError } from '../errors.ts'
import type { TrackPrecision } from '../native/addon.ts'

/** All there are. */
export const trackPrecisions = ['fp32', 'bf16', 'fp16', 'int8'] as const satisfies readonly TrackPrecision[]

/** As an option's help has it. */
export const precisionHelp = 'arithmetic of the network: fp32, bf16, fp16 (GPU) or int8 (CPU)'

/** @throws ERR_ARGUMENT unless it is one */
export function checkedPrecision(precision: TrackPrecision): TrackPrecision {
  if (!trackPrecisions.includes(precision)) throw invalidArgument("'fp32', 'bf16', 'fp16' or 'int8'", 'precision', precision)
  return precision
}

/**
 * @param device a checked name
 * @throws ERR_ARGUMENT where the device has no such arithmetic
 */
export function checkPrecisionOn(device: string, precision: TrackPrecision): void {
  const onGpu = device !== 'cpu'
  if (precision === 'int8' && onGpu) throw new SiamError('ERR_ARGUMENT', `the precision int8 runs on the CPU, not on ${device}`, { hint: 'the fastest on a GPU are fp16 and bf16' })
  if (precision === 'fp16' && !onGpu) throw new SiamError('ERR_ARGUMENT', 'the precision fp16 runs on a GPU, not on the CPU', { hint: 'faster than fp32 on the CPU are bf16 and int8; with a GPU, pass device: cuda (--device cuda)' })
}
