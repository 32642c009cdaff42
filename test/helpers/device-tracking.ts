/**
 * What holds for a tracker whose network runs on a device: shared by test/native/device-network.test.ts, where the device is the CPU with
 * graphs that give out the work anew, and test/gpu/tracker.test.ts.
 */
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import { overlap } from '../../lib/evaluation/overlap.ts'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import type { TrackPrecision, TrackStep } from '../../lib/native/addon.ts'
import { inContext } from '../../lib/tracking/build.ts'
import { MultiObjectTracker } from '../../lib/tracking/multi-object.ts'
import { trackerRegistry, type TrackerContext } from '../../lib/tracking/registry.ts'
import { SiamFCppTracker, siamFCppSpec, type Box } from '../../lib/tracking/siamfcpp-tracker.ts'
import { goldenJson } from './golden.ts'
import { shared } from './shared.ts'

export interface GoldenRow {
  frame: number
  prior_rect_xywh: Box | null
  rect_xywh: Box
  best: number
  pscore: number
  score: number
  penalty: number
  gap: number
  scale_x: number
  box_cxywh_in_crop: Box
}

export interface GoldenRun {
  init_rect_xywh: Box
  frames: string[]
  rows: GoldenRow[]
}

export const trainedRun = (): GoldenRun => goldenJson<GoldenRun>('tracker_tinyconv_trained.json')
export const bagFrame = (name: string | number): string => shared('data', 'vot-bag', typeof name === 'string' ? name : `${String(name).padStart(8, '0')}.jpg`)

/** The configurations of the kinds of trackers, with TinyConv and a head that takes searches of any size; few steps where something is learned. */
export async function configOfKind(name: string, sections: readonly string[] = []): Promise<Config> {
  const keys = sections.map((key) => `test.track.pipeline.${name}.${key}`)
  return loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), [`test.track.pipeline.name=${name}`, 'test.track.model.task_head.DenseboxHead.input_size_adapt=true', ...keys])
}

/** TinyConv, trained on the bag. */
export async function trainedModel(device: string): Promise<Model> {
  const model = await buildModel(await configOfKind('SiamFCppTracker'), { part: 'test', pretrained: false, device })
  await model.loadStateDict(modelStateOf(await readCheckpoint(shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'))))
  return model
}

/** Which network: the device's own, or on the CPU that of a device. */
export type Changes = Pick<TrackerContext, 'network'> & { precision?: TrackPrecision }

/** The tracker of a configuration, with a network that buildTracker() would not choose. */
export async function trackerWith(config: Config, model: Model, changes: Changes): Promise<SiamFCppTracker> {
  return inContext(config, { model }, async (context) => {
    const tracker = await trackerRegistry.get(context.name)({ ...context, ...changes })
    if (!(tracker instanceof SiamFCppTracker)) throw new Error(`expected a SiamFCppTracker but ${context.name} is none`)
    return tracker
  })
}

export async function objectsWith(config: Config, model: Model, changes: Changes): Promise<MultiObjectTracker> {
  return inContext(config, { model }, (context) => new MultiObjectTracker(context.name, model, siamFCppSpec({ ...context, ...changes }), { ownsModel: false, shareWindows: false }))
}

/** Steps of frames 2 to `last` of the bag, closed loop. */
export async function followBag(tracker: SiamFCppTracker, last: number, first: Box = trainedRun().init_rect_xywh): Promise<TrackStep[]> {
  await tracker.init(bagFrame(1), first)
  const steps: TrackStep[] = []
  for (let i = 2; i <= last; i += 1) steps.push(await tracker.updateWithDetails(bagFrame(i)))
  return steps
}

export const boxesOf = (steps: readonly { box: Box }[]): Box[] => steps.map(({ box }) => box)

/** Largest difference of a number of two lists of boxes. */
export function farthest(a: readonly Box[], b: readonly Box[]): number {
  if (a.length !== b.length || a.length === 0) throw new Error(`expected as many boxes, and any, but there are ${a.length} and ${b.length}`)
  return Math.max(...a.flatMap((box, i) => box.map((value, k) => Math.abs(value - (b[i] as Box)[k as 0]))))
}

export function meanOverlapOf(a: readonly Box[], b: readonly Box[]): number {
  return a.reduce((sum, box, i) => sum + overlap(box, b[i] as Box), 0) / a.length
}

/** Three objects of the bag's first frame. */
export const threeBoxes: Box[] = [trainedRun().init_rect_xywh, [200, 100, 60, 80], [60, 200, 90, 60]]

/** Every kind of tracker that does something of its own with the network, with settings that make it do so within ten frames. */
export const kinds: readonly (readonly [string, readonly string[]])[] = [
  ['SiamFCppMultiTempTracker', ['mem_step=2', 'mem_len=3', 'mem_coef=0.7', 'mem_sink_idx=1', 'mem_renew=true']],
  ['SiamFCppLTTracker', ['lost_score_th_low=0.99', 'lost_score_th_high=0.995', 'lost_search_size=367']],
  ['SiamFCppOneShotDetector', []],
  ['SiamFCppOnlineTracker', ['raw_fea_size=31', 'augmentation_rotate=[10]', 'augmentation_blur=[[2, 2]]', 'augmentation_dropout=[2, 0.2]', 'init_CG_iter=9', 'init_GN_iter=3', 'train_skipping=5']],
]
