/**
 * Makes the checkout ready: packages, libtorch, the C++ addon, dist/. Safe to run at any time; what is done is not done again.
 * Needs Node 20.17, nothing else: it is what installs the rest.
 *
 *   node scripts/setup.mjs [--only dependencies|libtorch|native|typescript …]
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { atLeast, installDependencies, MIN_SETUP_NODE } from './lib/dependencies.mjs'
import { provideLibtorch } from './lib/libtorch-cache.mjs'
import { withLock } from './lib/lock.mjs'
import { buildNative } from './lib/native-build.mjs'
import { formatFailure, Reporter, SetupFailure } from './lib/report.mjs'
import { buildTypeScript } from './lib/typescript-build.mjs'

export const root = path.resolve(fileURLToPath(new URL('..', import.meta.url)))
const STEPS = ['dependencies', 'libtorch', 'native', 'typescript']

/**
 * Runs the steps in order.
 * @param {string[]} [only]  names of steps; native implies libtorch
 * @throws {SetupFailure}
 */
export async function setup(only = STEPS) {
  if (!atLeast(process.version, MIN_SETUP_NODE)) {
    throw new SetupFailure(`Node ${process.version} is too old: set-up itself needs ${MIN_SETUP_NODE.join('.')}`, {
      todo: ['install Node 22 or newer (https://nodejs.org), and put it first on PATH'],
      looked: [process.execPath],
    })
  }
  if (process.platform !== 'linux') {
    throw new SetupFailure(`this package runs on Linux, not on ${process.platform}`, { todo: ['use a Linux machine, or WSL 2 on Windows'] })
  }
  const wanted = STEPS.filter((name) => only.includes(name) || (name === 'libtorch' && only.includes('native')))
  const reporter = new Reporter(wanted.length)
  const scratch = path.join(root, '.cache')
  try {
    mkdirSync(scratch, { recursive: true })
  } catch (error) {
    throw new SetupFailure(`${root} cannot be written: ${error.message}`, { todo: ['make the checkout writable, and check that its disk is not full'] })
  }
  await withLock(
    path.join(scratch, 'setup.lock'),
    async () => {
      let libtorch
      for (const name of wanted) {
        if (name === 'dependencies') await reporter.step('npm packages', (progress) => installDependencies(root, progress))
        if (name === 'libtorch') {
          await reporter.step('libtorch 2.11.0', async (progress) => {
            libtorch = await provideLibtorch(root, progress)
            return libtorch.outcome
          })
        }
        if (name === 'native') await reporter.step('C++ addon', (progress) => buildNative(root, libtorch, progress))
        if (name === 'typescript') await reporter.step('TypeScript', (progress) => buildTypeScript(root, progress))
      }
    },
    (text) => process.stderr.write(`${text}\n`),
  )
}

/** Runs set-up as a command: prints a failure and returns its exit code. */
export async function setupCommand(only, again) {
  try {
    await setup(only)
    return 0
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error
    process.stderr.write(`${formatFailure(error, again)}\n`)
    return 1
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2)
  const names = args[0] === '--only' ? args.slice(1) : undefined
  if (args.includes('--help')) {
    process.stdout.write('node scripts/setup.mjs [--only dependencies|libtorch|native|typescript …]\n\nMakes the checkout ready. Example: npm run setup\n')
  } else if ((args.length > 0 && names === undefined) || (names !== undefined && (names.length === 0 || names.some((name) => !STEPS.includes(name))))) {
    process.stderr.write(`setup: unknown arguments ${args.join(' ')}; see --help\n`)
    process.exitCode = 2
  } else {
    process.exitCode = await setupCommand(names)
  }
}
