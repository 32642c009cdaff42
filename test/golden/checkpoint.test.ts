/** The original's own snapshots, bit for bit, through every reader and writer. */
import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { namedToOptimizerState, optimizerStateToNamed } from '../../lib/checkpoint/optimizer-state.ts'
import { parseCheckpoint, readCheckpoint } from '../../lib/checkpoint/read.ts'
import { matchStateDict, modelStateOf } from '../../lib/checkpoint/state-dict.ts'
import { stateSha256 } from '../../lib/checkpoint/state-hash.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict } from '../../lib/checkpoint/values.ts'
import type { CheckpointValue } from '../../lib/checkpoint/values.ts'
import type { DType } from '../../lib/native/addon.ts'
import { safetensorsBytes, zipBytes } from '../helpers/checkpoint-files.ts'
import { shared } from '../helpers/shared.ts'

type Expected = null | number | boolean | string | Expected[] | { [key: string]: Expected }

/** Compares a value with the expectation that Python wrote: same keys in the same order, same numbers, same bytes. @returns tensors seen */
function compare(actual: CheckpointValue | undefined, expected: Expected, path: string, strides: boolean): number {
  if (typeof expected === 'object' && expected !== null && !Array.isArray(expected)) {
    if ('crc32' in expected) {
      expect(actual, path).toBeInstanceOf(CheckpointTensor)
      const tensor = actual as CheckpointTensor
      expect({ dtype: tensor.dtype, shape: tensor.shape, crc32: crc32(tensor.contiguousBytes()) }, path).toEqual({ dtype: expected.dtype, shape: expected.shape, crc32: expected.crc32 })
      if (strides) expect(tensor.strides, path).toEqual(expected.stride)
      const sum = tensor.toFloat64().reduce((a, b) => a + b, 0)
      expect(Math.abs(sum - (expected.sum as number)), path).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected.sum as number)))
      return 1
    }
    expect(actual, path).toBeInstanceOf(PyDict)
    const dict = actual as PyDict
    expect([...dict.keys()].map(String), path).toEqual(Object.keys(expected))
    return [...dict].reduce((count, [key, value]) => count + compare(value, expected[String(key)]!, `${path}.${String(key)}`, strides), 0)
  }
  if (Array.isArray(expected)) {
    expect(Array.isArray(actual), path).toBe(true)
    expect((actual as CheckpointValue[]).length, path).toBe(expected.length)
    return expected.reduce<number>((count, item, i) => count + compare((actual as CheckpointValue[])[i], item, `${path}[${i}]`, strides), 0)
  }
  expect(actual, path).toBe(expected)
  return 0
}

const files = [
  { file: 'odd.zip.pkl', expectation: 'odd.expect.json', format: 'torch-zip', tensors: 14 },
  { file: 'odd.legacy.pkl', expectation: 'odd.expect.json', format: 'torch-legacy', tensors: 14 },
  { file: 'tinyconv_epoch-0.pkl', expectation: 'tinyconv_epoch-0.expect.json', format: 'torch-zip', tensors: 174 },
  { file: 'tinyconv_epoch-0.legacy.pkl', expectation: 'tinyconv_epoch-0.expect.json', format: 'torch-legacy', tensors: 174 },
] as const

describe.each(files)('$file', ({ file, expectation, format, tensors }) => {
  const expected = JSON.parse(readFileSync(shared('golden', 'ckpt', expectation), 'utf8')) as Expected

  it('is read bit for bit', async () => {
    const checkpoint = await readCheckpoint(shared('golden', 'ckpt', file), { verify: true })
    expect(checkpoint.format).toBe(format)
    expect(compare(checkpoint.root, expected, 'root', true)).toBe(tensors)
    expect(checkpoint.tensors().size).toBe(tensors)
  })

  it('survives torch → ours → torch and torch → safetensors → torch', async () => {
    const { root } = await readCheckpoint(shared('golden', 'ckpt', file))
    const again = parseCheckpoint(await zipBytes(root), 'again.pkl', { verify: true })
    expect(compare(again.root, expected, 'root', true)).toBe(tensors)
    const safe = parseCheckpoint(await safetensorsBytes(root), 'again.safetensors')
    expect(safe.format).toBe('safetensors')
    expect(compare(safe.root, expected, 'root', false)).toBe(tensors)
    const back = parseCheckpoint(await zipBytes(safe.root), 'back.pkl', { verify: true })
    expect(compare(back.root, expected, 'root', false)).toBe(tensors)
  })

  it('is written the same from every generation', async () => {
    const { root } = await readCheckpoint(shared('golden', 'ckpt', file))
    const first = await zipBytes(root)
    expect(first.equals(await zipBytes(parseCheckpoint(first, 'first.pkl').root))).toBe(true)
  })
})

it('keeps what Python distinguishes: OrderedDict and its _metadata, aliases, Parameters, floats that are whole', async () => {
  const { root } = await readCheckpoint(shared('golden', 'ckpt', 'odd.zip.pkl'))
  const again = parseCheckpoint(await zipBytes(root), 'again.pkl').root as PyDict
  const model = again.get('model_state_dict') as PyDict
  expect(model.ordered).toBe(true)
  expect(model.get('a.alias')).toBe(model.get('a.weight'))
  expect((model.get('a.view') as CheckpointTensor).storage).toBe((model.get('a.weight') as CheckpointTensor).storage)
  expect((model.get('param') as CheckpointTensor).isParameter).toBe(true)
  expect((model.get('param') as CheckpointTensor).requiresGrad).toBe(true)

  const tiny = await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))
  const tinyAgain = parseCheckpoint(await zipBytes(tiny.root), 'again.pkl').root as PyDict
  const metadata = (tinyAgain.get('model_state_dict') as PyDict).attributes?.get('_metadata') as PyDict
  expect(metadata.ordered).toBe(true)
  expect((metadata.get('basemodel.conv1.bn') as PyDict).get('version')).toBe(2)
})

describe('the original\'s optimizer state', () => {
  const names = (JSON.parse(readFileSync(shared('golden', 'ckpt', 'tinyconv_optimizer_ids.json'), 'utf8')) as { optimizer_param_id_to_name: string[] }).optimizer_param_id_to_name

  it('maps to parameter names by the order of the groups, and back', async () => {
    const { root } = await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))
    const state = (root as PyDict).get('optimizer_state_dict') as PyDict
    const groups = [names.filter((name) => name.startsWith('basemodel.')), names.filter((name) => !name.startsWith('basemodel.'))]
    const named = optimizerStateToNamed(state, groups, 'tinyconv_epoch-0.pkl')
    expect(named.momentumBuffers.length).toBe(names.length)
    expect(named.groups).toEqual([0, 1].map(() => ({ lr: 0.000501872561547656, momentum: 0.9, dampening: 0, weight_decay: 5e-5, nesterov: false })))
    const model = modelStateOf(await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')))
    for (const buffer of named.momentumBuffers) expect(buffer.shape, buffer.name).toEqual(model.get(buffer.name)!.shape)
    const byName = new Map(named.momentumBuffers.map((buffer) => [buffer.name, buffer]))
    for (const [id, name] of names.entries()) {
      const original = ((state.get('state') as PyDict).get(id) as PyDict).get('momentum_buffer') as CheckpointTensor
      expect(crc32(byName.get(name)!.data), name).toBe(crc32(original.contiguousBytes()))
    }

    const back = namedToOptimizerState(named, groups)
    const plain = (dict: PyDict): unknown => [...dict].map(([key, value]) => [key, value])
    const groupsBack = parseCheckpoint(await zipBytes(back), 'back.pkl').root as PyDict
    expect((groupsBack.get('param_groups') as PyDict[]).map(plain)).toEqual((state.get('param_groups') as PyDict[]).map(plain))
    expect((back.get('state') as PyDict).size).toBe(names.length)
  })

  it('is refused when the groups are others', async () => {
    const { root } = await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))
    const state = (root as PyDict).get('optimizer_state_dict')!
    expect(() => optimizerStateToNamed(state, [names], 'x.pkl')).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringContaining('2 parameter groups where the optimizer has 1') }))
    expect(() => optimizerStateToNamed(state, [names.slice(0, 21), names.slice(21)], 'x.pkl')).toThrow(/group 0 has 20 parameters where the optimizer has 21/)
  })
})

it('every architecture\'s state dict is told from a TinyConv snapshot, which fits its own', async () => {
  const dicts = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, { state_dict: [string, number[], string][] }>
  const table = modelStateOf(await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')))
  const fits: string[] = []
  for (const [architecture, { state_dict }] of Object.entries(dicts)) {
    const expected = state_dict.map(([name, shape, dtype]) => ({ name, shape, dtype: dtype.replace('torch.', '') as DType }))
    try {
      const report = matchStateDict(expected, table, { strict: true, file: 'epoch-0.pkl' })
      expect(report.loaded.map(({ name }) => name)).toEqual(expected.map(({ name }) => name))
      expect(await stateSha256(report.loaded)).toBe(await stateSha256([...table].map(([name, tensor]) => ({ name, ...tensor.toRaw() })).toReversed()))
      fits.push(architecture)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_CHECKPOINT', file: 'epoch-0.pkl', message: expect.stringMatching(/^snapshot of another model: /) })
    }
  }
  expect(fits).toEqual(Object.keys(dicts).filter((name) => name.toLowerCase().includes('tinyconv')))
  expect(fits.length).toBe(1)
})

it('reads every safetensors fixture', async () => {
  for (const name of ['bnstats_alexnet', 'bnstats_tinyconv', 'densebox_targets', 'losses', 'pool289', 'forward_alexnet', 'crop_pixels']) {
    const file = shared('golden', `${name}.safetensors`)
    const checkpoint = await readCheckpoint(file)
    expect(checkpoint.format).toBe('safetensors')
    const bytes = [...checkpoint.tensors().values()].reduce((sum, tensor) => sum + tensor.contiguousBytes().length, 0)
    const header = readFileSync(file).readUInt32LE(0)
    expect(bytes).toBe(readFileSync(file).length - 8 - header)
  }
})
