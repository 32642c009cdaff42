/** Every element type that torch saves, between Python and us in both directions and every format. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import type { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import type { PyDict } from '../../lib/checkpoint/values.ts'
import { convertCheckpoint } from '../../lib/cli/convert.ts'
import { legacyBytes, zipBytes } from '../helpers/checkpoint-files.ts'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-dtypes-'))
const at = (name: string): string => path.join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const dtypes = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool', 'uint16', 'uint32', 'uint64', 'complex64', 'complex128', 'float8_e4m3fn', 'float8_e5m2']

// Tensors of twelve elements, a transposed view beside each that shares its storage; what Python says of them goes to stdout.
const script = `
import json, sys, zlib, torch
names, files = json.loads(sys.argv[1]), sys.argv[2:]
def crc(t):
    return zlib.crc32(bytes(t.contiguous().reshape(-1).view(torch.uint8).tolist()))
def facts(d):
    return {k: {"dtype": str(t.dtype)[6:], "shape": list(t.shape), "stride": list(t.stride()), "crc32": crc(t)} for k, t in d.items()}
def shares(d):
    return all(d[n].data_ptr() == d[n + "_t"].data_ptr() for n in names)
def make(name):
    dtype = getattr(torch, name)
    plain = torch.arange(-6, 6, dtype=torch.float64) * 1.5
    if dtype.is_complex:
        plain = torch.complex(plain, plain.flip(0))
    elif not dtype.is_floating_point and name.startswith(("u", "b")):
        plain = plain.abs()
    return plain.to(dtype).reshape(3, 4)
if files[0] == "save":
    d = {}
    for name in names:
        d[name] = make(name)
        d[name + "_t"] = d[name].t()
    torch.save(d, files[1])
    torch.save(d, files[2], _use_new_zipfile_serialization=False)
    doubled = {n: (torch.view_as_real(d[n]) if d[n].is_complex() else d[n]).to(torch.float64).reshape(-1).tolist() for n in names}
    print(json.dumps({"facts": facts(d), "values": doubled}))
else:
    print(json.dumps([{"facts": facts(d), "shares": shares(d)} for d in (torch.load(f, weights_only=True) for f in files[1:])]))
`

interface Facts {
  dtype: string
  shape: number[]
  stride: number[]
  crc32: number
}
let python = ''
let saved: { facts: Record<string, Facts>; values: Record<string, number[]> }

async function ask<T>(names: string[], ...args: string[]): Promise<T> {
  const { stdout } = await runProgram(python, ['-c', script, JSON.stringify(names), ...args])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

beforeAll(async () => {
  python = await pythonTorch()
  saved = await ask(dtypes, 'save', at('zip.pkl'), at('legacy.pkl'))
}, 900_000)

function factsOf(tensors: ReadonlyMap<string, CheckpointTensor>): Record<string, Facts> {
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, { dtype: tensor.dtype, shape: [...tensor.shape], stride: [...tensor.strides], crc32: crc32(tensor.contiguousBytes()) }]))
}

it.each(['zip.pkl', 'legacy.pkl'])('%s of Python: types, shapes, strides, bytes and values', async (name) => {
  const tensors = (await readCheckpoint(at(name), { verify: true })).tensors()
  expect(factsOf(tensors)).toEqual(saved.facts)
  for (const dtype of dtypes) {
    expect([...tensors.get(dtype)!.toFloat64()], dtype).toEqual(saved.values[dtype])
    expect(tensors.get(dtype)!.storage.root, dtype).toBe(tensors.get(`${dtype}_t`)!.storage.root)
  }
})

it('what we write of them, torch.load(weights_only=True) opens, with the same views', async () => {
  for (const name of ['zip.pkl', 'legacy.pkl']) writeFileSync(at(`zip-of-${name}`), await zipBytes((await readCheckpoint(at(name))).root))
  const answers = await ask<{ facts: Record<string, Facts>; shares: boolean }[]>(dtypes, 'load', at('zip-of-zip.pkl'), at('zip-of-legacy.pkl'))
  expect(answers).toEqual([1, 2].map(() => ({ facts: saved.facts, shares: true })))
})

it('so it does with the legacy format, which holds the types that torch had then', async () => {
  const root = (await readCheckpoint(at('zip.pkl'))).root as PyDict
  await expect(legacyBytes(root)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining("legacy format cannot hold the uint16 tensor \"uint16\"") })
  const young = ['uint16', 'uint32', 'uint64', 'float8_e4m3fn', 'float8_e5m2']
  for (const name of young) for (const key of [name, `${name}_t`]) root.delete(key)
  writeFileSync(at('legacy-of-zip.pkl'), await legacyBytes(root))
  const old = dtypes.filter((name) => !young.includes(name))
  const facts = Object.fromEntries(Object.entries(saved.facts).filter(([, { dtype }]) => old.includes(dtype)))
  expect(await ask(old, 'load', at('legacy-of-zip.pkl'))).toEqual([{ facts, shares: true }])
})

it('safetensors holds all but complex128, and gives them back', async () => {
  await expect(convertCheckpoint(at('zip.pkl'), at('all.safetensors'))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('cannot hold the complex128 tensor "complex128"') })
  const root = (await readCheckpoint(at('zip.pkl'))).root as PyDict
  for (const name of ['complex128', 'complex128_t']) root.delete(name)
  writeFileSync(at('most.pkl'), await zipBytes(root))
  await convertCheckpoint(at('most.pkl'), at('most.safetensors'))
  await convertCheckpoint(at('most.safetensors'), at('back.pkl'))
  const crcs = (facts: Record<string, Facts>): unknown => Object.fromEntries(Object.entries(facts).filter(([name]) => !name.startsWith('complex128')).map(([name, { dtype, shape, crc32: crc }]) => [name, { dtype, shape, crc }]))
  expect(crcs(factsOf((await readCheckpoint(at('back.pkl'))).tensors()))).toEqual(crcs(saved.facts))
})

it('a model refuses what it cannot compute with', async () => {
  const tensors = (await readCheckpoint(at('zip.pkl'))).tensors()
  expect(() => tensors.get('complex64')!.toRaw()).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT', message: 'a tensor of type complex64 cannot be used by a model' }))
  expect(tensors.get('bfloat16')!.toRaw().dtype).toBe('bfloat16')
})
