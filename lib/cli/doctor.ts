/**
 * `siamtrain doctor`: what the product stands on (libtorch, the addon, the JPEG decoder, devices, Node) and how to mend what is wrong.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { jpegLibraryPath } from '../native/jpeg-library.ts'
import { pictureLibraryPath } from '../native/picture-library.ts'
import type { CudaInfo } from '../native/addon-cuda.ts'
import { exitCodes } from './common.ts'
import { cudaRows, doctorCuda, type DoctorCuda } from './doctor-cuda.ts'

export interface DoctorProblem {
  what: string
  fix: string
}

export interface DoctorReport {
  ok: boolean
  /** The libtorch that the addon was built with and loads. */
  libtorch: { version: string | null; path: string | null; source: string | null }
  cuda: DoctorCuda
  jpeg: { version: string | null; path: string | null }
  /** libvips, for PNG and WebP frames. Without it only they cannot be decoded, which is no problem for who has none. */
  pictures: { version: string | null; path: string | null; missing: string | null }
  addon: { path: string; compiler: string | null }
  node: { version: string; path: string }
  cpu: { model: string; cores: number; simd: string | null; threads: number | null }
  problems: DoctorProblem[]
}

interface Probe {
  versions: { libtorch: string; libtorchPath: string; turbojpeg: string; cxxCompiler: string; simd: string }
  cuda: CudaInfo
  threads: number
  jpegProblem: string | null
  pictures: { version: string | null; missing: string | null }
}

interface ChildResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

const requiredLibtorch = '2.11.0'
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a script with our Node and waits at most 60 seconds. Never rejects. */
function runChild(script: string): Promise<ChildResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', (error) => resolve({ code: 1, signal: null, stdout, stderr: error.message }))
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** The line of a crashed child that says why: an error's message, else its last line. */
function reasonOf(result: ChildResult): string {
  const lines = result.stderr.split('\n').map((line) => line.trim()).filter((line) => line !== '')
  // Node shows the throwing source line first: the error itself begins with its class's name.
  const error = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.find((line) => /ERR_\w+|^FATAL/.test(line)) ?? lines.at(-1)
  if (result.signal !== null) return `it was ended by ${result.signal}${error === undefined ? '' : ` (${error})`}`
  return error ?? `exit ${result.code}`
}

/** Which libtorch set-up chose, and why; from build/setup.json. */
function recordedLibtorch(): { path: string; version: string; source: string } | undefined {
  try {
    const state = JSON.parse(readFileSync(path.join(root, 'build', 'setup.json'), 'utf8')) as { libtorch?: { path: string; version: string; source: string } }
    return state.libtorch
  } catch {
    return undefined
  }
}

function samePlace(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b)
  } catch {
    return path.resolve(a) === path.resolve(b)
  }
}

/**
 * Examines the installation. Loads the addon only in a child process.
 * @returns the report; `ok` is true when everything that training on the CPU needs is there (a missing GPU is no problem, only a fact)
 */
export async function examine(): Promise<DoctorReport> {
  const problems: DoctorProblem[] = []
  const addonFile = path.join(root, 'build', 'Release', 'siamfcpp.node')
  const recorded = recordedLibtorch()
  const report: DoctorReport = {
    ok: false,
    libtorch: { version: recorded?.version ?? null, path: recorded?.path ?? null, source: recorded?.source ?? null },
    cuda: { available: false, reason: 'unknown: the addon does not load', driver: null, driverCuda: 0, runtimeCuda: 0, cudnn: 0, devices: [] },
    jpeg: { version: null, path: jpegLibraryPath() },
    pictures: { version: null, path: pictureLibraryPath() || null, missing: null },
    addon: { path: addonFile, compiler: null },
    node: { version: process.versions.node, path: process.execPath },
    cpu: { model: os.cpus()[0]?.model.trim() ?? 'unknown', cores: os.availableParallelism(), simd: null, threads: null },
    problems,
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 22 || (major === 22 && minor < 18)) problems.push({ what: `Node ${process.versions.node} is too old`, fix: 'use Node 22.18 or newer' })

  if (!existsSync(addonFile)) {
    problems.push({ what: `the addon is not built (${addonFile})`, fix: 'npm run setup' })
    await describeMissingLibtorch(problems)
  } else {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const result = await runChild(fileURLToPath(new URL(`./doctor-probe${extension}`, import.meta.url)))
    const probe = result.code === 0 ? parseProbe(result.stdout) : undefined
    if (probe === undefined) {
      problems.push({ what: `the addon does not load: ${reasonOf(result)}`, fix: `remove ${path.join(root, 'build')} and run npm run setup` })
      await describeMissingLibtorch(problems)
    } else {
      fillFromProbe(report, probe, recorded)
    }
  }
  report.ok = problems.length === 0
  return report
}

function parseProbe(text: string): Probe | undefined {
  try {
    return JSON.parse(text) as Probe
  } catch {
    return undefined
  }
}

function fillFromProbe(report: DoctorReport, probe: Probe, recorded: { path: string; source: string } | undefined): void {
  const { versions } = probe
  const isRecorded = recorded !== undefined && (samePlace(recorded.path, versions.libtorchPath) || samePlace(path.join(recorded.path, 'lib'), path.dirname(versions.libtorchPath)))
  report.libtorch = { version: versions.libtorch, path: versions.libtorchPath, source: isRecorded ? recorded.source : 'the path that the addon was linked with' }
  report.cuda = doctorCuda(probe.cuda)
  report.jpeg.version = versions.turbojpeg
  report.pictures = { ...report.pictures, ...probe.pictures }
  if (probe.jpegProblem !== null) report.problems.push({ what: `JPEG files cannot be decoded: ${probe.jpegProblem}`, fix: 'npm ci (the package @julusian/jpeg-turbo brings the library)' })
  report.addon.compiler = versions.cxxCompiler
  report.cpu.simd = versions.simd
  report.cpu.threads = probe.threads
  if (!versions.libtorch.startsWith(requiredLibtorch)) {
    report.problems.push({ what: `libtorch is ${versions.libtorch}, ${requiredLibtorch} is required (${versions.libtorchPath})`, fix: 'npm run setup' })
  }
}

/** Without an addon the next question is whether there is a libtorch to build it with. */
async function describeMissingLibtorch(problems: DoctorProblem[]): Promise<void> {
  const result = await runChild(path.join(root, 'scripts', 'locate-libtorch.mjs'))
  try {
    const answer = JSON.parse(result.stdout) as { found: unknown; looked: string[] }
    if (answer.found !== null) return
    problems.push({ what: `no libtorch ${requiredLibtorch} was found: ${answer.looked.join('; ')}`, fix: 'npm run setup downloads it, or set SIAMFCPP_LIBTORCH' })
  } catch {
    problems.push({ what: `the search for libtorch failed: ${reasonOf(result)}`, fix: 'npm run setup' })
  }
}

function print(report: DoctorReport): void {
  const rows: [string, string][] = [
    ['libtorch', `${report.libtorch.version ?? 'not found'}${report.libtorch.path === null ? '' : `  ${report.libtorch.path} (${report.libtorch.source})`}`],
    ['addon', `${report.addon.path}${report.addon.compiler === null ? '' : `  (${report.addon.compiler})`}`],
    ...cudaRows(report.cuda),
    ['jpeg', `${report.jpeg.version ?? 'unknown'}${report.jpeg.path === null ? '' : `  ${report.jpeg.path}`}`],
    ['pictures', report.pictures.missing ?? `libvips ${report.pictures.version ?? 'unknown'}${report.pictures.path === null ? '' : `  ${report.pictures.path}`}`],
    ['node', `${report.node.version}  ${report.node.path}`],
    ['cpu', `${report.cpu.model}, ${report.cpu.cores} cores${report.cpu.simd === null ? '' : `, ${report.cpu.simd}`}${report.cpu.threads === null ? '' : `, ${report.cpu.threads} libtorch threads`}`],
  ]
  for (const [name, text] of rows) process.stdout.write(`${name.padEnd(10)}${text}\n`)
  for (const problem of report.problems) process.stdout.write(`\nproblem: ${problem.what}\n    fix: ${problem.fix}\n`)
  process.stdout.write(report.ok ? '\neverything that training needs is in place\n' : '\n')
}

/** Adds `doctor` to the program. */
export function registerDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Check libtorch, the addon, the JPEG decoder and the devices, and say how to mend what is wrong.')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExample:\n  siamtrain doctor --json\n\nExits 1 when something is wrong. A machine without a GPU is fine.')
    .action(async (options: { json?: boolean }) => {
      const report = await examine()
      if (options.json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
      else print(report)
      if (!report.ok) process.exitCode = exitCodes.failed
    })
}
