import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildMonitors, Monitor, registerMonitor, TensorboardLogger, TextInfo, type EngineData, type EngineState } from '../../lib/monitors/index.ts'
import { formatPrintStr, peakResidentBytes } from '../../lib/monitors/text-info.ts'
import { readEvents, readScalars } from '../../lib/monitors/tfevents/index.ts'
import { shared } from '../helpers/shared.ts'

function engineState(values: Partial<EngineState> = {}): EngineState {
  return { epoch: 0, max_epoch: 20, iteration: 0, max_iteration: 10, print_str: '', ...values }
}

function engineData(values: Partial<EngineData> = {}): EngineData {
  return {
    schedule_info: { lr: 1e-6 },
    training_losses: { cls: 1.2034, ctr: 0.6931471805599453, reg: 2.30055 },
    extras: { cls: {}, ctr: {}, reg: { iou: 0.3125 } },
    time_dict: { data: 0.0012, fwd: 0.21, bwd: 0.39, optim: 0.00495 },
    ...values,
  }
}

describe('Monitor', () => {
  class Watcher extends Monitor {
    static override defaultHyperParams = { limit: 3, name: 'x', list: [1] }
    seen: EngineData[] = []
    override update(data: EngineData): void {
      this.seen.push(data)
    }
    get epoch(): number {
      return this.engineState.epoch
    }
    say(line: string): void {
      this.log(line)
    }
  }

  it('has a copy of its own of the defaults', () => {
    const a = new Watcher()
    a.setHyperParams({ limit: 5, every: 2 })
    ;(a.getHyperParams().list as number[]).push(2)
    expect(a.getHyperParams()).toEqual({ every: 2, limit: 5, name: 'x', list: [1, 2] })
    expect(new Watcher().getHyperParams()).toEqual({ every: 1, limit: 3, name: 'x', list: [1] })
    expect(Watcher.defaultHyperParams.list).toEqual([1])
  })

  it('refuses unknown keys and wrong types', () => {
    const monitor = new Watcher()
    expect(() => monitor.setHyperParams({ limt: 1 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', hint: 'did you mean "limit"?' }))
    expect(() => monitor.setHyperParams({ limit: 'a' })).toThrow(/Expected a number for Watcher\.limit but received "a" of type string/)
    for (const every of [0, -1, 1.5, Infinity]) expect(() => monitor.setHyperParams({ every })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it('is due at every n-th iteration', () => {
    const monitor = new Watcher()
    expect([0, 1, 2].map((iteration) => monitor.isDue(iteration))).toEqual([true, true, true])
    monitor.setHyperParams({ every: 3 })
    expect([0, 1, 2, 3, 4, 5, 6].map((iteration) => monitor.isDue(iteration))).toEqual([true, false, false, true, false, false, true])
  })

  it('sees the live state, and says so when it was not given one', () => {
    const monitor = new Watcher()
    expect(() => monitor.epoch).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    const state = engineState()
    void monitor.init(state)
    state.epoch = 4
    expect(monitor.epoch).toBe(4)
  })

  it('logs through the state, else beside the bar', () => {
    const lines: string[] = []
    const monitor = new Watcher()
    const state = engineState({ pbar: { setDescription() {}, log: (line) => lines.push(`bar ${line}`) } })
    void monitor.init(state)
    monitor.say('a')
    state.log = (line) => lines.push(`log ${line}`)
    monitor.say('b')
    expect(lines).toEqual(['bar a', 'log b'])
  })

  it('can be registered under a name and built from a configuration', () => {
    registerMonitor('Watcher', Watcher)
    const built = buildMonitors({ names: ['Watcher', 'TextInfo', ''], Watcher: { limit: 9 }, TextInfo: {} })
    expect(built.map((monitor) => monitor.constructor)).toEqual([Watcher, TextInfo])
    expect(built[0]!.getHyperParams().limit).toBe(9)
    expect(() => registerMonitor('Watcher', TextInfo)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    expect(() => registerMonitor('Nothing', class {} as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  })
})

describe('buildMonitors', () => {
  it('reads the original’s YAML', async () => {
    const config = await loadConfig(shared('reference-configs/train/got10k/siamfcpp_shufflenetv2x0_5-trn.yaml'))
    const [text, board] = buildMonitors(config)
    expect(text).toBeInstanceOf(TextInfo)
    expect((board as TensorboardLogger).logDir).toBe('snapshots/siamfcpp_shufflenetv2x0_5-got/logs/tensorboard')
  })

  it('takes hyper-parameters, and a user’s own monitors, from a loaded configuration', async () => {
    class Counter extends Monitor {
      static override defaultHyperParams = { limit: 1, names: ['a'] }
      override update(): void {}
    }
    registerMonitor('Counter', Counter)
    const node = 'train.track.trainer.monitors'
    const config = await loadConfig(shared('reference-configs/train/got10k/siamfcpp_shufflenetv2x0_5-trn.yaml'), [
      `${node}.names=[Counter, TensorboardLogger]`,
      `${node}.Counter={limit: 7, names: [b, c], every: 3}`,
      `${node}.TensorboardLogger.flush_secs=2`,
      `${node}.TensorboardLogger.every=5`,
    ])
    expect(config.warnings).toEqual([])
    expect(buildMonitors(config).map((monitor) => monitor.getHyperParams())).toEqual([
      { every: 3, limit: 7, names: ['b', 'c'] },
      expect.objectContaining({ every: 5, flush_secs: 2 }),
    ])
  })

  it('takes a configuration without monitors, and refuses what it cannot build', () => {
    expect(buildMonitors({})).toEqual([])
    expect(buildMonitors({ train: { track: { trainer: { monitors: { names: ['TextInfo'] } } } } })).toHaveLength(1)
    expect(() => buildMonitors({ names: ['TexInfo'] })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', hint: 'did you mean "TextInfo"?' }))
    expect(() => buildMonitors({ names: 'TextInfo' })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(() => buildMonitors({ names: ['TextInfo'], TextInfo: 3 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

describe('TextInfo', () => {
  it('writes print_str character by character', () => {
    // The text of the seed's TextInfo.update for these numbers in Python 3, with 851968000 bytes as torch.cuda.max_memory_allocated().
    const expected =
      'epoch 0, lr: 1.0e-06, cls: 1.203, ctr: 0.693, reg: 2.301, iou: 0.312, data: 1.2e-03, fwd: 2.1e-01, bwd: 3.9e-01, optim: 5.0e-03,  max mem: 812.5M'
    const state = engineState({ max_memory_bytes: () => 851968000 })
    const monitor = new TextInfo()
    void monitor.init(state)
    monitor.update(engineData())
    expect(state.print_str).toBe(expected)
  })

  it('spells what is not a number as Python does', () => {
    const text = formatPrintStr(12, engineData({ schedule_info: {}, training_losses: { cls: NaN, reg: -Infinity }, extras: { reg: { iou: -0.0001 } }, time_dict: {} }), 0)
    expect(text).toBe('epoch 12, cls: nan, reg: -inf, iou: -0.000,  max mem: 0.0M')
  })

  it('shows the peak memory of the process where the device counts none', () => {
    const state = engineState()
    const monitor = new TextInfo()
    void monitor.init(state)
    monitor.update(engineData())
    const shown = Number(/ max mem: ([\d.]+)M$/.exec(state.print_str)![1])
    const status = readFileSync('/proc/self/status', 'utf8')
    const highWaterMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024
    expect(Math.abs(shown - highWaterMiB)).toBeLessThan(16)
    expect(peakResidentBytes()).toBeGreaterThan(process.memoryUsage.rss() * 0.5)
  })
})

describe('TensorboardLogger', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'board-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  function logger(state: EngineState, extra: Record<string, unknown> = {}): TensorboardLogger {
    const monitor = new TensorboardLogger()
    monitor.setHyperParams({ exp_name: 'exp', exp_save: dir, ...extra })
    monitor.updateParams()
    void monitor.init(state)
    return monitor
  }

  it('writes one curve for each number, at iteration + epoch × max_iteration', async () => {
    const lines: string[] = []
    const state = engineState({ epoch: 2, iteration: 3, log: (line) => lines.push(line) })
    const monitor = logger(state)
    expect(readdirSync(dir)).toEqual([]) // nothing before the first update
    await monitor.update(engineData())
    state.iteration = 4
    await monitor.update(engineData({ schedule_info: { lr: 0.5 } }))
    await monitor.close()
    expect(lines).toEqual(['Tensorboard writer built, starts recording from global_step=23', 'epoch=2, max_epoch=20, iteration=3, max_iteration=10'])
    const curves = await readScalars(path.join(dir, 'exp/logs/tensorboard'))
    expect([...curves.keys()]).toEqual([
      'schedule_info/lr', 'training_losses/cls', 'training_losses/ctr', 'training_losses/reg', 'extras/reg/iou',
      'time_dict/data', 'time_dict/fwd', 'time_dict/bwd', 'time_dict/optim',
    ])
    expect(curves.get('schedule_info/lr')!.map(({ step, value }) => [step, value])).toEqual([[23, Math.fround(1e-6)], [24, 0.5]])
    expect(curves.get('extras/reg/iou')![0]!.value).toBe(0.3125)
  })

  it('passes over what is no number, and takes maps', async () => {
    const monitor = logger(engineState({ log() {} }))
    const odd = { a: 'text', b: [1, 2], c: null, d: new Map([['e', 2]]), f: new Float32Array(2), g: { h: { i: 3 } } }
    await monitor.update({ ...engineData(), extras: odd as never })
    await monitor.close()
    const tags = [...(await readScalars(monitor.logDir)).keys()].filter((tag) => tag.startsWith('extras'))
    expect(tags).toEqual(['extras/d/e', 'extras/g/h/i'])
  })

  it('has everything in the file at the end of an epoch, also when it runs every third iteration', async () => {
    for (const every of [1, 3]) {
      const state = engineState({ max_iteration: 8, log() {} })
      const monitor = logger(state, { every, exp_name: `every${every}` })
      for (state.iteration = 0; state.iteration < 8; state.iteration++) if (monitor.isDue(state.iteration)) await monitor.update(engineData())
      const [name] = readdirSync(monitor.logDir)
      const { events } = await readEvents(path.join(monitor.logDir, name!))
      expect(events.filter((event) => event.scalars[0]?.tag === 'training_losses/cls').map((event) => event.step)).toEqual(every === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 3, 6])
      await monitor.close()
    }
  })

  it('voids what a crashed run wrote beyond the step that it resumes from', async () => {
    const first = engineState({ log() {} })
    const crashed = logger(first)
    for (first.iteration = 0; first.iteration < 7; first.iteration++) await crashed.update(engineData({ training_losses: { cls: 1 } }))
    await crashed.close()
    const second = engineState({ iteration: 5, log() {} })
    const resumed = logger(second)
    for (; second.iteration < 7; second.iteration++) await resumed.update(engineData({ training_losses: { cls: 2 } }))
    await resumed.close()
    const points = (await readScalars(resumed.logDir)).get('training_losses/cls')!
    expect(points.map(({ step, value }) => [step, value])).toEqual([[0, 1], [1, 1], [2, 1], [3, 1], [4, 1], [5, 2], [6, 2]])
  })

  it('says ERR_IO where it cannot write, and closes without having been used', async () => {
    writeFileSync(path.join(dir, 'exp'), '')
    const monitor = logger(engineState({ log() {} }))
    await expect(monitor.update(engineData())).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(dir, 'exp/logs/tensorboard') })
    await monitor.close()
    await new TensorboardLogger().close()
  })
})
