/** Python's torch opens what we write and we open what it writes, bit for bit. The interpreter is made on first use (test/helpers/python-env.ts). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { namedToOptimizerState, optimizerStateToNamed } from '../../lib/checkpoint/optimizer-state.ts'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict, PyFloat, PyTuple, TorchSymbol } from '../../lib/checkpoint/values.ts'
import { writeSnapshotFile } from '../../lib/engine/snapshot-file.ts'
import type { DType } from '../../lib/native/addon.ts'
import { floats, zipBytes } from '../helpers/checkpoint-files.ts'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'
import { shared } from '../helpers/shared.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-torch-'))
let python = ''
beforeAll(async () => {
  python = await pythonTorch()
}, 900_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a Python script that prints JSON. */
async function ask<T>(script: string, ...args: string[]): Promise<T> {
  const { stdout } = await runProgram(python, ['-c', script, ...args])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

const prelude = `
import json, sys, zlib, torch
def crc(t):
    t = t.detach().contiguous()
    return zlib.crc32(bytes(t.reshape(-1).view(torch.uint8).tolist()) if t.numel() else b"")
def tree(v):
    if torch.is_tensor(v):
        return {"dtype": str(v.dtype)[6:], "shape": list(v.shape), "stride": list(v.stride()), "crc32": crc(v), "grad": v.requires_grad, "type": type(v).__name__}
    if isinstance(v, dict):
        return {"type": type(v).__name__, "items": [[tree(k), tree(x)] for k, x in v.items()], "attributes": sorted(vars(v)) if hasattr(v, "__dict__") else []}
    if isinstance(v, (list, tuple, set)):
        return {"type": type(v).__name__, "items": [tree(x) for x in v]}
    return [type(v).__name__, repr(v)]
`

it('torch.load opens every kind of value, with weights_only and without', async () => {
  const dtypes: DType[] = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool']
  const sizes = [4, 8, 2, 2, 8, 4, 2, 1, 1, 1]
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 2)
  const tensors = Object.fromEntries(dtypes.map((dtype, i) => [dtype, CheckpointTensor.fromRaw({ dtype, shape: [3, 2], data: bytes(6 * sizes[i]!) })]))
  const alias = floats([1, 2, 3])
  const root = PyDict.fromObject({
    ...tensors,
    ordered: PyDict.ordered([['b', 1], ['a', new PyFloat(2)]]),
    transposed: new CheckpointTensor(alias.storage, [1, 3], { strides: [3, 1] }),
    alias,
    parameter: CheckpointTensor.fromRaw(alias.toRaw(), { isParameter: true, requiresGrad: true }),
    empty: floats([], [0, 3]),
    scalar: floats([1.5], []),
    nested: [PyTuple.pack([1, PyTuple.pack([]), [null, true, false]]), new PyDict([[7, 'x'], [PyTuple.pack([1, 2]), 'y']])],
    numbers: [0, 255, 256, 65536, -1, 2 ** 40, 2n ** 70n, -(2n ** 63n), 0.1, NaN, -Infinity, new PyFloat(-0)],
    text: 'né\u{1f600}\n',
    bytes: Uint8Array.of(0, 200, 10),
    set: new Set(['s']),
    symbols: [new TorchSymbol('dtype', 'bfloat16'), new TorchSymbol('device', 'cuda:1'), new TorchSymbol('device', 'cpu')],
    long: Array.from({ length: 2100 }, (_, i) => i),
  })
  for (const forceZip64 of [false, true]) {
    const file = path.join(folder, `values-${forceZip64}.pkl`)
    writeFileSync(file, await zipBytes(root, { forceZip64 }))
    const both = await ask<{ only: unknown; plain: unknown; shared: boolean; is_zip: boolean; values: Record<string, string> }>(
      `${prelude}
import zipfile
a = torch.load(sys.argv[1], weights_only=True); b = torch.load(sys.argv[1], weights_only=False); m = torch.load(sys.argv[1], mmap=True)
print(json.dumps({"only": tree(a), "plain": tree(b), "mapped": tree(m), "shared": a["alias"].data_ptr() == a["transposed"].data_ptr(), "is_zip": zipfile.ZipFile(sys.argv[1]).testzip() is None,
  "values": {k: repr(list(a[k].items()) if k == "ordered" else a[k]) for k in ("ordered", "nested", "numbers", "text", "bytes", "set", "symbols")}}))`,
      file,
    )
    expect(both.only).toEqual(both.plain)
    expect(both).toMatchObject({ shared: true, is_zip: true, mapped: both.only })
    expect(both.values).toEqual({
      ordered: "[('b', 1), ('a', 2.0)]",
      nested: "[(1, (), [None, True, False]), {7: 'x', (1, 2): 'y'}]",
      numbers: `[0, 255, 256, 65536, -1, ${2 ** 40}, ${2n ** 70n}, ${-(2n ** 63n)}, 0.1, nan, -inf, -0.0]`,
      text: "'né\u{1f600}\\n'",
      bytes: "b'\\x00\\xc8\\n'",
      set: "{'s'}",
      symbols: "[torch.bfloat16, device(type='cuda', index=1), device(type='cpu')]",
    })
    const items = new Map((both.only as { items: [[string, string], Record<string, unknown>][] }).items.map(([[, key], value]) => [key.slice(1, -1), value]))
    for (const [name, tensor] of (await readCheckpoint(file)).tensors()) {
      expect(items.get(name), name).toEqual({
        dtype: tensor.dtype, shape: tensor.shape, stride: tensor.strides, crc32: crc32(tensor.contiguousBytes()), grad: tensor.requiresGrad, type: tensor.isParameter ? 'Parameter' : 'Tensor',
      })
    }
  }
})

it('a snapshot of the original, through our reader and writer, is the same to torch', async () => {
  const names = ['tinyconv_epoch-0.pkl', 'tinyconv_epoch-0.legacy.pkl', 'odd.zip.pkl', 'odd.legacy.pkl']
  const pairs: string[] = []
  for (const name of names) {
    const original = shared('golden', 'ckpt', name)
    const ours = path.join(folder, `again-${name}`)
    await writeSnapshotFile(ours, (await readCheckpoint(original)).root)
    pairs.push(original, ours)
  }
  const answers = await ask<{ same: boolean; attributes: boolean; tensors: number }[]>(
    `${prelude}
out = []
for original, ours in zip(sys.argv[1::2], sys.argv[2::2]):
    a, b = (torch.load(f, weights_only=True) for f in (original, ours))
    x, y = json.dumps(tree(a)), json.dumps(tree(b))
    out.append({"same": x == y, "attributes": getattr(a["model_state_dict"], "_metadata", None) == getattr(b["model_state_dict"], "_metadata", None), "tensors": x.count('"crc32"')})
print(json.dumps(out))`,
    ...pairs,
  )
  expect(answers).toEqual([174, 174, 14, 14].map((tensors) => ({ same: true, attributes: true, tensors })))
})

it('a Python model and torch.optim.SGD take our snapshot, step, and we take theirs', async () => {
  const ours = path.join(folder, 'epoch-4.pkl')
  const weight = floats(Array.from({ length: 12 }, (_, i) => i / 8), [4, 3])
  const model = PyDict.ordered([
    ['fc.weight', weight],
    ['fc.bias', floats([0, 1, 2, 3])],
    ['bn.weight', floats([1, 1, 1, 1])],
    ['bn.bias', floats([0, 0, 0, 0])],
    ['bn.running_mean', floats([1, 2, 3, 4])],
    ['bn.running_var', floats([4, 3, 2, 1])],
    ['bn.num_batches_tracked', CheckpointTensor.fromRaw({ dtype: 'int64', shape: [], data: new Uint8Array(BigInt64Array.of(9n).buffer) })],
  ])
  const groups = [['fc.weight', 'fc.bias'], ['bn.weight', 'bn.bias']]
  const settings = { lr: 1, momentum: 0.5, dampening: 0, weight_decay: 0, nesterov: false }
  const momentum = [{ name: 'fc.weight', ...floats(Array.from({ length: 12 }, () => 2), [4, 3]).toRaw() }]
  const optimizer = namedToOptimizerState({ momentumBuffers: momentum, groups: [settings, { ...settings, lr: 0.1 }] }, groups)
  await writeSnapshotFile(ours, PyDict.fromObject({ epoch: 4, model_state_dict: model, optimizer_state_dict: optimizer }))

  const theirs = path.join(folder, 'theirs.pkl')
  const legacy = path.join(folder, 'theirs.legacy.pkl')
  const answer = await ask<{ weight: number[]; lr: number[]; lr_type: string; batches: number }>(
    `
import json, sys, torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 4); self.bn = torch.nn.BatchNorm1d(4)
    def forward(self, x):
        return self.bn(self.fc(x))
s = torch.load(sys.argv[1], weights_only=True)
m = Model(); m.load_state_dict(s["model_state_dict"], strict=True)
o = torch.optim.SGD([{"params": m.fc.parameters(), "lr": 3}, {"params": m.bn.parameters(), "lr": 3}], lr=3)
o.load_state_dict(s["optimizer_state_dict"])
groups = [[g["lr"] for g in o.param_groups], type(o.param_groups[0]["lr"]).__name__]
m.fc.weight.grad = torch.ones(4, 3)
o.step()
out = {"epoch": 4, "model_state_dict": m.state_dict(), "optimizer_state_dict": o.state_dict()}
try:
    import numpy
    out["numpy"] = [numpy.float64(0.5), numpy.float32(3), numpy.int64(2**60), numpy.bool_(True)]
except ImportError:
    out["numpy"] = [0.5, 3.0, 2**60, True]
torch.save(out, sys.argv[2]); torch.save(out, sys.argv[3], _use_new_zipfile_serialization=False)
print(json.dumps({"weight": m.fc.weight.reshape(-1).tolist(), "lr": groups[0], "lr_type": groups[1], "batches": int(m.bn.num_batches_tracked)}))`,
    ours,
    theirs,
    legacy,
  )
  // momentum 0.5·2 + gradient 1 = 2, at a learning rate of 1
  expect(answer).toEqual({ weight: Array.from({ length: 12 }, (_, i) => i / 8 - 2), lr: [1, 0.1], lr_type: 'float', batches: 9 })

  for (const file of [theirs, legacy]) {
    const { root, format } = await readCheckpoint(file, { verify: true })
    expect(format).toBe(file === legacy ? 'torch-legacy' : 'torch-zip')
    const dict = root as PyDict
    expect(dict.get('numpy')).toEqual([0.5, 3, 2n ** 60n, true])
    expect([...((dict.get('model_state_dict') as PyDict).get('fc.weight') as CheckpointTensor).toFloat64()]).toEqual(answer.weight)
    const named = optimizerStateToNamed(dict.get('optimizer_state_dict')!, groups)
    expect(named.momentumBuffers.map(({ name, data }) => [name, [...new Float32Array(Uint8Array.from(data).buffer)]])).toEqual([['fc.weight', Array.from({ length: 12 }, () => 2)]])
    expect(named.groups).toEqual([settings, { ...settings, lr: 0.1 }])
  }
})
