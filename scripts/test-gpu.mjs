/**
 * npm run test:gpu: the tests of test/gpu, each file in a process of its own, so that one that hangs or breaks the GPU's context takes
 * no other with it; the last line is `N passed, N failed`. Without a GPU it says why and ends well.
 *
 *   npm run test:gpu                           all of them
 *   npm run test:gpu -- golden graph           files whose names contain one of these
 *     --jobs N           files at a time (one for four cores, at most 4); `*.alone.test.ts` always run by themselves
 *     --file-seconds N   a file that takes longer is ended and counts as failed (300)
 *     --seconds N        the same for all of them together (3600)
 *     --require-gpu      having no GPU is a failure; also SIAMFCPP_REQUIRE_GPU=1
 *     --skip-setup       for a checkout that is known to be built
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { childEnvironment, productNode } from './lib/dependencies.mjs'
import { wantsCuda } from './lib/cuda-libraries.mjs'
import { gpuTests, probeGpu } from './lib/gpu-probe.mjs'
import { TestTotals } from './lib/test-totals.mjs'
import { usageOf } from './lib/usage.mjs'
import { root, setupCommand } from './setup.mjs'

const running = new Set()

function endAll() {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    endAll()
    process.stdout.write(`\n${signal}\n`)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

/** Runs one file; what it prints is kept and shown as a whole. @returns {Promise<{file: string, totals: TestTotals, seconds: number, note: string}>} */
function runFile(file, limitSeconds) {
  const folder = path.join(root, '.cache')
  const report = path.join(folder, `gpu-${process.pid}-${path.basename(file)}.json`)
  mkdirSync(folder, { recursive: true })
  const started = performance.now()
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, file]
  return new Promise((resolve) => {
    // A group of its own: ending it ends what the tests have started, too.
    const child = spawn(productNode(root), args, { cwd: root, env: childEnvironment(root), stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    running.add(child)
    let output = ''
    let timedOut = false
    child.stdout.on('data', (chunk) => (output += chunk.toString()))
    child.stderr.on('data', (chunk) => (output += chunk.toString()))
    const timer = setTimeout(() => {
      timedOut = true
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended just now.
      }
    }, limitSeconds * 1000)
    const finish = (code, note) => {
      clearTimeout(timer)
      running.delete(child)
      const totals = new TestTotals()
      totals.addFile(report, code)
      rmSync(report, { force: true })
      process.stdout.write(`\n== ${file}\n${output.trimEnd()}\n`)
      resolve({ file, totals, seconds: (performance.now() - started) / 1000, note })
    }
    child.on('error', (error) => finish(1, error.message))
    child.on('close', (code, signal) => finish(code ?? 1, timedOut ? `ended after ${limitSeconds.toFixed(0)} s` : signal === null ? '' : `ended by ${signal}`))
  })
}

/** @returns {Promise<{file: string, totals: TestTotals, seconds: number, note: string}[]>} in the order in which they ended */
async function runAll(files, options) {
  const outcomes = []
  const until = performance.now() + options.seconds * 1000
  const work = async (queue) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const left = (until - performance.now()) / 1000
      if (left > 0) {
        outcomes.push(await runFile(file, Math.min(left, options.fileSeconds)))
        continue
      }
      const totals = new TestTotals()
      totals.failed++
      outcomes.push({ file, totals, seconds: 0, note: 'not run: the time was up' })
    }
  }
  const together = files.filter((file) => !/\.alone\.test\.[jt]s$/.test(file))
  const alone = files.filter((file) => !together.includes(file))
  await Promise.all(Array.from({ length: options.jobs }, () => work(together)))
  await work(alone)
  return outcomes
}

function printOutcomes(outcomes) {
  process.stdout.write('\n')
  for (const { file, totals, seconds, note } of outcomes.toSorted((a, b) => (a.file < b.file ? -1 : 1))) {
    process.stdout.write(`${totals.failed === 0 ? 'ok    ' : 'FAILED'} ${file}: ${totals} in ${seconds.toFixed(1)} s${note === '' ? '' : ` (${note})`}\n`)
  }
}

function positive(name, text, fallback) {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!(value > 0)) throw new Error(`Expected a number above 0 for --${name} but received ${text}`)
  return value
}

/** @returns {{help: boolean, filters: string[], skipSetup: boolean, requireGpu: boolean, jobs: number, fileSeconds: number, seconds: number}} */
function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      jobs: { type: 'string' },
      'file-seconds': { type: 'string' },
      seconds: { type: 'string' },
      'require-gpu': { type: 'boolean', default: false },
      'skip-setup': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    help: values.help,
    filters: positionals,
    skipSetup: values['skip-setup'],
    requireGpu: values['require-gpu'] || process.env.SIAMFCPP_REQUIRE_GPU === '1',
    jobs: Math.ceil(positive('jobs', values.jobs, Math.max(1, Math.min(4, Math.floor(os.availableParallelism() / 4))))),
    fileSeconds: positive('file-seconds', values['file-seconds'], 300),
    seconds: positive('seconds', values.seconds, 3600),
  }
}

/** @returns {Promise<TestTotals>} */
async function testGpu(options) {
  const totals = new TestTotals()
  const all = gpuTests(root)
  const files = options.filters.length === 0 ? all : all.filter((file) => options.filters.some((filter) => file.includes(filter)))
  if (files.length === 0) {
    process.stdout.write(`no GPU test is called ${options.filters.join(' or ')}; there are:\n${all.join('\n')}\n`)
    totals.failed++
    return totals
  }
  // Set-up takes minutes on a fresh clone: not for tests that no driver can run.
  if (!options.skipSetup && !options.requireGpu && wantsCuda() === undefined && process.env.SIAMFCPP_TEST_DEVICE === undefined) {
    process.stdout.write(`GPU tests: ${files.length} files are skipped: no NVIDIA driver was found here\n`)
    totals.skipped += files.length
    return totals
  }
  if (!options.skipSetup && (await setupCommand(undefined, 'npm run test:gpu')) !== 0) {
    totals.failed++
    return totals
  }
  const { available, broken, reason } = probeGpu(root)
  if (!available) {
    const fails = broken === true || options.requireGpu
    process.stdout.write(`GPU tests: ${files.length} files ${fails ? 'cannot run' : 'are skipped'}: ${reason}\n`)
    if (fails) totals.failed += files.length
    else totals.skipped += files.length
    return totals
  }
  const outcomes = await runAll(files, options)
  printOutcomes(outcomes)
  for (const outcome of outcomes) totals.add(outcome.totals)
  if (totals.passed + totals.failed === 0) totals.failed++
  return totals
}

let options
try {
  options = readArguments()
} catch (error) {
  process.stderr.write(`test-gpu: ${error.message}\n`)
  process.exit(2)
}
if (options.help) {
  process.stdout.write(usageOf(import.meta.url))
  process.exit(0)
}
const totals = await testGpu(options)
process.stdout.write(`\n${totals}\n`)
process.exitCode = totals.failed === 0 ? 0 : 1
