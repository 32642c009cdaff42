/** From the YAML keys of SiamFCppOnlineTracker to what the classifier takes. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import type { OnlineSpec } from '../../lib/native/addon.ts'
import { onlineSpec, withoutEffect } from '../../lib/tracking/online-spec.ts'
import { defaultOnlineSpec } from '../helpers/online-spec.ts'
import { shared } from '../helpers/shared.ts'

/** The spec of the original's online configuration with changed keys. */
async function specOf(...keys: string[]): Promise<OnlineSpec> {
  const name = 'SiamFCppOnlineTracker'
  const config = await loadConfig(shared('reference-configs', 'test', 'vot', 'siamfcpp_alexnet_online.yaml'), keys.map((key) => `test.track.pipeline.${name}.${key}`))
  const params = config.test?.track?.pipeline?.SiamFCppOnlineTracker as Readonly<Record<string, unknown>>
  return onlineSpec({ config, name, params, precision: 'fp32', ownsModel: false, loadModel: () => Promise.reject(new Error('not needed')) }, 12345)
}

describe('the online tracker’s hyper-parameters', () => {
  it('are the original’s defaults, but for what its file says', async () => {
    expect(await specOf()).toEqual(defaultOnlineSpec({ scoreWeight: 0.6 }))
  })

  it.each<[string[], Partial<OnlineSpec>]>([
    [['init_CG_iter=[3,4,5]'], { initSteps: [3, 4, 5], initStepsWithoutProjection: 12 }],
    [['init_CG_iter=20', 'init_GN_iter=3'], { initSteps: [6, 6, 6], initStepsWithoutProjection: 20 }],
    [['reponse_activation=none', 'projection_activation=[mlu, 0.1]'], { responseActivation: { name: 'none', knee: 0 }, projectionActivation: { name: 'mlu', knee: 0.1 } }],
    [['spatial_attention=none', 'proj_init_method=randn', 'filter_init_method=zeros'], { spatialAttention: false, pca: false, randomFilter: false }],
    [['z_kernel_size=[3, 5]'], { kernelRows: 3, kernelColumns: 5 }],
  ])('%j', async (keys, expected) => {
    expect(await specOf(...keys)).toMatchObject(expected)
  })

  it('takes lists, numbers and false where the original’s code does', async () => {
    const { augmentation, directionForgetFactor } = await specOf('CG_forgetting_rate=75', 'augmentation_rotate=false', 'augmentation_blur=False', 'augmentation_dropout=false', 'augmentation_relativeshift=[]', 'augmentation_fliplr=false')
    expect(augmentation).toMatchObject({ rotations: [], blurs: [], relativeShifts: [], flip: false, dropoutSamples: 0 })
    expect(directionForgetFactor).toBeCloseTo(0.99 ** 75, 12)
    expect((await specOf('augmentation_shift=[[3, -4]]', 'augmentation_scale=[0.8, 1.2]')).augmentation).toMatchObject({ shifts: [[3, -4]], scales: [0.8, 1.2] })
  })

  it.each([
    ['optimizer=NewtonCG', /GaussNewtonCG for test\.track\.pipeline\.SiamFCppOnlineTracker\.optimizer but received "NewtonCG"/],
    ['projection_activation=mlu', /\[mlu, a number > 0\]/],
    ['reponse_activation=[mlu, 0]', /\[mlu, a number > 0\]/],
    ['att_activation=tanh', /none, relu, elu/],
    ['online_score_weight=1.5', /from 0 to 1 for .*online_score_weight but received 1\.5/],
    ['filter_reg=0', /a number > 0/],
    ['z_kernel_size=[4]', /two integers/],
    ['z_kernel_size=[4, 0]', /two integers/],
    ['augmentation_blur=[[1, 0]]', /pixels > 0/],
    ['augmentation_dropout=[7, 1]', /rate from 0 to below 1/],
    ['augmentation_relativeshift=[0.6]', /half search images/],
    ['augmentation_expansion_factor=0.5', /from 1 to 4/],
    ['CG_forgetting_rate=true', /a number > 0, or false/],
    ['train_skipping=0', /an integer from 1/],
    ['init_GN_iter=0', /an integer from 1/],
    ['proj_init_method=svd', /one of pca, randn/],
    ['spatial_attention=mean', /one of none, pool/],
    ['precond_learning_rate=2', /from 0 to 1/],
    ['sample_memory_size=0.5', /an integer from 2/],
  ])('refuses %s', async (key, message) => {
    await expect(specOf(key)).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message) })
  })

  it('are all in docs/online-tracker.md, those without effect as such', async () => {
    const page = readFileSync(new URL('../../docs/online-tracker.md', import.meta.url), 'utf8')
    const config = await loadConfig(shared('reference-configs', 'test', 'vot', 'siamfcpp_alexnet_online.yaml'))
    const sections = config.test?.track?.pipeline as unknown as Record<string, Record<string, unknown>>
    const plain = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'))
    const common = Object.keys(plain.test?.track?.pipeline?.SiamFCppTracker ?? {})
    const keys = Object.keys(sections.SiamFCppOnlineTracker as object).filter((key) => !common.includes(key))
    expect(keys.length).toBe(55)
    const ineffective = page.split('\n').find((line) => line.startsWith('**Accepted, without effect**')) as string
    for (const key of keys) {
      expect(page, key).toContain(`\`${key}\``)
      if ((withoutEffect as readonly string[]).includes(key)) expect(page.slice(page.indexOf(ineffective)).split('\n\n')[0], key).toContain(`\`${key}\``)
    }
  })
})
