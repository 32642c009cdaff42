/** `siamtrain schedule`: its JSON, table, CSV and chart. Parameter names come from the golden state dictionaries, not from the addon. */
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { describe, expect, it, vi } from 'vitest'
import { registerScheduleCommand } from '../../lib/cli/schedule.ts'
import { csvText, tableText } from '../../lib/cli/schedule-text.ts'
import { scheduleChart } from '../../lib/cli/schedule-chart.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { frozenSpans, scheduleJson, scheduleOf } from '../../lib/engine/schedule.ts'
import { load, smallYaml, yamlFile } from '../helpers/config.ts'
import { shared } from '../helpers/shared.ts'

const stateDicts = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, { parameters_in_order: string[] }>
const parameters = (stateDicts.alexnet as { parameters_in_order: string[] }).parameters_in_order
const alexnet = async (overrides: string[] = []) => loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_alexnet-trn.yaml'), overrides)

describe('scheduleJson', () => {
  it('has the learning rate of every iteration, the groups, and what is frozen at every epoch', async () => {
    const config = await alexnet(['train.track.data.nr_image_per_epoch=96'])
    const json = scheduleJson(scheduleOf(config, parameters))
    expect([json.max_epoch, json.num_iterations]).toEqual([20, 3])
    expect(json.lr).toHaveLength(60)
    expect(json.lr[0]).toEqual([0, 0, 1e-6])
    expect(json.lr.slice(0, 5).map(([epoch, iteration]) => [epoch, iteration])).toEqual([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]])
    expect(json.groups.map(({ name, ratio, parameters: names }) => [name, ratio, names.length])).toEqual([['backbone', 0.1, 20], ['other', 1, 46]])
    expect(Object.keys(json.frozen)).toHaveLength(20)
    expect(Object.values(json.frozen).map((names) => names.length)).toEqual([10, 10, 10, 10, 10, 8, 8, 8, 8, 8, 6, 6, 6, 6, 6, 4, 4, 4, 4, 4])
  })

  it('thins out, keeping the last iteration of each epoch', async () => {
    const config = await alexnet(['train.track.data.nr_image_per_epoch=320', 'train.track.data.num_epochs=1'])
    expect(scheduleJson(scheduleOf(config, parameters), 4).lr.map(([, iteration]) => iteration)).toEqual([0, 4, 8, 9])
  })

  it('is the constant rate of the optimizer without a policy', async () => {
    const { config } = await load(smallYaml, ['train.track.optim.optimizer.SGD.lr_policy=[]'])
    expect(new Set(scheduleJson(scheduleOf(config, [])).lr.map(([, , lr]) => lr))).toEqual(new Set([0.1]))
  })
})

describe('text and chart', () => {
  it('frozen spans carry the step that thaws them', async () => {
    const config = await alexnet()
    const spans = frozenSpans(config, scheduleOf(config, parameters), parameters)
    expect(spans.map(({ label, parameters: names, epochs }) => [label, names.length, epochs])).toEqual([
      ['isConv', 4, [[0, 20]]],
      ['isConv3', 2, [[0, 15]]],
      ['isConv4', 2, [[0, 10]]],
      ['isConv5', 2, [[0, 5]]],
    ])
  })

  it('a step that freezes late has its own span', async () => {
    const { config } = await load(smallYaml, [
      'train.track.data.num_epochs=6',
      'train.track.optim.grad_modifier={name: DynamicFreezer, DynamicFreezer: {schedule: [{name: late, regex: conv, epoch: 2, freezed: true}, {name: again, regex: conv, epoch: 4, freezed: false}]}}',
    ])
    const names = ['a.conv', 'b.bn']
    const plan = scheduleOf(config, names)
    expect(plan.frozen.map((frozen) => frozen.length)).toEqual([1, 1, 1, 1, 0, 0])
    expect(frozenSpans(config, plan, names)).toEqual([{ label: 'again', parameters: ['a.conv'], epochs: [[0, 4]] }])
  })

  it('the table has a line for each epoch and says what changes', async () => {
    const config = await alexnet()
    const lines = tableText(scheduleOf(config, parameters), true).trimEnd().split('\n')
    expect(lines).toHaveLength(23)
    expect(lines[2]).toMatch(/^epoch {2}backbone \(× 0\.1, 20 tensors\) {2}other \(× 1, 46 tensors\) {2}frozen tensors$/)
    expect(lines[8]).toMatch(/^ {4}5 {2}7\.16e-3 → 6\.71e-3 .* 8 {2}\(thaws basemodel\.conv5\.conv\.weight, basemodel\.conv5\.conv\.bias\)$/)
  })

  it('CSV has the rates of the groups', async () => {
    const config = await alexnet(['train.track.data.nr_image_per_epoch=64', 'train.track.data.num_epochs=2'])
    const [head, ...rows] = csvText(scheduleOf(config, parameters), 1).trimEnd().split('\n')
    expect(head).toBe('epoch,iteration,lr,lr_backbone,lr_other,frozen_parameters')
    expect(rows.map((row) => row.split(',').map(Number))).toEqual([
      [0, 0, 1e-6, 1e-7, 1e-6, 10],
      [0, 1, expect.closeTo(0.0400005, 12), expect.closeTo(0.00400005, 12), expect.closeTo(0.0400005, 12), 10],
      [1, 0, 0.08, 0.008, 0.08, 10],
      [1, 1, expect.any(Number), expect.any(Number), expect.any(Number), 10],
    ])
  })

  it('the chart draws a curve a group and a bar a span, inside its frame', async () => {
    const config = await alexnet()
    const plan = scheduleOf(config, parameters)
    const svg = scheduleChart('a <b> & "c"', plan, frozenSpans(config, plan, parameters))
    expect(svg).toContain('a &lt;b&gt; &amp; &quot;c&quot;')
    expect(svg.match(/<path /g)).toHaveLength(2)
    expect(svg.match(/rx="3"/g)).toHaveLength(4)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) as unknown as [string, string, string]
    const path0 = (/<path d="([^"]+)"/.exec(svg) as RegExpExecArray)[1] as string
    const points = path0.slice(1).split('L').map((pair) => pair.split(' ').map(Number) as [number, number])
    expect(points.length).toBeGreaterThan(500)
    for (const [x, y] of points) {
      expect(x).toBeGreaterThan(0)
      expect(x).toBeLessThan(Number(width))
      expect(y).toBeGreaterThan(0)
      expect(y).toBeLessThan(Number(height))
    }
    // Curves that lie on each other both show.
    const same = await alexnet(['train.track.optim.optimizer.SGD.lr_multiplier.0.ratio=1'])
    expect(scheduleChart('x', scheduleOf(same, parameters), []).match(/stroke-dasharray/g)).toHaveLength(2)
  })
})

describe('the command', () => {
  async function run(...args: string[]): Promise<string> {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      out += String(chunk)
      return true
    })
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
    try {
      const program = new Command().exitOverride()
      registerScheduleCommand(program)
      await program.parseAsync(['schedule', ...args, '--no-model'], { from: 'user' })
    } finally {
      stdout.mockRestore()
      stderr.mockRestore()
    }
    return out
  }

  it('prints JSON with overrides applied', async () => {
    const json = JSON.parse(await run(yamlFile(smallYaml), 'train.track.data.minibatch=20', '--json')) as { num_iterations: number; lr: unknown[] }
    expect([json.num_iterations, json.lr.length]).toEqual([2, 4])
  })

  it('writes the chart and the rows, whole or not at all', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'siam-schedule-'))
    const svg = path.join(folder, 'chart.svg')
    const out = await run(yamlFile(smallYaml), '--svg', svg, '--csv', '-')
    expect(out.split('\n')[0]).toBe('epoch,iteration,lr,lr_all,frozen_parameters')
    expect(readFileSync(svg, 'utf8')).toMatch(/<\/svg>\n$/)
    await expect(run(yamlFile(smallYaml), '--svg', path.join(folder, 'none', 'chart.svg'))).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(readdirSync(folder)).toEqual(['chart.svg'])
    expect(existsSync(path.join(folder, 'none'))).toBe(false)
  })

  it('prints the table by default', async () => {
    expect(await run(yamlFile(smallYaml))).toMatch(/^2 epochs of 10 iterations\n\nepoch {2}all \(× 1\)\n {4}0 {2}8\.00e-2 → 4\.\d\de-2\n/)
  })

  it('refuses a wrong call and a file without training', async () => {
    await expect(run(yamlFile(smallYaml), '--json', '--csv', '-')).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: '--json and --csv - would both write to standard output' })
    await expect(run(yamlFile('test:\n  track:\n    exp_name: x\n'))).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(run(yamlFile(smallYaml), '--every', '0')).rejects.toThrow(/Expected an integer ≥ 1/)
  })
})
