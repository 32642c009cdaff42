/** What `precision` and the original's two `amp` keys mean on a device (docs/precision.md). */
import { SiamError } from '../errors.ts'
import type { ModelSpec } from '../native/addon.ts'

export type Precision = ModelSpec['precision']

export interface PrecisionKeys {
  /** `model.precision`, ours. */
  precision: Precision
  /** `model.task_model.SiamTrack.amp`: the original's autocast. */
  amp: boolean
}

/**
 * How the network computes. `amp` is autocast's type on the device: float16 on CUDA as in the original, bfloat16 on the CPU; with
 * `precision: bf16` it is bfloat16 everywhere.
 * @param where of `precision` in its file, for the error     @throws ERR_CONFIG for fp16 on the CPU
 */
export function precisionOn(device: string, { precision, amp }: PrecisionKeys, where: { file?: string; line?: number } = {}): Precision {
  if (precision === 'fp16' && device === 'cpu') {
    throw new SiamError('ERR_CONFIG', 'Expected the precision fp32 or bf16 on the CPU but received fp16', { ...where, hint: 'bf16 is as fast on a CPU as fp16 on a GPU, and needs no loss scaling' })
  }
  if (!amp || precision !== 'fp32') return precision
  return device === 'cpu' ? 'bf16' : 'fp16'
}

/**
 * The same for a network that is built here to find out about a run on another device: bfloat16 stands for float16, which has its size.
 * @param insteadOf the run's device, if it is another one
 */
export function precisionHere(device: string, insteadOf: string | undefined, keys: PrecisionKeys, where: { file?: string; line?: number } = {}): Precision {
  if (insteadOf === undefined) return precisionOn(device, keys, where)
  const meant = precisionOn(insteadOf, keys, where)
  return meant === 'fp16' && device === 'cpu' ? 'bf16' : meant
}

/**
 * Whether gradients are scaled. Small gradients vanish in float16 and in nothing else. On the CPU the optimizer's `amp` decides, as in the
 * original: there a scaler costs little, and a run that began with one goes on with it.
 */
export function needsGradScaler(device: string, precision: Precision, optimizerAmp: boolean): boolean {
  return device === 'cpu' ? optimizerAmp : precision === 'fp16'
}
