/**
 * Losses by name, as the original's `loss(predict_data, training_data) → (loss, extra)`.
 */
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { LossSpec, NativeLoss, NativeTensor } from '../native/addon.ts'
import { Tensor } from '../native/tensor.ts'

/** Tensors by the original's names: im_z, cls_gt, … / cls_pred, ctr_pred, … */
export type TensorDict = Record<string, Tensor>

/** What a trainer needs of a loss. */
export interface TrainableLoss {
  /**
   * @param predictData  what the model gave
   * @param trainingData the batch, with the targets
   * @returns the scalar to minimise (already weighted) and scalars worth watching, e.g. { iou }; the caller disposes both
   */
  forward(predictData: TensorDict, trainingData: TensorDict): Promise<{ loss: Tensor; extra: TensorDict }>
  dispose(): void
}

/** The entries of predict_data and training_data that each loss reads. */
const inputsOf: Record<LossSpec['type'], readonly string[]> = {
  FocalLoss: ['cls_pred', 'cls_gt'],
  SigmoidCrossEntropyRetina: ['cls_pred', 'cls_gt'],
  SigmoidCrossEntropyCenterness: ['ctr_pred', 'ctr_gt', 'cls_gt'],
  IOULoss: ['box_pred', 'box_gt', 'cls_gt'],
}

/** One of the native losses. Disposing twice is a no-op; use after it throws ERR_DISPOSED. */
export class Loss implements TrainableLoss, Disposable {
  readonly spec: LossSpec
  readonly #native: NativeLoss
  #disposed = false

  constructor(spec: LossSpec) {
    this.spec = spec
    this.#native = loadAddon().createLoss(spec)
  }

  /**
   * @param predictData  cls_pred [N,S²,1], ctr_pred [N,S²,1], box_pred [N,S²,4] xyxy in pixels of the search crop
   * @param trainingData cls_gt, ctr_gt [N,S²,1], box_gt [N,S²,4]
   * @throws ERR_ARGUMENT if an entry that this loss reads is missing, ERR_SHAPE if they do not fit together
   */
  async forward(predictData: TensorDict, trainingData: TensorDict): Promise<{ loss: Tensor; extra: TensorDict }> {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', `this ${this.spec.type} was used after dispose()`)
    const inputs: Record<string, NativeTensor> = {}
    for (const name of inputsOf[this.spec.type]) {
      const tensor = predictData[name] ?? trainingData[name]
      if (tensor === undefined) {
        const given = [...Object.keys(predictData), ...Object.keys(trainingData)].join(', ')
        throw new SiamError('ERR_ARGUMENT', `${this.spec.type} reads ${name}, which neither predict_data nor training_data has (they have ${given})`)
      }
      inputs[name] = tensor.native
    }
    const { loss, extras } = await this.#native.forward(inputs)
    return { loss: new Tensor(loss), extra: Object.fromEntries(Object.entries(extras).map(([name, value]) => [name, new Tensor(value)])) }
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
