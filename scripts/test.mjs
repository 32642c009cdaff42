/**
 * npm test: set-up, types, lint, then every test; the last line is `N passed, N failed`.
 *
 *   npm test                              everything
 *   npm test -- test/unit test/golden     these tests only (set-up still runs; types and lint do not)
 *   npm test -- --skip-setup …            for a checkout that is known to be built
 *
 * A failed check counts as one failed, a passed one as one passed. Nothing run counts as a failure.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { childEnvironment, productNode } from './lib/dependencies.mjs'
import { gpuTests, probeGpu } from './lib/gpu-probe.mjs'
import { TestTotals } from './lib/test-totals.mjs'
import { root, setupCommand } from './setup.mjs'

const args = process.argv.slice(2)
const skipSetup = args.includes('--skip-setup')
const filters = args.filter((arg) => arg !== '--skip-setup')
const totals = new TestTotals()

/** Runs a tool with our terminal. Our own signals reach it through the process group; we stay to report. @returns its exit code */
function run(title, command, commandArgs) {
  process.stdout.write(`\n== ${title}\n`)
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: childEnvironment(root) })
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`)
      resolve(1)
    })
    child.on('close', (code) => resolve(code ?? 1))
  })
}

async function check(title, command, commandArgs) {
  const code = await run(title, command, commandArgs)
  totals[code === 0 ? 'passed' : 'failed']++
  process.stdout.write(code === 0 ? `${title}: passed\n` : `${title}: FAILED (exit ${code})\n`)
}

/** Where there is no GPU the files of test/gpu are not even loaded. @returns {string[]} vitest's arguments for that */
function withoutGpuTests() {
  const files = gpuTests(root)
  if (files.length === 0) return []
  const { available, broken, reason } = probeGpu(root)
  // An addon that does not load fails every test that needs it; that is the better report.
  if (available || broken === true) return []
  process.stdout.write(`\nGPU tests: ${files.length} files are skipped: ${reason}\n`)
  totals.skipped += files.length
  return ['--exclude', 'test/gpu/**']
}

function finish() {
  if (totals.passed + totals.failed === 0) totals.failed++
  process.stdout.write(`\n${totals}\n`)
  process.exitCode = totals.failed === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    process.stdout.write(`\n${signal}\n`)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

const ready = skipSetup ? 0 : await setupCommand(undefined, 'npm test')
if (ready !== 0) {
  totals.failed++
  finish()
} else {
  const node = productNode(root)
  const modules = path.join(root, 'node_modules')
  if (filters.length === 0) {
    await check('types', node, [path.join(modules, 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json', '--noEmit'])
    await check('types of the demo page', node, [path.join(modules, 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.page.json'])
    await check('lint', node, [path.join(modules, 'oxlint', 'bin', 'oxlint'), '--deny-warnings'])
  }
  const folder = path.join(root, '.cache')
  const file = path.join(folder, `vitest-${process.pid}.json`)
  mkdirSync(folder, { recursive: true })
  const vitest = path.join(modules, 'vitest', 'vitest.mjs')
  const excluded = filters.length === 0 ? withoutGpuTests() : []
  const code = await run('tests', node, [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...excluded, ...filters])
  totals.addFile(file, code)
  rmSync(file, { force: true })
  finish()
}
