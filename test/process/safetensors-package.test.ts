/** The safetensors package reads what we write, we read what it writes, and a file of its own comes out of our writer byte by byte. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeFileAtomically } from '../../lib/checkpoint/atomic-file.ts'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import { writeSafetensors } from '../../lib/checkpoint/write.ts'
import { convertCheckpoint } from '../../lib/cli/convert.ts'
import { pythonEnv, runProgram } from '../helpers/python-env.ts'
import { shared } from '../helpers/shared.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-safetensors-'))
const at = (name: string): string => path.join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let python = ''
beforeAll(async () => {
  python = await pythonEnv('safetensors', ['safetensors==0.6.2', "numpy==2.2.6; python_version < '3.14'", "numpy==2.3.4; python_version >= '3.14'"], { noDeps: true })
}, 600_000)

interface Answer {
  tensors: Record<string, { dtype: string; shape: number[]; crc32: number }>
  metadata: Record<string, string> | null
}

const facts = `
import json, sys, zlib, numpy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
def facts(file):
    with safe_open(file, "numpy") as f:
        metadata = f.metadata()
    return {"tensors": {k: {"dtype": str(t.dtype), "shape": list(t.shape), "crc32": zlib.crc32(t.tobytes())} for k, t in load_file(file).items()}, "metadata": metadata}
`

async function ask(script: string, ...args: string[]): Promise<Answer> {
  const { stdout } = await runProgram(python, ['-c', facts + script, ...args])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Answer
}

it('reads a snapshot of the original that we converted, whole or its weights', async () => {
  for (const select of [undefined, 'model_state_dict']) {
    const input = shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
    await convertCheckpoint(input, at('ours.safetensors'), { select })
    const answer = await ask('print(json.dumps(facts(sys.argv[1])))', at('ours.safetensors'))
    const expected = [...(await readCheckpoint(input)).tensors()].filter(([name]) => select === undefined || name.startsWith(`${select}.`))
    expect(Object.keys(answer.tensors)).toHaveLength(expected.length)
    for (const [name, tensor] of expected) {
      const theirs = answer.tensors[select === undefined ? name : name.slice(select.length + 1)]
      expect(theirs, name).toEqual({ dtype: tensor.dtype, shape: [...tensor.shape], crc32: crc32(tensor.contiguousBytes()) })
    }
  }
})

it('writes what we read, and what we write again is the same file', async () => {
  const script = `
file = sys.argv[1]
d = {}
for i, name in enumerate(["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"]):
    d["z%d.%s" % (i % 3, name)] = (numpy.arange(24) % (i + 2)).astype(name).reshape(2, 3, 4)
d["scalar"] = numpy.array(2.5, dtype="float32")
d["empty"] = numpy.zeros((0, 3), dtype="float32")
d["odd bytes"] = numpy.arange(7, dtype="uint8")
save_file(d, file, metadata={"format": "np", "note": "n\\u00e9 \\"quoted\\""})
print(json.dumps(facts(file)))`
  const answer = await ask(script, at('theirs.safetensors'))
  const checkpoint = await readCheckpoint(at('theirs.safetensors'))
  const ours = Object.fromEntries([...checkpoint.tensors()].map(([name, tensor]) => [name, { dtype: tensor.dtype, shape: [...tensor.shape], crc32: crc32(tensor.contiguousBytes()) }]))
  expect(ours).toEqual(answer.tensors)
  expect(Object.fromEntries(checkpoint.metadata)).toEqual(answer.metadata)

  await writeFileAtomically(at('again.safetensors'), (sink) => writeSafetensors(checkpoint.root, sink, checkpoint.metadata))
  expect(readFileSync(at('again.safetensors')).equals(readFileSync(at('theirs.safetensors')))).toBe(true)
})
