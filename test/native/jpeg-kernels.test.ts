/** The loops of the JPEG decoder over samples, by their own check program: equal to the JPEG library's, whatever the processor has. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { packageRoot } from '../../lib/native/load.ts'

/** The tables that this machine's processor can run, portable first. */
function expectedTables(): string[] {
  if (process.arch !== 'x64') return ['portable']
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/))
  const has = (...names: string[]) => names.every((name) => flags.has(name))
  return ['portable', ...(has('avx2') ? ['avx2'] : []), ...(has('avx2', 'avx512bw', 'avx512vl', 'avx512vbmi') ? ['avx512'] : [])]
}

it('every table of kernels gives the same bits, and they are the bits of the JPEG library', () => {
  const output = execFileSync('sh', [path.join(packageRoot(), 'native/data/check/kernels/run.sh')], { encoding: 'utf8' })
  expect(output.trim()).toBe(`ok: ${expectedTables().join(' ')}`)
})
