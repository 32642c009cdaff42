/** A step that does not fit into memory is an error with a code, not the end of the process. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('ERR_DEVICE_OOM names the operation and leaves the process usable', () => {
  const script = fileURLToPath(new URL('../helpers/out-of-memory.ts', import.meta.url))
  const output = execFileSync(process.execPath, [script], { encoding: 'utf8' })
  expect(output).toMatch(/^ERR_DEVICE_OOM forward: .*allocate/)
  expect(output).toContain('then 2')
})
