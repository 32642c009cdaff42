/** What a configuration's testers come to: benchmark, folder of the data, folder of the results. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { testPlans } from '../../lib/evaluation/tester/plan.ts'
import { shared } from '../helpers/shared.ts'

const configs = readdirSync(shared('reference-configs', 'test'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'))

async function load(name: string, overrides: string[] = []): Promise<Config> {
  return loadConfig(shared('reference-configs', 'test', name), overrides, { onWarning: () => {} })
}

/** benchmark/part, data root, results: relative to the working directory. */
async function planned(name: string, overrides: string[] = []): Promise<string[]> {
  return testPlans(await load(name, overrides)).map((plan) => `${plan.benchmark}${plan.subset === undefined ? '' : `/${plan.subset}`} ${plan.root} ${path.relative(process.cwd(), plan.folder)}`)
}

describe('reference configurations', () => {
  it.each([
    ['otb/siamfcpp_alexnet-otb.yaml', 'OTB2015 datasets/OTB/OTB2015 logs/GOT-Benchmark/result/otb2015/siamfcpp_alexnet'],
    ['got10k/siamfcpp_alexnet-got.yaml', 'GOT-10k/val datasets/GOT-10k logs/GOT-Benchmark/result/GOT-10k/siamfcpp_alexnet'],
    ['lasot/siamfcpp_googlenet-lasot.yaml', 'LaSOT/test datasets/LaSOT logs/GOT-Benchmark/result/LaSOT/siamfcpp_googlenet'],
    ['UAV123/siamfcpp_alexnet-uav123.yaml', 'UAV123 datasets/UAV123 logs/GOT-Benchmark/result/UAV123/siamfcpp_alexnet'],
    ['trackingnet/siamfcpp_googlenet-trackingnet.yaml', 'TrackingNet/test datasets/TrackingNet logs/GOT-Benchmark/result/TrackingNet/siamfcpp_googlenet'],
    ['vot/siamfcpp_alexnet.yaml', 'VOT2018 datasets/VOT/vot2018 logs/VOT2018/siamfcpp_alexnet'],
    ['vot/siamfcpp_googlenet_votlt.yaml', 'VOT2018LT datasets/ logs/VOT2018LT/siamfcpp_googlenet_votlt'],
  ])('%s', async (name, expected) => {
    expect(await planned(name)).toEqual([expected])
  })

  it('all of them have plans', async () => {
    expect(configs.length).toBeGreaterThan(8)
    for (const name of configs) expect([name, testPlans(await load(name)).length]).toEqual([name, 1])
  })
})

describe('testPlans', () => {
  const got = 'got10k/siamfcpp_alexnet-got.yaml'
  const otb = 'otb/siamfcpp_alexnet-otb.yaml'

  it('takes every part of every tester, with the task\'s names where the tester has none', async () => {
    const plans = await planned(otb, ['test.track.tester.names=["OTBTester","VOTTester"]', 'test.track.tester.OTBTester.subsets=["2013","tb50"]', 'test.track.tester.OTBTester.exp_name=', 'test.track.exp_name=mine', 'test.track.exp_save=out', 'test.track.tester.VOTTester.dataset_names=["VOT2019"]'])
    expect(plans).toEqual([
      'OTB2013 datasets/OTB/OTB2015 out/GOT-Benchmark/result/OTB2013/mine',
      'OTB50 datasets/OTB/OTB2015 out/GOT-Benchmark/result/tb50/mine',
      'VOT2019 datasets/VOT/vot2019 out/VOT2019/mine',
    ])
  })

  it('takes the folder and the benchmarks of the call instead', async () => {
    const plans = testPlans(await load(got), '/results', [{ benchmark: 'nfs30', root: '/nfs' }, { benchmark: 'GOT-10k', subset: 'test', root: '/got' }])
    expect(plans.map(({ tester, folder, secret, root }) => [tester, folder, secret, root])).toEqual([
      ['NfS', '/results/GOT-Benchmark/result/NfS/30/siamfcpp_alexnet', false, '/nfs'],
      ['GOT-10k', '/results/GOT-Benchmark/result/GOT-10k/siamfcpp_alexnet', true, '/got'],
    ])
  })

  it.each([
    [got, ['test.track.tester.names=[]'], /name of a tester at test.track.tester.names/],
    [got, ['test.track.tester.GOT10kTester.subsets=["dev"]'], /GOT10kTester.subsets: GOT-10k has no part "dev"/],
    [otb, ['test.track.tester.OTBTester.subsets=["2014"]'], /OTBTester.subsets: there is no benchmark "2014"/],
    [got, ['test.track.tester.GOT10kTester.exp_name=../up'], /name of a folder .* "..\/up"/],
    ['vot/siamfcpp_alexnet.yaml', ['test.track.tester.VOTTester.dataset_names=["VOT2016"]'], /folder of VOT2016 at .*VOTTester.data_root.VOT2016/],
  ])('%s %s is wrong', async (name, overrides, message) => {
    const config = await load(name, overrides)
    expect(() => testPlans(config)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }))
  })
})
