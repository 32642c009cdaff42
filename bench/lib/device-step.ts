/** Training steps of the product's own loop over one batch that lies on a device. */
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel, buildOptimizer } from '../../lib/engine/builders.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { Model } from '../../lib/engine/model.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { toDevice } from '../../lib/engine/to-device.ts'
import { type EngineData, Monitor } from '../../lib/monitors/monitor.ts'
import type { NamedRawTensor, RawTensor } from '../../lib/native/addon.ts'
import type { KernelTime } from '../../lib/native/addon-cuda.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'

export const configurations = { AlexNet: 'siamfcpp_alexnet-got10k.yaml', TinyConv: 'siamfcpp_tinyconv-got10k.yaml', Inception3: 'siamfcpp_googlenet-got10k.yaml' } as const
/** What bench/python calls them. */
export const pythonNames = { AlexNet: 'alexnet', TinyConv: 'tinyconv', Inception3: 'googlenet' } as const
export type DeviceBackbone = keyof typeof configurations

export interface Variant {
  name: string
  /** KEY=VALUE */
  overrides: readonly string[]
  /** Iterations between two reads of the losses. */
  every: number
  /** Runs before the model is built, and is taken back by what it returns. */
  with?: () => () => void
  /** Holds while its steps run, too. */
  during?: () => () => void
}

class Losses extends Monitor {
  last: Record<string, number> = {}

  override update({ training_losses }: EngineData): void {
    this.last = { ...training_losses }
  }
}

/** The same batch over and over: new handles on the tensors that are there. */
class SameBatch {
  readonly #batch: TensorDict
  readonly #device: string

  constructor(batch: TensorDict, device: string) {
    this.#batch = batch
    this.#device = device
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    for (;;) yield toDevice(this.#batch, this.#device)
  }
}

export class DeviceStep implements AsyncDisposable {
  readonly variant: Variant
  readonly model: Model
  readonly #trainer: RegularTrainer
  readonly #losses: Losses
  readonly #batch: TensorDict

  private constructor(variant: Variant, model: Model, trainer: RegularTrainer, losses: Losses, batch: TensorDict) {
    this.variant = variant
    this.model = model
    this.#trainer = trainer
    this.#losses = losses
    this.#batch = batch
  }

  /** @param weights to begin from; null: the configuration's random ones */
  static async create(backbone: DeviceBackbone, raw: Record<string, RawTensor>, device: string, variant: Variant, folder: string, weights: readonly NamedRawTensor[] | null): Promise<DeviceStep> {
    const undo = variant.with?.()
    try {
      const file = fileURLToPath(new URL(`../../configs/${configurations[backbone]}`, import.meta.url))
      const samples = raw.im_z!.shape[0]!
      const iterations = 100_000
      const sections = ['data', 'trainer.RegularTrainer', 'optim.optimizer.SGD'].flatMap((section) => [`train.track.${section}.minibatch=${samples}`, `train.track.${section}.nr_image_per_epoch=${samples * iterations}`])
      const config = await loadConfig(file, [...sections, `train.track.model.backbone.${backbone}.pretrain_model_path=`, 'train.track.optim.grad_modifier.name=""', ...variant.overrides], { onWarning: () => {} })
      const model = await buildModel(config, { device, pretrained: false, seed: 0, log: () => {} })
      if (weights !== null) await model.loadStateDict([...weights])
      const losses = new Losses()
      losses.setHyperParams({ every: variant.every })
      const batch = await toDevice(Object.fromEntries(Object.entries(raw).map(([name, { dtype, shape, data }]) => [name, Tensor.fromRaw({ dtype, shape, data })])), device)
      const optimizer = buildOptimizer(config, model)
      const trainer = new RegularTrainer(optimizer, new SameBatch(batch, device), [losses], { progress: 'none', log: () => {} })
      trainer.own([model, optimizer])
      trainer.setHyperParams({ exp_name: 'bench', exp_save: folder, minibatch: samples, nr_image_per_epoch: samples * iterations, max_epoch: 1 })
      return new DeviceStep(variant, model, trainer, losses, batch)
    } finally {
      undo?.()
    }
  }

  /** Seconds of a step: the mean over `steps`, until the device has done the last. */
  async run(steps: number): Promise<number> {
    const undo = this.variant.during?.()
    try {
      const start = performance.now()
      await this.#trainer.train({ maxIterations: steps })
      // One thread has all of the addon's work: what it reads last, it waits for.
      await this.#batch.cls_gt!.toTypedArray()
      return (performance.now() - start) / 1000 / steps
    } finally {
      undo?.()
    }
  }

  /** What the device did in one step, the slowest kernels first. */
  async profile(): Promise<KernelTime[]> {
    await loadAddon().startProfile()
    await this.run(1)
    return loadAddon().stopProfile()
  }

  get losses(): Record<string, number> {
    return this.#losses.last
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trainer.close()
    for (const tensor of Object.values(this.#batch)) tensor.dispose()
  }
}
