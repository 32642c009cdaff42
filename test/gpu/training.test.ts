/** Trainers on a GPU: arithmetic of 16 bits, the scaler, device times, and snapshots that change the kind of device. */
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { Ema } from '../../lib/engine/ema.ts'
import { GradScaler } from '../../lib/engine/grad-scaler.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { Monitor, TensorboardLogger, type EngineData } from '../../lib/monitors/index.ts'
import { readScalars } from '../../lib/monitors/tfevents/index.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'
import { describeOnGpu } from './helpers/cuda.ts'

const root = temporaryFolder('gpu-training')
afterAll(() => removeFolder(root))

const perEpoch = 4

class Seen extends Monitor {
  readonly totals: number[] = []
  readonly times: Readonly<Record<string, number>>[] = []

  override update({ training_losses, time_dict }: EngineData): void {
    this.totals.push(Object.values(training_losses).reduce((sum, value) => sum + value, 0))
    this.times.push(time_dict)
  }
}

interface Setting {
  device: string
  name: string
  precision?: ModelSpec['precision']
  scaled?: boolean
  timer?: string
  epochs?: number
  monitors?: Monitor[]
}

async function makeTrainer({ device, name, precision = 'fp32', scaled = false, timer = 'wall', epochs = 2, monitors = [] }: Setting) {
  const model = await tinyModel({ device, precision, memoryFormat: 'channels_last' })
  const optimizer = new Optimizer(model, { lr: 0.01, gradScaler: scaled ? new GradScaler({ growthInterval: 3 }) : null, ema: new Ema(model, { decay: 0.9 }) })
  const seen = new Seen()
  const same: AsyncIterable<TensorDict> = {
    async *[Symbol.asyncIterator]() {
      for (;;) yield tinyBatch(1)
    },
  }
  const trainer = new RegularTrainer(optimizer, same, [seen, ...monitors], { progress: 'none', log: () => {}, seed: 3 })
  trainer.setHyperParams({ exp_save: root, exp_name: name, max_epoch: epochs, minibatch: 2, nr_image_per_epoch: 2 * perEpoch, timer })
  trainer.own([model, optimizer])
  return { trainer, seen, optimizer, model }
}

describeOnGpu('training', (device) => {
  it.each([
    ['fp32', false],
    ['bf16', false],
    ['fp16', true],
  ] as const)('%s learns (scaler: %s)', async (precision, scaled) => {
    const { trainer, seen, optimizer } = await makeTrainer({ device, name: `learns-${precision}`, precision, scaled, epochs: 4 })
    while (!trainer.isCompleted()) await trainer.train()
    expect(seen.totals).toHaveLength(4 * perEpoch)
    expect(seen.totals.every(Number.isFinite)).toBe(true)
    expect(seen.totals.at(-1)).toBeLessThan(seen.totals[0]!)
    if (scaled) {
      const { scale } = await optimizer.gradScaler!.stateDict()
      expect(Number.isInteger(Math.log2(scale))).toBe(true)
    }
    await trainer.close()
  })

  it('timer: event has the device times of fwd, bwd and optim beside the wall times', async () => {
    const { trainer, seen } = await makeTrainer({ device, name: 'timer', timer: 'event', epochs: 1 })
    await trainer.train()
    for (const times of seen.times) {
      expect(Object.keys(times).sort()).toEqual(['bwd', 'bwd_device', 'data', 'fwd', 'fwd_device', 'optim', 'optim_device'])
      for (const stage of ['fwd', 'bwd', 'optim']) expect(times[`${stage}_device`]).toBeGreaterThan(0)
    }
    await trainer.close()
  })

  it('the device memory has curves in TensorBoard', async () => {
    const logger = new TensorboardLogger()
    logger.setHyperParams({ exp_save: root, exp_name: 'curves' })
    logger.updateParams()
    const { trainer } = await makeTrainer({ device, name: 'curves', epochs: 1, monitors: [logger] })
    await trainer.train()
    await trainer.close()
    const scalars = await readScalars(path.join(root, 'curves/logs/tensorboard'))
    const peak = scalars.get('device_memory/allocated_peak_bytes')!
    expect(peak).toHaveLength(perEpoch)
    expect(peak.at(-1)!.value).toBeGreaterThan(0)
  })

  it.each([
    [device, 'cpu'],
    ['cpu', device],
  ])('a snapshot of %s goes on at %s, with weights, momentum, average and scaler', async (from, to) => {
    const name = `move-${from.replace(':', '')}-${to.replace(':', '')}`
    const first = await makeTrainer({ device: from, name, precision: 'bf16', scaled: true })
    await first.trainer.train()
    const file = await first.trainer.saveSnapshot()
    const expected = [await first.trainer.stateSha256(), await first.optimizer.gradScaler!.stateDict()]
    const second = await makeTrainer({ device: to, name: `${name}-on`, precision: 'bf16', scaled: true })
    await second.trainer.resume(file)
    expect([await second.trainer.stateSha256(), await second.optimizer.gradScaler!.stateDict()]).toEqual(expected)
    await second.trainer.train()
    expect(second.trainer.isCompleted()).toBe(true)
    expect(second.seen.totals.every(Number.isFinite)).toBe(true)
    await first.trainer.close()
    await second.trainer.close()
  })
})
