/**
 * `siamtrain bench`: our speed beside a yardstick that runs in turns with it. The programs are in bench/ of a checkout; `bench data CONFIG` needs none.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { SiamError } from '../errors.ts'
import { packageRoot } from '../native/load.ts'
import { registerBenchData } from './bench-data.ts'
import { exitCodes, withSignals } from './common.ts'

const benches = {
  'epoch-data': 'share of an iteration on the CPU that waits for its batch, from 1080p frames made here',
  checkpoint: 'seconds and memory of reading a 200 MB checkpoint: ours beside its bytes alone, torch.load and safetensors',
  step: 'seconds of a training step: ours beside the same network in Python on torch 2.11, on the CPU or (--device cuda) a GPU',
  train: 'pairs a second of training on a GPU from end to end: packed frames, loader, copies, steps',
  scaling: 'two processes of one thread beside one process of two threads',
  'cuda-kernels': "our CUDA kernels beside libtorch's operations",
  track: 'frames a second: our tracker in each precision beside one in Python on torch 2.11, on the CPU or a GPU',
  index: "seconds and memory of a data set's index of TrackingNet's size: built, and opened from the cache",
} as const

/** The programs in bench/. */
export type BenchName = keyof typeof benches | 'data'

const examples = `
Examples:
  siamtrain bench data my.yaml               your own data: pairs a second, and what limits them
  siamtrain bench data --json
  siamtrain bench step --rounds 3 --only speed
  siamtrain bench step --device cuda --batch 128 --ablate
  siamtrain bench checkpoint --check
  siamtrain bench index --check
  siamtrain bench track --backbone AlexNet --threads 2 --check

The Python for the yardstick (torch 2.11; for data and track also numpy and opencv, for checkpoint safetensors) is SIAMFCPP_BENCH_PYTHON, else python3. Other options go to the bench
itself: see the top of each bench/NAME.ts, and docs/benchmarks.md.`

/** Adds `bench data`, `bench step`, `bench train`, `bench track` and the others to the program. */
export function registerBenchCommand(program: Command): void {
  const bench = program.command('bench').description('measure our speed beside a yardstick in Python').addHelpText('after', examples)
  registerBenchData(bench, runBench)
  for (const [name, description] of Object.entries(benches)) {
    bench
      .command(name)
      .description(description)
      .argument('[options...]', `options of the bench, for instance --rounds 3; the top of bench/${name}.ts explains them`)
      .option('--json', 'print the report as JSON')
      .allowUnknownOption()
      .action(async (rest: string[], flags: { json?: boolean }) => {
        await withSignals((signal) => runBench(name as keyof typeof benches, [...(flags.json === true ? ['--json'] : []), ...rest], signal))
      })
  }
}

/** Runs a bench as a process of its own, so that nothing of this one is in its timings. */
async function runBench(name: BenchName, args: readonly string[], signal: AbortSignal): Promise<void> {
  const file = path.join(packageRoot(), 'bench', `${name}.ts`)
  if (!existsSync(file)) {
    throw new SiamError('ERR_SETUP', 'the benches are not part of the installed package', { file, hint: 'run them in a checkout of the repository' })
  }
  // Signals of a terminal reach the child by themselves; one sent to this process alone is passed on.
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' })
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    })
    signal.throwIfAborted()
    if (code !== 0) process.exitCode = code ?? exitCodes.failed
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
