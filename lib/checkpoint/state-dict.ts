/** Fitting the tensors of a checkpoint to the parameters and buffers of a model. */
import { SiamError } from '../errors.ts'
import type { DType, NamedRawTensor } from '../native/addon.ts'
import type { Checkpoint } from './read.ts'
import type { CheckpointDType } from './dtype.ts'
import { CheckpointTensor, decodeFloat64 } from './tensor.ts'
import { PyDict } from './values.ts'
import type { CheckpointValue } from './values.ts'

/** What a model wants of one tensor; ParameterInfo of the addon is one. */
export interface ExpectedTensor {
  name: string
  shape: readonly number[]
  dtype: DType
}

export interface StateDictReport {
  /** Contiguous, in the model's dtype, in the model's order: ready for NativeModel.loadStateDict. */
  loaded: NamedRawTensor[]
  /** The model has it, the checkpoint does not. */
  missing: string[]
  /** The checkpoint has it, the model does not. */
  unexpected: string[]
  mismatched: { name: string; expected: string; actual: string }[]
}

const wrappers = ['model_state_dict', 'state_dict', 'model']

/**
 * The model's table in a checkpoint: `model_state_dict` as the original saves it, `state_dict` or `model` as others do, or the file itself
 * when it holds nothing but tensors. A `module.` before a name, left by DataParallel, is dropped.
 * @throws ERR_CHECKPOINT when there is no such table
 */
export function modelStateOf(checkpoint: Checkpoint): Map<string, CheckpointTensor> {
  const { root, file } = checkpoint
  if (!(root instanceof PyDict)) throw new SiamError('ERR_CHECKPOINT', 'Expected a dict with "model_state_dict", or of tensors', { file })
  const wrapped = wrappers.map((key) => root.get(key)).find((value) => value instanceof PyDict)
  return tensorTable(wrapped ?? root, file)
}

/** Where a snapshot of ours has the moving average of the weights, if the run kept one. */
export const emaStateKey = 'ema_state_dict'

/**
 * The averaged weights in a snapshot.
 * @throws ERR_CHECKPOINT when it has none
 */
export function emaStateOf({ root, file }: Checkpoint): Map<string, CheckpointTensor> {
  const table = root instanceof PyDict ? root.get(emaStateKey) : undefined
  if (table === undefined) {
    throw new SiamError('ERR_CHECKPOINT', `there are no averaged weights (${emaStateKey}) in this file`, {
      file,
      hint: 'a snapshot epoch-N.pkl of a run with optim.ema.decay above 0 has them; the final_model.pkl of such a run holds them as its weights',
    })
  }
  return tensorTable(table, file)
}

/** The tensors of a flat dict by name, without any `module.` before it. @throws ERR_CHECKPOINT when it holds something else */
export function tensorTable(value: CheckpointValue, file?: string): Map<string, CheckpointTensor> {
  const table = new Map<string, CheckpointTensor>()
  if (!(value instanceof PyDict)) throw new SiamError('ERR_CHECKPOINT', 'Expected a dict of tensors', { file })
  for (const [key, tensor] of value) {
    if (typeof key !== 'string' || !(tensor instanceof CheckpointTensor)) {
      throw new SiamError('ERR_CHECKPOINT', `Expected a state dict (names and tensors) but found an entry ${JSON.stringify(String(key).slice(0, 100))} that is no tensor`, {
        file,
        hint: 'a snapshot has "model_state_dict"; a weight file has only tensors',
      })
    }
    const name = key.replace(/^(module\.)+/, '')
    if (table.has(name)) throw new SiamError('ERR_CHECKPOINT', `two tensors are named "${name}" when "module." is dropped`, { file })
    table.set(name, tensor)
  }
  return table
}

/**
 * Fits a checkpoint's tensors to a model. Floating-point tensors of another precision are converted, as torch does; a shape must be equal
 * (a single element may be [] or [1], as in torch).
 * @param options.strict  throw unless every tensor of the model is loaded and none is left over
 * @throws ERR_CHECKPOINT "snapshot of another model: …" with the first differences, when strict
 */
export function matchStateDict(expected: Iterable<ExpectedTensor>, table: ReadonlyMap<string, CheckpointTensor>, options: { strict: boolean; file?: string }): StateDictReport {
  const report: StateDictReport = { loaded: [], missing: [], unexpected: [], mismatched: [] }
  const known = new Set<string>()
  for (const want of expected) {
    known.add(want.name)
    const have = table.get(want.name)
    if (have === undefined) {
      report.missing.push(want.name)
      continue
    }
    const data = sameShape(want.shape, have.shape) ? converted(have, want.dtype) : undefined
    if (data === undefined) {
      report.mismatched.push({ name: want.name, expected: describe(want), actual: describe(have) })
    } else {
      report.loaded.push({ name: want.name, dtype: want.dtype, shape: [...want.shape], data })
    }
  }
  for (const name of table.keys()) if (!known.has(name)) report.unexpected.push(name)
  if (options.strict) {
    const differences = listDifferences(report)
    if (differences !== '') throw new SiamError('ERR_CHECKPOINT', `snapshot of another model: ${differences}`, { file: options.file, hint: 'use the configuration that the snapshot was trained with' })
  }
  return report
}

/** The first differences of a report in words, '' when there are none. */
export function listDifferences(report: StateDictReport, atMost = 3): string {
  const some = (names: string[]): string => `${names.slice(0, atMost).join(', ')}${names.length > atMost ? `, … (${names.length})` : ''}`
  const parts: string[] = []
  if (report.mismatched.length > 0) parts.push(`other shapes: ${some(report.mismatched.map(({ name, expected, actual }) => `${name} is ${actual} where the model has ${expected}`))}`)
  if (report.missing.length > 0) parts.push(`missing: ${some(report.missing)}`)
  if (report.unexpected.length > 0) parts.push(`unexpected: ${some(report.unexpected)}`)
  return parts.join('; ')
}

function describe(tensor: { dtype: CheckpointDType; shape: readonly number[] }): string {
  return `${tensor.dtype}[${tensor.shape.join(', ')}]`
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length + b.length === 1) return (a[0] ?? b[0]) === 1
  return a.length === b.length && a.every((size, i) => size === b[i])
}

/** The tensor's bytes in another dtype; undefined where a conversion would be no plain widening or rounding of floats or counters. */
function converted(tensor: CheckpointTensor, dtype: DType): Uint8Array | undefined {
  const bytes = tensor.contiguousBytes()
  if (tensor.dtype === dtype) return bytes
  const floats = new Set<CheckpointDType>(['float32', 'float64', 'float16', 'bfloat16'])
  if (floats.has(tensor.dtype) && dtype === 'float32') return new Uint8Array(Float32Array.from(decodeFloat64(tensor.dtype, bytes)).buffer)
  if (floats.has(tensor.dtype) && dtype === 'float64') return new Uint8Array(decodeFloat64(tensor.dtype, bytes).buffer as ArrayBuffer)
  if (['int32', 'int16', 'int8', 'uint8'].includes(tensor.dtype) && dtype === 'int64') {
    return new Uint8Array(BigInt64Array.from(decodeFloat64(tensor.dtype, bytes), BigInt).buffer)
  }
  return undefined
}
