/** What the TypeScript loop costs beside a C++ loop over the same native calls. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import type { RawTensor } from '../../lib/native/addon.ts'
import { LineProcess, type StepReply } from './line-process.ts'
import { modelSpec, NativeStep, type Mode } from './native-step.ts'
import { fixedBatch } from './step-inputs.ts'
import { pairedRatio, timingOf, type Timing } from './stats.ts'

export interface LoopOverhead {
  backbone: 'AlexNet' | 'TinyConv'
  batch: number
  steps: number
  typescript: Timing
  cpp: Timing
  /** Fractions of the C++ loop's time: of the fastest steps, and the median over pairs of neighbouring steps. */
  overhead: number
  overheadPaired: number
  /** Seconds of a step's eight calls across the boundary when they have nothing to do, and their part of the C++ loop's fastest step. */
  boundarySeconds: number
  boundaryFraction: number
  /** Both loops went through the same losses, bit by bit. */
  lossesEqual: boolean
}

const program = (): string => path.join(packageRoot(), 'build', 'Release', 'siamfcpp_bench_loop')

/** Builds the C++ loop where it is not there. @throws Error when it cannot be built */
export function ensureLoopProgram(): void {
  if (!existsSync(path.join(packageRoot(), 'build', 'CMakeCache.txt'))) throw new Error('the addon is not built: run npm run setup')
  execFileSync('cmake', ['--build', path.join(packageRoot(), 'build'), '--target', 'siamfcpp_bench_loop'], { stdio: ['ignore', 'ignore', 'pipe'] })
}

function writeBatch(file: string, batch: Record<string, RawTensor>): void {
  const header = Object.entries(batch).map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape.join(' ')}\n`)
  writeFileSync(file, Buffer.concat([Buffer.from(`${header.join('')}\n`), ...Object.values(batch).map(({ data }) => data)]))
}

/** Eight promises one after the other, as a step has them: forward, three losses, sum, backward, step, readScalars. */
async function boundarySeconds(): Promise<number> {
  const addon = loadAddon()
  const taken: number[] = []
  for (let i = 0; i < 300; i += 1) {
    const start = performance.now()
    for (let call = 0; call < 8; call += 1) await addon.readScalars([])
    taken.push((performance.now() - start) / 1000)
  }
  return timingOf(taken).median
}

/** Steps of both loops in turns; short steps, so that a fixed cost a step would show. */
export async function loopOverhead(folder: string, mode: Mode, options: { threads: number; batch: number; steps: number }): Promise<LoopOverhead> {
  ensureLoopProgram()
  const backbone = 'AlexNet'
  const raw = fixedBatch(options.batch, 3)
  const file = path.join(folder, 'loop-batch.raw')
  writeBatch(file, raw)
  const lr = 1e-3
  using ours = await NativeStep.create(modelSpec(backbone, mode, 0), lr)
  const batch = NativeStep.upload(raw)
  await using cpp = new LineProcess(program(), [file, backbone, mode.precision, mode.memoryFormat, String(options.threads), String(lr), '0'])
  const seconds: { ours: number[]; cpp: number[] } = { ours: [], cpp: [] }
  let lossesEqual = true
  for (let i = 0; i < options.steps + 2; i += 1) {
    const own = await ours.run(batch)
    const theirs = await cpp.ask<StepReply>({ cmd: 'run', steps: 1 })
    lossesEqual &&= Object.entries(own.losses).every(([name, value]) => value === theirs.losses[0]?.[name])
    // The first steps allocate, and oneDNN makes its kernels.
    if (i < 2) continue
    seconds.ours.push(own.seconds)
    seconds.cpp.push(theirs.seconds[0] as number)
  }
  for (const tensor of Object.values(batch)) tensor.dispose()
  const boundary = await boundarySeconds()
  const [typescript, cppTiming] = [timingOf(seconds.ours), timingOf(seconds.cpp)]
  return {
    backbone,
    batch: options.batch,
    steps: options.steps,
    typescript,
    cpp: cppTiming,
    overhead: typescript.min / cppTiming.min - 1,
    overheadPaired: pairedRatio(seconds.ours, seconds.cpp) - 1,
    boundarySeconds: boundary,
    boundaryFraction: boundary / cppTiming.min,
    lossesEqual,
  }
}
