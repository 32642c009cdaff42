/** What `siamtrain schedule` says of phases, clipping, accumulation and averaging, and that its picture stays tidy. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { scheduleChart } from '../../lib/cli/schedule-chart.ts'
import { csvText, optionLines, tableText } from '../../lib/cli/schedule-text.ts'
import { clipTo, niceStep, shortNumber } from '../../lib/chart/svg.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { frozenSpans, scheduleJson, scheduleOf } from '../../lib/engine/schedule.ts'
import { load, smallYaml } from '../helpers/config.ts'
import { shared } from '../helpers/shared.ts'

const stateDicts = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, { parameters_in_order: string[] }>
const sgd = 'train.track.optim.optimizer.SGD'
const all = [`${sgd}.clip_grad_norm=5`, `${sgd}.clip_grad_value=0.5`, `${sgd}.accumulate_batches=4`, 'train.track.optim.ema={decay: 0.99, warmup: 10}']
const longName = 'a_step_whose_name_is_longer_than_any_column_beside_a_plot_could_ever_be_made'

async function planOf(overrides: string[] = [], architecture = 'alexnet', file = 'got10k/siamfcpp_alexnet-trn.yaml') {
  const config = await loadConfig(shared('reference-configs', 'train', ...file.split('/')), overrides, { onWarning: () => {} })
  const { parameters_in_order: parameters } = stateDicts[architecture] as { parameters_in_order: string[] }
  const plan = scheduleOf(config, parameters)
  return { plan, spans: frozenSpans(config, plan, parameters) }
}

describe('phases', () => {
  it('are those of lr_policy; a rising one is a warm-up', async () => {
    const { plan } = await planOf()
    expect(plan.phases.map(({ name, epochs, rising }) => [name, epochs, rising])).toEqual([
      ['LinearLR', [0, 1], true],
      ['CosineLR', [1, 20], false],
    ])
    expect([plan.phases[0]?.from, plan.phases[1]?.from]).toEqual([1e-6, 0.08])
  })

  it('are cut at max_epoch, and filled up to it', async () => {
    expect((await planOf(['train.track.data.num_epochs=1'])).plan.phases).toHaveLength(1)
    expect((await planOf(['train.track.data.num_epochs=22'])).plan.phases.at(-1)).toMatchObject({ name: 'held', epochs: [20, 22] })
    const { config } = await load(smallYaml, [`${sgd}.lr_policy=[]`])
    expect(scheduleOf(config, []).phases).toEqual([{ name: 'constant', epochs: [0, 2], from: 0.1, to: 0.1, rising: false }])
  })
})

describe('what is on', () => {
  it('is said in the table, and nothing where nothing is', async () => {
    expect(optionLines((await planOf()).plan)).toEqual([])
    const { plan } = await planOf(all)
    expect(optionLines(plan)).toEqual([
      'an iteration accumulates 4 batches of 32 pairs',
      'gradients are clipped: elements to ±0.5, then the total norm to 5',
      'weights are averaged with a decay of 0.99 (from 0.1 in a warm-up of 10); final_model.pkl has the average',
    ])
    expect(tableText(plan, true).split('\n').slice(0, 4)).toEqual(['20 epochs of 3125 iterations', ...optionLines(plan)])
    const { plan: other } = await planOf([`${sgd}.clip_grad_norm=5`, 'train.track.optim.ema={decay: 0.99, warmup: 0, final_model: false}'])
    expect(optionLines(other)).toEqual(['gradients are clipped: the total norm to 5', 'weights are averaged with a decay of 0.99; final_model.pkl has the weights of the last step'])
  })

  it('is in the JSON always', async () => {
    expect(scheduleJson((await planOf(['train.track.data.num_epochs=1'])).plan, 1000)).toMatchObject({ momentum: 0.9, weight_decay: 5e-5, clip_grad_norm: 0, clip_grad_value: 0, accumulate_batches: 1, minibatch: 32, ema: null })
    const json = scheduleJson((await planOf([...all, 'train.track.data.num_epochs=1'])).plan, 1000)
    expect(json).toMatchObject({ num_iterations: 3125, clip_grad_norm: 5, clip_grad_value: 0.5, accumulate_batches: 4, minibatch: 32, ema: { decay: 0.99, warmup: 10, final_model: true } })
  })

  it('counts steps: the rate of iteration i is that of a batch K times as large', async () => {
    const four = (await planOf([`${sgd}.accumulate_batches=4`])).plan
    const large = (await planOf(['train.track.data.minibatch=128'])).plan
    expect(four.numIterations).toBe(large.numIterations)
    for (const [epoch, iteration] of [[0, 0], [0, 1500], [7, 3], [19, 3124]] as const) expect(four.lrAt(epoch, iteration)).toBe(large.lrAt(epoch, iteration))
  })

  it('adds the decay of the average to the rows, where there is one', async () => {
    const rows = csvText((await planOf([...all, 'train.track.data.nr_image_per_epoch=256', 'train.track.data.num_epochs=2'])).plan, 1).trimEnd().split('\n')
    expect(rows[0]).toBe('epoch,iteration,lr,lr_backbone,lr_other,frozen_parameters,ema_decay')
    expect(rows.slice(1).map((row) => Number(row.split(',').at(-1)))).toEqual([0.1, 2 / 11, 3 / 12, 4 / 13])
  })
})

/** Boxes that texts take, generously: x from, x to, baseline. */
function textBoxes(svg: string): { from: number; to: number; y: number; words: string }[] {
  return [...svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)"([^>]*)>([^<]*)<\/text>/g)]
    .filter(([whole]) => !whole.includes('x="0" y="0"')) // the turned one
    .map(([, x, y, attributes, words]) => {
      const size = Number(/font-size="(\d+)"/.exec(attributes as string)?.[1] ?? 13)
      const wide = [...(words as string).replaceAll(/&\w+;/g, '&')].length * size * 0.62
      const anchor = /text-anchor="(\w+)"/.exec(attributes as string)?.[1] ?? 'start'
      const from = Number(x) - (anchor === 'end' ? wide : anchor === 'middle' ? wide / 2 : 0)
      return { from, to: from + wide, y: Number(y), words: words as string }
    })
}

describe('the picture', () => {
  it.each<[what: string, overrides: string[], architecture: string, file: string]>([
    ['of a plain run', [], 'alexnet', 'got10k/siamfcpp_alexnet-trn.yaml'],
    ['of GoogLeNet', [], 'googlenet', 'fulldata/siamfcpp_googlenet-trn-fulldata.yaml'],
    ['with everything on and names that are long', [...all, `train.track.optim.grad_modifier.DynamicFreezer.schedule.1.name=${longName}`, `${sgd}.lr_multiplier.0.name=${longName}`, `train.track.trainer.RegularTrainer.exp_name=${longName}_${longName}`], 'alexnet', 'got10k/siamfcpp_alexnet-trn.yaml'],
    ['of a single iteration', ['train.track.data.num_epochs=1', 'train.track.data.nr_image_per_epoch=32'], 'alexnet', 'got10k/siamfcpp_alexnet-trn.yaml'],
    ['of eight groups', [`${sgd}.lr_multiplier=[${['head.bi', 'head.si', 'head.cls', 'head.bbox', 'head.ctr', 'basemodel.conv1', 'basemodel.conv2', 'basemodel.conv3'].map((regex) => `{name: ${regex}, regex: ${regex}, ratio: 1}`).join()}]`], 'alexnet', 'got10k/siamfcpp_alexnet-trn.yaml'],
  ])('%s: no text leaves it or touches another', async (_what, overrides, architecture, file) => {
    const { plan, spans } = await planOf(overrides, architecture, file)
    const svg = scheduleChart(`${longName}_${longName}`, plan, spans)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    const [, width, height] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) as RegExpExecArray).map(Number) as [number, number, number]
    const boxes = textBoxes(svg)
    expect(boxes.length).toBeGreaterThan(15)
    for (const { from, to, y, words } of boxes) {
      expect(from, words).toBeGreaterThanOrEqual(0)
      expect(to, words).toBeLessThanOrEqual(width)
      expect(y, words).toBeLessThanOrEqual(height - 8)
    }
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const apart = Math.abs(a.y - b.y) >= 13 || a.to <= b.from || b.to <= a.from
        expect(apart, `${a.words} | ${b.words}`).toBe(true)
      }
    }
  })

  it('shades the warm-up, has a bar a phase and one for the average, and whole names in tooltips', async () => {
    const { plan, spans } = await planOf([...all, `train.track.optim.grad_modifier.DynamicFreezer.schedule.1.name=${longName}`])
    const svg = scheduleChart('run', plan, spans)
    expect(svg.match(/class="shade"/g)).toHaveLength(1)
    expect(svg.match(/rx="2"/g)).toHaveLength(2)
    expect(svg.match(/rx="3"/g)).toHaveLength(4)
    expect(svg.match(/rx="4"/g)).toHaveLength(2) // its warm-up, and then
    expect(svg).toContain(`<title>${longName}: basemodel.conv5.conv.weight`)
    expect(svg).toContain('>warm-up: LinearLR, 1e-6 → 0.08<')
    expect(svg).toContain('>EMA, decay 0.99, warm-up of 890 steps<')
    expect(svg).toContain('>1e-6 → 0.08 → 1e-6<')
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(scheduleChart('run', (await planOf()).plan, [])).not.toMatch(/average|frozen parameters/)
  })

  it('has its helpers right', () => {
    expect([0, 1e-6, 0.00012345678, 0.08, 1234.5, 12345678].map((value) => shortNumber(value))).toEqual(['0', '1e-6', '1.23457e-4', '0.08', '1234.5', '1.23457e7'])
    expect([shortNumber(0.0799979, 2), shortNumber(9.96e-8, 2)]).toEqual(['0.08', '1e-7'])
    expect([0.7, 1, 1.1, 3, 7].map(niceStep)).toEqual([1, 1, 2, 5, 10])
    expect([clipTo('short', 100, 13), clipTo('much too long', 50, 13)]).toEqual(['short', 'much …'])
  })
})
