/** What of a file of pretrained weights goes where: the original's rules, on its own names. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CheckpointTensor, PyDict, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { describePretrained, fitPretrained, pretrainedTable, type PretrainedReport } from '../../lib/engine/pretrained.ts'
import type { DType, ParameterInfo } from '../../lib/native/addon.ts'
import { floats } from '../helpers/checkpoint-files.ts'
import { shared } from '../helpers/shared.ts'

type Entry = [name: string, shape: number[], dtype: string]

const stateDicts = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, { state_dict: Entry[] }>

function described(architecture: string): ParameterInfo[] {
  return stateDicts[architecture]!.state_dict.map(([name, shape, dtype]) => ({
    name,
    shape,
    dtype: dtype.replace('torch.', '') as DType,
    kind: /running_|num_batches/.test(name) ? 'buffer' : 'parameter',
    requiresGrad: true,
  }))
}

const zeros = (shape: number[], dtype: DType = 'float32'): CheckpointTensor => {
  const bytes = { float32: 4, float16: 2, float64: 8, int64: 8 }[dtype as 'float32']
  return CheckpointTensor.fromRaw({ dtype, shape, data: new Uint8Array(bytes * shape.reduce((a, b) => a * b, 1)) })
}

/** A file with every tensor of the architecture, some renamed or (undefined) left out. */
function file(architecture: string, rename: (name: string) => string | undefined): Map<string, CheckpointTensor> {
  const table = new Map<string, CheckpointTensor>()
  for (const { name, shape, dtype } of described(architecture)) {
    const renamed = rename(name)
    if (renamed !== undefined) table.set(renamed, zeros(shape, dtype))
  }
  return table
}

const backboneOnly = (prefix: string) => (name: string): string | undefined => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined)
const count = (architecture: string, prefix: string): number => described(architecture).filter(({ name }) => name.startsWith(prefix)).length

describe('a backbone', () => {
  it.each(['alexnet', 'tinyconv', 'googlenet', 'shufflenetv2x0_5', 'shufflenetv2x1_0'])('%s takes its own file and a whole network’s', (architecture) => {
    const model = described(architecture)
    const size = count(architecture, 'basemodel.')
    expect(fitPretrained(model, file(architecture, backboneOnly('basemodel.')), 'backbone')).toMatchObject({ missing: [], mismatched: [], unexpected: [], loaded: { length: size } })
    const whole = fitPretrained(model, file(architecture, (name) => name), 'backbone')
    expect(whole).toMatchObject({ missing: [], mismatched: [], loaded: { length: size }, unexpected: { length: model.length - size } })
    expect(whole.tensors.map(({ name }) => name)).toEqual(model.map(({ name }) => name).filter((name) => name.startsWith('basemodel.')))
  })

  it('Inception3 takes the model zoo’s file, which has no counters, no channel_reduce, and more layers', () => {
    const zoo = file('googlenet', (name) => {
      const short = backboneOnly('basemodel.')(name)
      return short === undefined || /channel_reduce|num_batches_tracked/.test(short) ? undefined : short
    })
    for (const name of ['AuxLogits.conv0.conv.weight', 'Mixed_7a.branch3x3_1.conv.weight', 'fc.weight', 'fc.bias']) zoo.set(name, zeros([2]))
    const { loaded, missing, mismatched, unexpected } = fitPretrained(described('googlenet'), zoo, 'backbone')
    expect(loaded).toHaveLength(zoo.size - 4)
    expect(unexpected).toEqual(['AuxLogits.conv0.conv.weight', 'Mixed_7a.branch3x3_1.conv.weight', 'fc.weight', 'fc.bias'])
    expect(mismatched).toEqual([])
    expect(missing).toEqual(described('googlenet').map(({ name }) => name).filter((name) => name.includes('channel_reduce')))
  })

  // QUIRKS.md #19: the original crashes (x0.5) or loads nothing (x1.0), because the file's names lack `_model.`
  it.each(['shufflenetv2x0_5', 'shufflenetv2x1_0'])('%s takes the model zoo’s file', (architecture) => {
    const zoo = file(architecture, (name) => (name.includes('channel_reduce') ? undefined : backboneOnly('basemodel._model.')(name)))
    for (const name of ['conv5.0.weight', 'fc.weight']) zoo.set(name, zeros([2]))
    expect(zoo.has('conv1.0.weight') && zoo.has('stage2.0.branch1.0.weight')).toBe(true)
    const { loaded, missing, mismatched, unexpected } = fitPretrained(described(architecture), zoo, 'backbone')
    expect(loaded).toHaveLength(zoo.size - 2)
    expect([mismatched, unexpected]).toEqual([[], ['conv5.0.weight', 'fc.weight']])
    expect(missing.every((name) => name.startsWith('basemodel._model.channel_reduce.'))).toBe(true)
    expect(missing.length).toBeGreaterThan(0)
  })

  it('does not take another width of its kind, but says which tensors differ', () => {
    const zoo = file('shufflenetv2x0_5', backboneOnly('basemodel._model.'))
    const { mismatched } = fitPretrained(described('shufflenetv2x1_0'), zoo, 'backbone')
    expect(mismatched).toContainEqual({ name: 'basemodel._model.stage2.0.branch1.2.weight', expected: 'float32[58, 24, 1, 1]', actual: 'float32[24, 24, 1, 1]' })
  })

  it('keeps out a network’s head even where the backbone has a child of that name', () => {
    const model: ParameterInfo[] = ['basemodel.head.bi', 'head.bi'].map((name) => ({ name, shape: [1], dtype: 'float32', kind: 'parameter', requiresGrad: true }))
    const whole = fitPretrained(model, new Map([['head.bi', floats([1])], ['basemodel.head.bi', floats([2])]]), 'backbone')
    expect(whole).toMatchObject({ loaded: ['basemodel.head.bi'], unexpected: ['head.bi'] })
    expect([...new Float32Array(whole.tensors[0]!.data.slice().buffer)]).toEqual([2])
    expect(fitPretrained(model, new Map([['head.bi', floats([1])]]), 'backbone').loaded).toEqual(['basemodel.head.bi'])
  })
})

describe('a network', () => {
  it('takes a network’s file, and nothing of a backbone’s', () => {
    const model = described('tinyconv')
    expect(fitPretrained(model, file('tinyconv', (name) => name), 'network')).toMatchObject({ loaded: { length: model.length }, missing: [], unexpected: [] })
    expect(fitPretrained(model, file('tinyconv', backboneOnly('basemodel.')), 'network')).toMatchObject({ loaded: [], missing: { length: model.length } })
  })

  it('leaves out what has another shape or cannot be converted, and converts other floats', () => {
    const model = described('tinyconv')
    const table = file('tinyconv', (name) => name)
    table.set('head.cls_score_p5.conv.weight', zeros([1, 32, 1, 1]))
    table.set('c_x.conv.bias', zeros([64], 'int64'))
    table.set('r_x.conv.bias', zeros([64], 'float16'))
    table.set('head.bi', zeros([1]))
    const { loaded, mismatched, missing, tensors } = fitPretrained(model, table, 'network')
    expect(mismatched).toEqual([
      { name: 'head.cls_score_p5.conv.weight', expected: 'float32[1, 64, 1, 1]', actual: 'float32[1, 32, 1, 1]' },
      { name: 'c_x.conv.bias', expected: 'float32[64]', actual: 'int64[64]' },
    ])
    expect([loaded.length, missing]).toEqual([model.length - 2, []])
    expect(tensors.find(({ name }) => name === 'r_x.conv.bias')).toMatchObject({ dtype: 'float32', shape: [64] })
    expect(tensors.find(({ name }) => name === 'head.bi')).toMatchObject({ shape: [] })
  })

  it('does not miss the second name of a tensor that it got, or a counter beside statistics that it got', () => {
    const info = (name: string, aliasOf?: string): ParameterInfo => ({ name, shape: [1], dtype: 'float32', kind: 'parameter', requiresGrad: true, ...(aliasOf === undefined ? {} : { aliasOf }) })
    const model = [info('a'), info('b', 'a'), info('c'), info('d', 'c'), info('bn.running_mean'), info('bn.num_batches_tracked'), info('n.running_mean'), info('n.num_batches_tracked')]
    const { missing, loaded } = fitPretrained(model, new Map([['b', floats([1])], ['bn.running_mean', floats([1])]]), 'network')
    expect(loaded).toEqual(['b', 'bn.running_mean'])
    expect(missing).toEqual(['c', 'd', 'n.running_mean', 'n.num_batches_tracked'])
  })
})

describe('the table of a file', () => {
  const tableOf = (root: PyDict) => pretrainedTable({ root, file: 'x.pkl' })

  it('is its model_state_dict, or itself; module. is dropped', () => {
    const tensors = PyDict.ordered([['module.a', floats([1])], ['module.module.b', floats([2])]])
    for (const root of [tensors, PyDict.fromObject({ model_state_dict: tensors, epoch: 3 }), PyDict.fromObject({ state_dict: tensors })]) {
      expect([...tableOf(root).tensors.keys()]).toEqual(['a', 'b'])
    }
  })

  it('lists what is no tensor as left over', () => {
    expect(tableOf(PyDict.fromObject({ a: floats([1]), epoch: 3, args: PyDict.fromObject({}) })).others).toEqual(['epoch', 'args'])
  })

  it('is refused when it is ambiguous or no dict', () => {
    expect(() => tableOf(PyDict.fromObject({ 'module.a': floats([1]), a: floats([1]) }))).toThrow(/two tensors are named "a"/)
    expect(() => pretrainedTable({ root: [1] as never, file: 'x.pkl' })).toThrow(/Expected a dict/)
  })

  it.each(['tinyconv_epoch-0.pkl', 'tinyconv_epoch-0.legacy.pkl'])('%s of the original', async (name) => {
    const { tensors } = pretrainedTable(await readCheckpoint(shared('golden', 'ckpt', name)))
    expect(fitPretrained(described('tinyconv'), tensors, 'network')).toMatchObject({ loaded: { length: 108 }, missing: [], mismatched: [], unexpected: [] })
  })
})

it('is told in one line', () => {
  const report: PretrainedReport = { key: 'k', file: 'w.pth', md5: 'abc', part: 'backbone', loaded: ['a', 'b'], missing: ['c', 'd', 'e', 'f'], mismatched: [{ name: 'g', expected: 'float32[2]', actual: 'float32[3]' }], unexpected: ['fc.weight'] }
  expect(describePretrained(report)).toBe(
    "Loaded 2 of the backbone's 7 tensors from w.pth (md5 abc); missing 4: c, d, e, …; other shapes 1: g is float32[3] where the model has float32[2]; left over 1: fc.weight",
  )
  expect(describePretrained({ ...report, missing: [], mismatched: [], unexpected: [] })).toBe("Loaded 2 of the backbone's 2 tensors from w.pth (md5 abc)")
})
