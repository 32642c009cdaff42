/** Our training step, as RegularTrainer makes it: forward, losses, sum, backward, step, losses read once. */
import type { LossSpec, ModelSpec, NamedRawTensor, NativeLoss, NativeModel, NativeSgd, NativeTensor, RawTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'

export type Mode = Pick<ModelSpec, 'precision' | 'memoryFormat'>

const lossSpecs: Record<string, LossSpec> = {
  cls: { type: 'FocalLoss', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 },
  ctr: { type: 'SigmoidCrossEntropyCenterness', weight: 1 },
  reg: { type: 'IOULoss', weight: 3 },
}

/** The specification that configs/siamfcpp_alexnet-got10k.yaml gives, with any backbone. */
export function modelSpec(backbone: ModelSpec['backbone']['name'], mode: Mode, seed = 0): ModelSpec {
  const width = backbone === 'TinyConv' ? 64 : 256
  return {
    backbone: { name: backbone },
    head: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth: width, convWeightStd: 0.0001, inputSizeAdapt: false },
    headWidth: width,
    convWeightStd: 0.01,
    corrFeaOutput: false,
    ...mode,
    device: 'cpu',
    seed,
  }
}

export class NativeStep implements Disposable {
  readonly model: NativeModel
  readonly #losses: Record<string, NativeLoss>
  readonly #sgd: NativeSgd

  private constructor(model: NativeModel, lr: number) {
    this.model = model
    this.#losses = Object.fromEntries(Object.entries(lossSpecs).map(([name, spec]) => [name, loadAddon().createLoss(spec)]))
    const names = model.describe().filter(({ kind }) => kind === 'parameter').map(({ name }) => name)
    const group = (parameters: string[], ratio: number) => ({ parameters, lr: lr * ratio, momentum: 0.9, weightDecay: 1e-4, dampening: 0, nesterov: false })
    this.#sgd = loadAddon().createSgd(model, [group(names.filter((name) => name.startsWith('basemodel.')), 0.1), group(names.filter((name) => !name.startsWith('basemodel.')), 1)])
  }

  static async create(spec: ModelSpec, lr: number, weights?: NamedRawTensor[]): Promise<NativeStep> {
    const model = await loadAddon().createModel(spec)
    if (weights !== undefined) await model.loadStateDict(weights)
    model.setTraining(true)
    return new NativeStep(model, lr)
  }

  /** Handles on the tensors of a batch. */
  static upload(batch: Record<string, RawTensor>): Record<string, NativeTensor> {
    return Object.fromEntries(Object.entries(batch).map(([name, raw]) => [name, loadAddon().tensorFrom(raw, 'cpu')]))
  }

  /** One step. @returns wall-clock seconds, processor seconds of all threads, and the losses by name */
  async run(batch: Record<string, NativeTensor>): Promise<{ seconds: number; cpuSeconds: number; losses: Record<string, number> }> {
    const addon = loadAddon()
    const cpu = process.cpuUsage()
    const start = performance.now()
    this.#sgd.zeroGrad()
    const predicted = await this.model.forward(batch.im_z as NativeTensor, batch.im_x as NativeTensor)
    const made: NativeTensor[] = Object.values(predicted)
    const values: NativeTensor[] = []
    for (const loss of Object.values(this.#losses)) {
      const { loss: value, extras } = await loss.forward({ ...batch, ...predicted })
      values.push(value)
      made.push(...Object.values(extras))
    }
    const total = await addon.sum(values)
    await addon.backward(total)
    await this.#sgd.step()
    const read = await addon.readScalars(values)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    for (const tensor of [...made, ...values, total]) tensor.dispose()
    return { seconds, cpuSeconds: (user + system) / 1e6, losses: Object.fromEntries(Object.keys(this.#losses).map((name, i) => [name, read[i] as number])) }
  }

  [Symbol.dispose](): void {
    this.#sgd.dispose()
    for (const loss of Object.values(this.#losses)) loss.dispose()
    this.model.dispose()
  }
}
