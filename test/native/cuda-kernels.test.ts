/** Our CUDA kernels as far as they can be tried without a GPU: their arithmetic on the processor, their compilation, and what surrounds them. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { normReference, normValues, relativeDifference, type NormProblem } from '../helpers/norm-reference.ts'
import { gradientOfNorm, runNorm } from '../helpers/norm-run.ts'
import { tinyModel } from '../helpers/tiny-model.ts'

const addon = loadAddon()
const run = promisify(execFile)
const { compiler } = await addon.cudaKernels()

let folder: string
const cacheBefore = process.env.XDG_CACHE_HOME
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-kernels-'))
  process.env.XDG_CACHE_HOME = folder
})
afterAll(() => {
  if (cacheBefore === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = cacheBefore
  rmSync(folder, { recursive: true, force: true })
})

describe('the kernels, emulated', () => {
  it('agree with float64 on odd sizes, in every dtype', async () => {
    const source = fileURLToPath(new URL('emulation/kernels_check.cc', import.meta.url))
    const program = path.join(folder, 'kernels_check')
    await run(process.env.CXX ?? 'c++', ['-std=c++17', '-O1', '-Wno-unknown-pragmas', '-o', program, source])
    const { stdout } = await run(program).catch((error: { stdout: string }) => error)
    expect(stdout.split('\n').filter((line) => line.startsWith('FAILED'))).toEqual([])
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 failed')
    expect(stdout.split('\n').length).toBeGreaterThan(100)
  })
})

if (compiler.why !== '') process.stdout.write(`skipped without NVIDIA's run-time compiler: compiling the CUDA kernels (${compiler.why})\n`)
describe.skipIf(compiler.why !== '')('the kernels, compiled', () => {
  const kept = () => readdirSync(path.join(folder, 'siamfcpp-native', 'kernels')).sort()

  it('give code for an H100, kept in the cache', async () => {
    const variants = await addon.compileCudaKernels(90)
    expect(variants.length).toBeGreaterThan(30)
    for (const { name, bytes } of variants) expect(bytes, name).toBeGreaterThan(1000)
    expect(kept().length).toBe(variants.length)
  })

  it.each(['batch_norm', 'norm_pool', 'average_pool', 'xcorr', 'image', 'losses'] as const)('%s: gives code for older cards', async (family) => {
    for (const capability of [75, 80]) expect((await addon.compileCudaKernels(capability, family)).length).toBeGreaterThan(0)
  })

  it('come from the cache afterwards, and are compiled anew where a file is damaged', async () => {
    rmSync(path.join(folder, 'siamfcpp-native'), { recursive: true })
    const before = await addon.compileCudaKernels(90, 'losses')
    expect(kept()).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.cubin$/)])
    const name = path.join(folder, 'siamfcpp-native', 'kernels', kept()[0]!)
    const [whole, written] = [readFileSync(name), statSync(name).mtimeMs]
    expect(await addon.compileCudaKernels(90, 'losses')).toEqual(before)
    expect(statSync(name).mtimeMs).toBe(written)
    for (const damaged of [Buffer.concat([whole.subarray(0, -1), Buffer.of(whole.at(-1)! ^ 1)]), whole.subarray(0, 5000), Buffer.alloc(0)]) {
      writeFileSync(name, damaged)
      expect(await addon.compileCudaKernels(90, 'losses')).toEqual(before)
      expect(readFileSync(name).equals(whole)).toBe(true)
    }
    expect(kept()).toEqual([path.basename(name)])
  })

  it('are refused for a card that the compiler does not know', async () => {
    await expect(addon.compileCudaKernels(10)).rejects.toMatchObject({ code: 'ERR_SETUP', message: expect.stringContaining('compute capability 10') })
  })
})

it('can be switched off', async () => {
  const { enabled } = await addon.cudaKernels()
  addon.setCudaKernels(false)
  expect((await addon.cudaKernels()).enabled).toBe(false)
  addon.setCudaKernels(enabled)
  expect((await addon.cudaKernels()).enabled).toBe(enabled)
})

describe('BatchNorm, ReLU and pooling on the processor', () => {
  const problems: [string, NormProblem, 'contiguous' | 'channels_last'][] = [
    ['training', { size: [2, 5, 7, 6], training: true, relu: true }, 'channels_last'],
    ['training, planar', { size: [2, 5, 7, 6], training: true, relu: false }, 'contiguous'],
    ['eval', { size: [2, 3, 5, 4], training: false, relu: true }, 'channels_last'],
    ['pooled', { size: [2, 4, 9, 11], training: true, relu: true, pool: { padding: 0, ceil: true } }, 'channels_last'],
    ['pooled, even sides, window cut at the border', { size: [1, 3, 8, 10], training: true, relu: true, pool: { padding: 0, ceil: true } }, 'channels_last'],
    ['pooled with padding', { size: [1, 3, 8, 9], training: true, relu: true, pool: { padding: 1, ceil: false } }, 'channels_last'],
  ]
  it.each(problems)('%s: as the definition', async (_, problem, format) => {
    const values = normValues(problem)
    const expected = normReference(problem, values, gradientOfNorm(problem))
    const actual = await runNorm(problem, values, 'cpu', 'float32', format)
    for (const name of ['y', 'dx', 'dWeight', 'dBias', 'runningMean', 'runningVar'] as const) expect(relativeDifference(actual[name], expected[name]), name).toBeLessThan(3e-6)
    expect(actual.dOffset.every((value) => value === 0)).toBe(true)
  })
})

it('batches are counted once for each image that a unit sees', async () => {
  using model = await tinyModel()
  model.train()
  const image = (side: number) => Tensor.from(new Uint8Array(3 * side * side).map((_, i) => i % 251), [1, 3, side, side])
  using imZ = image(127)
  using imX = image(207)
  const counts = async () =>
    (await model.stateDict()).filter(({ name }) => name.endsWith('num_batches_tracked')).map(({ name, data }) => [name, Number(new BigInt64Array(data.slice().buffer)[0])] as const)
  expect((await counts()).every(([, count]) => count === 0)).toBe(true)
  for (const tensor of Object.values(await model.forward({ im_z: imZ, im_x: imX }))) (tensor as Tensor)[Symbol.dispose]()
  for (const [name, count] of await counts()) expect(count, name).toBe(name.startsWith('basemodel.') ? 2 : 1)
})
