/**
 * Training from end to end on a device: frames of a synthetic data set, packed, through loader, copies, steps and monitors; pairs a second once
 * warm, beside the same network's step alone in Python (which reads no data at all).
 *
 *   node bench/train.ts [--json] [--device cuda] [--backbone AlexNet] [--precision fp16] [--batch 128] [--iterations 160] [--warm 60] [--workers N] [--every 10]
 *                       [--size 640x480] [--sequences 24] [--frames] [--schedule] [--python fp16_channels_last|none] [KEY=VALUE …]
 *
 * --every: iterations between two reads of the losses, by whoever monitors the run. --frames: from JPEG frames instead of a pack. --schedule: with the
 * configuration's freezing; without it everything trains. KEY=VALUE overrides the configuration. GPU use is nvidia-smi's. See docs/benchmarks.md.
 */
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadConfig } from '../lib/config/index.ts'
import { makeSyntheticDataset, readDataSettings, type DataConfig } from '../lib/data/index.ts'
import { makePacks } from '../lib/data/pack/write-pack.ts'
import { buildTrainer } from '../lib/engine/builders.ts'
import { type EngineData, Monitor } from '../lib/monitors/monitor.ts'
import type { EpochReport } from '../lib/pipeline/epoch-report.ts'
import { DeviceSampler, type DeviceUse } from './lib/device-use.ts'
import { LineProcess, type StepReply } from './lib/line-process.ts'
import { modelSpec, NativeStep } from './lib/native-step.ts'
import { fixedBatch, ScratchFolder, writeTensors } from './lib/step-inputs.ts'

const configurations = { AlexNet: 'siamfcpp_alexnet-got10k.yaml', TinyConv: 'siamfcpp_tinyconv-got10k.yaml', Inception3: 'siamfcpp_googlenet-got10k.yaml' } as const
type Backbone = keyof typeof configurations

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** When each monitored iteration ended: its losses have been read, so the device is done with it. */
class Clock extends Monitor {
  readonly ends: { iteration: number; at: number; losses: number }[] = []
  report: EpochReport | undefined
  sampler: DeviceSampler | undefined
  use: DeviceUse | null = null
  warm = 0

  override update({ training_losses }: EngineData): void {
    const { iteration } = this.engineState
    this.ends.push({ iteration, at: performance.now() / 1000, losses: Object.values(training_losses).reduce((sum, value) => sum + value, 0) })
    // What was sampled before the run was warm does not count.
    if (iteration <= this.warm) this.sampler?.take()
    else if (this.sampler !== undefined && iteration + (this.hyperParams.every as number) >= this.engineState.max_iteration) this.use = this.sampler.take()
  }

  override epochEnd(report: EpochReport): void {
    this.report = report
  }
}

function integer(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`Expected an integer of at least ${least} for --${name} but received ${text}`)
  return value
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      frames: { type: 'boolean', default: false },
      schedule: { type: 'boolean', default: false },
      device: { type: 'string', default: 'cuda' },
      backbone: { type: 'string', default: 'AlexNet' },
      precision: { type: 'string', default: 'fp16' },
      batch: { type: 'string', default: '128' },
      iterations: { type: 'string', default: '160' },
      warm: { type: 'string', default: '60' },
      workers: { type: 'string', default: String(os.availableParallelism()) },
      every: { type: 'string', default: '10' },
      size: { type: 'string', default: '640x480' },
      sequences: { type: 'string', default: '24' },
      python: { type: 'string', default: 'fp16_channels_last' },
    },
  })
  const size = /^(\d+)x(\d+)$/.exec(values.size)
  if (size === null) throw new Error(`Expected WIDTHxHEIGHT for --size but received ${values.size}`)
  if (!(values.backbone in configurations)) throw new Error(`Expected ${Object.keys(configurations).join(', ')} for --backbone but received ${values.backbone}`)
  const number = (name: 'batch' | 'iterations' | 'warm' | 'workers' | 'every' | 'sequences', least = 1): number => integer(name, values[name], least)
  const warm = number('warm')
  return { ...values, backbone: values.backbone as Backbone, overrides: positionals, width: Number(size[1]), height: Number(size[2]), batch: number('batch'), warm, workers: number('workers'), every: number('every'), sequences: number('sequences'), iterations: number('iterations', warm + 1) }
}
type Options = ReturnType<typeof readOptions>

/** Pairs a second of the step alone in Python. */
async function pythonStep(folder: string, { batch, device, python, backbone }: Options): Promise<number | null> {
  if (python === 'none' || backbone === 'Inception3') return null
  const [inputs, weights] = [path.join(folder, 'inputs.safetensors'), path.join(folder, 'weights.safetensors')]
  await writeTensors(inputs, Object.entries(fixedBatch(batch)).map(([name, tensor]) => ({ name, ...tensor })))
  using ours = await NativeStep.create(modelSpec(backbone, { precision: 'fp32', memoryFormat: 'contiguous' }), 1e-3)
  await writeTensors(weights, await ours.model.stateDict())
  const script = fileURLToPath(new URL('python/step_baseline.py', import.meta.url))
  await using process_ = new LineProcess(process.env.SIAMFCPP_BENCH_PYTHON ?? 'python3', [script], { ...process.env, PYTHONDONTWRITEBYTECODE: '1' })
  await process_.ask({ cmd: 'load', inputs, weights, backbone: backbone.toLowerCase(), threads: os.availableParallelism(), lr: 1e-4, device: device.split(':')[0], cudnn_benchmark: true })
  const run = async (steps: number): Promise<number> => (await process_.ask<StepReply>({ cmd: 'run', mode: python, steps })).seconds[0]!
  await run(5)
  const seconds = Math.min(await run(20), await run(20))
  return batch / seconds
}

async function train(folder: string, options: Options) {
  const { batch, iterations, warm, workers, every, backbone, precision, device } = options
  const root = path.join(folder, 'frames')
  const began = performance.now()
  const made = await makeSyntheticDataset({ out: root, sequences: options.sequences, val: 0, frames: 40, width: options.width, height: options.height })
  const key = 'train.track'
  const pairs = iterations * batch
  const config = await loadConfig(fileURLToPath(new URL(`../configs/${configurations[backbone]}`, import.meta.url)), [
    `${key}.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`,
    `${key}.data.index_cache=none`,
    `${key}.model.backbone.${backbone}.pretrain_model_path=`,
    `${key}.model.precision=${precision}`,
    ...['data', 'trainer.RegularTrainer', 'optim.optimizer.SGD'].flatMap((section) => [`${key}.${section}.minibatch=${batch}`, `${key}.${section}.nr_image_per_epoch=${pairs}`]),
    `${key}.trainer.monitors.names=[]`,
    // Random weights, and a run too short for the configuration's schedule to rise gently.
    `${key}.optim.optimizer.SGD.lr_policy=[]`,
    `${key}.optim.optimizer.SGD.lr=0.0005`,
    `${key}.trainer.RegularTrainer.exp_save=${path.join(folder, 'out')}`,
    ...(options.schedule ? [] : [`${key}.optim.grad_modifier.name=""`]),
    ...(options.frames ? [] : [`${key}.data.pack=${path.join(folder, 'pack')}`]),
    ...options.overrides,
  ])
  if (!options.frames) await makePacks(readDataSettings(config as DataConfig), { out: path.join(folder, 'pack'), log: () => {} })
  say(`${made.train.frames} frames of ${options.size}, made${options.frames ? '' : ' and packed'} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  const clock = new Clock()
  clock.setHyperParams({ every })
  clock.warm = warm
  using sampler = new DeviceSampler()
  clock.sampler = sampler
  const trainer = await buildTrainer(config, { device, workers, monitors: [clock], progress: 'none', log: say, pretrained: false })
  try {
    await trainer.train()
  } finally {
    await trainer.close()
  }
  const counted = clock.ends.filter(({ iteration }) => iteration >= warm)
  const [first, last] = [counted[0], counted.at(-1)]
  if (first === undefined || last === undefined || first === last) throw new Error('too few monitored iterations after the warm ones: raise --iterations or lower --every')
  const rates = counted.slice(1).map((end, i) => ((end.iteration - counted[i]!.iteration) * batch) / (end.at - counted[i]!.at))
  return {
    pairsPerSecond: ((last.iteration - first.iteration) * batch) / (last.at - first.at),
    slowest: Math.min(...rates),
    fastest: Math.max(...rates),
    losses: { first: clock.ends[0]!.losses, last: last.losses },
    deviceUse: clock.use,
    verdict: clock.report?.verdict ?? null,
    stages: clock.report?.stages ?? null,
    loader: clock.report?.loader ?? null,
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  using scratch = new ScratchFolder()
  const ours = await train(scratch.folder, options)
  const baseline = await pythonStep(scratch.folder, options)
  const { backbone, precision, batch, workers, every, iterations, warm, device, size } = options
  const report = { unit: 'pairs/s', ours: ours.pairsPerSecond, baseline, ratio: baseline === null ? null : ours.pairsPerSecond / baseline, backbone, precision, batch, workers, every, iterations, warm, device, size, packed: !options.frames, schedule: options.schedule, overrides: options.overrides, ...ours, pythonMode: options.python }
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  const beside = baseline === null ? '' : `; Python's step alone (${options.python}) ${baseline.toFixed(0)}: ${(ours.pairsPerSecond / baseline).toFixed(2)} times as many`
  const use = ours.deviceUse === null ? '' : `; GPU busy ${ours.deviceUse.mean.toFixed(0)} % (at least ${ours.deviceUse.min.toFixed(0)} %)`
  say(`${backbone} ${precision}, batch ${batch}: ${ours.pairsPerSecond.toFixed(0)} pairs/s from end to end (${ours.slowest.toFixed(0)} to ${ours.fastest.toFixed(0)})${use}${beside}`)
}

try {
  await main()
} catch (error) {
  say(`bench train: ${error instanceof Error ? error.stack : String(error)}`)
  process.exitCode = 1
}
