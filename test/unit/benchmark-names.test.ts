/** Names of benchmarks: every spelling finds its benchmark and part; unknown ones are told what there is. */
import { describe, expect, it } from 'vitest'
import { benchmarks, findBenchmark, isSecret } from '../../lib/evaluation/benchmarks/names.ts'

const found = (name: string, subset?: string): string[] => {
  const { benchmark, subset: part } = findBenchmark(name, subset)
  return [benchmark.name, ...(part === undefined ? [] : [part])]
}

describe('findBenchmark', () => {
  it.each([
    ['OTB2015', ['OTB2015']],
    ['otb-100', ['OTB2015']],
    ['TB50', ['OTB50']],
    ['2013', ['OTB2013']],
    ['vot2018', ['VOT2018']],
    ['VOT2018-LT', ['VOT2018LT']],
    ['got_10k', ['GOT-10k', 'val']],
    ['GOT-10k/test', ['GOT-10k', 'test']],
    ['lasot', ['LaSOT', 'test']],
    ['LaSOT train_test', ['LaSOT', 'train_test']],
    ['NfS', ['NfS', '30']],
    ['nfs240', ['NfS', '240']],
    ['UAV20L', ['UAV20L']],
    ['TrackingNet/train11', ['TrackingNet', 'train11']],
  ])('%s', (name, expected) => {
    expect(found(name)).toEqual(expected)
  })

  it('takes the part on its own', () => {
    expect(found('TrackingNet', 'TEST')).toEqual(['TrackingNet', 'test'])
    expect(found('GOT-10k', '')).toEqual(['GOT-10k', 'val'])
  })

  it.each([
    ['OTB1999', undefined, /no benchmark "OTB1999"/, /OTB2013, OTB2015/],
    ['GOT-10k', 'tests', /GOT-10k has no part "tests"/, /val, test, train/],
    ['UAV123', 'val', /UAV123 has no part "val"/, /leave it out/],
  ])('%s %s is not known', (name, subset, message, hint) => {
    expect(() => findBenchmark(name, subset)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message), hint: expect.stringMatching(hint) }))
  })

  it('no two benchmarks share a name', () => {
    for (const { name, aliases } of benchmarks) for (const each of [name, ...aliases]) expect([each, findBenchmark(each).benchmark.name]).toEqual([each, name])
  })

  it('only servers score GOT-10k test and TrackingNet test', () => {
    const secret = benchmarks.flatMap((benchmark) => [undefined, ...benchmark.subsets].filter((subset) => isSecret(benchmark, subset)).map((subset) => `${benchmark.name}/${subset}`))
    expect(secret).toEqual(['GOT-10k/test', 'TrackingNet/test'])
  })
})
