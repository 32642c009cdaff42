/**
 * Our training step beside the same network written in Python (bench/python), in turns within one run.
 *
 *   node bench/step.ts --device cuda …        on a GPU: bench/step-device.ts
 *   node bench/step.ts [--json] [--rounds 5] [--batch 32] [--threads 2] [--iterations 200] [--loss-batch 4] [--only speed,loop,losses]
 *
 * The Python (torch 2.11) is SIAMFCPP_BENCH_PYTHON, else python3. See docs/benchmarks.md for what each number means.
 */
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadConfig, requireTrain } from '../lib/config/index.ts'
import { loadAddon, packageRoot } from '../lib/native/load.ts'
import { LineProcess, type StepReply } from './lib/line-process.ts'
import { loopOverhead, type LoopOverhead } from './lib/loop-overhead.ts'
import { lossDrift, type LossDrift } from './lib/loss-drift.ts'
import { modelSpec, NativeStep, type Mode } from './lib/native-step.ts'
import { pairedRatio, timingOf, type Timing } from './lib/stats.ts'
import { fixedBatch, ScratchFolder, writeTensors } from './lib/step-inputs.ts'

const pythonModes = ['fp32', 'fp32_channels_last', 'bf16', 'bf16_channels_last'] as const
type PythonMode = (typeof pythonModes)[number]

/** What a configuration gets that sets neither precision nor memory format. */
async function defaultModeOf(): Promise<Mode> {
  const config = await loadConfig(path.join(packageRoot(), 'configs', 'siamfcpp_alexnet-got10k.yaml'), [], { onWarning: () => {} })
  const { precision, memory_format } = requireTrain(config).model
  return { precision, memoryFormat: memory_format }
}

/** The fastest that a user can ask for. */
const fastMode: Mode = { precision: 'bf16', memoryFormat: 'channels_last' }
const lr = 1e-3

interface Pair {
  ours: Timing
  python: Timing
  pythonMode: PythonMode
  /** Ours over Python's: of the fastest steps, of the medians, and the median over neighbouring pairs. */
  ratio: number
  ratioMedian: number
  ratioPaired: number
  /** Of the processor seconds of the cheapest steps: the one number that other programs on the machine change little. */
  ratioCpu: number
  cpuSeconds: { ours: number; python: number }
  target: number
}

interface SpeedReport {
  default: Pair
  fastest: Pair
  /** Seconds of one step in each of Python's modes (the second step of each). */
  pythonModes: Record<PythonMode, number>
  /** Largest relative difference between our and Python's losses in the first fp32 step. */
  firstStepDifference: number
}

interface Options {
  rounds: number
  batch: number
  threads: number
  iterations: number
  lossBatch: number
  only: string[]
  json: boolean
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      batch: { type: 'string', default: '32' },
      threads: { type: 'string', default: '2' },
      iterations: { type: 'string', default: '200' },
      'loss-batch': { type: 'string', default: '4' },
      only: { type: 'string', default: 'speed,loop,losses' },
    },
  })
  const count = (name: 'rounds' | 'batch' | 'threads' | 'iterations' | 'loss-batch'): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`Expected an integer ≥ 1 for --${name} but received ${values[name]}`)
    return value
  }
  return { rounds: count('rounds'), batch: count('batch'), threads: count('threads'), iterations: count('iterations'), lossBatch: count('loss-batch'), only: values.only.split(','), json: values.json }
}

async function speed(folder: string, defaultMode: Mode, options: Options): Promise<SpeedReport> {
  const raw = fixedBatch(options.batch)
  const inputs = path.join(folder, 'inputs.safetensors')
  const weights = path.join(folder, 'weights.safetensors')
  await writeTensors(inputs, Object.entries(raw).map(([name, tensor]) => ({ name, ...tensor })))
  using ours = await NativeStep.create(modelSpec('AlexNet', defaultMode), lr)
  const start = await ours.model.stateDict()
  await writeTensors(weights, start)
  using fast = await NativeStep.create(modelSpec('AlexNet', fastMode), lr, start)

  const script = fileURLToPath(new URL('python/step_baseline.py', import.meta.url))
  await using python = new LineProcess(process.env.SIAMFCPP_BENCH_PYTHON ?? 'python3', [script], { ...process.env, PYTHONDONTWRITEBYTECODE: '1' })
  const { torch } = await python.ask<{ torch: string }>({ cmd: 'load', inputs, weights, backbone: 'alexnet', threads: options.threads, lr })
  if (!torch.startsWith('2.11.')) throw new Error(`the baseline needs torch 2.11 (set SIAMFCPP_BENCH_PYTHON), this Python has ${torch}`)
  const pythonStep = (mode: PythonMode, steps = 1): Promise<StepReply> => python.ask<StepReply>({ cmd: 'run', mode, steps })

  const batch = NativeStep.upload(raw)
  const own = await ours.run(batch)
  const theirs = (await pythonStep('fp32')).losses[0] as Record<string, number>
  const firstStepDifference = Math.max(...Object.entries(own.losses).map(([name, value]) => Math.abs(value / (theirs[name] as number) - 1)))
  if (!(firstStepDifference < 1e-3)) throw new Error(`the two programs do not compute the same: ${JSON.stringify(own.losses)} and ${JSON.stringify(theirs)}`)

  const modeSeconds = {} as Record<PythonMode, number>
  for (const mode of pythonModes) {
    modeSeconds[mode] = (await pythonStep(mode, 2)).seconds[1] as number
    say(`python ${mode}: ${modeSeconds[mode].toFixed(2)} s`)
  }
  const best = pythonModes.reduce((a, b) => (modeSeconds[b] < modeSeconds[a] ? b : a))
  await fast.run(batch)

  const exactSteps: Measured[] = []
  const fastSteps: Measured[] = []
  for (let round = 1; round <= options.rounds; round += 1) {
    const exact = await inTurn(() => ours.run(batch), () => pythonStep('fp32'))
    const quick = await inTurn(() => fast.run(batch), () => pythonStep(best))
    exactSteps.push(exact)
    fastSteps.push(quick)
    say(`round ${round}: default ${exact.ours.toFixed(2)} s, python fp32 ${exact.python.toFixed(2)} s | fastest ${quick.ours.toFixed(2)} s, python ${best} ${quick.python.toFixed(2)} s`)
  }
  for (const tensor of Object.values(batch)) tensor.dispose()
  return {
    default: pairOf(exactSteps, 'fp32', 1),
    fastest: pairOf(fastSteps, best, 0.95),
    pythonModes: modeSeconds,
    firstStepDifference,
  }
}

/** Seconds of one step of ours and the Python step right after it. */
interface Measured {
  ours: number
  python: number
  oursCpu: number
  pythonCpu: number
}

async function inTurn(ours: () => Promise<{ seconds: number; cpuSeconds: number }>, python: () => Promise<StepReply>): Promise<Measured> {
  const own = await ours()
  const theirs = await python()
  return { ours: own.seconds, python: theirs.seconds[0] as number, oursCpu: own.cpuSeconds, pythonCpu: theirs.cpu?.[0] as number }
}

function pairOf(steps: readonly Measured[], pythonMode: PythonMode, target: number): Pair {
  const ours = steps.map((step) => step.ours)
  const theirs = steps.map((step) => step.python)
  const [own, python] = [timingOf(ours), timingOf(theirs)]
  const cpuSeconds = { ours: Math.min(...steps.map((step) => step.oursCpu)), python: Math.min(...steps.map((step) => step.pythonCpu)) }
  return {
    ours: own,
    python,
    pythonMode,
    ratio: own.min / python.min,
    ratioMedian: own.median / python.median,
    ratioPaired: pairedRatio(ours, theirs),
    ratioCpu: cpuSeconds.ours / cpuSeconds.python,
    cpuSeconds,
    target,
  }
}

function describe(report: { speed?: SpeedReport; loop?: LoopOverhead; losses?: LossDrift }): string {
  const lines: string[] = []
  const row = (what: string, { ours, python, pythonMode, ratio, ratioMedian, ratioCpu, target }: Pair): void =>
    void lines.push(`${what}: ${ours.min.toFixed(2)} s (median ${ours.median.toFixed(2)}), Python ${pythonMode} ${python.min.toFixed(2)} s (${python.median.toFixed(2)}): ratio ${ratio.toFixed(3)} (medians ${ratioMedian.toFixed(3)}, processor time ${ratioCpu.toFixed(3)}), target ≤ ${target}`)
  if (report.speed !== undefined) {
    row('default fp32', report.speed.default)
    row('fastest', report.speed.fastest)
  }
  const { loop, losses } = report
  if (loop !== undefined) {
    lines.push(`TypeScript loop beside C++ loop, batch ${loop.batch}: ${(100 * loop.overhead).toFixed(2)} % of the fastest steps, ${(100 * loop.overheadPaired).toFixed(2)} % over pairs; its eight calls across the boundary take ${(1e6 * loop.boundarySeconds).toFixed(0)} µs, ${(100 * loop.boundaryFraction).toFixed(3)} %; losses ${loop.lossesEqual ? 'equal bit by bit' : 'DIFFER'}`)
  }
  if (losses !== undefined) {
    lines.push(`losses over ${losses.iterations} iterations at batch ${losses.batch}: fp32 ${losses.fp32.first.toFixed(3)} → ${losses.fp32.last.toFixed(3)}, fastest ${losses.fast.first.toFixed(3)} → ${losses.fast.last.toFixed(3)}; difference of an iteration: mean ${(100 * losses.relative.mean).toFixed(2)} %, median ${(100 * losses.relative.median).toFixed(2)} %, max ${(100 * losses.relative.max).toFixed(1)} %`)
  }
  return `${lines.join('\n')}\n`
}

async function main(): Promise<void> {
  const options = readOptions()
  using scratch = new ScratchFolder()
  await loadAddon().setThreads(options.threads)
  const defaultMode = await defaultModeOf()
  const speedReport = options.only.includes('speed') ? await speed(scratch.folder, defaultMode, options) : undefined
  const loop = options.only.includes('loop') ? await loopOverhead(scratch.folder, fastMode, { threads: options.threads, batch: 2, steps: 4 * options.rounds }) : undefined
  const losses = options.only.includes('losses')
    ? await lossDrift(scratch.folder, fastMode, { iterations: options.iterations, batch: options.lossBatch, lr: 0.005 }, (done) => {
        if (done % 20 === 0) say(`losses: ${done} of ${options.iterations} iterations`)
      })
    : undefined
  const report = {
    unit: 's/step',
    ours: speedReport?.fastest.ours.min,
    baseline: speedReport?.fastest.python.min,
    ratio: speedReport?.fastest.ratio,
    batch: options.batch,
    threads: options.threads,
    backbone: 'AlexNet',
    modes: { default: defaultMode, fastest: fastMode },
    speed: speedReport,
    loop,
    losses,
    machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length, load: os.loadavg()[0] },
  }
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe({ speed: speedReport, loop, losses }))
}

if (process.argv.includes('--device')) await import('./step-device.ts')
else await measure()

async function measure(): Promise<void> {
  try {
    await main()
  } catch (error) {
    say(`bench step: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
