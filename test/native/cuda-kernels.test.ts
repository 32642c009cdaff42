/** Our CUDA kernels as far as they can be tried without a GPU: their arithmetic on the processor, their compilation, and what surrounds them. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

  it.each([75, 80, 90])('give code for compute capability %i, kept in the cache', async (capability) => {
    const variants = await addon.compileCudaKernels(capability)
    expect(variants.length).toBeGreaterThan(30)
    for (const { name, bytes } of variants) expect(bytes, name).toBeGreaterThan(1000)
    expect(kept().length).toBeGreaterThanOrEqual(variants.length)
  })

  it('come from the cache afterwards, and are compiled anew where a file is damaged', async () => {
    const before = await addon.compileCudaKernels(90)
    const name = path.join(folder, 'siamfcpp-native', 'kernels', kept()[0]!)
    const whole = readFileSync(name)
    const other = Buffer.from(whole)
    other[other.length - 1]! ^= 1
    writeFileSync(name, other)
    // Whichever card that file is for: all three are asked.
    for (const capability of [75, 80]) await addon.compileCudaKernels(capability)
    expect(await addon.compileCudaKernels(90)).toEqual(before)
    expect(readFileSync(name).equals(other)).toBe(false)
    expect(kept().filter((file) => !file.endsWith('.cubin'))).toEqual([])
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
