/**
 * Our training step on a GPU beside the same network in Python (bench/python), in turns within one run, and what each of our means brings.
 *
 *   node bench/step-device.ts [--json] [--device cuda] [--backbone AlexNet] [--batch 128] [--rounds 4] [--steps 12] [--warm 14] [--ablate] [--profile] [--no-python]
 *
 * The batch lies on the device for both sides. Ours is the trainer's own loop with everything that a configuration can ask for; --ablate takes one of its means
 * away after the other; --profile lists the kernels of one step. The Python (torch 2.11) is SIAMFCPP_BENCH_PYTHON, else python3. See docs/benchmarks.md.
 */
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadAddon } from '../lib/native/load.ts'
import { configurations, DeviceStep, pythonNames, type DeviceBackbone, type Variant } from './lib/device-step.ts'
import { LineProcess, type StepReply } from './lib/line-process.ts'
import { timingOf, type Timing } from './lib/stats.ts'
import { fixedBatch, ScratchFolder, writeTensors } from './lib/step-inputs.ts'

/** Python's modes, and how many times as fast ours must be. */
const baselines = [
  { mode: 'fp32', benchmark: false, target: 3 },
  { mode: 'fp16_channels_last', benchmark: true, target: 1.15 },
] as const

const say = (text: string): void => void process.stderr.write(`${text}\n`)

const model = 'train.track.model'
const fast = [`${model}.precision=fp16`, `${model}.memory_format=channels_last`]

function withEnvironment(name: string, value: string): () => () => void {
  return () => {
    const before = process.env[name]
    process.env[name] = value
    return () => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    }
  }
}

function withoutKernels(): () => void {
  loadAddon().setCudaKernels(false)
  return () => loadAddon().setCudaKernels(true)
}

const full: Variant = { name: 'all of it (fp16)', overrides: fast, every: 10 }

const ablations: readonly Variant[] = [
  { name: 'losses read in every iteration', overrides: fast, every: 1 },
  { name: 'with a CUDA graph', overrides: [...fast, 'train.track.trainer.RegularTrainer.cuda_graph=true'], every: 10 },
  { name: 'without our kernels', overrides: fast, every: 10, with: withoutKernels, during: withoutKernels },
  { name: 'without folding the image', overrides: fast, every: 10, with: withEnvironment('SIAMFCPP_STEM_FOLD', '0') },
  { name: 'without channels_last', overrides: [`${model}.precision=fp16`, `${model}.memory_format=contiguous`], every: 10 },
  { name: 'bf16', overrides: [`${model}.precision=bf16`], every: 10 },
  { name: 'fp32 (TF32 convolutions)', overrides: [`${model}.precision=fp32`], every: 10 },
]

interface Row {
  name: string
  ours: Timing
  pairsPerSecond: number
  losses: Record<string, number>
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      ablate: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      'no-python': { type: 'boolean', default: false },
      device: { type: 'string', default: 'cuda' },
      backbone: { type: 'string', default: 'AlexNet' },
      batch: { type: 'string', default: '128' },
      rounds: { type: 'string', default: '4' },
      steps: { type: 'string', default: '12' },
      warm: { type: 'string', default: '14' },
    },
  })
  const count = (name: 'batch' | 'rounds' | 'steps' | 'warm'): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`Expected an integer ≥ 1 for --${name} but received ${values[name]}`)
    return value
  }
  if (!(values.backbone in configurations)) throw new RangeError(`Expected ${Object.keys(configurations).join(', ')} for --backbone but received ${values.backbone}`)
  return { ...values, backbone: values.backbone as DeviceBackbone, batch: count('batch'), rounds: count('rounds'), steps: count('steps'), warm: count('warm') }
}

async function main(): Promise<void> {
  const options = readOptions()
  const { backbone, batch, device, steps } = options
  using scratch = new ScratchFolder()
  // GoogLeNet's search image is smaller.
  const raw = fixedBatch(batch, undefined, backbone === 'Inception3' ? 289 : 303)
  const [inputs, weights] = [path.join(scratch.folder, 'inputs.safetensors'), path.join(scratch.folder, 'weights.safetensors')]
  await using ours = await DeviceStep.create(backbone, raw, device, full, scratch.folder, null)
  const start = await ours.model.stateDict()
  const withPython = !options['no-python']
  const script = fileURLToPath(new URL('python/step_baseline.py', import.meta.url))
  const pythons: { mode: string; target: number; process: LineProcess; seconds: number[] }[] = []
  const rows: Row[] = []
  try {
    if (withPython) {
      await writeTensors(inputs, Object.entries(raw).map(([name, tensor]) => ({ name, ...tensor })))
      await writeTensors(weights, start)
      for (const { mode, benchmark, target } of baselines) {
        const process_ = new LineProcess(process.env.SIAMFCPP_BENCH_PYTHON ?? 'python3', [script], { ...process.env, PYTHONDONTWRITEBYTECODE: '1' })
        pythons.push({ mode, target, process: process_, seconds: [] })
        await process_.ask({ cmd: 'load', inputs, weights, backbone: pythonNames[backbone], threads: os.availableParallelism(), lr: 1e-6, device: device.split(':')[0], cudnn_benchmark: benchmark })
        await process_.ask<StepReply>({ cmd: 'run', mode, steps: options.warm })
      }
    }
    await ours.run(options.warm)
    const own: number[] = []
    for (let round = 0; round < options.rounds; round += 1) {
      own.push(await ours.run(steps))
      for (const python of pythons) python.seconds.push((await python.process.ask<StepReply>({ cmd: 'run', mode: python.mode, steps })).seconds[0]!)
    }
    const row = (name: string, seconds: number[], losses: Record<string, number>): Row => ({ name, ours: timingOf(seconds), pairsPerSecond: batch / timingOf(seconds).median, losses })
    rows.push(row(full.name, own, ours.losses))
    if (options.profile) {
      const kernels = await ours.profile()
      say(`one step, ${(1000 * kernels.reduce((sum, { seconds }) => sum + seconds, 0)).toFixed(2)} ms of the device:`)
      for (const { name, count, seconds } of kernels.slice(0, 30)) say(`${(1e6 * seconds).toFixed(0).padStart(8)} µs ${String(count).padStart(5)}  ${name.slice(0, 130)}`)
    }
    for (const python of pythons) await python.process.ask({ cmd: 'free', mode: python.mode })
    for (const variant of options.ablate ? ablations : []) {
      try {
        await using one = await DeviceStep.create(backbone, raw, device, variant, scratch.folder, start)
        await one.run(options.warm)
        const seconds = [await one.run(steps), await one.run(steps), await one.run(steps)]
        rows.push(row(variant.name, seconds, one.losses))
      } catch (error) {
        say(`${variant.name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  } finally {
    for (const { process: child } of pythons) await child[Symbol.asyncDispose]()
  }
  const own = rows[0]!.ours
  const beside = pythons.map(({ mode, target, seconds }) => {
    const baseline = timingOf(seconds)
    return { mode, baseline, ratio: baseline.median / own.median, ratioMin: baseline.min / own.min, target }
  })
  const report = { unit: 's/step', ours: own.median, baseline: beside.at(-1)?.baseline.median ?? null, ratio: beside.at(-1)?.ratio ?? null, backbone, batch, device, steps, beside, rows, kernels: await loadAddon().cudaKernels(), memory: loadAddon().memory() }
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  for (const { name, ours: timing, pairsPerSecond, losses } of rows) {
    say(`${backbone}, batch ${batch}, ${name}: ${(1000 * timing.median).toFixed(2)} ms (least ${(1000 * timing.min).toFixed(2)}), ${pairsPerSecond.toFixed(0)} pairs/s, × ${(timing.median / own.median).toFixed(2)}, losses ${Object.values(losses).map((value) => value.toFixed(4)).join(' ')}`)
  }
  for (const { mode, baseline, ratio, target } of beside) say(`Python ${mode}: ${(1000 * baseline.median).toFixed(2)} ms: ours is ${ratio.toFixed(2)} times as fast (wanted ${target})`)
}

try {
  await main()
} catch (error) {
  say(`bench step-device: ${error instanceof Error ? error.stack : String(error)}`)
  process.exitCode = 1
}
