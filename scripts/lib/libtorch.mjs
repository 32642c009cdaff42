/** Where libtorch is looked for, and what makes a folder acceptable. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { probe, which } from './run-tool.mjs'

export const LIBTORCH_VERSION = '2.11.0'
export const MIN_PYTHON = [3, 10]

const MACHINES = { x64: 'x86_64', arm64: 'aarch64' }

/** @returns {string} the folder of the user's cache that holds our libtorch (it has torch/ and nvidia/ in it) */
export function cacheFolder(env = process.env) {
  const base = env.XDG_CACHE_HOME !== undefined && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : path.join(os.homedir(), '.cache')
  return path.join(base, 'siamfcpp-native', `libtorch-${LIBTORCH_VERSION}-${process.platform}-${MACHINES[process.arch] ?? process.arch}`)
}

/** Reads the version from the headers, which wheels and zip distributions both have. @returns {string | undefined} such as 2.11.0 */
export function headerVersion(folder) {
  for (const header of ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h']) {
    let text
    try {
      text = readFileSync(path.join(folder, 'include', header), 'utf8')
    } catch {
      continue
    }
    const part = (name) => new RegExp(`define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1]
    const parts = [part('MAJOR'), part('MINOR'), part('PATCH')]
    if (parts.every((value) => value !== undefined)) return parts.join('.')
  }
  return undefined
}

/** @returns {string | undefined} why the folder is not a usable libtorch 2.11.0, or undefined when it is one */
export function rejectLibtorch(folder) {
  if (!existsSync(folder)) return 'is not there'
  for (const file of ['lib/libtorch_cpu.so', 'lib/libc10.so', 'include/ATen/ATen.h', 'include/torch/csrc/api/include/torch/torch.h']) {
    if (!existsSync(path.join(folder, file))) return `has no ${file}`
  }
  const version = headerVersion(folder)
  if (version === undefined) return 'has no version header'
  return version === LIBTORCH_VERSION ? undefined : `is version ${version}, not ${LIBTORCH_VERSION}`
}

/**
 * Loads one of its libraries in a process of its own: one whose dependencies are missing is found out here, with its name.
 * @returns {string | undefined} the loader's message, or undefined when it loads
 */
export function loadProblem(folder, name = 'libtorch_cpu.so') {
  const library = path.join(folder, 'lib', name)
  // dlopen of a library that is no addon ends in "did not self-register": by then it and all it needs are loaded.
  const script = `try { process.dlopen({ exports: {} }, process.argv[1]) } catch (error) {
    if (/self-register/.test(error.message)) process.exit(0)
    console.error(error.message); process.exit(1) }`
  const result = probe(process.execPath, ['-e', script, library])
  return result.ok ? undefined : `does not load: ${(result.stderr.trim() || result.reason).split('\n')[0]}`
}

const PYTHON_PROBE = `
import json, sys
found = {"version": list(sys.version_info[:3]), "executable": sys.executable, "pip": False, "torch": None}
try:
    import importlib.util
    found["pip"] = importlib.util.find_spec("pip") is not None
    spec = importlib.util.find_spec("torch")
    if spec is not None and spec.origin:
        import os
        found["torch"] = os.path.dirname(os.path.abspath(spec.origin))
except Exception:
    pass
print(json.dumps(found))
`

/**
 * Asks python3 on PATH about itself and about torch, without importing torch.
 * @returns {{file?: string, version?: number[], pip?: boolean, torch?: string | null, problem?: string}}
 */
export function inspectPython(env = process.env) {
  const file = which('python3', env)
  if (file === undefined) return { problem: 'python3 is not on PATH' }
  const result = probe(file, ['-c', PYTHON_PROBE], { env })
  try {
    return { file, ...JSON.parse(result.stdout.trim().split('\n').at(-1)) }
  } catch {
    return { file, problem: `${file} does not run: ${(result.stderr.trim() || result.reason).split('\n').at(-1)}` }
  }
}

/**
 * Looks in the fixed order: SIAMFCPP_LIBTORCH, the torch of python3 on PATH, the user's cache.
 *
 * @param {{env?: NodeJS.ProcessEnv, isVerified?: (folder: string) => boolean}} [options]
 *   isVerified: true for a folder that loaded before and has not changed since, which spares loading half a gigabyte each time
 * @returns {{found?: {path: string, version: string, source: string}, looked: string[], wrongRequest?: string, python?: ReturnType<typeof inspectPython>}}
 *   wrongRequest: SIAMFCPP_LIBTORCH is set and cannot be used, which is an error and never a reason to take another one
 */
export function findLibtorch(options = {}) {
  const env = options.env ?? process.env
  const looked = []
  const judge = (folder) => rejectLibtorch(folder) ?? (options.isVerified?.(folder) === true ? undefined : loadProblem(folder))
  const accept = (folder, source) => ({ found: { path: folder, version: LIBTORCH_VERSION, source }, looked })

  const wanted = env.SIAMFCPP_LIBTORCH
  if (wanted !== undefined && wanted !== '') {
    const folder = path.resolve(wanted)
    const reason = judge(folder)
    if (reason === undefined) return accept(folder, 'SIAMFCPP_LIBTORCH')
    looked.push(`SIAMFCPP_LIBTORCH=${wanted}: ${reason}`)
    return { looked, wrongRequest: reason }
  }
  looked.push('SIAMFCPP_LIBTORCH: not set')

  const python = inspectPython(env)
  if (python.problem !== undefined) looked.push(`torch of python3 on PATH: ${python.problem}`)
  else if (!python.torch) looked.push(`torch of python3 on PATH: ${python.file} has no torch`)
  else {
    const reason = judge(python.torch)
    if (reason === undefined) return { ...accept(python.torch, 'python3 on PATH'), python }
    looked.push(`torch of python3 on PATH: ${python.torch} ${reason}`)
  }

  const cached = path.join(cacheFolder(env), 'torch')
  const reason = judge(cached)
  if (reason === undefined) return { ...accept(cached, 'cache'), python }
  looked.push(`cache: ${cached} ${reason}`)
  return { looked, python }
}

/** @returns {string} what changes when the library is replaced: its path, size and time */
export function libtorchFingerprint(folder) {
  const stat = statSync(path.join(folder, 'lib', 'libtorch_cpu.so'))
  return `${folder} ${stat.size} ${stat.mtimeMs}`
}
