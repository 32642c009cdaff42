/**
 * SiamFC++'s tracker, and what its relatives share: a native tracker, its network, and calls that take their turns.
 */
import type { Model } from '../engine/model.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { NativeTracker, TrackerSpec, TrackStep } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import { toNativeFrame, type Frame } from './frame.ts'
import type { TrackerContext } from './registry.ts'
import { commonSpec } from './spec.ts'
import type { Box, Tracker, TrackResult } from './tracker.ts'
import { Turns } from './turns.ts'

export type { Box, TrackResult } from './tracker.ts'

/**
 * Follows one target. Calls run in order on the engine thread; the template's features are computed once, in init().
 * All frames of a sequence have one size; init() may be called again for another sequence.
 */
export class SiamFCppTracker implements Tracker {
  readonly name: string = 'SiamFCppTracker'
  readonly #model: Model
  readonly #ownsModel: boolean
  readonly #native: NativeTracker
  #initialized = false
  #disposed = false
  readonly #turns = new Turns()

  /** @internal use buildTracker(). */
  constructor(model: Model, spec: TrackerSpec, ownsModel: boolean) {
    this.#model = model
    this.#ownsModel = ownsModel
    this.#native = loadAddon().createTracker(model.native, spec)
  }

  /** The network; disposed with the tracker unless it was passed in. */
  get model(): Model {
    return this.#model
  }

  get disposed(): boolean {
    return this.#disposed
  }

  /**
   * Takes the target's look from its first frame.
   * @param box of positive size, at least partly inside of the frame
   * @throws ERR_ARGUMENT for a bad box or frame, ERR_IO, ERR_DATA for a frame that cannot be decoded, ERR_DISPOSED
   */
  async init(frame: Frame, box: Box): Promise<void> {
    const checked = checkBox(box, 'box')
    this.#get()
    await this.#turns.run(async () => {
      await this.#get().init(toNativeFrame(frame), checked)
      this.#initialized = true
    })
  }

  /**
   * Finds the target in the next frame.
   * @param options.prior where it was, instead of where the last update saw it
   * @throws ERR_ARGUMENT before init(), ERR_DATA for a frame that cannot be decoded or has another size than the first one, ERR_IO,
   *   ERR_NONFINITE when the network's output is, ERR_DISPOSED. After a failed update the state is that of the frame before it.
   */
  async update(frame: Frame, options: { prior?: Box } = {}): Promise<TrackResult> {
    const { box, score, pscore } = await this.updateWithDetails(frame, options)
    return { box, score, confidence: pscore }
  }

  /** As update(), with what led to the box: the cell of the score map, its penalty, the crop's scale. */
  async updateWithDetails(frame: Frame, options: { prior?: Box } = {}): Promise<TrackStep> {
    const prior = options.prior === undefined ? undefined : checkBox(options.prior, 'prior')
    this.#get()
    return this.#turns.run(async () => {
      const native = this.#get()
      if (!this.#initialized) throw new SiamError('ERR_ARGUMENT', 'Expected init() with the first frame before update()')
      return native.update(toNativeFrame(frame), prior)
    })
  }

  /** z_crop, x_crop [1,3,S,S] uint8 BGR and score [S²] of the last call, for looking at; the caller disposes them. */
  async debug(): Promise<Record<string, Tensor>> {
    const tensors = await this.#get().debug()
    return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, new Tensor(tensor)]))
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.dispose()
    if (this.#ownsModel) this.#model.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  #get(): NativeTracker {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', `this ${this.name} was used after dispose()`)
    return this.#native
  }
}

/** @throws ERR_CONFIG for sizes that do not fit */
export function siamFCppSpec(context: TrackerContext): TrackerSpec {
  return { ...commonSpec(context), kind: 'siamfcpp' }
}

/** @throws as siamFCppSpec() */
export async function buildSiamFCppTracker(context: TrackerContext): Promise<SiamFCppTracker> {
  const spec = siamFCppSpec(context)
  return new SiamFCppTracker(await context.loadModel(), spec, context.ownsModel)
}

/** @throws ERR_ARGUMENT unless it is four finite numbers, the last two positive */
export function checkBox(box: Box, name: string): [number, number, number, number] {
  const values: readonly unknown[] = box
  if (!Array.isArray(box) || values.length !== 4 || !values.every((value) => typeof value === 'number' && Number.isFinite(value))) {
    throw invalidArgument('four finite numbers [x, y, w, h]', name, box)
  }
  if (box[2] <= 0 || box[3] <= 0) throw invalidArgument('a box [x, y, w, h] of positive width and height', name, box)
  return [box[0], box[1], box[2], box[3]]
}
