import type { Model } from '../../lib/engine/model.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import type { Outputs } from './reference-trackers.ts'

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** The model's outputs for one search crop and each of the templates, through its training forward in evaluation mode. */
export async function networkOutputs(model: Model, templates: readonly Uint8Array[], search: Uint8Array): Promise<Outputs[]> {
  const side = (pixels: Uint8Array): number => Math.sqrt(pixels.length / 3)
  const batch = (images: readonly Uint8Array[]): Tensor => Tensor.from(new Uint8Array(Buffer.concat(images)), [images.length, 3, side(images[0]!), side(images[0]!)])
  using z = batch(templates)
  using x = batch(templates.map(() => search))
  model.eval()
  const { cls_pred, ctr_pred, box_pred } = await model.forward({ im_z: z, im_x: x })
  using cls = cls_pred!
  using ctr = ctr_pred!
  using box = box_pred!
  const [c, t, b] = [await cls.toTypedArray(), await ctr.toTypedArray(), await box.toTypedArray()] as [Float32Array, Float32Array, Float32Array]
  const cells = cls.shape[1]!
  return templates.map((_, m) => ({
    score: Array.from({ length: cells }, (_cell, i) => sigmoid(c[m * cells + i]!) * sigmoid(t[m * cells + i]!)),
    boxes: Array.from({ length: cells }, (_cell, i) => [...b.subarray(4 * (m * cells + i), 4 * (m * cells + i) + 4)] as Outputs['boxes'][number]),
  }))
}
