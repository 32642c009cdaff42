/** Step 3: the C++ addon. CMake decides what is out of date; we only avoid configuring again for nothing. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { childEnvironment, productNode } from './dependencies.mjs'
import { openLog, SetupFailure } from './report.mjs'
import { probe, remediesFor, runTool, which } from './run-tool.mjs'
import { readState, writeState } from './state.mjs'

const MIN_CMAKE = [3, 18]
const MIN_GCC = 11
const MIN_CLANG = 14
/** A translation unit that includes torch/torch.h takes about this much memory while it compiles. */
const BYTES_PER_JOB = 2 * 2 ** 30

/**
 * @param {string} root
 * @param {{path: string, version: string}} libtorch
 * @param {(text: string) => void} progress
 * @returns {Promise<string>} what was done
 */
export async function buildNative(root, libtorch, progress) {
  const build = path.join(root, 'build')
  const env = childEnvironment(root)
  const log = openLog(root, 'native-build')
  const tools = checkTools(env)
  const before = addonFile(build)

  const configuration = describeConfiguration(root, libtorch, tools)
  const cache = path.join(build, 'CMakeCache.txt')
  const known = readState(root).configuration === configuration && existsSync(cache)
  if (!known) {
    progress('configuring')
    // A cache of another place, compiler or libtorch keeps paths that no longer hold; objects of it are of no use either.
    rmSync(cache, { force: true })
    rmSync(path.join(build, 'CMakeFiles'), { recursive: true, force: true })
    await configure(root, build, libtorch, tools, env, log)
    writeState(root, { configuration })
  }
  const jobs = jobCount()
  const result = await runTool(tools.cmake, ['--build', build, '--config', 'Release', '--parallel', String(jobs)], { cwd: root, env, log, onLine: progress })
  if (!result.ok) {
    throw new SetupFailure(`cmake --build: ${result.reason}`, {
      tail: firstError(result.text) ?? result.tail,
      todo: [...remediesFor(result.text), 'read the compiler\'s first error above', 'or remove build/ and run it again, if the sources were moved or half-updated'],
      log: log.file,
    })
  }
  const after = addonFile(build)
  if (after === undefined) {
    throw new SetupFailure(`the build ended well, but there is no .node file in ${build}`, { todo: ['remove build/ and run it again'], log: log.file })
  }
  checkLoads(root, after, env, log)
  if (before === undefined) return `built ${path.relative(root, after.file)}`
  return before.file === after.file && before.time === after.time ? 'up to date' : `rebuilt ${path.relative(root, after.file)}`
}

/** SIAMFCPP_JOBS, else as many as there are cores and memory for. */
function jobCount() {
  const wanted = Number(process.env.SIAMFCPP_JOBS)
  if (Number.isInteger(wanted) && wanted > 0) return wanted
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / BYTES_PER_JOB)))
}

function checkTools(env) {
  const cmake = which('cmake', env)
  const looked = (env.PATH ?? '').split(path.delimiter)
  if (cmake === undefined) {
    throw new SetupFailure(`cmake is not on PATH; ${MIN_CMAKE.join('.')} or newer is needed to build the C++ part`, {
      looked,
      todo: ['install it with your system\'s packages (Debian, Ubuntu: cmake)', 'or without root: python3 -m pip install --user cmake'],
    })
  }
  const versionText = probe(cmake, ['--version'], { env }).stdout
  const version = /version (\d+)\.(\d+)/.exec(versionText)
  const [major, minor] = version === null ? [0, 0] : [Number(version[1]), Number(version[2])]
  if (major < MIN_CMAKE[0] || (major === MIN_CMAKE[0] && minor < MIN_CMAKE[1])) {
    throw new SetupFailure(`${cmake} is version ${version === null ? 'unknown' : `${major}.${minor}`}; ${MIN_CMAKE.join('.')} or newer is needed`, {
      looked: [cmake],
      todo: ['install a newer one: python3 -m pip install --user cmake, and put ~/.local/bin first on PATH'],
    })
  }

  const names = env.CXX ? [env.CXX.split(' ')[0]] : ['c++', 'g++', 'clang++']
  const compiler = names.map((name) => which(name, env)).find((file) => file !== undefined)
  if (compiler === undefined) {
    throw new SetupFailure(`no C++ compiler is on PATH (${names.join(', ')})`, {
      looked,
      todo: [`install g++ ${MIN_GCC} or newer (Debian, Ubuntu: g++; Fedora: gcc-c++)`, 'or set CXX to the one that you have'],
    })
  }
  const compilerText = probe(compiler, ['--version'], { env }).stdout.split('\n')[0] ?? ''
  const compilerMajor = Number(probe(compiler, ['-dumpversion'], { env }).stdout.trim().split('.')[0])
  const least = /clang/i.test(compilerText) ? MIN_CLANG : MIN_GCC
  if (!(compilerMajor >= least)) {
    throw new SetupFailure(`${compiler} is too old or does not run (${compilerText || 'it says nothing'}); C++17 as libtorch needs it takes g++ ${MIN_GCC} or clang ${MIN_CLANG}`, {
      looked: [compiler],
      todo: [`install g++ ${MIN_GCC} or newer`, 'or set CXX to a newer one'],
    })
  }
  const ninja = which('ninja', env)
  if (ninja === undefined && which('make', env) === undefined) {
    throw new SetupFailure('neither ninja nor make is on PATH; cmake needs one of them', {
      looked,
      todo: ['install make (Debian, Ubuntu: make)', 'or without root: python3 -m pip install --user ninja'],
    })
  }
  return { cmake, cmakeVersion: versionText.split('\n')[0], compiler, compilerText, generator: ninja === undefined ? 'Unix Makefiles' : 'Ninja' }
}

/** Everything that an existing CMake cache depends on and that CMake itself does not watch. */
function describeConfiguration(root, libtorch, tools) {
  const parts = [realpathSync(root), libtorch.path, libtorch.version, tools.cmakeVersion, tools.compiler, tools.compilerText, tools.generator, process.arch, process.env.CXXFLAGS ?? '', cudaHeaders(libtorch)]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** What native/cuda_target/find.cmake decides by, so that headers that are installed later are noticed. */
function cudaHeaders(libtorch) {
  const { SIAMFCPP_CUDA_TARGET: target = '', SIAMFCPP_CUDA_INCLUDE: given = '' } = process.env
  const wheels = path.join(libtorch.path, '..', 'nvidia')
  const folders = [...given.split(':'), ...['cu13', 'cuda_runtime', 'nccl'].map((name) => path.join(wheels, name, 'include')), '/usr/local/cuda/include', '/usr/include']
  const files = folders.flatMap((folder) => ['cuda_runtime_api.h', 'nccl.h'].map((name) => path.join(folder, name)))
  return [target, given, ...files.filter((file) => existsSync(file))]
}

/** @returns the folder of an npm package as Node would resolve it from ours (a dependent's npm may have hoisted it) */
function packageFolder(root, name) {
  try {
    return path.dirname(createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** Through cmake-js where it is installed, else plainly; the Node-API headers come from npm packages either way, never from a download. */
async function configure(root, build, libtorch, tools, env, log) {
  const headers = ['node-api-headers', 'node-addon-api'].map((name) => {
    const folder = packageFolder(root, name)
    if (folder !== undefined) return name === 'node-api-headers' ? path.join(folder, 'include') : folder
    throw new SetupFailure(`the npm package ${name} is not installed`, { looked: [path.join(root, 'node_modules', name)], todo: ['npm ci'] })
  })
  const defines = { SIAMFCPP_LIBTORCH: libtorch.path, NAPI_INCLUDES: headers.join(';') }
  const entries = Object.entries(defines)
  const cmakeJs = packageFolder(root, 'cmake-js')
  const result =
    cmakeJs === undefined
      ? await runTool(tools.cmake, ['-S', root, '-B', build, '-G', tools.generator, '-DCMAKE_BUILD_TYPE=Release', ...entries.map(([key, value]) => `-D${key}=${value}`)], { cwd: root, env, log })
      : await runTool(
          productNode(root),
          [path.join(cmakeJs, 'bin', 'cmake-js'), 'configure', '--out', build, '--generator', tools.generator, '--config', 'Release', ...entries.map(([key, value]) => `--CD${key}=${value}`)],
          { cwd: root, env, log },
        )
  if (!result.ok) {
    throw new SetupFailure(`cmake could not configure the build: ${result.reason}`, {
      tail: firstError(result.text) ?? result.tail,
      todo: [...remediesFor(result.text), 'read the message above', 'or remove build/ and run it again'],
      log: log.file,
    })
  }
}

/** The first compiler or CMake error says more than the last lines, which are about the build tool. */
function firstError(text) {
  const lines = text.split(/[\r\n]+/)
  const at = lines.findIndex((line) => /(\berror:|CMake Error|fatal error)/.test(line))
  return at === -1 ? undefined : lines.slice(at, at + 12).map((line) => line.trimEnd()).filter((line) => line !== '')
}

/** @returns {{file: string, time: number} | undefined} the addon, where `bindings` finds it */
export function addonFile(build) {
  for (const folder of [path.join(build, 'Release'), build]) {
    if (!existsSync(folder)) continue
    const name = readdirSync(folder).find((entry) => entry.endsWith('.node'))
    if (name !== undefined) return { file: path.join(folder, name), time: statSync(path.join(folder, name)).mtimeMs }
  }
  return undefined
}

/** Loads a new addon once, in a process of its own: what does not load must not be taken for built. */
function checkLoads(root, addon, env, log) {
  const mark = `${addon.file} ${addon.time}`
  if (readState(root).loadedAddon === mark) return
  const result = probe(productNode(root), ['-e', 'require(process.argv[1])', addon.file], { env })
  if (!result.ok) {
    throw new SetupFailure(`${path.relative(root, addon.file)} was built and does not load (${result.reason})`, {
      tail: result.stderr.split('\n').filter((line) => /Error|error|cannot|undefined symbol/.test(line)).slice(0, 4),
      todo: ['remove build/ and run it again', `or check that the libtorch it was built with is complete: ${readFileSync(path.join(root, 'build', 'setup.json'), 'utf8').match(/"path": "([^"]+)"/)?.[1] ?? ''}`],
      log: log.file,
    })
  }
  writeState(root, { loadedAddon: mark })
}
