/**
 * Several objects in the frames of one sequence: each frame is decoded once, and the network sees all of its search crops together.
 */
import { whereIs, type Config } from '../config/index.ts'
import type { Model } from '../engine/model.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { NativeMultiTracker, TrackerSpec } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { inContext, type TrackerOptions } from './build.ts'
import { toNativeFrame, type Frame } from './frame.ts'
import { longTermSpec } from './lt-tracker.ts'
import { multiTempSpec } from './multi-temp-tracker.ts'
import { oneShotSpec } from './one-shot-detector.ts'
import type { TrackerContext } from './registry.ts'
import { checkBox, siamFCppSpec } from './siamfcpp-tracker.ts'
import type { Box, TrackResult } from './tracker.ts'
import { Turns } from './turns.ts'

export interface ObjectResult extends TrackResult {
  /** The object's: what init() or add() returned for its box. */
  id: number
}

export interface MultiObjectOptions extends TrackerOptions {
  /**
   * Search objects whose windows nearly coincide (middles within a tenth of the side, scales within 5 %) in one crop: they then cost a head
   * each instead of a backbone. Their boxes are not those of single trackers. Off by default; for SiamFCppTracker and SiamFCppOneShotDetector.
   */
  shareWindows?: boolean
}

/** Trackers whose objects can share a network call. */
const specs: Readonly<Record<string, (context: TrackerContext) => TrackerSpec>> = {
  SiamFCppTracker: siamFCppSpec,
  SiamFCppMultiTempTracker: multiTempSpec,
  SiamFCppLTTracker: longTermSpec,
  SiamFCppOneShotDetector: oneShotSpec,
}

/**
 * Builds the tracker that `test.track` of a configuration describes, for several objects at once.
 * @throws as buildTracker(), and ERR_CONFIG for a tracker that follows one object only (SiamFCppOnlineTracker, a user's own)
 */
export async function buildMultiObjectTracker(config: Config, options: MultiObjectOptions = {}): Promise<MultiObjectTracker> {
  const { shareWindows = false } = options
  if (typeof shareWindows !== 'boolean') throw invalidArgument('true or false', 'shareWindows', shareWindows)
  return inContext(config, options, async (context) => {
    const specOf = Object.hasOwn(specs, context.name) ? specs[context.name] : undefined
    if (specOf === undefined) {
      throw new SiamError('ERR_CONFIG', `${context.name} follows one object; several at once are for ${Object.keys(specs).join(', ')}`, whereIs(config, 'test.track.pipeline.name'))
    }
    const spec = specOf(context)
    // The others' windows and templates change with each object.
    if (shareWindows && spec.kind !== 'siamfcpp' && spec.kind !== 'one-shot') {
      throw new SiamError('ERR_CONFIG', `the objects of a ${context.name} cannot share windows; those of SiamFCppTracker and SiamFCppOneShotDetector can`, whereIs(config, 'test.track.pipeline.name'))
    }
    return new MultiObjectTracker(context.name, await context.loadModel(), spec, { ownsModel: context.ownsModel, shareWindows })
  })
}

/**
 * Follows objects that may come and go. Their boxes are those of single trackers, within the noise of float32 sums; in int8 all have the
 * ranges of the objects of init() (docs/precision.md).
 * Calls run in order; all frames of a sequence have one size; init() may be called again for another sequence.
 */
export class MultiObjectTracker implements Disposable {
  /** The tracker of each object, as configurations know it. */
  readonly name: string
  readonly #model: Model
  readonly #ownsModel: boolean
  readonly #native: NativeMultiTracker
  readonly #turns = new Turns()
  #ids: number[] | undefined
  #disposed = false

  /** @internal use buildMultiObjectTracker(). */
  constructor(name: string, model: Model, spec: TrackerSpec, { ownsModel, shareWindows }: { ownsModel: boolean; shareWindows: boolean }) {
    this.name = name
    this.#model = model
    this.#ownsModel = ownsModel
    this.#native = loadAddon().createMultiTracker(model.native, spec, { shareWindows })
  }

  /** The network; disposed with the tracker unless it was passed in. */
  get model(): Model {
    return this.#model
  }

  get disposed(): boolean {
    return this.#disposed
  }

  /** Ids of the objects that are followed, ascending, as of the last call that has settled. */
  get ids(): number[] {
    return [...(this.#ids ?? [])]
  }

  /**
   * Starts a sequence with these objects (there may be none yet) and forgets all others.
   * @param boxes each of positive size, at least partly inside of the frame
   * @returns their ids, 0, 1, … in the order of the boxes
   * @throws ERR_ARGUMENT for a bad box or frame, ERR_IO, ERR_DATA for a frame that cannot be decoded, ERR_DISPOSED. After a failed init the
   *   objects are those of before.
   */
  async init(frame: Frame, boxes: readonly Box[]): Promise<number[]> {
    const checked = checkBoxes(boxes)
    this.#get()
    return this.#turns.run(async () => {
      const ids = await this.#get().init(toNativeFrame(frame), checked)
      this.#ids = [...ids]
      return ids
    })
  }

  /**
   * Adds objects on the way, as they are in `frame`: commonly the one that was updated last. The other objects are not moved, and the
   * weights are those that they have.
   * @returns their ids; an id is not used again before the next init()
   * @throws as init(), and ERR_ARGUMENT before init(), ERR_DATA for a frame of another size than the first one. Nothing is added then.
   */
  async add(frame: Frame, boxes: readonly Box[]): Promise<number[]> {
    const checked = checkBoxes(boxes)
    this.#get()
    return this.#turns.run(async () => {
      const ids = await this.#started('add').add(toNativeFrame(frame), checked)
      this.#ids?.push(...ids)
      return ids
    })
  }

  /** Follows an object no longer. @throws ERR_ARGUMENT when there is none with that id */
  async remove(id: number): Promise<void> {
    this.#get()
    await this.#turns.run(async () => {
      if (!this.ids.includes(id)) throw invalidArgument(`the id of an object (${this.ids.join(', ') || 'there is none'})`, 'id', id)
      await this.#get().remove(id)
      this.#ids = this.ids.filter((other) => other !== id)
    })
  }

  /**
   * Finds all objects in the next frame.
   * @returns one result an object, in the order of their ids
   * @throws ERR_ARGUMENT before init(), ERR_DATA for a frame that cannot be decoded or has another size than the first one, ERR_IO,
   *   ERR_NONFINITE when the network's output is, ERR_DISPOSED. After a failed update all objects are where the frame before it had them.
   */
  async update(frame: Frame): Promise<ObjectResult[]> {
    this.#get()
    return this.#turns.run(async () => {
      const steps = await this.#started('update').update(toNativeFrame(frame))
      return steps.map(({ id, box, score, pscore }) => ({ id, box, score, confidence: pscore }))
    })
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

  #started(operation: string): NativeMultiTracker {
    const native = this.#get()
    if (this.#ids === undefined) throw new SiamError('ERR_ARGUMENT', `Expected init() with the first frame before ${operation}()`)
    return native
  }

  #get(): NativeMultiTracker {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this MultiObjectTracker was used after dispose()')
    return this.#native
  }
}

function checkBoxes(boxes: readonly Box[]): [number, number, number, number][] {
  if (!Array.isArray(boxes)) throw invalidArgument('a list of boxes [x, y, w, h]', 'boxes', boxes)
  return boxes.map((box: Box, i) => checkBox(box, `boxes[${i}]`))
}
