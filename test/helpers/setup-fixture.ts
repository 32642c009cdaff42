/**
 * A small project with our scripts in it, and a PATH of chosen tools: set-up's failures are provoked there, never on the real checkout.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Tools that a shell script or a build may need; never python3, npm, cmake or a compiler. */
const plainTools = ['sh', 'env', 'cat', 'cp', 'mkdir', 'sleep', 'echo', 'dirname', 'rm', 'ls', 'uname', 'touch', 'mv', 'ln', 'sed', 'as', 'ld', 'ar', 'ranlib', 'nm', 'strip', 'objdump', 'objcopy', 'readelf', 'dlltool', 'addr2line']

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  seconds: number
}

function findTool(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder, name)
    // A version manager's shim needs its own tools on PATH, so the real one behind it is wanted.
    if (existsSync(file) && !file.includes('/shims/')) return file
  }
  return undefined
}

/** One test's project, tools and cache; dispose removes all of it. */
export class SetupFixture {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-setup-'))
  readonly project = path.join(this.folder, 'project')
  readonly tools = path.join(this.folder, 'bin')
  readonly cache = path.join(this.folder, 'cache')
  /** Added to the environment of every run. */
  readonly env: Record<string, string> = {}

  constructor() {
    mkdirSync(this.project)
    mkdirSync(this.tools)
    mkdirSync(path.join(this.folder, 'tmp'))
    cpSync(path.join(root, 'scripts'), path.join(this.project, 'scripts'), { recursive: true })
    this.write('package.json', '{ "name": "fixture", "version": "1.0.0", "type": "module", "binary": { "napi_versions": [9] } }')
    this.write('package-lock.json', '{ "name": "fixture", "lockfileVersion": 3, "packages": { "": {} } }')
    this.use(...plainTools)
  }

  /** Writes a file of the project. */
  write(name: string, text: string): void {
    const file = path.join(this.project, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  read(name: string): string {
    return readFileSync(path.join(this.project, name), 'utf8')
  }

  /** Puts real tools on the fixture's PATH; those that the machine lacks are left out. */
  use(...names: string[]): void {
    for (const name of names) {
      const file = findTool(name)
      if (file !== undefined) symlinkSync(file, path.join(this.tools, name))
    }
  }

  /** Puts a shell script on the fixture's PATH. */
  fake(name: string, script: string): void {
    const file = path.join(this.tools, name)
    rmSync(file, { force: true })
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
  }

  /** A python3 that says what it is and runs `pip` (a shell script, $TARGET is pip's --target) for `-m pip install`. */
  fakePython(facts: { version?: number[]; pip?: boolean; torch?: string | null }, pip = 'exit 9'): void {
    const answer = JSON.stringify({ version: [3, 12, 1], executable: '/fake/python3', pip: true, torch: null, ...facts })
    this.fake(
      'python3',
      `if [ "$1" = -c ]; then echo '${answer}'; exit 0; fi
echo "$@" >> "${this.folder}/pip-calls"
while [ $# -gt 0 ]; do if [ "$1" = --target ]; then TARGET=$2; fi; shift; done
${pip}`,
    )
  }

  /** How often pip was called. */
  pipCalls(): number {
    const file = path.join(this.folder, 'pip-calls')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0
  }

  /** A folder that passes for libtorch: version headers and shared libraries that load. Needs a C compiler. */
  fakeLibtorch(name: string, version = '2.11.0'): string {
    const folder = path.join(this.folder, name)
    const [major, minor, patch] = version.split('.')
    for (const sub of ['lib', 'include/ATen', 'include/torch/headeronly', 'include/torch/csrc/api/include/torch', '_inductor', 'share']) mkdirSync(path.join(folder, sub), { recursive: true })
    writeFileSync(path.join(folder, 'include/torch/headeronly/version.h'), `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`)
    writeFileSync(path.join(folder, 'include/ATen/ATen.h'), '')
    writeFileSync(path.join(folder, 'include/torch/csrc/api/include/torch/torch.h'), '')
    writeFileSync(path.join(folder, '_inductor/big.py'), 'x = 1')
    for (const library of ['libtorch_cpu.so', 'libc10.so', 'libtorch_python.so']) {
      execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', path.join(folder, 'lib', library), '-'], { input: 'int siamfcpp_fake(void) { return 1; }\n' })
    }
    return folder
  }

  /**
   * A libtorch as pip unpacks it at `name`/torch, whose libtorch_cuda.so needs a libcudnn.so.9 that is not there, and says so in its METADATA.
   * @returns the folder, and a second one with what pip would bring: nvidia/cudnn/lib/libcudnn.so.9
   */
  fakeCudaWheel(name: string): { wheel: string; brought: string } {
    const wheel = path.join(this.folder, name)
    const brought = path.join(this.folder, `${name}-cuda`)
    const torch = this.fakeLibtorch(path.join(name, 'torch'))
    const cudnn = path.join(brought, 'nvidia/cudnn/lib')
    mkdirSync(cudnn, { recursive: true })
    mkdirSync(path.join(brought, 'nvidia_cudnn_cu13-9.19.0.56.dist-info'))
    mkdirSync(path.join(brought, 'bin'))
    execFileSync('cc', ['-shared', '-fPIC', '-Wl,-soname,libcudnn.so.9', '-x', 'c', '-o', path.join(cudnn, 'libcudnn.so.9'), '-'], { input: 'int cudnn_fake(void) { return 9; }\n' })
    execFileSync('cc', ['-shared', '-fPIC', '-Wl,--disable-new-dtags,-rpath,$ORIGIN/../../nvidia/cudnn/lib', '-x', 'c', '-o', path.join(torch, 'lib/libtorch_cuda.so'), '-', '-x', 'none', path.join(cudnn, 'libcudnn.so.9')], {
      input: 'int cudnn_fake(void);\nint siamfcpp_cuda(void) { return cudnn_fake(); }\n',
    })
    mkdirSync(path.join(wheel, 'nvidia/cu13'), { recursive: true })
    mkdirSync(path.join(wheel, 'torch-2.11.0.dist-info'))
    const requires = ['filelock', 'cuda-toolkit[cublas,cudart]==13.0.2; platform_system == "Linux"', 'nvidia-cudnn-cu13==9.19.0.56; platform_system == "Linux"', 'triton==3.6.0; platform_system == "Linux"', 'nvidia-extra==1; extra == "more"']
    writeFileSync(path.join(wheel, 'torch-2.11.0.dist-info/METADATA'), `Metadata-Version: 2.4\nName: torch\n${requires.map((text) => `Requires-Dist: ${text}\n`).join('')}\nRequires-Dist: nvidia-of-the-description==1\n`)
    return { wheel, brought }
  }

  /** The folder that set-up fills. */
  get cached(): string {
    return path.join(this.cache, 'siamfcpp-native', `libtorch-2.11.0-linux-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`)
  }

  /** What lies beside the cached libtorch: stagings and locks that should not stay. */
  leftovers(): string[] {
    const parent = path.dirname(this.cached)
    return existsSync(parent) ? readdirSync(parent).filter((name) => name !== path.basename(this.cached)) : []
  }

  start(...args: string[]): ChildProcess {
    // SIAMFCPP_CUDA: whether this machine has a GPU must not matter.
    const environment = { HOME: this.folder, TMPDIR: path.join(this.folder, 'tmp'), PATH: this.tools, XDG_CACHE_HOME: this.cache, SIAMFCPP_CUDA: '0', ...this.env }
    return spawn(process.execPath, [path.join(this.project, 'scripts', 'setup.mjs'), ...args], { cwd: this.project, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** Runs set-up to its end, with these steps only. */
  run(...steps: string[]): Promise<Outcome> {
    return outcomeOf(this.start('--only', ...steps))
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Collects a child's output until it ends. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const started = performance.now()
  return new Promise((resolve) => {
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (code, signal) => resolve({ code, signal, output, seconds: (performance.now() - started) / 1000 }))
  })
}
