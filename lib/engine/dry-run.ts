/**
 * What a training run would do, without doing it: nothing is written, and everything that is missing is found, not only the first.
 */
import { cacheWarning, machineMemory } from '../config/byte-size.ts'
import { requireTrain, selected, trainerParams, trainSources, warningText, type Config } from '../config/index.ts'
import { readDataSettings, surveyDatasets, type DatasetSurvey } from '../data/index.ts'
import { SiamError, type ErrorCode } from '../errors.ts'
import { buildMonitors, type HyperParams } from '../monitors/index.ts'
import { requireDevice } from '../native/device.ts'
import { loadAddon } from '../native/load.ts'
import { buildModel, buildOptimizer, trainerRegistry } from './builders.ts'
import { processesWarning } from './distributed-regular-trainer.ts'
import { planOutput, type OutputPlan } from './dry-run-output.ts'
import { deviceRoom, roomWarning, type DeviceRoom } from './device-memory.ts'
import { estimateMemory, type MemoryEstimate } from './memory-estimate.ts'
import type { Model } from './model.ts'
import { scheduleOf, type Schedule } from './schedule.ts'

export interface DryRunProblem {
  /** What the run could not do: 'trainer', 'model', 'pretrained', 'optimizer', 'schedule', 'data', 'monitors', 'output', 'device', 'memory'. */
  part: string
  code: ErrorCode
  message: string
  file?: string
  line?: number
  hint?: string
}

export interface ParameterPlan {
  name: string
  shape: number[]
  count: number
  /** null: in no group of lr_multiplier, never trained. */
  group: string | null
  /** Factor of the learning rate; 0 without a group. */
  ratio: number
  /** First epoch that trains it, 0 where it is never frozen; null: none does. */
  frozen_until: number | null
}

/** The JSON of `siamtrain train --dry-run --json`; bytes are bytes, rates are base rates. */
export interface DryRunReport {
  dry_run: true
  /** Whether the run would start: no problems. */
  ok: boolean
  problems: DryRunProblem[]
  warnings: string[]
  /** `train.track` with its defaults. */
  config: unknown
  /** Where each of its values comes from, by dotted path. */
  sources: Record<string, 'file' | 'override' | 'default'>
  trainer: string
  device: string
  model: { backbone: string; parameters: ParameterPlan[]; totals: { tensors: number; parameters: number; buffers: number; trained_first_epoch: number }; pretrained: string[] } | null
  schedule: {
    max_epoch: number
    num_iterations: number
    phases: readonly unknown[]
    groups: { name: string; ratio: number; tensors: number }[]
    epochs: { epoch: number; first_lr: number; last_lr: number; frozen_tensors: number }[]
  } | null
  monitors: { name: string; params: HyperParams }[]
  output: OutputPlan
  data: { batch_size: number; samples_per_epoch: number; threads: number; datasets: DatasetSurvey[] } | null
  memory: MemoryEstimate | null
  /** What the device has, in bytes; null on the CPU, and where it is not there. free_bytes: null where the driver does not say. */
  device_memory: DeviceRoom | null
}

export interface DryRunOptions {
  device?: string
  /** As --resume: 'latest', an epoch, a file. */
  resume?: string
  overwrite?: boolean
  strict?: boolean
  /** As --workers and --cache: what the loader will take of the memory depends on them. */
  workers?: number
  cacheBytes?: number
  /** Time for the annotations of each data set, milliseconds. */
  dataBudgetMs?: number
  /** false: no steps are measured, `memory` stays null. Default: true. */
  measure?: boolean
  signal?: AbortSignal
}

/**
 * @throws ERR_CONFIG for a configuration without the sections that training needs; all else becomes `problems`
 */
export async function dryRun(config: Config, options: DryRunOptions = {}): Promise<DryRunReport> {
  const track = requireTrain(config)
  const { device = 'cpu' } = options
  const problems: DryRunProblem[] = []
  const warnings = config.warnings.map(warningText)
  const attempt = async <T>(part: string, work: () => T | Promise<T>): Promise<T | null> => {
    options.signal?.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof SiamError) || error.code === 'ERR_ABORTED') throw error
      problems.push({ part, code: error.code, message: error.message, ...located(error) })
      return null
    }
  }
  const oneProcess = processesWarning(config)
  if (oneProcess !== undefined) warnings.push(oneProcess.replace(/^Warning: /, ''))

  await attempt('trainer', () => trainerRegistry.get(selected(config, track.trainer, 'train.track.trainer').name))
  const output = await planOutput(trainerParams(config), options, (part, work) => attempt(part, work))
  const monitors = await planMonitors(config, attempt)
  const settings = await attempt('data', () => {
    const read = readDataSettings(config)
    return { ...read, numWorkers: options.workers ?? read.numWorkers, cacheBytes: options.cacheBytes ?? read.cacheBytes }
  })
  const cache = cacheWarning(settings?.cacheBytes ?? 0, machineMemory())
  if (cache !== undefined) warnings.push(cache)
  const datasets = settings === null ? [] : await surveyDatasets(settings.datasets, { strict: options.strict ?? settings.strict, budgetMs: options.dataBudgetMs, pack: settings.pack === '' ? undefined : { dir: settings.pack, crop: settings.crop, single: settings.datasets.length === 1 }, log: (line) => void warnings.push(line.replace(/^Warning: /, '')), signal: options.signal })
  for (const { name, error } of datasets) if (error !== undefined) problems.push({ part: 'data', ...error, message: `${name}: ${error.message}` })
  await attempt('device', () => requireDevice(device))
  const place = await deviceRoom(device)

  let model: DryRunReport['model'] = null
  let memory: MemoryEstimate | null = null
  let plan: Schedule | null = null
  const runtimeBytes = process.memoryUsage.rss()
  const pretrained: string[] = []
  const network = await planModel(config, device, output.start === 'new', pretrained, attempt)
  if (network === null) plan = await attempt('schedule', () => scheduleOf(config, []))
  else {
    using owned = network
    const names = owned.parameterNames()
    plan = await attempt('schedule', () => scheduleOf(config, names))
    const optimizer = await attempt('optimizer', () => buildOptimizer(config, owned, { log: (line) => void warnings.push(line.replace(/^Warning: /, '')) }))
    if (plan !== null) model = { ...describeParameters(owned, plan, track.model.backbone.name ?? ''), pretrained }
    if (optimizer !== null && plan !== null && settings !== null && options.measure !== false) {
      using step = optimizer
      const fewest = plan.frozen.reduce((a, b) => (b.length < a.length ? b : a), plan.frozen[0] ?? [])
      memory = await attempt('memory', () => estimateMemory({ model: owned, optimizer: step, data: settings, workers: options.workers, frozen: fewest, runtimeBytes }))
    } else optimizer?.dispose()
  }
  const tight = memory === null || place === null ? undefined : roomWarning(device, place, memory)
  if (tight !== undefined) warnings.push(tight)
  return {
    dry_run: true,
    ok: problems.length === 0,
    problems,
    warnings,
    config: track,
    sources: Object.fromEntries(trainSources(config).map(({ path, source }) => [path, source])),
    trainer: track.trainer.name ?? '',
    device,
    model,
    schedule: plan === null ? null : describeSchedule(plan, track.optim.optimizer.SGD.lr_policy),
    monitors,
    output,
    device_memory: place,
    data: settings === null ? null : { batch_size: settings.batchSize, samples_per_epoch: settings.samplesPerEpoch, threads: settings.numWorkers, datasets },
    memory,
  }
}

type Attempt = <T>(part: string, work: () => T | Promise<T>) => Promise<T | null>

function located({ file, line, hint }: SiamError): Pick<DryRunProblem, 'file' | 'line' | 'hint'> {
  return { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }), ...(hint === undefined ? {} : { hint }) }
}

/** The network on the CPU; where its pretrained weights are the problem, with random ones. */
async function planModel(config: Config, insteadOf: string, pretrained: boolean, log: string[], attempt: Attempt): Promise<Model | null> {
  await loadAddon().setThreads(0)
  try {
    return await buildModel(config, { pretrained, insteadOf, log: (line) => void log.push(line) })
  } catch (error) {
    const ofWeights = error instanceof SiamError && (error.code === 'ERR_CHECKPOINT' || error.code === 'ERR_IO')
    const failed = await attempt(ofWeights ? 'pretrained' : 'model', (): never => {
      throw error
    })
    if (!ofWeights) return failed
    log.push('Weights: random here, since the pretrained ones are not to be had (see the result below)')
    return attempt('model', () => buildModel(config, { pretrained: false, insteadOf }))
  }
}

/** Each monitor is made, as a run makes it, and thrown away: none writes before its first update. */
async function planMonitors(config: Config, attempt: Attempt): Promise<DryRunReport['monitors']> {
  const node = requireTrain(config).trainer.monitors
  const plans: DryRunReport['monitors'] = []
  for (const name of node.names) {
    const built = await attempt('monitors', () => buildMonitors({ names: [name], [name]: (node as Record<string, unknown>)[name] }))
    for (const monitor of built ?? []) plans.push({ name, params: { ...monitor.getHyperParams() } })
  }
  return plans
}

function describeParameters(model: Model, plan: Schedule, backbone: string): Omit<NonNullable<DryRunReport['model']>, 'pretrained'> {
  const groupOf = new Map(plan.groups.flatMap((group) => group.parameters.map((name) => [name, group] as const)))
  const frozen = plan.frozen.map((names) => new Set(names))
  const described = model.describe()
  const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
  const parameters = described
    .filter(({ kind }) => kind === 'parameter')
    .map(({ name, shape }): ParameterPlan => {
      const group = groupOf.get(name)
      const first = frozen.findIndex((names) => !names.has(name))
      return { name, shape, count: count(shape), group: group?.name ?? null, ratio: group?.ratio ?? 0, frozen_until: first < 0 || group === undefined ? null : first }
    })
  const sumOf = (list: readonly { count: number }[]): number => list.reduce((sum, entry) => sum + entry.count, 0)
  return {
    backbone,
    parameters,
    totals: {
      tensors: parameters.length,
      parameters: sumOf(parameters),
      buffers: described.filter(({ kind }) => kind === 'buffer').reduce((sum, { shape }) => sum + count(shape), 0),
      trained_first_epoch: sumOf(parameters.filter(({ frozen_until }) => frozen_until === 0)),
    },
  }
}

function describeSchedule(plan: Schedule, phases: readonly unknown[]): NonNullable<DryRunReport['schedule']> {
  return {
    max_epoch: plan.maxEpoch,
    num_iterations: plan.numIterations,
    phases,
    groups: plan.groups.map(({ name, ratio, parameters }) => ({ name, ratio, tensors: parameters.length })),
    epochs: plan.frozen.map((frozen, epoch) => ({ epoch, first_lr: plan.lrAt(epoch, 0), last_lr: plan.lrAt(epoch, plan.numIterations - 1), frozen_tensors: frozen.length })),
  }
}
