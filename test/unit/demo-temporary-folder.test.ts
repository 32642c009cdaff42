/** The demo's folder: gone with its server, and with the next one where that was killed; nobody else's is touched. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { temporaryFolder } from '../../lib/demo/temporary-folder.ts'

let dir: string
const before = process.env.TMPDIR
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'siam-demo-folder-'))
  process.env.TMPDIR = dir
})
afterEach(() => {
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  rmSync(dir, { recursive: true, force: true })
})

it('what a killed server left goes when the next one starts; what is in use or not its own stays', async () => {
  const module = new URL('../../lib/demo/temporary-folder.ts', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', `const { path } = await (await import('${module}')).temporaryFolder(); console.log(path); setInterval(() => {}, 1000)`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const left = line.toString().trim()
  writeFileSync(path.join(left, 'upload'), 'a film')

  const beside = await temporaryFolder()
  expect(existsSync(path.join(left, 'upload'))).toBe(true)

  child.kill('SIGKILL')
  await once(child, 'exit')
  mkdirSync(path.join(dir, 'elsewhere'))
  writeFileSync(path.join(dir, 'elsewhere', 'kept'), '')
  writeFileSync(path.join(dir, 'siamtrain-demo-link.lock'), '')
  symlinkSync(path.join(dir, 'elsewhere'), path.join(dir, 'siamtrain-demo-link'))
  mkdirSync(path.join(dir, 'siamtrain-demo-new'))
  const next = await temporaryFolder()
  expect(readdirSync(dir).filter((name) => !name.endsWith('.lock')).sort()).toEqual(['elsewhere', 'siamtrain-demo-link', 'siamtrain-demo-new', path.basename(beside.path), path.basename(next.path)].sort())
  await beside.remove()
  await next.remove()
  expect(readdirSync(dir).filter((name) => !name.endsWith('.lock')).sort()).toEqual(['elsewhere', 'siamtrain-demo-link', 'siamtrain-demo-new'])
  expect(existsSync(path.join(dir, 'elsewhere', 'kept'))).toBe(true)
})
