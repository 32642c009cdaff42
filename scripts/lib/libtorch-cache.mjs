/** Step 2: libtorch is found, or the user's cache is filled with it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheFolder, findLibtorch, LIBTORCH_VERSION, libtorchFingerprint, loadProblem, MIN_PYTHON, rejectLibtorch } from './libtorch.mjs'
import { withLock } from './lock.mjs'
import { provideCuda } from './libtorch-cuda.mjs'
import { pipInstall } from './pip-target.mjs'
import { openLog, SetupFailure } from './report.mjs'
import { remediesFor } from './run-tool.mjs'
import { readState, writeState } from './state.mjs'

/** libtorch_cpu.so of the wheel needs these two CUDA libraries to load, also on a machine without a GPU. */
const REQUIREMENTS = [`torch==${LIBTORCH_VERSION}`, 'nvidia-cuda-runtime==13.0.96', 'nvidia-cuda-cupti==13.0.85']
/** At its peak: the downloaded wheels and what is unpacked from them, with room to spare. */
const NEEDED_BYTES = 3 * 2 ** 30

const OWN_COPY = [
  `or set SIAMFCPP_LIBTORCH to a libtorch ${LIBTORCH_VERSION} that you have (the folder with lib/ and include/ in it)`,
  `or put a python3 that has torch ${LIBTORCH_VERSION} first on PATH`,
]

/** @returns {Promise<{path: string, version: string, source: string}>} and the outcome as text in `outcome` */
export async function provideLibtorch(root, progress) {
  const verified = readState(root).verifiedLibtorch
  const isVerified = (folder) => {
    try {
      return libtorchFingerprint(folder) === verified
    } catch {
      return false
    }
  }
  let search = findLibtorch({ isVerified })
  let how = 'found'
  if (search.wrongRequest !== undefined) {
    throw new SetupFailure(`SIAMFCPP_LIBTORCH=${process.env.SIAMFCPP_LIBTORCH} ${search.wrongRequest}`, {
      looked: search.looked,
      todo: [
        `point it at a libtorch ${LIBTORCH_VERSION} (a folder with lib/libtorch_cpu.so and include/ in it, such as site-packages/torch)`,
        'or unset it: set-up then looks elsewhere, or downloads it',
      ],
    })
  }
  if (search.found === undefined) {
    how = 'downloaded'
    await fillCache(root, search, progress)
    search = findLibtorch({ isVerified })
    if (search.found === undefined) {
      throw new SetupFailure('libtorch was downloaded and is still not usable', { looked: search.looked, todo: OWN_COPY })
    }
  }
  writeState(root, { verifiedLibtorch: libtorchFingerprint(search.found.path), libtorch: search.found })
  const cuda = await provideCuda(root, search, progress)
  return { ...search.found, outcome: `${how}: ${search.found.path} (${search.found.source})${cuda}` }
}

function checkPython(search) {
  const { python, looked } = search
  const fail = (what, todo) => {
    throw new SetupFailure(what, { looked, todo: [todo, ...OWN_COPY] })
  }
  const wanted = `Python ${MIN_PYTHON.join('.')} or newer with pip`
  if (python.file === undefined) fail(`libtorch must be downloaded, and python3 is not on PATH`, `install ${wanted}`)
  if (python.problem !== undefined) fail(`libtorch must be downloaded, and ${python.problem}`, `install ${wanted}`)
  const [major, minor] = python.version
  if (major < MIN_PYTHON[0] || (major === MIN_PYTHON[0] && minor < MIN_PYTHON[1])) {
    fail(`libtorch must be downloaded, and ${python.file} is Python ${python.version.join('.')}, which is too old`, `install ${wanted} and put it first on PATH`)
  }
  if (!python.pip) fail(`libtorch must be downloaded, and ${python.file} has no pip`, 'install pip: python3 -m ensurepip --user, or your system\'s python3-pip')
}

function checkSpace(folder, looked) {
  const needed = Number(process.env.SIAMFCPP_NEEDED_BYTES ?? NEEDED_BYTES)
  const stat = statfsSync(folder)
  const free = stat.bavail * stat.bsize
  if (free >= needed) return
  const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new SetupFailure(`libtorch must be downloaded, and the disk of ${folder} has ${gigabytes(free)} free; ${gigabytes(needed)} are needed on the way (1.1 GiB stay)`, {
    looked,
    todo: ['free some space', 'or set XDG_CACHE_HOME to a folder on a larger disk', ...OWN_COPY],
  })
}

/** Fills the cache as a whole or not at all: pip works in a folder beside it, which is renamed when it is proven to load. */
async function fillCache(root, search, progress) {
  const target = cacheFolder()
  const parent = path.dirname(target)
  checkPython(search)
  try {
    mkdirSync(parent, { recursive: true })
    // mkdir says nothing about a folder that exists and cannot be written to.
    rmSync(mkdtempSync(path.join(parent, '.probe-')), { recursive: true })
  } catch (error) {
    throw new SetupFailure(`the cache ${parent} cannot be written: ${error.message}`, {
      looked: search.looked,
      todo: [
        ...(error.code === 'ENOSPC' ? ['the disk is full: free some space'] : ['make it writable']),
        'or set XDG_CACHE_HOME to a folder of yours',
        ...OWN_COPY,
      ],
    })
  }
  await withLock(
    `${target}.lock`,
    async () => {
      // Another set-up may have finished it while we waited.
      if (rejectLibtorch(path.join(target, 'torch')) === undefined && loadProblem(path.join(target, 'torch')) === undefined) return
      removeLeftovers(parent)
      checkSpace(parent, search.looked)
      await download(root, search, target, parent, progress)
    },
    progress,
  )
}

/** Stagings of set-ups that were killed: the lock is ours, so nobody works in them. */
function removeLeftovers(parent) {
  for (const name of readdirSync(parent)) {
    if (name.startsWith('.staging-') || name.startsWith('.broken-')) rmSync(path.join(parent, name), { recursive: true, force: true })
  }
}

async function download(root, search, target, parent, progress) {
  const staging = mkdtempSync(path.join(parent, '.staging-'))
  const log = openLog(root, 'libtorch')
  try {
    progress(`downloading ${REQUIREMENTS.join(', ')} (about 0.6 GB)`)
    const result = await pipInstall(search.python.file, { requirements: REQUIREMENTS, staging, log, progress })
    const { files } = result
    if (!result.ok) {
      throw new SetupFailure(`python3 -m pip install ${REQUIREMENTS.join(' ')}: ${result.reason}`, {
        tail: result.tail,
        looked: search.looked,
        todo: [...remediesFor(result.text), ...noWheel(result.text, search.python), ...OWN_COPY],
        log: log.file,
      })
    }
    prune(files)
    const problem = rejectLibtorch(path.join(files, 'torch')) ?? loadProblem(path.join(files, 'torch'))
    if (problem !== undefined) {
      throw new SetupFailure(`the downloaded torch ${problem}`, { looked: search.looked, todo: OWN_COPY, log: log.file })
    }
    writeFileSync(path.join(files, 'siamfcpp-native.json'), `${JSON.stringify({ requirements: REQUIREMENTS, made: new Date().toISOString() }, null, 2)}\n`)
    if (existsSync(target)) renameSync(target, path.join(parent, `.broken-${process.pid}-${Date.now()}`))
    renameSync(files, target)
  } catch (error) {
    if (error instanceof SetupFailure) throw error
    throw new SetupFailure(`the cache ${target} could not be filled: ${error.message}`, {
      looked: search.looked,
      todo: [...remediesFor(error.message), ...OWN_COPY],
      log: log.file,
    })
  } finally {
    rmSync(staging, { recursive: true, force: true })
    removeLeftovers(parent)
  }
}

function noWheel(text, python) {
  if (!/No matching distribution|Could not find a version/i.test(text) || remediesFor(text).length > 0) return []
  return [
    `the package index has no torch ${LIBTORCH_VERSION} for Python ${python.version.join('.')} on ${process.platform} ${process.arch}: use a Python that it has wheels for (3.10 to 3.14, 64 bit)`,
  ]
}

/** Removes what only Python needs. Headers, libraries and licences stay. */
function prune(files) {
  const keep = new Set(['lib', 'include', 'share', 'version.py'])
  const torch = path.join(files, 'torch')
  for (const name of readdirSync(torch)) if (!keep.has(name)) rmSync(path.join(torch, name), { recursive: true, force: true })
  for (const name of readdirSync(path.join(torch, 'lib'))) {
    if (/^lib(torch_python|shm)/.test(name)) rmSync(path.join(torch, 'lib', name), { recursive: true, force: true })
  }
  for (const name of readdirSync(files)) {
    if (name !== 'torch' && name !== 'nvidia' && !name.endsWith('.dist-info')) rmSync(path.join(files, name), { recursive: true, force: true })
  }
}
