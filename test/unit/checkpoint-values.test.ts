/** What the readers and writers keep, and what state matching says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { namedToOptimizerState, optimizerStateToNamed } from '../../lib/checkpoint/optimizer-state.ts'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import { matchStateDict, modelStateOf, tensorTable } from '../../lib/checkpoint/state-dict.ts'
import { stateSha256 } from '../../lib/checkpoint/state-hash.ts'
import { CheckpointStorage, CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict, PyFloat, PyTuple, TorchSymbol } from '../../lib/checkpoint/values.ts'
import type { CheckpointValue } from '../../lib/checkpoint/values.ts'
import { convertCheckpoint } from '../../lib/cli/convert.ts'
import { inspectCheckpoint } from '../../lib/cli/inspect.ts'
import { asm, floats, parse, safetensorsBytes, smallSnapshot, zipBytes, zipOfPickle } from '../helpers/checkpoint-files.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-checkpoint-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('values', () => {
  const values: [string, CheckpointValue][] = [
    ['None', null],
    ['bools', [true, false]],
    ['ints at every width', [0, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, -1, -(2 ** 31), -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
    ['bigints', [2n ** 53n, -(2n ** 64n), 2n ** 1000n]],
    ['floats', [0.1, -1e-300, NaN, Infinity, -Infinity]],
    ['strings', ['', 'é\u{1f600}', 'line\nbreak', '__proto__', 'a'.repeat(70_000)]],
    ['bytes', Uint8Array.from([0, 127, 128, 255])],
    ['nested', PyDict.fromObject({ a: [[], [[1]]], b: new PyDict(), c: PyTuple.pack([]), d: PyTuple.pack([1, PyTuple.pack([2, 3, 4, 5])]) })],
    ['keys of many types', new PyDict([[1, 'a'], ['1', 'b'], [true, 'c'], [null, 'd'], ['__proto__', 'e'], [2n ** 60n, 'f']])],
    ['a set', new Set([1, 'two'])],
    ['long lists and dicts', [Array.from({ length: 2500 }, (_, i) => i), new PyDict(Array.from({ length: 2500 }, (_, i) => [i, i]))]],
    ['torch symbols', [new TorchSymbol('dtype', 'float32'), new TorchSymbol('device', 'cuda:1'), new TorchSymbol('device', 'cpu')]],
  ]
  it.each(values)('%s come back through zip and safetensors', async (_, value) => {
    const root = PyDict.fromObject({ value })
    expect((parse(await zipBytes(root), { verify: true }).root as PyDict).get('value')).toEqual(value)
    const withTensor = PyDict.fromObject({ value, t: floats([1]) })
    expect((parse(await safetensorsBytes(withTensor)).root as PyDict).get('value')).toEqual(value)
  })

  it('whole floats stay floats, whole numbers stay ints', async () => {
    const bytes = await zipBytes(PyDict.fromObject({ lr: new PyFloat(1), n: 1, list: [new PyFloat(2), 2], zero: -0 }))
    const { root } = parse(bytes)
    expect((root as PyDict).get('lr')).toBe(1)
    expect(bytes.includes(asm('G', Uint8Array.from([0x3f, 0xf0, 0, 0, 0, 0, 0, 0])))).toBe(true)
    expect((await zipBytes(root)).equals(bytes)).toBe(true)
    expect((await zipBytes(parse(await safetensorsBytes(root)).root)).equals(bytes)).toBe(true)
    const changed = root as PyDict
    changed.set('n', 7)
    expect((parse(await zipBytes(changed)).root as PyDict).get('n')).toBe(7)
  })

  it('shared containers and storages stay shared', async () => {
    const storage = new CheckpointStorage('float32', 6, new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer))
    const a = new CheckpointTensor(storage, [2, 3])
    const b = new CheckpointTensor(storage, [3, 2], { strides: [1, 3] })
    const list: CheckpointValue[] = [1]
    const root = parse(await zipBytes(PyDict.fromObject({ a, b, x: list, y: list }))).root as PyDict
    expect(root.get('x')).toBe(root.get('y'))
    const [a2, b2] = [root.get('a'), root.get('b')] as CheckpointTensor[]
    expect(a2!.storage).toBe(b2!.storage)
    expect([...b2!.toFloat64()]).toEqual([0, 3, 1, 4, 2, 5])
  })

  it.each([
    ['a cycle', () => { const list: CheckpointValue[] = []; list.push(list); return list }],
    ['something that is no value', () => ({ plain: 'object' }) as unknown as CheckpointValue],
    ['half a surrogate pair', () => ['\ud800']],
    ['nesting without end', () => { let deep: CheckpointValue = 1; for (let i = 0; i < 200; i++) deep = [deep]; return deep }],
  ])('refuses to write %s', async (_, make) => {
    await expect(zipBytes(make())).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('zip64 files are read and written', async () => {
    const snapshot = smallSnapshot()
    const bytes = await zipBytes(snapshot, { forceZip64: true })
    expect(bytes.length).toBeGreaterThan((await zipBytes(snapshot)).length)
    expect(parse(bytes, { verify: true }).root).toEqual(parse(await zipBytes(snapshot)).root)
  })

  it('the data of every zip entry is aligned to 64 bytes', async () => {
    const bytes = await zipBytes(smallSnapshot())
    let entries = 0
    for (let at = 0; bytes.readUInt32LE(at) === 0x04034b50; entries++) {
      const data = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28)
      expect(data % 64).toBe(0)
      at = data + bytes.readUInt32LE(at + 18)
    }
    expect(entries).toBe(9)
  })
})

describe('tensors', () => {
  it('every dtype decodes to float64', async () => {
    const raw: [string, ArrayBuffer, number[]][] = [
      ['float64', Float64Array.of(0.1, -2).buffer, [0.1, -2]],
      ['int64', BigInt64Array.of(-5n, 2n ** 40n).buffer, [-5, 2 ** 40]],
      ['int32', Int32Array.of(-5, 7).buffer, [-5, 7]],
      ['int16', Int16Array.of(-5, 7).buffer, [-5, 7]],
      ['int8', Int8Array.of(-5, 7).buffer, [-5, 7]],
      ['uint8', Uint8Array.of(250, 7).buffer, [250, 7]],
      ['bool', Uint8Array.of(1, 0).buffer, [1, 0]],
      ['float16', Uint16Array.of(0x3c00, 0x8001, 0x7c00).buffer, [1, -(2 ** -24), Infinity]],
      ['bfloat16', Uint16Array.of(0x3f80, 0xc000).buffer, [1, -2]],
    ]
    const dict = PyDict.fromObject(
      Object.fromEntries(raw.map(([dtype, buffer, values]) => [dtype, CheckpointTensor.fromRaw({ dtype: dtype as 'int8', shape: [values.length], data: new Uint8Array(buffer) })])),
    )
    for (const bytes of [await zipBytes(dict), await safetensorsBytes(dict)]) {
      const tensors = parse(bytes).tensors()
      for (const [dtype, , values] of raw) expect([...tensors.get(dtype)!.toFloat64()], dtype).toEqual(values)
    }
  })

  it('strided copies are right for every element size, aligned or not', () => {
    for (const [dtype, itemBytes] of [['uint8', 1], ['int16', 2], ['float32', 4], ['int64', 8]] as const) {
      for (const shift of [0, 1]) {
        const backing = new Uint8Array(shift + 24 * itemBytes)
        for (let i = 0; i < 24; i++) backing[shift + i * itemBytes] = i
        const storage = new CheckpointStorage(dtype, 24, backing.subarray(shift))
        const tensor = new CheckpointTensor(storage, [2, 3, 2], { offset: 1, strides: [1, 2, 12] })
        const bytes = tensor.contiguousBytes()
        const expected = []
        for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 2; k++) expected.push(1 + i + 2 * j + 12 * k)
        expect(Array.from({ length: 12 }, (_, i) => bytes[i * itemBytes]), `${dtype} shifted by ${shift}`).toEqual(expected)
      }
    }
  })
})

describe('numpy scalars and friends', () => {
  const bytesOf = (values: ArrayBufferView): Buffer => {
    const text = Buffer.from(Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('latin1'))
    return asm('c_codecs\nencode\nX', Buffer.from(Uint32Array.of(text.length).buffer), text, 'X', Buffer.from(Uint32Array.of(6).buffer), 'latin1', 0x86, 'R')
  }
  const scalar = (module: string, code: string, order: string, values: ArrayBufferView): Buffer =>
    asm(0x80, 2, `c${module}\nscalar\ncnumpy\ndtype\nX`, Buffer.from(Uint32Array.of(code.length).buffer), code, 0x89, 0x88, 0x87, 'R(K', 3, 'U', 1, order, 'NNNJ', Buffer.from(Int32Array.of(-1).buffer), 'J', Buffer.from(Int32Array.of(-1).buffer), 'K', 0, 'tb', bytesOf(values), 0x86, 'R.')
  it.each([
    ['numpy.core.multiarray', 'f8', '<', Float64Array.of(0.25), 0.25],
    ['numpy._core.multiarray', 'f4', '<', Float32Array.of(-3), -3],
    ['numpy.core.multiarray', 'i8', '<', BigInt64Array.of(-(2n ** 40n)), -(2 ** 40)],
    ['numpy.core.multiarray', 'i8', '<', BigInt64Array.of(2n ** 60n), 2n ** 60n],
    ['numpy.core.multiarray', 'u8', '<', BigUint64Array.of(2n ** 63n), 2n ** 63n],
    ['numpy.core.multiarray', 'b1', '|', Uint8Array.of(1), true],
    ['numpy.core.multiarray', 'i4', '>', Uint8Array.of(0, 0, 1, 2), 258],
  ])('%s.scalar of %s', async (module, code, order, values, expected) => {
    expect(parse(await zipOfPickle(scalar(module, code, order, values))).root).toBe(expected)
  })

  it('protocol 4, text protocol 0 and Python 2 strings', async () => {
    expect(parse(await zipOfPickle(asm(0x80, 4, 0x95, Buffer.alloc(8), 0x8c, 2, 'hi', 0x94, 0x8c, 11, 'collections', 0x8c, 11, 'OrderedDict', 0x93, ')R', 0x86, '.'))).root).toEqual(PyTuple.pack(['hi', PyDict.ordered()]))
    expect(parse(await zipOfPickle(asm("(lp0\nI1\naF0.5\naL5L\naI01\naVtext\naS'str'\na."))).root).toEqual([1, 0.5, 5, true, 'text', 'str'])
    expect(parse(await zipOfPickle(asm(0x80, 2, 'U', 2, 0xc3, 0xa9, 'U', 1, 0xe9, 0x86, '.'))).root).toEqual(PyTuple.pack(['é', 'é']))
  })
})

describe('matching a state dict', () => {
  const model = [
    { name: 'conv.weight', shape: [2, 3], dtype: 'float32' as const },
    { name: 'conv.bias', shape: [1], dtype: 'float32' as const },
    { name: 'bn.num_batches_tracked', shape: [], dtype: 'int64' as const },
  ]

  it('takes a snapshot, a bare table, and names with module. before them', async () => {
    const snapshot = parse(await zipBytes(smallSnapshot()))
    const table = modelStateOf(snapshot)
    expect(matchStateDict(model, table, { strict: true }).loaded.map(({ name }) => name)).toEqual(model.map(({ name }) => name))
    const wrapped = PyDict.ordered([...table].map(([name, tensor]) => [`module.${name}`, tensor]))
    expect([...modelStateOf(parse(await zipBytes(wrapped))).keys()]).toEqual([...table.keys()])
    expect([...modelStateOf(parse(await zipBytes(PyDict.fromObject({ state_dict: wrapped })))).keys()]).toEqual([...table.keys()])
  })

  it('reports what is missing, unexpected and of another shape; strict throws it', () => {
    const table = tensorTable(PyDict.fromObject({ 'conv.weight': floats([1, 2], [2, 1]), 'conv.bias': floats([1], []), extra: floats([1]) }))
    const report = matchStateDict(model, table, { strict: false })
    expect(report).toMatchObject({
      loaded: [{ name: 'conv.bias', shape: [1] }],
      missing: ['bn.num_batches_tracked'],
      unexpected: ['extra'],
      mismatched: [{ name: 'conv.weight', expected: 'float32[2, 3]', actual: 'float32[2, 1]' }],
    })
    expect(() => matchStateDict(model, table, { strict: true, file: 'a.pkl' })).toThrow(
      expect.objectContaining({
        code: 'ERR_CHECKPOINT',
        file: 'a.pkl',
        message: 'snapshot of another model: other shapes: conv.weight is float32[2, 1] where the model has float32[2, 3]; missing: bn.num_batches_tracked; unexpected: extra',
      }),
    )
  })

  it('converts half, bfloat16 and double to the model\'s float, and nothing else', () => {
    const half = CheckpointTensor.fromRaw({ dtype: 'float16', shape: [1], data: new Uint8Array(Uint16Array.of(0x3c00).buffer) })
    const want = [{ name: 'x', shape: [1], dtype: 'float32' as const }]
    expect(matchStateDict(want, new Map([['x', half]]), { strict: true }).loaded[0]!.data).toEqual(new Uint8Array(Float32Array.of(1).buffer))
    const flag = CheckpointTensor.fromRaw({ dtype: 'bool', shape: [1], data: Uint8Array.of(1) })
    expect(matchStateDict(want, new Map([['x', flag]]), { strict: false }).mismatched).toHaveLength(1)
  })

  it('refuses what is no state dict', async () => {
    for (const root of [[1], PyDict.fromObject({ epoch: 3 }), PyDict.fromObject({ 'a.b': floats([1]), 'module.a.b': floats([1]) })]) {
      expect(() => modelStateOf({ root, file: 'x', format: 'torch-zip', metadata: new Map(), tensors: () => new Map() })).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }))
    }
  })
})

describe('optimizer state', () => {
  const settings = { lr: 0.1, momentum: 0.9, dampening: 0, weight_decay: 0, nesterov: false }

  it('keeps frozen parameters without a buffer and the order of the buffers, and numbers parameters as torch does', () => {
    const state = namedToOptimizerState({ momentumBuffers: [{ name: 'c', ...floats([3]).toRaw() }, { name: 'a', ...floats([1]).toRaw() }], groups: [settings, settings] }, [['a', 'b'], ['c']])
    expect([...(state.get('state') as PyDict).keys()]).toEqual([2, 0])
    expect((state.get('param_groups') as PyDict[]).map((group) => group.get('params'))).toEqual([[0, 1], [2]])
    expect(optimizerStateToNamed(state, [['a', 'b'], ['c']]).momentumBuffers.map(({ name }) => name)).toEqual(['c', 'a'])
  })

  it('refuses settings that are no numbers of 0 or more', () => {
    for (const lr of [NaN, -1, Infinity, null, 'fast']) {
      const state = namedToOptimizerState({ momentumBuffers: [], groups: [settings] }, [['a']])
      ;(state.get('param_groups') as PyDict[])[0]!.set('lr', lr)
      expect(() => optimizerStateToNamed(state, [['a']], 'x.pkl')).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringContaining('group 0 has no number "lr" of 0 or more') }))
    }
  })

  it('refuses a buffer that belongs nowhere and state of a parameter in no group', () => {
    expect(() => namedToOptimizerState({ momentumBuffers: [{ name: 'x', ...floats([1]).toRaw() }], groups: [settings] }, [['a']])).toThrow(/no parameter group: x/)
    const state = namedToOptimizerState({ momentumBuffers: [], groups: [settings] }, [['a']])
    ;(state.get('state') as PyDict).set(5, PyDict.fromObject({ momentum_buffer: null }))
    expect(() => optimizerStateToNamed(state, [['a']])).toThrow(/parameter 5, which is in no group/)
  })
})

it('the state hash depends on names, types, shapes and bits, not on order', async () => {
  const a = { name: 'a', ...floats([1, 2]).toRaw() }
  const b = { name: 'b', ...floats([3]).toRaw() }
  const hash = await stateSha256([a, b])
  expect(hash).toMatch(/^[0-9a-f]{64}$/)
  expect(await stateSha256([b, a])).toBe(hash)
  const others = [[a], [a, { ...b, name: 'c' }], [{ ...a, shape: [2, 1] }, b], [a, { ...b, dtype: 'int32' as const }], [a, { name: 'b', ...floats([-3]).toRaw() }]]
  expect(new Set([hash, ...(await Promise.all(others.map((other) => stateSha256(other))))]).size).toBe(6)
})

describe('inspect and convert', () => {
  it('inspect reports tensors, norms and the rest', async () => {
    const report = inspectCheckpoint(parse(await zipBytes(smallSnapshot())))
    expect(report.format).toBe('torch-zip')
    expect(report.tensors[0]).toEqual({ name: 'model_state_dict.conv.weight', dtype: 'float32', shape: [2, 3], l2: Math.sqrt(91), nonfinite: 0 })
    expect(report.other).toMatchObject({ epoch: 3, big: String(2n ** 70n), optimizer_state_dict: { param_groups: [{ lr: 1, params: [0, 1] }] } })
    expect(inspectCheckpoint(parse(await zipBytes(PyDict.fromObject({ x: floats([NaN, 1]) })))).tensors[0]).toMatchObject({ l2: null, nonfinite: 1 })
  })

  it('convert goes to safetensors and back without loss, or selects the weights', async () => {
    const original = await zipBytes(smallSnapshot())
    const input = path.join(folder, 'epoch-3.pkl')
    writeFileSync(input, original)
    const safe = path.join(folder, 'epoch-3.safetensors')
    const back = path.join(folder, 'back.pth')
    expect(await convertCheckpoint(input, safe)).toEqual({ format: 'safetensors', tensors: 4, lost: [] })
    expect(await convertCheckpoint(safe, back)).toEqual({ format: 'torch', tensors: 4, lost: [] })
    const { root } = await readCheckpoint(back, { verify: true })
    expect((await zipBytes(root)).equals(original)).toBe(true)
    expect(await convertCheckpoint(input, safe, { select: 'model_state_dict' })).toEqual({ format: 'safetensors', tensors: 3, lost: [] })
    expect([...(await readCheckpoint(safe)).tensors().keys()]).toEqual(['conv.weight', 'conv.bias', 'bn.num_batches_tracked'])
    await expect(convertCheckpoint(input, path.join(folder, 'x.zip'))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(convertCheckpoint(input, back, { select: 'model_state_dict.none' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('no "none"') })
  })
})
