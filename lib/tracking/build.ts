/**
 * From a configuration to the tracker that its `test.track` describes.
 */
import { emaStateOf, modelStateOf, readCheckpoint } from '../checkpoint/index.ts'
import { requireTest, selected, whereIs, type Config } from '../config/index.ts'
import { buildModel } from '../engine/builders.ts'
import { Model, type StateTable } from '../engine/model.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import type { TrackPrecision } from '../native/addon.ts'
import { checkedDevice } from '../native/device.ts'
import { loadAddon } from '../native/load.ts'
import { nearestName } from '../registry.ts'
import { buildLongTermTracker } from './lt-tracker.ts'
import { buildMultiTempTracker } from './multi-temp-tracker.ts'
import { buildOneShotDetector } from './one-shot-detector.ts'
import { buildOnlineTracker } from './online-tracker.ts'
import { checkedPrecision, checkPrecisionOn } from './precision.ts'
import { registerTracker, trackerRegistry, type TrackerContext } from './registry.ts'
import { buildSiamFCppTracker } from './siamfcpp-tracker.ts'
import type { Tracker } from './tracker.ts'

registerTracker('SiamFCppTracker', buildSiamFCppTracker)
registerTracker('SiamFCppMultiTempTracker', buildMultiTempTracker)
registerTracker('SiamFCppLTTracker', buildLongTermTracker)
registerTracker('SiamFCppOnlineTracker', buildOnlineTracker)
registerTracker('SiamFCppOneShotDetector', buildOneShotDetector)

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
  /** Arithmetic of the network, 'fp32' by default; 'fp16' on a GPU alone, 'int8' on the CPU alone (docs/precision.md). */
  precision?: TrackPrecision
  log?: (line: string) => void
}

/**
 * Builds the tracker that `test.track` of a configuration describes: one of this package's, or one that registerTracker() added.
 * @throws ERR_CONFIG for a tracker or network that cannot be built, ERR_CHECKPOINT when the weights do not fit, ERR_DEVICE, ERR_ARGUMENT
 *   when there are no weights at all, `ema` without a snapshot, or a precision that the device does not have
 */
export async function buildTracker(config: Config, options: TrackerOptions = {}): Promise<Tracker> {
  return inContext(config, options, (context) => trackerRegistry.get(context.name)(context))
}

/**
 * Runs `build` with what the tracker of a configuration is built from; the model that it loaded is disposed when it fails.
 * @throws as buildTracker()
 */
export async function inContext<T>(config: Config, options: TrackerOptions, build: (context: TrackerContext) => T | Promise<T>): Promise<T> {
  checkArguments(config, options)
  const { name, params } = selectedTracker(config)
  const precision = checkedPrecision(options.precision ?? 'fp32')
  checkPrecisionOn(options.model instanceof Model ? options.model.device : checkedDevice(options.device ?? 'cpu'), precision)
  await setThreads(options.threads)
  const ownsModel = options.model === undefined
  let model: Promise<Model> | undefined
  const loadModel = (): Promise<Model> => (model ??= modelFor(config, options))
  try {
    return await build({ config, name, params, precision, ownsModel, loadModel })
  } catch (error) {
    if (ownsModel) (await model?.catch(() => undefined))?.dispose()
    throw error
  }
}

const optionNames = ['weights', 'ema', 'model', 'device', 'threads', 'precision', 'log', 'shareWindows']

function checkArguments(config: unknown, options: unknown): void {
  if (typeof config !== 'object' || config === null) throw invalidArgument('what loadConfig() gives', 'config', config)
  if (typeof options !== 'object' || options === null) throw invalidArgument('an object', 'options', options)
  for (const key of Object.keys(options)) {
    if (optionNames.includes(key)) continue
    const nearest = nearestName(key, optionNames)
    throw new SiamError('ERR_ARGUMENT', `there is no option ${JSON.stringify(key)} of a tracker`, { hint: nearest === undefined ? `known are ${optionNames.join(', ')}` : `did you mean ${nearest}?` })
  }
}

function selectedTracker(config: Config): { name: string; params: Readonly<Record<string, unknown>> } {
  const at = 'test.track.pipeline'
  const { pipeline } = requireTest(config)
  if (pipeline === undefined) throw new SiamError('ERR_CONFIG', `Tracking needs ${at}, which this configuration does not have`, { file: config.file })
  const chosen = selected(config, pipeline, at)
  if (trackerRegistry.has(chosen.name)) return chosen
  const names = trackerRegistry.names()
  const nearest = nearestName(chosen.name, names)
  throw new SiamError('ERR_CONFIG', `There is no tracker ${JSON.stringify(chosen.name)}; known are ${names.join(', ')}`, {
    ...whereIs(config, `${at}.name`),
    hint: nearest === undefined ? 'registerTracker() adds one' : `did you mean ${nearest}?`,
  })
}

async function setThreads(threads: number | undefined): Promise<void> {
  if (threads === undefined) return
  if (!Number.isSafeInteger(threads) || threads < 1) throw invalidArgument('an integer ≥ 1', 'threads', threads)
  await loadAddon().setThreads(threads)
}

/** The network of `test.track.model` with the weights that the options name. */
async function modelFor(config: Config, options: TrackerOptions): Promise<Model> {
  const { weights, ema = false } = options
  if (options.model !== undefined) {
    if (!(options.model instanceof Model)) throw invalidArgument('a Model', 'model', options.model)
    if (weights !== undefined) throw new SiamError('ERR_ARGUMENT', 'Expected either weights or a model, not both')
    return options.model
  }
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
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}
