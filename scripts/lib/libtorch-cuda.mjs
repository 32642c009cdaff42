/** Step 2, on a machine with an NVIDIA GPU: the CUDA libraries that libtorch_cuda.so needs are found, or fetched into the user's cache. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cudaFingerprint, cudaProblem, cudaRequirementsOf, wantsCuda } from './cuda-libraries.mjs'
import { cacheFolder, LIBTORCH_VERSION } from './libtorch.mjs'
import { withLock } from './lock.mjs'
import { pipInstall } from './pip-target.mjs'
import { openLog, SetupFailure } from './report.mjs'
import { remediesFor } from './run-tool.mjs'
import { readState, writeState } from './state.mjs'

/** Downloaded wheels and what is unpacked from them, side by side for a moment. */
const NEEDED_BYTES = 7 * 2 ** 30
const SIZES = 'about 2 GB to download, 3 GB on disk'

/**
 * @param {string} root
 * @param {{found: {path: string, source: string}, python?: {file?: string}}} search  the libtorch that is used
 * @param {(line: string) => void} progress
 * @returns {Promise<string>} what came of it, for the step's line; empty where CUDA is not wanted
 * @throws {SetupFailure} only where SIAMFCPP_CUDA=1 asks for it: training on the CPU needs none of this
 */
export async function provideCuda(root, search, progress) {
  const why = wantsCuda()
  if (why === undefined) return ''
  const torch = search.found.path
  const ready = () => {
    const verified = cudaFingerprint(torch)
    writeState(root, { verifiedCuda: verified })
    return '; CUDA: ready'
  }
  if (existsSync(path.join(torch, 'lib', 'libtorch_cuda.so')) && readState(root).verifiedCuda === cudaFingerprint(torch)) return '; CUDA: ready'
  const problem = cudaProblem(torch)
  if (problem === undefined) return ready()
  try {
    if (search.found.source !== 'cache' || path.resolve(torch) !== path.join(cacheFolder(), 'torch')) {
      throw new SetupFailure(`CUDA is wanted (${why}), and the libtorch in use ${problem}`, {
        todo: [
          `pip install torch==${LIBTORCH_VERSION} into that Python, which brings the libraries`,
          'or let set-up get its own: unset SIAMFCPP_LIBTORCH, or put a python3 without torch first on PATH',
        ],
      })
    }
    await complete(root, search.python, progress, why)
    return ready()
  } catch (error) {
    if (process.env.SIAMFCPP_CUDA === '1' || !(error instanceof SetupFailure)) throw error
    progress(`no CUDA: ${error.message}`)
    return `; no CUDA: ${error.message} (the CPU works; SIAMFCPP_CUDA=1 npm run setup shows all of it)`
  }
}

async function complete(root, python, progress, why) {
  const target = cacheFolder()
  const requirements = cudaRequirementsOf(target, LIBTORCH_VERSION)
  if (requirements === undefined || requirements.length === 0) {
    throw new SetupFailure(`CUDA is wanted (${why}), and ${target} does not say which libraries its torch needs`, { todo: [`remove ${target} and run set-up again`] })
  }
  if (python?.file === undefined || python.pip !== true) {
    throw new SetupFailure(`CUDA's libraries must be downloaded (${why}), and there is no python3 with pip on PATH`, { todo: ['install python3 with pip'] })
  }
  await withLock(
    `${target}.lock`,
    async () => {
      // Another set-up may have finished it while we waited.
      if (cudaProblem(path.join(target, 'torch')) === undefined) return
      await download(root, python, target, requirements, progress, why)
    },
    progress,
  )
}

async function download(root, python, target, requirements, progress, why) {
  const parent = path.dirname(target)
  checkSpace(parent)
  const staging = mkdtempSync(path.join(parent, '.staging-'))
  const log = openLog(root, 'libtorch-cuda')
  try {
    progress(`downloading CUDA's libraries, for ${why} (${SIZES}): ${requirements.join(', ')}`)
    const result = await pipInstall(python.file, { requirements, staging, log, progress, dependencies: true })
    if (!result.ok) {
      throw new SetupFailure(`python3 -m pip install ${requirements.join(' ')}: ${result.reason}`, { tail: result.tail, todo: [...remediesFor(result.text), 'run npm run setup again'], log: log.file })
    }
    // What torch needs lies below nvidia/; bin/ and the like are tools'.
    for (const name of readdirSync(result.files)) if (name === 'nvidia' || name.endsWith('.dist-info')) merge(path.join(result.files, name), path.join(target, name))
    const problem = cudaProblem(path.join(target, 'torch'))
    if (problem !== undefined) throw new SetupFailure(`CUDA's libraries were downloaded, and libtorch_cuda.so ${problem}`, { todo: [`remove ${target} and run set-up again`], log: log.file })
    record(target, requirements)
  } catch (error) {
    if (error instanceof SetupFailure) throw error
    throw new SetupFailure(`CUDA's libraries could not be put into ${target}: ${error.message}`, { todo: [...remediesFor(error.message), 'run npm run setup again'], log: log.file })
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Moves files into a tree that may be in use: each is replaced as a whole, none is removed before its successor is there. */
function merge(from, to) {
  if (!statSync(from).isDirectory()) {
    renameSync(from, to)
    return
  }
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) merge(path.join(from, name), path.join(to, name))
}

function record(target, requirements) {
  const file = path.join(target, 'siamfcpp-native.json')
  let known = {}
  try {
    known = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // It only says where the folder came from.
  }
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ ...known, cuda: requirements }, null, 2)}\n`)
  renameSync(`${file}.tmp`, file)
}

function checkSpace(folder) {
  const needed = Number(process.env.SIAMFCPP_NEEDED_BYTES ?? NEEDED_BYTES)
  const stat = statfsSync(folder)
  const free = stat.bavail * stat.bsize
  if (free >= needed) return
  const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new SetupFailure(`CUDA's libraries must be downloaded, and the disk of ${folder} has ${gigabytes(free)} free; ${gigabytes(needed)} are needed on the way (3 GiB stay)`, {
    todo: ['free some space', 'or set XDG_CACHE_HOME to a folder on a larger disk'],
  })
}
