/**
 * Python environments for tests that let Python's own packages (torch, tensorboard, …) judge our files.
 *
 * An environment is a venv in the user's cache, made once from PyPI and shared by every later run. One small Python program makes it under
 * `fcntl.flock`, so that test files in parallel processes wait for one another and a killed installer leaves nothing that a later one trusts:
 * the kernel drops the lock, and without the marker file the folder is made anew.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export interface PythonRun {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a program to its end. @throws Error with the end of its stderr when it cannot start or `check` is not false and it fails */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { check?: boolean; env?: NodeJS.ProcessEnv; input?: string | Uint8Array; cwd?: string } = {},
): Promise<PythonRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env ?? process.env, cwd: options.cwd })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (options.check !== false && code !== 0) {
        reject(new Error(`${command} ${args.slice(0, 2).join(' ').slice(0, 200)} failed (${signal ?? code}):\n${stderr.slice(-4000)}\n${stdout.slice(-1000)}`))
      } else {
        resolve({ code, stdout, stderr })
      }
    })
    // A child that ends without reading its input closes the pipe; its exit code is what says whether that was wrong.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** The Python that environments are made from: `$PYTHON`, else `python3`. */
export function basePython(): string {
  return process.env.PYTHON ?? 'python3'
}

/** The folder for everything that tests may keep between runs. */
export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache')
  const dir = path.join(base, 'siamfcpp-native')
  mkdirSync(dir, { recursive: true })
  return dir
}

export interface PythonEnvOptions {
  /** Install exactly what is named, no dependencies. */
  noDeps?: boolean
  /** Folders outside of the environment to import from, after its own packages. */
  extraPaths?: readonly string[]
  /** Further Python source, run inside of the new environment before it is marked complete; its text is part of the environment's identity. */
  finish?: string
}

// `pip install --target` rather than a pip inside of the venv: it also works where the distribution ships Python without ensurepip.
const installer = `
import fcntl, glob, json, os, shutil, subprocess, sys, time
spec = json.load(sys.stdin)
root = spec["root"]
python = os.path.join(root, "bin", "python")
marker = os.path.join(root, "complete.json")
lock = open(root + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
if not os.path.exists(marker):
    started = time.time()
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True, stdout=sys.stderr)
    site = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True).stdout.strip()
    if spec["requirements"]:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--target", site]
        if spec["noDeps"]:
            command.append("--no-deps")
        subprocess.run(command + spec["requirements"], check=True, stdout=sys.stderr)
    if spec["extraPaths"]:
        with open(os.path.join(site, "extra-paths.pth"), "w") as out:
            out.write("\\n".join(spec["extraPaths"]) + "\\n")
    if spec["finish"]:
        subprocess.run([python, "-c", spec["finish"]], check=True, stdout=sys.stderr)
    with open(marker + ".tmp", "w") as out:
        json.dump({"seconds": round(time.time() - started, 1), "requirements": spec["requirements"]}, out)
    os.replace(marker + ".tmp", marker)
print(python)
`

/**
 * A Python interpreter that can import the given packages, made on first use (needs PyPI then, nothing later).
 * Command-line tools of the packages run as modules: `python -m tensorboard.main`.
 * @param name           what it is for, part of the folder's name
 * @param requirements   pip requirements, pinned: ['tensorboard==2.20.0', 'setuptools<81']
 * @returns the absolute path of the interpreter
 * @throws Error with pip's own words when the installation fails
 */
export async function pythonEnv(name: string, requirements: readonly string[], options: PythonEnvOptions = {}): Promise<string> {
  const base = basePython()
  const { stdout: identity } = await runProgram(base, ['-c', 'import sys; print(sys.version, sys.executable)'])
  const spec = { requirements, noDeps: options.noDeps ?? false, extraPaths: options.extraPaths ?? [], finish: options.finish ?? '' }
  const hash = createHash('sha256').update(JSON.stringify([identity, spec])).digest('hex').slice(0, 12)
  const root = path.join(cacheDir(), `py-${name}-${hash}`)
  const { stdout } = await runProgram(base, ['-c', installer], { input: JSON.stringify({ ...spec, root }) })
  return stdout.trim().split('\n').at(-1)!
}

// torch on PyPI links CUDA's libraries (3 GB), of which nothing here calls a function. Where they are missing, libraries with the same names,
// symbols and symbol versions stand in for them; a call would trap. The names come from torch's own files.
const standIns = `
import glob, os, re, subprocess, sys
root = sys.prefix
site = next(path for path in sys.path if os.path.isdir(os.path.join(path, "torch", "lib")))
lib = os.path.join(site, "torch", "lib")
out = os.path.join(root, "stand-ins")
os.makedirs(out, exist_ok=True)
system = re.compile(r"^(lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so|ld-linux)")
def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], capture_output=True, text=True, check=True).stdout
missing, plain, versioned, seen, todo = set(), set(), {}, set(), ["libtorch_python.so"]
while todo:
    name = todo.pop()
    if name in seen:
        continue
    seen.add(name)
    file = os.path.join(lib, name)
    for needed in re.findall(r"NEEDED.*\\[(.*)\\]", readelf("-d", file)):
        if os.path.exists(os.path.join(lib, needed)):
            todo.append(needed)
        elif not system.match(needed) and not glob.glob(os.path.join(site, "nvidia", "*", "lib", needed)):
            missing.add(needed)
    library_of = {}
    for library, names in re.findall(r"File: (\\S+)(.*?)(?=File: |\\Z)", readelf("-V", file).split("Version needs section")[-1], re.S):
        for version in re.findall(r"Name: (\\S+)", names):
            library_of[version] = library
    for symbol, version in re.findall(r" UND (\\w+)(?:@(\\S+))?", readelf("--dyn-syms", file)):
        if version:
            versioned.setdefault(library_of.get(version), {}).setdefault(version, set()).add(symbol)
        elif re.match("nv|cu|nccl", symbol):
            plain.add(symbol)
for library in sorted(missing):
    versions = versioned.get(library, {})
    symbols = set().union(*versions.values()) if versions else plain
    source, script = os.path.join(out, "stand-in.c"), os.path.join(out, "stand-in.map")
    with open(source, "w") as file:
        file.write("".join("void %s(void) { __builtin_trap(); }\\n" % symbol for symbol in sorted(symbols)))
    with open(script, "w") as file:
        for version, names in versions.items():
            file.write("%s { global: %s };\\n" % (version, " ".join(name + ";" for name in sorted(names))))
    command = ["cc", "-shared", "-fPIC", "-fno-builtin", "-w", "-o", os.path.join(out, library), source, "-Wl,-soname," + library]
    subprocess.run(command + (["-Wl,--version-script=" + script] if versions else []), check=True)
launcher = os.path.join(root, "bin", "python-torch")
with open(launcher, "w") as file:
    file.write('#!/bin/sh\\nLD_LIBRARY_PATH="%s\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\\n' % (out, sys.executable))
os.chmod(launcher, 0o755)
subprocess.run([launcher, "-c", "import torch; assert torch.__version__.split('+')[0] == '2.11.0', torch.__version__"], check=True)
`

const torchRequirements = ['torch==2.11.0', 'nvidia-cuda-runtime==13.0.96', 'nvidia-cuda-cupti==13.0.85']
/** What `import torch` and its optimizers import. */
const torchPythonRequirements = ['typing_extensions==4.15.0', 'sympy==1.14.0', 'mpmath==1.3.0', 'filelock==3.20.0', 'jinja2==3.1.6', 'markupsafe==3.0.3', 'networkx==3.4.2', 'fsspec==2025.9.0', "numpy==2.2.6; python_version < '3.14'", "numpy==2.3.4; python_version >= '3.14'"]

/**
 * A Python interpreter that imports torch 2.11.0 (CPU) and numpy: `python3` itself if it has them, else an environment over the libtorch that
 * set-up uses where that is a whole wheel (set-up's own download lacks the Python part), else one with a torch of its own (1.3 GB, a minute);
 * only where that cannot be made to load, all of torch (4 GB).
 * @throws Error when none of it works
 */
export async function pythonTorch(): Promise<string> {
  const base = basePython()
  const check = ['-c', "import numpy, torch, torch.optim; assert torch.__version__.split('+')[0] == '2.11.0'"]
  if ((await runProgram(base, check, { check: false })).code === 0) return base
  const site = await torchSite(base)
  const light =
    site === undefined
      ? pythonEnv('torch', [...torchRequirements, ...torchPythonRequirements], { noDeps: true, finish: standIns })
      : pythonEnv('torch', torchPythonRequirements, { noDeps: true, extraPaths: [site], finish: standIns })
  try {
    return path.join(path.dirname(await light), 'python-torch')
  } catch (cause) {
    try {
      return await pythonEnv('torch-full', ['torch==2.11.0', ...torchPythonRequirements.filter((name) => name.startsWith('numpy'))])
    } catch (error) {
      throw new Error(`no Python with torch 2.11.0: ${String(error)}`, { cause })
    }
  }
}

/** The folder to import set-up's torch from, if it is a wheel for this Python. */
async function torchSite(base: string): Promise<string | undefined> {
  const script = fileURLToPath(new URL('../../scripts/locate-libtorch.mjs', import.meta.url))
  const { stdout } = await runProgram(process.execPath, [script], { check: false })
  const located = JSON.parse(stdout) as { found: { path: string } | null }
  if (located.found === null) return undefined
  const { stdout: suffix } = await runProgram(base, ['-c', "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"])
  return existsSync(path.join(located.found.path, `_C${suffix.trim()}`)) ? path.dirname(located.found.path) : undefined
}
