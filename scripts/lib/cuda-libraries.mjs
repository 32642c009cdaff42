/** Which CUDA libraries libtorch_cuda.so needs, and whether they are wanted and there. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { loadProblem } from './libtorch.mjs'
import { which } from './run-tool.mjs'

/** What the driver leaves where it runs; in a container the second or third may be all there is. */
const DRIVER_TRACES = ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/nvidia0']

/**
 * @returns {string | undefined} why CUDA's libraries are wanted here, or undefined when they are not. SIAMFCPP_CUDA=1 asks for them on
 *   any machine, SIAMFCPP_CUDA=0 on none.
 */
export function wantsCuda(env = process.env, exists = existsSync) {
  if (env.SIAMFCPP_CUDA === '1') return 'SIAMFCPP_CUDA=1'
  if (env.SIAMFCPP_CUDA === '0') return undefined
  const trace = DRIVER_TRACES.find((file) => exists(file))
  if (trace !== undefined) return `an NVIDIA driver is here (${trace})`
  const tool = which('nvidia-smi', env)
  return tool === undefined ? undefined : `an NVIDIA driver is here (${tool})`
}

/**
 * The requirements that torch itself states for CUDA's libraries, exactly as pinned there.
 * @param {string} metadata  the METADATA of torch's wheel
 * @returns {string[]} such as `cuda-toolkit[cublas,cudart]==13.0.2`, `nvidia-cudnn-cu13==9.19.0.56`
 */
export function cudaRequirements(metadata) {
  const found = []
  for (const line of metadata.split(/\r?\n/)) {
    if (line.trim() === '') break // the description follows
    const requirement = /^Requires-Dist:\s*([^;]+?)\s*(?:;(.*))?$/.exec(line)
    if (requirement === null || /\bextra\s*==/.test(requirement[2] ?? '')) continue
    // The rest is Python's: cuda-bindings and triton are never loaded by libtorch.
    if (/^(?:nvidia-|cuda-toolkit\b)/.test(requirement[1])) found.push(requirement[1].replace(/\s+/g, ''))
  }
  return found
}

/** @returns {string[] | undefined} those of a libtorch that pip unpacked at `folder`/torch, or undefined when its METADATA is not there */
export function cudaRequirementsOf(folder, version) {
  try {
    return cudaRequirements(readFileSync(path.join(folder, `torch-${version}.dist-info`, 'METADATA'), 'utf8'))
  } catch {
    return undefined
  }
}

/** @returns {string | undefined} why libtorch_cuda.so does not load, or undefined when it does. No driver is needed for that. */
export function cudaProblem(torch) {
  if (!existsSync(path.join(torch, 'lib', 'libtorch_cuda.so'))) return 'has no lib/libtorch_cuda.so: it was built without CUDA'
  return loadProblem(torch, 'libtorch_cuda.so')
}

/** @returns {string} what changes when the library is replaced */
export function cudaFingerprint(torch) {
  const stat = statSync(path.join(torch, 'lib', 'libtorch_cuda.so'))
  return `${torch} ${stat.size} ${stat.mtimeMs}`
}
