/** What processors without AVX-512 run, on any processor: the same boxes in fp32, and nearly the same in the other precisions. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { overlap } from '../../lib/evaluation/overlap.ts'
import type { Box } from '../../lib/tracking/tracker.ts'

type Found = Record<'fp32' | 'bf16' | 'int8', Box[]>
const program = fileURLToPath(new URL('../helpers/follow-bag.ts', import.meta.url))
const last = 41

async function follow(more: NodeJS.ProcessEnv): Promise<Found> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(last)], { env: { ...process.env, ...more } })
  return JSON.parse(stdout) as Found
}

const mean = (a: readonly Box[], b: readonly Box[]): number => a.reduce((sum, box, i) => sum + overlap(box, b[i] as Box), 0) / a.length

describe.each([
  ['our AVX-512 kernels off', { SIAMFCPP_NO_AVX512: '1' }],
  ['AVX2, without VNNI', { SIAMFCPP_NO_AVX512: '1', ONEDNN_MAX_CPU_ISA: 'AVX2', ATEN_CPU_CAPABILITY: 'avx2' }],
])('%s', (_name, env) => {
  let here: Found
  let there: Found
  beforeAll(async () => {
    here = await follow({})
    there = await follow(env)
  }, 120_000)

  it('fp32 gives the same boxes', () => {
    expect(there.fp32.length).toBe(last - 1)
    for (const [i, box] of there.fp32.entries()) for (const [k, value] of box.entries()) expect(Math.abs(value - here.fp32[i]![k]!), `frame ${i + 2}: ${box.join()}`).toBeLessThan(0.05)
  })

  it.each([
    ['bf16', 0.98],
    ['int8', 0.95],
  ] as const)('%s stays within a mean overlap of %f of fp32', (precision, least) => {
    expect(mean(there[precision], there.fp32)).toBeGreaterThan(least)
  })
})
