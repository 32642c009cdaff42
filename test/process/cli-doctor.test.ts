/** `siamtrain doctor` on a sound installation and on broken ones. It must report a broken addon, never end with it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DoctorReport } from '../../lib/cli/doctor.ts'
import { collect, runCli } from '../helpers/run-cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('a sound installation', () => {
  it('is ok, and names what is in use', async () => {
    const { code, stdout, stderr } = await runCli(['doctor', '--json'])
    const report = JSON.parse(stdout) as DoctorReport
    expect([code, stderr, report.problems]).toEqual([0, '', []])
    expect(report).toMatchObject({ ok: true, libtorch: { version: expect.stringMatching(/^2\.11\.0/), path: expect.stringContaining('libtorch_cpu.so') }, cpu: { cores: os.availableParallelism() } })
    expect(['SIAMFCPP_LIBTORCH', 'python3 on PATH', 'cache', 'the path that the addon was linked with']).toContain(report.libtorch.source)
    expect(typeof report.cuda.available).toBe('boolean')
    expect(report.cuda.reason === '').toBe(report.cuda.available)
    expect(report.cuda.devices.length > 0).toBe(report.cuda.available)
    expect(report.jpeg.version).toMatch(/\d/)
    expect(report.pictures).toMatchObject({ version: expect.stringMatching(/^8\./), missing: null })
    expect(report.cpu.simd).toMatch(/\w/)
  })

  it('prints the same for people', async () => {
    const { code, stdout } = await runCli(['doctor'])
    expect(code).toBe(0)
    for (const word of ['libtorch', 'cuda', 'jpeg', 'pictures  libvips 8.', 'node', 'cpu', 'everything that training needs is in place']) expect(stdout).toContain(word)
  })
})

describe('a broken installation', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-doctor-'))
    for (const name of ['lib', 'scripts', 'package.json', 'test/helpers/siamtrain.ts']) cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
    mkdirSync(path.join(folder, 'build/Release'), { recursive: true })
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const doctor = async (env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [path.join(folder, 'test/helpers/siamtrain.ts'), 'doctor', '--json'], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const { code, stdout } = await collect(child)
    return { code, report: JSON.parse(stdout) as DoctorReport }
  }

  it('no addon', async () => {
    const { code, report } = await doctor()
    expect([code, report.ok]).toEqual([1, false])
    expect(report.problems[0]).toMatchObject({ what: expect.stringContaining('the addon is not built'), fix: 'npm run setup' })
  })

  it('no addon and no libtorch: each place is named', async () => {
    const { report } = await doctor({ SIAMFCPP_LIBTORCH: '', PATH: folder, XDG_CACHE_HOME: path.join(folder, 'cache') })
    expect(report.problems[1]?.what).toMatch(/no libtorch 2\.11\.0 was found: .*python3 is not on PATH.*cache: .*is not there/)
  })

  it('an addon that is no library', async () => {
    writeFileSync(path.join(folder, 'build/Release/siamfcpp.node'), 'not a library')
    const { code, report } = await doctor()
    expect(code).toBe(1)
    expect(report.problems[0]?.what).toMatch(/the addon does not load: .*(invalid ELF|file too short)/)
  })

  it('an addon that crashes the process that loads it', async () => {
    const source = 'static void crash(void) __attribute__((constructor));\nstatic void crash(void) { __builtin_trap(); }\n'
    const compiled = await collect(spawn('sh', ['-c', `printf '%s' "$SOURCE" | cc -shared -fPIC -x c -o "${folder}/build/Release/siamfcpp.node" -`], { env: { ...process.env, SOURCE: source }, stdio: ['ignore', 'pipe', 'pipe'] }))
    expect(compiled.code, compiled.stderr).toBe(0)
    const { code, report } = await doctor()
    expect(code).toBe(1)
    expect(report.problems[0]?.what).toMatch(/the addon does not load: it was ended by SIG(ILL|TRAP|ABRT)/)
    expect(report.problems[0]?.fix).toContain('npm run setup')
  })
})
