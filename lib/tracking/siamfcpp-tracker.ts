/**
 * The tracker: a box in the first frame, then a box and a score for each frame after it.
 */
import { emaStateOf, modelStateOf, readCheckpoint } from '../checkpoint/index.ts'
import { requireTest, selected, whereIs, type Config } from '../config/index.ts'
import { buildModel } from '../engine/builders.ts'
import { Model, type StateTable } from '../engine/model.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { NativeTracker, TrackerSpec, TrackStep } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { Tensor } from '../native/tensor.ts'
import { toNativeFrame, type Frame } from './frame.ts'
import type { Box, Tracker, TrackResult } from './tracker.ts'

export type { Box, TrackResult } from './tracker.ts'

export interface TrackerOptions {
  /**
   * A snapshot (.pkl of ours or of the original, zip or legacy) or a safetensors file, or a table of tensors.
   * Default: the configuration's `test.track.model.task_model.SiamTrack.pretrain_model_path`.
   */
  weights?: string | StateTable
  /** Take the averaged weights out of the snapshot that `weights` names (a run with `optim.ema`), instead of those of its last step. */
  ema?: boolean
  /** A model that is there already (for instance one that is being trained); the tracker does not dispose it. */
  model?: Model
  /** 'cpu' (default), 'cuda', 'cuda:N'. */
  device?: string
  /** Threads of libtorch; by default as many as there are cores. Set for the whole environment. */
  threads?: number
  log?: (line: string) => void
}

/**
 * Builds the tracker that `test.track` of a configuration describes.
 * @throws ERR_CONFIG for a tracker or network that cannot be built, ERR_CHECKPOINT when the weights do not fit, ERR_DEVICE, ERR_ARGUMENT
 *   when there are no weights at all, or `ema` without a snapshot
 */
export async function buildTracker(config: Config, options: TrackerOptions = {}): Promise<SiamFCppTracker> {
  const spec = trackerSpec(config)
  if (options.threads !== undefined) {
    if (!Number.isSafeInteger(options.threads) || options.threads < 1) throw invalidArgument('an integer ≥ 1', 'threads', options.threads)
    await loadAddon().setThreads(options.threads)
  }
  if (options.model !== undefined) {
    if (!(options.model instanceof Model)) throw invalidArgument('a Model', 'model', options.model)
    if (options.weights !== undefined) throw new SiamError('ERR_ARGUMENT', 'Expected either weights or a model, not both')
    return new SiamFCppTracker(options.model, spec, false)
  }
  const { weights, ema = false } = options
  if (ema && typeof weights !== 'string') throw new SiamError('ERR_ARGUMENT', 'Expected the file of a snapshot for weights where ema is asked for')
  const configured = requireTest(config).model?.task_model.SiamTrack?.pretrain_model_path ?? ''
  if (weights === undefined && configured === '') {
    throw new SiamError('ERR_ARGUMENT', 'there are no weights to track with', {
      hint: 'pass weights (--weights PATH), or set test.track.model.task_model.SiamTrack.pretrain_model_path',
    })
  }
  const table = typeof weights === 'string' ? (ema ? emaStateOf : modelStateOf)(await readCheckpoint(weights)) : weights
  const model = await buildModel(config, { part: 'test', device: options.device, pretrained: weights === undefined, log: options.log })
  try {
    if (table !== undefined) await model.loadStateDict(table, typeof weights === 'string' ? { file: weights } : {})
    return new SiamFCppTracker(model, spec, true)
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** The original's, for a configuration that names the tracker but has no section for it. */
const defaults = { total_stride: 8, context_amount: 0.5, test_lr: 0.52, penalty_k: 0.04, window_influence: 0.21, windowing: 'cosine', z_size: 127, x_size: 303, num_conv3x3: 3, min_w: 10, min_h: 10 } as const

/** The hyper-parameters of `test.track.pipeline`. @throws ERR_CONFIG for a tracker that is not available, or sizes that do not fit */
function trackerSpec(config: Config): TrackerSpec {
  const at = 'test.track.pipeline'
  const { pipeline } = requireTest(config)
  if (pipeline === undefined) throw new SiamError('ERR_CONFIG', `Tracking needs ${at}, which this configuration does not have`, { file: config.file })
  const { name } = selected(config, pipeline, at)
  if (name !== 'SiamFCppTracker') throw new SiamError('ERR_CONFIG', `The tracker ${name} is not available; SiamFCppTracker is`, whereIs(config, `${at}.name`))
  const params = pipeline.SiamFCppTracker ?? defaults
  const spec: TrackerSpec = {
    totalStride: params.total_stride,
    contextAmount: params.context_amount,
    testLr: params.test_lr,
    penaltyK: params.penalty_k,
    windowInfluence: params.window_influence,
    windowing: params.windowing,
    zSize: params.z_size,
    xSize: params.x_size,
    numConv3x3: params.num_conv3x3,
    minW: params.min_w,
    minH: params.min_h,
  }
  const scoreSize = Math.floor((spec.xSize - spec.zSize) / spec.totalStride) + 1 - 2 * spec.numConv3x3
  if (scoreSize < 1) {
    throw new SiamError('ERR_CONFIG', `x_size ${spec.xSize}, z_size ${spec.zSize}, total_stride ${spec.totalStride} and num_conv3x3 ${spec.numConv3x3} leave no score map at ${at}.${name}`, whereIs(config, `${at}.${name}.x_size`))
  }
  const head = requireTest(config).model?.task_head.DenseboxHead
  if (head !== undefined && !head.input_size_adapt && (head.x_size !== spec.xSize || head.score_size !== scoreSize || head.total_stride !== spec.totalStride)) {
    throw new SiamError(
      'ERR_CONFIG',
      `the tracker's x_size ${spec.xSize}, score map of ${scoreSize} cells and stride ${spec.totalStride} (${at}.${name}) are not those of the network's head: ${head.x_size}, ${head.score_size}, ${head.total_stride} (test.track.model.task_head.DenseboxHead)`,
      whereIs(config, `${at}.${name}.x_size`),
    )
  }
  if (!(spec.contextAmount >= 0)) throw new SiamError('ERR_CONFIG', `Expected a number ≥ 0 for ${at}.${name}.context_amount but received ${spec.contextAmount}`, whereIs(config, `${at}.${name}.context_amount`))
  return spec
}

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
  /** Settles with the last call that was made: frames take their turns although reading some takes longer than reading others. */
  #turn: Promise<unknown> = Promise.resolve()

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
    await this.#inTurn(async () => {
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
    const { box, score } = await this.updateWithDetails(frame, options)
    return { box, score }
  }

  /** As update(), with what led to the box: the cell of the score map, its penalty, the crop's scale. */
  async updateWithDetails(frame: Frame, options: { prior?: Box } = {}): Promise<TrackStep> {
    const prior = options.prior === undefined ? undefined : checkBox(options.prior, 'prior')
    this.#get()
    return this.#inTurn(async () => {
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

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  #get(): NativeTracker {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this SiamFCppTracker was used after dispose()')
    return this.#native
  }
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
