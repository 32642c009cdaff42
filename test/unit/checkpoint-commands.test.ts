/** `siamtrain inspect` and `siamtrain convert` on files, through the command line's own entry. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withoutPrefix } from '../../lib/checkpoint/prefix.ts'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict, PyFloat, PyTuple } from '../../lib/checkpoint/values.ts'
import { convertCheckpoint } from '../../lib/cli/convert.ts'
import { formatReport, inspectCheckpoint } from '../../lib/cli/inspect.ts'
import { floats, legacyBytes, parse, safetensorsBytes, smallSnapshot, zipBytes } from '../helpers/checkpoint-files.ts'
import { runCli } from '../helpers/run-cli.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-commands-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => path.join(folder, name)

beforeAll(async () => {
  writeFileSync(at('epoch-3.pkl'), await zipBytes(smallSnapshot()))
})

describe('convert', () => {
  it('goes through every format and back to the same bytes', async () => {
    let file = at('epoch-3.pkl')
    for (const [name, format] of [['a.pth', 'torch-legacy'], ['b.safetensors', undefined], ['c.pkl', 'torch-legacy'], ['d.pt', 'torch'], ['epoch-3-again.pkl', undefined]] as const) {
      expect((await convertCheckpoint(file, at(name), { format })).lost).toEqual([])
      file = at(name)
    }
    expect((await readCheckpoint(at('a.pth'))).format).toBe('torch-legacy')
    expect((await readCheckpoint(at('b.safetensors'))).format).toBe('safetensors')
    expect((await zipBytes((await readCheckpoint(file)).root)).equals(await zipBytes(smallSnapshot()))).toBe(true)
  })

  it('says what a format cannot hold', async () => {
    const weight = floats([1, 2, 3, 4, 5, 6], [2, 3])
    const transposed = new CheckpointTensor(weight.storage, [3, 2], { strides: [1, 3] })
    writeFileSync(at('views.pkl'), await zipBytes(PyDict.ordered([['a', weight], ['b', transposed], ['c', floats([1])]])))
    const { lost } = await convertCheckpoint(at('views.pkl'), at('views.safetensors'))
    expect(lost).toEqual(['that 2 tensors share storages: each has its own copy now', 'the strides of 1 tensors: they are contiguous now'])
    const { stdout, stderr, code } = await runCli(['convert', at('views.pkl'), at('views2.safetensors')])
    expect([code, stdout.includes('3 tensors, safetensors'), stderr]).toEqual([0, true, expect.stringContaining('lost: that 2 tensors share storages')])

    const withMetadata = Buffer.from(await safetensorsBytes(PyDict.ordered([['a', floats([1, 2])]])))
    const header = '{"__metadata__":{"author":"x"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.padEnd(96)
    writeFileSync(at('m.safetensors'), Buffer.concat([Buffer.from(BigUint64Array.of(96n).buffer), Buffer.from(header), withMetadata.subarray(-8)]))
    expect((await convertCheckpoint(at('m.safetensors'), at('m.pkl'))).lost).toEqual(['the metadata of the safetensors file (author)'])
    expect((await convertCheckpoint(at('m.safetensors'), at('m2.safetensors'))).lost).toEqual([])
    const report = inspectCheckpoint(await readCheckpoint(at('m2.safetensors')))
    expect(report.metadata).toEqual({ author: 'x' })
    expect(formatReport(report, 'm2', 1)).toContain('metadata:\n  author: x\n')
  })

  it('drops a prefix from the names of tensors and of their modules', async () => {
    const model = PyDict.ordered([['module.conv.weight', floats([1])], ['module.module.bn.bias', floats([2])], ['other', floats([3])]])
    model.attributes = PyDict.fromObject({ _metadata: PyDict.ordered([['', PyDict.fromObject({ version: 1 })], ['module', PyDict.fromObject({ version: 2 })], ['module.conv', PyDict.fromObject({ version: 3 })]]) })
    const root = PyDict.fromObject({ epoch: new PyFloat(4), model_state_dict: model, list: [new PyFloat(1), 1], pair: PyTuple.pack([new PyFloat(2), PyDict.fromObject({ 'module.x': floats([4]) })]), 'module.note': 'stays' })
    const stripped = parse(await zipBytes(withoutPrefix(root, 'module.'))).root as PyDict
    const table = stripped.get('model_state_dict') as PyDict
    expect([...table.keys()]).toEqual(['conv.weight', 'bn.bias', 'other'])
    expect(table.ordered).toBe(true)
    expect([...(table.attributes!.get('_metadata') as PyDict)].map(([key, value]) => [key, (value as PyDict).get('version')])).toEqual([['', 2], ['conv', 3]])
    expect((await zipBytes(stripped.get('list')!)).equals(await zipBytes(root.get('list')!))).toBe(true)
    expect([...((stripped.get('pair') as PyTuple)[1] as PyDict).keys()]).toEqual(['x'])
    expect(stripped.get('module.note')).toBe('stays')
    // Nothing of the original is changed.
    expect([...model.keys()][0]).toBe('module.conv.weight')

    writeFileSync(at('ddp.pkl'), await zipBytes(root))
    const { code, stdout } = await runCli(['convert', at('ddp.pkl'), at('plain.safetensors'), '--strip-prefix', 'module.', '--select', 'model_state_dict', '--json'])
    expect([code, JSON.parse(stdout)]).toEqual([0, { output: at('plain.safetensors'), format: 'safetensors', tensors: 3, lost: [] }])
    expect([...(await readCheckpoint(at('plain.safetensors'))).tensors().keys()]).toEqual(['conv.weight', 'bn.bias', 'other'])
  })

  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a prefix that no name has', () => convertCheckpoint(at('epoch-3.pkl'), at('x.pkl'), { stripPrefix: 'modul.' }), 'ERR_ARGUMENT', /no tensor's name begins with "modul\." \(there are "conv\.weight", /],
    ['an empty prefix', () => convertCheckpoint(at('epoch-3.pkl'), at('x.pkl'), { stripPrefix: '' }), 'ERR_ARGUMENT', /an empty one/],
    ['names that become one', async () => withoutPrefix(PyDict.fromObject({ 'module.a': floats([1]), a: floats([2]) }), 'module.'), 'ERR_CHECKPOINT', /two entries are named "a"/],
    ['a part without tensors', () => convertCheckpoint(at('epoch-3.pkl'), at('x.pkl'), { select: 'epoch' }), 'ERR_ARGUMENT', /"epoch" holds no tensor/],
    ['a folder that is not there', () => convertCheckpoint(at('epoch-3.pkl'), at('none/x.pkl')), 'ERR_IO', /ENOENT/],
    ['an input that is not there', () => convertCheckpoint(at('nothing.pkl'), at('x.pkl')), 'ERR_IO', /ENOENT/],
  ])('refuses %s', async (_, work, code, message) => {
    await expect(work()).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(existsSync(at('x.pkl'))).toBe(false)
  })

  it('replaces a file only when it is told to', async () => {
    writeFileSync(at('there.pkl'), 'mine')
    const refused = await runCli(['convert', at('epoch-3.pkl'), at('there.pkl')])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('already there')])
    expect(readFileSync(at('there.pkl'), 'utf8')).toBe('mine')
    expect((await runCli(['convert', at('epoch-3.pkl'), at('there.pkl'), '--force'])).code).toBe(0)
    expect((await readCheckpoint(at('there.pkl'))).format).toBe('torch-zip')
  })
})

describe('inspect', () => {
  it('prints the contract in JSON for every format', async () => {
    writeFileSync(at('legacy.pkl'), await legacyBytes(smallSnapshot()))
    writeFileSync(at('all.safetensors'), await safetensorsBytes(smallSnapshot()))
    for (const [name, format] of [['epoch-3.pkl', 'torch-zip'], ['legacy.pkl', 'torch-legacy'], ['all.safetensors', 'safetensors']] as const) {
      const { code, stdout } = await runCli(['inspect', at(name), '--json'])
      expect(code).toBe(0)
      const report = JSON.parse(stdout) as { tensors: { name: string }[] }
      expect(report).toMatchObject({ format, other: { epoch: 3, optimizer_state_dict: { param_groups: [{ lr: 1 }] } } })
      expect(report.tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))[1]).toEqual({ name: 'model_state_dict.conv.bias', dtype: 'float32', shape: [1], l2: 0.5, nonfinite: 0 })
    }
  })

  it('never sends a terminal what a file tells it to', async () => {
    const evil = '\u001b[2J\u001b]0;title\u0007\r\u009b'
    writeFileSync(at('evil.pkl'), await zipBytes(PyDict.fromObject({ [`w${evil}`]: floats([1]), [`note${evil}`]: `text${evil}`, list: [`item${evil}`] })))
    const { stdout } = await runCli(['inspect', at('evil.pkl')])
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(stdout).toContain('w\\x1b[2J\\x1b]0;title\\x07\\x0d\\x9b')
    const bytes = await zipBytes(PyDict.fromObject({ a: floats([1]) }))
    const name = bytes.lastIndexOf('archive/data/0')
    bytes.write('\u001b', name, 'latin1')
    bytes.writeUInt16LE(8, name - 46 + 10)
    writeFileSync(at('evil-zip.pkl'), bytes)
    const { code, stderr } = await runCli(['inspect', at('evil-zip.pkl')])
    expect([code, stderr]).toEqual([1, expect.stringContaining('zip entry "\\x1brchive/data/0" is compressed')])
  })

  it('takes the norm of a large tensor in parts', async () => {
    const data = new Uint8Array(1_000_003).fill(2)
    const report = inspectCheckpoint(parse(await zipBytes(PyDict.fromObject({ a: CheckpointTensor.fromRaw({ dtype: 'uint8', shape: [data.length], data }) }))))
    expect(report.tensors[0]!.l2).toBe(Math.sqrt(4 * data.length))
  })
})
