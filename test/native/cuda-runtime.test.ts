/** CUDA as the addon finds it, as far as that can be seen without a GPU. */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { applyCudaOptions, cudaDefaults } from '../../lib/engine/cuda-options.ts'
import { Model } from '../../lib/engine/model.ts'
import type { CudaInfo } from '../../lib/native/addon-cuda.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { tinySpec } from '../helpers/tiny-model.ts'

const addon = loadAddon()
const loadModule = JSON.stringify(fileURLToPath(new URL('../../lib/native/load.ts', import.meta.url)))
const info = await addon.cudaAvailable()

/** What a process of its own finds: each finds out once. */
async function found(env: Record<string, string>): Promise<CudaInfo> {
  const script = `const { loadAddon } = await import(${loadModule}); process.stdout.write(JSON.stringify(await loadAddon().cudaAvailable()))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { timeout: 60_000, env: { ...process.env, ...env } })
  return JSON.parse(stdout) as CudaInfo
}

describe('what there is of CUDA', () => {
  it('is a list of devices, or a reason why there is none', () => {
    expect(info.available).toBe(info.devices.length > 0)
    expect(info.reason === '').toBe(info.available)
  })

  it('is nothing with SIAMFCPP_CUDA=0', async () => {
    expect(await found({ SIAMFCPP_CUDA: '0' })).toMatchObject({ available: false, reason: 'SIAMFCPP_CUDA=0 turns CUDA off', devices: [] })
  })
})

describe.skipIf(info.available || spawnSync('cc', ['--version']).error !== undefined)('a driver that finds no card', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-driver-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("is named with the driver's own word, or with the library that would be needed first", async () => {
    const calls = ['cuDeviceGetCount(int *n)', 'cuDeviceGet(int *d, int i)', 'cuDeviceGetName(char *s, int n, int d)', 'cuDeviceTotalMem_v2(unsigned long *t, int d)', 'cuDeviceGetAttribute(int *v, int a, int d)', 'cuDeviceGetPCIBusId(char *s, int n, int d)']
    const source = `int cuInit(unsigned f) { return 100; }
int cuDriverGetVersion(int *v) { *v = 13000; return 0; }
int cuGetErrorString(int e, const char **t) { *t = "no CUDA-capable device is detected"; return 0; }
${calls.map((call) => `int ${call} { return 100; }\n`).join('')}`
    execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', path.join(folder, 'libcuda.so.1'), '-'], { input: source })
    const result = await found({ LD_LIBRARY_PATH: folder })
    expect(result).toMatchObject({ available: false, driverCuda: 13000, devices: [] })
    // Without CUDA's libraries beside libtorch the missing one comes first.
    expect(result.reason).toMatch(result.runtimeCuda > 0 ? /found no usable GPU: cuInit says no CUDA-capable device is detected \(100\)/ : /libtorch's CUDA needs lib\S+\.so\S*, which is not installed where .*npm run setup/)
  })
})

describe('a library that the loader could not open', () => {
  const library = '/opt/torch/lib/libtorch_cuda.so'
  it.each([
    ["libcudnn.so.9: cannot open shared object file: No such file or directory", /^libtorch's CUDA needs libcudnn\.so\.9, which is not installed where \/opt\/torch\/lib\/libtorch_cuda\.so looks for it: npm run setup .*, pip install torch==2\.11\.0/],
    [`${library}: cannot open shared object file: No such file or directory`, /^this libtorch has no CUDA: \/opt\/torch\/lib\/libtorch_cuda\.so is not there/],
    [`${library}: undefined symbol: _ZN3c10`, /cannot be opened: .*undefined symbol: _ZN3c10$/],
  ])('%s', (error, expected) => {
    expect(addon.explainCudaLibrary(error, library)).toMatch(expected)
  })
})

describe('the switches of CUDA', () => {
  const before = { tf32Convolutions: true, tf32Matmuls: false, cudnnBenchmark: false, deterministic: false }
  afterEach(() => addon.setCudaSettings(before))

  it("are PyTorch's as long as nobody sets them", async () => {
    expect(await addon.cudaSettings()).toEqual(before)
  })

  it.each([
    [{ tf32Convolutions: false, tf32Matmuls: false, cudnnBenchmark: true, deterministic: false }, {}],
    [{ tf32Convolutions: true, tf32Matmuls: true, cudnnBenchmark: false, deterministic: false }, {}],
    [{ tf32Convolutions: false, tf32Matmuls: true, cudnnBenchmark: true, deterministic: true }, { cudnnBenchmark: false }],
  ])('hold what they are set to: %j', async (settings, changed) => {
    await addon.setCudaSettings(settings)
    expect(await addon.cudaSettings()).toEqual({ ...settings, ...changed })
  })

  it('are left alone for a run on the CPU', async () => {
    await applyCudaOptions({ ...cudaDefaults, tf32_convolutions: false, deterministic: true }, 'cpu')
    expect(await addon.cudaSettings()).toEqual(before)
  })

  it("come from the configuration for a run on a GPU, with the benchmark that PyTorch leaves out", async () => {
    await applyCudaOptions(cudaDefaults, 'cuda')
    expect(await addon.cudaSettings()).toEqual({ ...before, cudnnBenchmark: true })
  })
})

describe('what only a GPU has', () => {
  it('float16 on the CPU is refused', async () => {
    await expect(Model.create(tinySpec({ precision: 'fp16' }))).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/expected the precision fp32 or bf16 on the CPU but received fp16/) })
  })

  it("a clock of the CPU's time is refused", () => {
    expect(() => addon.createDeviceClock('cpu')).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }))
    expect(() => addon.createDeviceClock(`cuda:${info.devices.length}`)).toThrow(expect.objectContaining({ code: 'ERR_DEVICE', message: expect.stringContaining('no such device was found') }))
  })

  it.skipIf(info.available)('memory of devices is of none', async () => {
    expect(addon.memory().devices).toEqual([])
    await addon.releaseDeviceMemory()
    await addon.resetPeakMemory()
  })
})
