/**
 * `siamtrain bench`: our speed beside a yardstick that runs in turns with it. The programs are in bench/ of a checkout.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { SiamError } from '../errors.ts'
import { packageRoot } from '../native/load.ts'
import { exitCodes, withSignals } from './common.ts'

const benches = {
  data: 'training pairs a second: the loader beside Python that does what the original does',
  step: 'seconds of a training step: ours beside the same network in Python on torch 2.11',
  index: "seconds and memory of a data set's index of TrackingNet's size: built, and opened from the cache",
} as const

type BenchName = keyof typeof benches

const examples = `
Examples:
  siamtrain bench data --json
  siamtrain bench step --rounds 3 --only speed
  siamtrain bench index --check

The Python for the yardstick (torch 2.11; for data also numpy and opencv) is SIAMFCPP_BENCH_PYTHON, else python3. Other options go to the bench
itself: see the top of bench/NAME.ts, and docs/benchmarks.md.`

/** Adds `bench data`, `bench step` and `bench index` to the program. */
export function registerBenchCommand(program: Command): void {
  const bench = program.command('bench').description('measure our speed beside a yardstick in Python').addHelpText('after', examples)
  for (const [name, description] of Object.entries(benches)) {
    bench
      .command(name)
      .description(description)
      .argument('[options...]', 'options of the bench, for instance --rounds 3')
      .option('--json', 'print the report as JSON')
      .allowUnknownOption()
      .action(async (rest: string[], flags: { json?: boolean }) => {
        await withSignals((signal) => runBench(name as BenchName, [...(flags.json === true ? ['--json'] : []), ...rest], signal))
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
