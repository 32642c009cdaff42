/** siamfcpp_cuda.so: what the addon says of it, and what it is made of. It is used where there is a GPU (test/gpu). */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'

const root = packageRoot()
const release = path.join(root, 'build', 'Release')
const library = path.join(release, 'siamfcpp_cuda.so')
const scratch = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-cuda-library-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const { libtorchPath } = loadAddon().versions()
const torch = path.join(path.dirname(libtorchPath), '..')

describe('the addon', () => {
  it('says where the library is', async () => {
    const info = await loadAddon().cudaExtension()
    expect(info.path).toBe(library)
    if (!existsSync(library)) expect(info.reason).toContain('was not built')
  })

  it('works without it, and says so', () => {
    copyFileSync(path.join(release, 'siamfcpp.node'), path.join(scratch, 'siamfcpp.node'))
    const script = `const addon = require(${JSON.stringify(path.join(scratch, 'siamfcpp.node'))}); addon.setErrorFactory((code, message) => Object.assign(new Error(message), { code }));
      addon.cudaExtension().then((info) => { console.log(JSON.stringify(info)); addon.shutDown() })`
    const info = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as { available: boolean; path: string; reason: string; nccl: number }
    expect(info).toEqual({ available: false, nccl: 0, path: path.join(scratch, 'siamfcpp_cuda.so'), reason: expect.stringMatching(/siamfcpp_cuda\.so was not built; npm run setup builds it where CUDA's headers are found/) })
  })

  it('makes no graph without CUDA', async () => {
    if ((await loadAddon().cudaAvailable()).available) return
    using model = await tinyModel()
    using optimizer = new Optimizer(model, { lr: 0.01 })
    await expect(loadAddon().createStepGraph(model.native, optimizer.native, null)).rejects.toMatchObject({ code: 'ERR_DEVICE', message: expect.stringContaining('Expected a CUDA device for CUDA graphs') })
  })
})

describe('a trainer on the CPU', () => {
  const run = async (cuda_graph: boolean | 'auto'): Promise<number[]> => {
    const model = await tinyModel()
    const optimizer = new Optimizer(model, { lr: 0.01 })
    const losses: number[] = []
    const trainer = new RegularTrainer(optimizer, [tinyBatch(1), tinyBatch(2)], [], { log: () => {}, progress: 'none' })
    try {
      trainer.setHyperParams({ exp_save: scratch, minibatch: 2, nr_image_per_epoch: 4, max_epoch: 1, cuda_graph })
      await trainer.train()
      losses.push(await optimizer.gradNorm())
    } finally {
      await trainer.close()
      optimizer.dispose()
      model.dispose()
    }
    return losses
  }

  it('trains the same with auto, and refuses true', async () => {
    expect(await run('auto')).toEqual(await run(false))
    await expect(run(true)).rejects.toMatchObject({ code: 'ERR_CONFIG', hint: expect.stringContaining('auto') })
  })

  it('takes no other value', async () => {
    await expect(run('yes' as 'auto')).rejects.toMatchObject({ code: 'ERR_CONFIG', message: "Expected true, false or 'auto' for RegularTrainer.cuda_graph but received \"yes\" of type string" })
  })
})

describe.skipIf(!existsSync(library))('the library', () => {
  const symbols = (file: string, kind: string): Set<string> =>
    new Set(
      execFileSync('nm', ['-D', kind, '--format=just-symbols', file], { encoding: 'utf8', maxBuffer: 2 ** 28 })
        .split('\n')
        .map((name) => name.replace(/@.*/, ''))
        .filter((name) => name !== ''),
    )

  it('needs nothing of CUDA itself: all of its names are in libtorch', () => {
    const wanted = symbols(library, '--undefined-only')
    for (const name of ['libtorch_cuda', 'libc10_cuda', 'libtorch_cpu', 'libc10']) for (const found of symbols(path.join(torch, 'lib', `${name}.so`), '--defined-only')) wanted.delete(found)
    // What is left is of the C and C++ runtimes.
    expect([...wanted].filter((name) => /^(cuda|nccl|cu[A-Z])|^_Z\w*(2at|3c10|4c10d|5torch)/.test(name))).toEqual([])
    expect(wanted.size).toBeGreaterThan(0)
  })

  it('exports its one function, and holds no path of this machine', () => {
    expect([...symbols(library, '--defined-only')].filter((name) => !name.startsWith('_Z'))).toContain('siamfcpp_cuda_extension')
    const dynamic = execFileSync('readelf', ['-d', library], { encoding: 'utf8' })
    expect(dynamic).toMatch(/NEEDED.*\[libtorch_cuda\.so\]/)
    expect(dynamic).not.toMatch(/RPATH|RUNPATH|libcudart|libnccl/)
    expect(readFileSync(library).includes(root)).toBe(false)
  })
})

describe('CMake', () => {
  /** A libtorch with or without CUDA's parts, and headers of these versions beside it. */
  function fakeTorch(name: string, parts: { cuda?: boolean; cudart?: number; nccl?: [number, number] }): string {
    const folder = path.join(scratch, name, 'torch')
    const put = (file: string, content: string): void => {
      const full = path.join(folder, file)
      mkdirSync(path.dirname(full), { recursive: true })
      writeFileSync(full, content)
    }
    if (parts.cuda ?? true) put('lib/libtorch_cuda.so', '')
    if (parts.cudart !== undefined) put('../nvidia/cu13/include/cuda_runtime_api.h', `/* … */\n#define CUDART_VERSION  ${parts.cudart}\n`)
    if (parts.nccl !== undefined) put('../nvidia/nccl/include/nccl.h', `#define NCCL_MAJOR ${parts.nccl[0]}\n#define NCCL_MINOR ${parts.nccl[1]}\n#define NCCL_PATCH 9\n`)
    return folder
  }

  function find(folder: string, define: Record<string, string> = {}): string {
    const env = { ...process.env, SIAMFCPP_CUDA_INCLUDE: '', SIAMFCPP_CUDA_TARGET: '' }
    const args = Object.entries({ SIAMFCPP_LIBTORCH: folder, ...define }).map(([key, value]) => `-D${key}=${value}`)
    try {
      return execFileSync('cmake', [...args, '-P', path.join(root, 'native/cuda_target/find.cmake')], { encoding: 'utf8', env, stdio: 'pipe' })
    } catch (error) {
      return `failed: ${(error as { stderr: string }).stderr.replace(/\s+/g, ' ')}`
    }
  }

  // A toolkit of this machine would be found after the folders beside torch.
  const hasToolkit = existsSync('/usr/local/cuda/include/cuda_runtime_api.h')
  const hasNccl = ['/usr/local/cuda/include/nccl.h', '/usr/include/nccl.h'].some((file) => existsSync(file))

  it('takes the headers beside torch', () => {
    const folder = fakeTorch('both', { cudart: 13000, nccl: [2, 28] })
    expect(find(folder)).toMatch(/siamfcpp_cuda\.so: built with \S+cu13\/include \(NCCL 2\.28: \S+nccl\/include\)/)
  })

  it.skipIf(hasNccl)('builds without NCCL where its header is not there', () => {
    expect(find(fakeTorch('graphs', { cudart: 13000 }))).toContain('(no NCCL: nccl.h is not there)')
  })

  it('builds without NCCL where its header is of another version', () => {
    expect(find(fakeTorch('other-nccl', { cudart: 13000, nccl: [2, 21] }))).toMatch(/no NCCL: \S+ is 2\.21, and libtorch's is 2\.28/)
  })

  it.skipIf(hasToolkit)('goes on where there are no headers, unless told to build', () => {
    const folder = fakeTorch('none', {})
    expect(find(folder)).toMatch(/not built, so there are no CUDA graphs and no NCCL \(cuda_runtime_api\.h is in none of /)
    expect(find(folder, { SIAMFCPP_CUDA_TARGET: 'ON' })).toMatch(/^failed: .*cannot be built: cuda_runtime_api\.h is in none of/)
  })

  it('goes on with old headers, or a libtorch without CUDA', () => {
    expect(find(fakeTorch('old', { cudart: 11080 }))).toMatch(/not built.*of CUDA 11080, and 12000 or newer/)
    expect(find(fakeTorch('cpu', { cuda: false, cudart: 13000 }))).toMatch(/not built.*is a libtorch without CUDA/)
  })

  it('looks where it is told first, and builds nothing when told not to', () => {
    const folder = fakeTorch('told', { cudart: 11080 })
    const other = path.join(fakeTorch('elsewhere', { cudart: 13000 }), '../nvidia/cu13/include')
    expect(find(folder, { SIAMFCPP_CUDA_INCLUDE: other })).toContain('built with')
    expect(find(folder, { SIAMFCPP_CUDA_TARGET: 'OFF' })).toContain('not built (SIAMFCPP_CUDA_TARGET is OFF)')
    expect(find(folder, { SIAMFCPP_CUDA_TARGET: 'maybe' })).toMatch(/^failed: .*Expected AUTO, ON or OFF/)
  })
})
