/**
 * From a configuration to the parts of a run: model, losses, optimizer, trainer.
 */
import { createHash } from 'node:crypto'
import { cacheWarning, machineMemory } from '../config/byte-size.ts'
import { requireTest, requireTrain, selected, whereIs, type Config } from '../config/index.ts'
import { buildDataloader } from '../data/index.ts'
import { ProcessGroup } from '../distributed/group.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import { buildMonitors } from '../monitors/index.ts'
import type { HyperParams, Monitor } from '../monitors/monitor.ts'
import type { LossSpec, ModelSpec } from '../native/addon.ts'
import { loadAddon } from '../native/load.ts'
import { Registry } from '../registry.ts'
import { backboneSpec, checkWidths } from './backbone-spec.ts'
import { buildInTurns, deviceOfRank, logOfRank } from './build-ranks.ts'
import { applyCudaOptions, cudaDefaults } from './cuda-options.ts'
import { DistributedRegularTrainer, processesWarning, unevenWarning } from './distributed-regular-trainer.ts'
import { Ema } from './ema.ts'
import { buildGradModifier } from './grad-modifier.ts'
import { GradScaler } from './grad-scaler.ts'
import { Loss } from './losses.ts'
import { divideIntoGroups, ungroupedParameters } from './lr-multiplier.ts'
import { buildLrPolicy } from './lr-policy.ts'
import { Model } from './model.ts'
import { progressOfIndexing } from './index-progress.ts'
import { Optimizer } from './optimizer.ts'
import { needsGradScaler, precisionHere } from './precision.ts'
import { describePretrained, loadPretrained, type PretrainedPart } from './pretrained.ts'
import type { ProgressOptions } from './progress.ts'
import { RegularTrainer } from './regular-trainer.ts'
import { disposeInReverse, type TrainerBase, type TrainerClass } from './trainer-base.ts'

export const trainerRegistry = new Registry<TrainerClass>('trainer')
trainerRegistry.register('RegularTrainer', RegularTrainer)
trainerRegistry.register('DistributedRegularTrainer', DistributedRegularTrainer)

/**
 * Makes a trainer available to configurations: `train.track.trainer.name: MyTrainer`, its hyper-parameters under its name.
 * @param trainerClass extends TrainerBase
 * @throws ERR_ARGUMENT when the name is taken, or the class has no train()
 */
export function registerTrainer(name: string, trainerClass: TrainerClass): TrainerClass {
  if (typeof trainerClass !== 'function' || typeof trainerClass.prototype?.train !== 'function') {
    throw invalidArgument('a class with a train() method (extends TrainerBase)', `the trainer ${name}`, trainerClass)
  }
  return trainerRegistry.register(name, trainerClass)
}

export interface ModelOptions {
  /** 'cpu' (default), 'cuda', 'cuda:N'. */
  device?: string
  /** Seeds the random weights; by default `data.seed`. */
  seed?: number
  /** Which model of the file: `train.track.model` (default) or `test.track.model`. */
  part?: 'train' | 'test'
  /** false: leave the random weights although the configuration names pretrained ones (a snapshot follows). */
  pretrained?: boolean
  /** The device of the run that this network is only tried for: what is right there is no error here. */
  insteadOf?: string
  log?: (line: string) => void
}

/**
 * Builds the network of a configuration, with its losses (where it names any) and its pretrained weights.
 * @throws ERR_CONFIG for what cannot be built, ERR_IO for pretrained weights that cannot be read, ERR_CHECKPOINT where nothing of them fits, ERR_DEVICE
 */
export async function buildModel(config: Config, options: ModelOptions = {}): Promise<Model> {
  const { part = 'train' } = options
  const node = (part === 'train' ? requireTrain(config) : requireTest(config)).model
  const at = `${part}.track.model`
  if (node === undefined) throw new SiamError('ERR_CONFIG', `Expected a model at ${at} but there is none`, { file: config.file })
  const backbone = selected(config, node.backbone, `${at}.backbone`)
  const specOfBackbone = backboneSpec(config, node.backbone, `${at}.backbone`, templateSize(config, part))
  checkWidths(config, specOfBackbone, node, at)
  const head = node.task_head.DenseboxHead
  const task = node.task_model.SiamTrack
  const spec: ModelSpec = {
    backbone: specOfBackbone,
    head: {
      totalStride: head.total_stride,
      scoreSize: head.score_size,
      xSize: head.x_size,
      numConv3x3: head.num_conv3x3,
      headConvBn: [...head.head_conv_bn],
      headWidth: head.head_width,
      convWeightStd: head.conv_weight_std,
      inputSizeAdapt: head.input_size_adapt,
    },
    headWidth: task.head_width,
    convWeightStd: task.conv_weight_std,
    corrFeaOutput: task.corr_fea_output,
    precision: precisionHere(options.device ?? 'cpu', options.insteadOf, { precision: node.precision, amp: task.amp }, whereIs(config, `${at}.precision`)),
    memoryFormat: node.memory_format,
    device: options.device ?? 'cpu',
    seed: options.seed ?? config.train?.track?.data?.seed ?? 0,
  }
  const model = await Model.create(spec, node.losses.names.length === 0 ? {} : buildLosses(config, { part }))
  try {
    if (backbone.name === 'TorchScript' && !model.parameterNames().some((name) => name.startsWith('basemodel.'))) {
      options.log?.(`The backbone ${spec.backbone.path} has no parameters (a frozen module?): its features stay as they are`)
    }
    if (options.pretrained !== false) {
      const backboneFile = backbone.params.pretrain_model_path
      const files: [string, PretrainedPart, string][] = []
      if (typeof backboneFile === 'string' && backboneFile !== '') files.push([backboneFile, 'backbone', `${at}.backbone.${backbone.name}`])
      if (task.pretrain_model_path !== '') files.push([task.pretrain_model_path, 'network', `${at}.task_model.SiamTrack`])
      for (const [file, of, section] of files) {
        // Not inside of `log?.(…)`: without a log nothing would be loaded, either.
        const report = await loadPretrained(model, file, of, `${section}.pretrain_model_path`)
        options.log?.(describePretrained(report))
      }
    }
  } catch (error) {
    model.dispose()
    throw error
  }
  return model
}

/** Side of the template crop in pixels. */
function templateSize(config: Config, part: 'train' | 'test'): number {
  if (part === 'train') return requireTrain(config).data.transformer.RandomCropTransformer.z_size
  const { pipeline } = requireTest(config)
  const sections = pipeline as Readonly<Record<string, { readonly z_size?: number } | undefined>> | undefined
  return sections?.[pipeline?.name ?? '']?.z_size ?? 127
}

/**
 * The losses of a configuration by their names (cls, ctr, reg).
 * @throws ERR_CONFIG for an unknown loss, two losses of one name, or a parameter that is not supported
 */
export function buildLosses(config: Config, options: { part?: 'train' | 'test' } = {}): Record<string, Loss> {
  const { part = 'train' } = options
  const at = `${part}.track.model.losses`
  const node = (part === 'train' ? requireTrain(config) : requireTest(config)).model?.losses
  const losses: Record<string, Loss> = {}
  for (const type of node?.names ?? []) {
    const params = node?.[type]
    if (params === undefined) throw new SiamError('ERR_CONFIG', `Expected the hyper-parameters of ${type} at ${at}.${type} but there are none`, whereIs(config, at))
    if (params.background !== 0) throw new SiamError('ERR_CONFIG', `Only 0 is supported for ${at}.${type}.background`, whereIs(config, `${at}.${type}.background`))
    if (losses[params.name] !== undefined) throw new SiamError('ERR_CONFIG', `Two losses of ${at} have the name ${JSON.stringify(params.name)}`, whereIs(config, at))
    losses[params.name] = new Loss(lossSpec(type, params))
  }
  return losses
}

function lossSpec(type: LossSpec['type'], params: Readonly<Record<string, unknown>>): LossSpec {
  const weight = params.weight as number
  if (type === 'SigmoidCrossEntropyCenterness' || type === 'IOULoss') return { type, weight }
  return { type, weight, alpha: params.alpha as number, gamma: params.gamma as number, ignoreLabel: params.ignore_label as number }
}

/**
 * The optimizer of a configuration over `model`: SGD with its groups, schedule, gradient modifier, (in float16) gradient scaler, clipping,
 * accumulation and average of the weights.
 * @throws ERR_CONFIG when a parameter is in two groups, or schedule or modifier cannot be built
 */
export function buildOptimizer(config: Config, model: Model, options: { log?: (line: string) => void } = {}): Optimizer {
  const { optimizer, grad_modifier, ema } = requireTrain(config).optim
  const sgd = optimizer.SGD
  const names = model.parameterNames()
  const groups = divideIntoGroups(sgd.lr_multiplier, names)
  const left = ungroupedParameters(groups, names)
  if (left.length > 0) options.log?.(`Warning: ${left.length} parameters are in no group of lr_multiplier and will not be trained: ${left.slice(0, 3).join(', ')}${left.length > 3 ? ', …' : ''}`)
  return new Optimizer(model, {
    lr: sgd.lr,
    momentum: sgd.momentum,
    weightDecay: sgd.weight_decay,
    dampening: sgd.dampening,
    nesterov: sgd.nesterov,
    schedule: buildLrPolicy(sgd.lr_policy, Math.floor(sgd.nr_image_per_epoch / (sgd.minibatch * sgd.accumulate_batches))) ?? null,
    groups,
    clipGradNorm: sgd.clip_grad_norm,
    clipGradValue: sgd.clip_grad_value,
    accumulateBatches: sgd.accumulate_batches,
    ema: ema.decay === 0 ? null : new Ema(model, { decay: ema.decay, warmup: ema.warmup, finalModel: ema.final_model }),
    gradModifier: buildGradModifier(grad_modifier, model) ?? null,
    gradScaler: needsGradScaler(model.device, model.spec.precision, sgd.amp) ? new GradScaler() : null,
  })
}

/** Keys that say where things lie and how long to go on, and change no number of a run. */
const numberless = new Set(['exp_name', 'exp_save', 'max_epoch', 'num_epochs', 'num_workers', 'num_processes', 'queue_batches', 'pin_memory', 'seed', 'snapshot', 'snapshot_every', 'max_nonfinite', 'cuda_graph', 'monitors', 'pretrain_model_path', 'path', 'dataset_root', 'index_cache', 'pack', 'read_ahead', 'cache'])

/** Keys that the original lacks, at values that change nothing: left out, so that the sum is what it was before they came to be. */
const changesNothing: Readonly<Record<string, (value: unknown) => boolean>> = {
  clip_grad_norm: (value) => value === 0,
  clip_grad_value: (value) => value === 0,
  accumulate_batches: (value) => value === 1,
  decode: (value) => value === 'exact',
  cuda: (value) => Object.entries(cudaDefaults).every(([key, usual]) => (value as Record<string, unknown>)[key] === usual),
  ema: (value) => (value as { decay: number }).decay === 0,
  sync_bn: (value) => value === false,
  // Which weights final_model.pkl holds is no matter of the run's numbers.
  final_model: () => true,
}

/**
 * SHA-256 in hex over the keys of a configuration that a run's numbers depend on: file, overrides and defaults.
 * @param packs  that the run reads instead of frames: their contents count, and not where they lie ({@link Dataloader.packs})
 */
export function configSha256(config: Config, packs: readonly { dataset: string; crc: number }[] = []): string {
  const relevant = JSON.stringify(requireTrain(config), (key, value: unknown) => (numberless.has(key) || changesNothing[key]?.(value) === true ? undefined : value))
  return createHash('sha256').update(packs.length === 0 ? relevant : `${relevant}\n${JSON.stringify(packs.map(({ dataset, crc }) => ({ dataset, crc })))}`).digest('hex')
}

export interface TrainerBuildOptions extends Omit<ModelOptions, 'part'> {
  /** Threads of libtorch's team; by default as many as there are cores. Set for the whole environment. */
  threads?: number
  /** Threads that make batches. */
  workers?: number
  /** Bound on the memory of frames that the loader keeps, in bytes; by default `data.cache`. */
  cacheBytes?: number
  /** Bad data is an error instead of being skipped and counted; by default `data.strict`. */
  strict?: boolean
  /** Monitors besides the configured ones. */
  monitors?: readonly Monitor[]
  progress?: ProgressOptions['mode']
  /** Overrides the trainer's `snapshot_every`. */
  snapshotEvery?: number
  /** Ends the building (indexing large data sets takes a while). */
  signal?: AbortSignal
  /**
   * The processes that train together; every one of them builds a trainer, with the same configuration, and makes the same calls. The first one
   * logs, shows progress, runs monitors and saves; of the others warnings alone are seen. `device: 'cuda'` is cuda:LOCAL_RANK then.
   */
  group?: ProcessGroup
}

/**
 * Builds model, losses, optimizer, dataloader and monitors, and the trainer over them. Closing the trainer frees them all.
 * @throws ERR_ARGUMENT for a group that is none; whatever the parts throw: ERR_CONFIG, ERR_DATA, ERR_DEVICE, ERR_CHECKPOINT, …
 */
export async function buildTrainer(config: Config, options: TrainerBuildOptions = {}): Promise<TrainerBase> {
  const track = requireTrain(config)
  const { name, params } = selected(config, track.trainer, 'train.track.trainer')
  const trainerClass = trainerRegistry.get(name)
  const { group } = options
  if (group !== undefined && !(group instanceof ProcessGroup)) throw invalidArgument('a ProcessGroup (ProcessGroup.create() makes one)', 'group', group)
  const first = group === undefined || group.rank === 0
  const log = logOfRank(group, options.log ?? toStderr)
  const device = deviceOfRank(group, options.device)
  const ranks = group?.worldSize ?? 1
  for (const warning of [processesWarning(config, ranks), unevenWarning(config, ranks)]) if (warning !== undefined) log(warning)
  // A snapshot's seed is only overruled by one that somebody asked for, not by the default.
  const rawData = (config.raw as { train?: { track?: { data?: { seed?: number } } } }).train?.track?.data
  const askedSeed = options.seed ?? rawData?.seed
  const seed = askedSeed ?? track.data.seed
  const threads = await loadAddon().setThreads(options.threads ?? 0)
  await applyCudaOptions(track.cuda, device ?? 'cpu')
  const built: (Disposable | AsyncDisposable)[] = []
  try {
    const progress = first ? options.progress : 'none'
    const indexing = progressOfIndexing(progress)
    const dataloader = await buildInTurns(group, track.data.index_cache !== 'none', () => buildDataloader(config as Parameters<typeof buildDataloader>[0], {
      seed,
      device,
      rank: group?.rank,
      worldSize: group?.worldSize,
      keepMeans: (group?.localRank ?? 0) === 0,
      threads: options.workers,
      queueBatches: track.data.queue_batches,
      cacheBytes: options.cacheBytes,
      strict: options.strict ?? track.data.strict,
      log,
      onProgress: indexing.onProgress,
      signal: options.signal,
    })).finally(indexing.close)
    built.push(dataloader)
    const cache = cacheWarning(options.cacheBytes ?? dataloader.settings.cacheBytes, machineMemory())
    if (cache !== undefined) log(`Warning: ${cache}`)
    for (const line of dataloader.problems.summary()) log(line)
    // Pretrained weights come with the first rank's weights.
    const network = (): Promise<Model> => buildModel(config, { device, pretrained: first && options.pretrained !== false, seed, log })
    const model = group === undefined ? await network() : (await group.together(network)).value
    built.push(model)
    group?.native.syncStatistics(track.model.sync_bn && ranks > 1)
    if (track.model.sync_bn && track.model.backbone.name === 'TorchScript') log('Warning: sync_bn does not reach into a TorchScript backbone: its BatchNorm layers see the batch of one process')
    const optimizer = buildOptimizer(config, model, { log })
    built.push(optimizer)
    const trainer = new trainerClass(optimizer, dataloader, first ? [...buildMonitors(config), ...(options.monitors ?? [])] : [], {
      seed: askedSeed,
      configSha256: configSha256(config, dataloader.packs),
      configSha256With: (packs) => configSha256(config, packs),
      threads,
      log: first ? options.log : log,
      progress,
      group,
    })
    const hyperParams: HyperParams = { ...params }
    if (options.snapshotEvery !== undefined) hyperParams.snapshot_every = options.snapshotEvery
    trainer.setHyperParams(hyperParams)
    options.signal?.throwIfAborted()
    trainer.own(built)
    return trainer
  } catch (error) {
    await group?.fail(error)
    await disposeInReverse(built)
    throw error
  }
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`)
}
