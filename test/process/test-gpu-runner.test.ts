/** npm run test:gpu itself, with an addon that says what a test wants: what it runs, skips, ends and counts; and what npm test makes of GPU tests. */
import { spawn } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outcomeOf, root, SetupFixture } from '../helpers/setup-fixture.ts'

let fixture: SetupFixture
beforeEach(() => {
  fixture = new SetupFixture()
  mkdirSync(path.join(fixture.project, 'node_modules'))
  symlinkSync(realpathSync(path.join(root, 'node_modules', 'vitest')), path.join(fixture.project, 'node_modules', 'vitest'))
  fixture.write('vitest.config.js', 'export default { test: { include: ["test/**/*.test.js"] } }')
  withGpu(true)
})
afterEach(() => fixture.dispose())

/** Replaces the addon's loader. */
function withGpu(available: boolean, more = ''): void {
  fixture.write('lib/native/load.ts', `export const loadAddon = () => { ${more}; return { cudaAvailable: async () => ({ available: ${available}, reason: 'the card is in a drawer' }) } }\n`)
}

function run(script: string, args: string[], env: Record<string, string> = {}) {
  return outcomeOf(
    spawn(process.execPath, [path.join(fixture.project, 'scripts', script), '--skip-setup', ...args], {
      cwd: fixture.project,
      env: { HOME: fixture.folder, TMPDIR: path.join(fixture.folder, 'tmp'), PATH: fixture.tools, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

const testGpu = (...args: string[]) => run('test-gpu.mjs', args)
const lastLine = (output: string) => output.trimEnd().split('\n').at(-1)
const passing = "import { it } from 'vitest'; it('a', () => {}); it.skip('b', () => {})\n"

describe('with a GPU', () => {
  it('runs every file in a process of its own, and counts together', async () => {
    fixture.write('test/gpu/a.test.js', passing)
    fixture.write('test/gpu/b.test.js', "import { it } from 'vitest'; it('c', () => { throw new Error('not equal') })\n")
    fixture.write('test/gpu/c.alone.test.js', 'process.kill(process.ppid, "SIGKILL"); await new Promise(() => {})\n')
    fixture.write('test/other.test.js', passing)
    const { code, output } = await testGpu('--jobs', '2')
    expect([code, lastLine(output)], output).toEqual([1, '1 passed, 2 failed, 1 skipped'])
    expect(output).toMatch(/^ok {5}test\/gpu\/a\.test\.js: 1 passed, 0 failed, 1 skipped in /m)
    expect(output).toMatch(/^FAILED test\/gpu\/b\.test\.js: 0 passed, 1 failed in /m)
    expect(output).toMatch(/^FAILED test\/gpu\/c\.alone\.test\.js: 0 passed, 1 failed in .*\(ended by SIGKILL\)$/m)
    expect(output).toContain('not equal')
    expect(output).not.toContain('other.test.js')
  })

  it('ends a file that hangs', async () => {
    fixture.write('test/gpu/a.test.js', 'await new Promise(() => {})\n')
    const { code, output } = await testGpu('--file-seconds', '2')
    expect([code, lastLine(output)], output).toEqual([1, '0 passed, 1 failed'])
    expect(output).toMatch(/^FAILED test\/gpu\/a\.test\.js: 0 passed, 1 failed in .*\(ended after 2 s\)$/m)
  })

  it('does not begin what there is no time for', async () => {
    fixture.write('test/gpu/a.test.js', 'await new Promise(() => {})\n')
    fixture.write('test/gpu/b.test.js', passing)
    const { code, output } = await testGpu('--jobs', '1', '--seconds', '1')
    expect([code, lastLine(output)], output).toEqual([1, '0 passed, 2 failed'])
    expect(output).toMatch(/^FAILED test\/gpu\/b\.test\.js: .*\(not run: the time was up\)$/m)
  })

  it('runs the files whose names are asked for', async () => {
    fixture.write('test/gpu/a.test.js', passing)
    fixture.write('test/gpu/bee.test.js', passing)
    const { code, output } = await testGpu('bee')
    expect([code, lastLine(output)], output).toEqual([0, '1 passed, 0 failed, 1 skipped'])
    const unknown = await testGpu('wasp')
    expect([unknown.code, lastLine(unknown.output)]).toEqual([1, '0 passed, 1 failed'])
    expect(unknown.output).toContain('test/gpu/bee.test.js')
  })

  it('is part of npm test', async () => {
    fixture.write('test/gpu/a.test.js', passing)
    // Types and lint are others' tests: with a filter they do not run.
    const { code, output } = await run('test.mjs', ['test/gpu'])
    expect([code, lastLine(output)], output).toEqual([0, '1 passed, 0 failed, 1 skipped'])
  })
})

describe('without a GPU', () => {
  beforeEach(() => {
    withGpu(false)
    fixture.write('test/gpu/a.test.js', 'throw new Error("was loaded")\n')
  })

  it('says why, skips and ends well', async () => {
    const { code, output } = await testGpu()
    expect([code, output]).toEqual([0, 'GPU tests: 1 files are skipped: the card is in a drawer\n\n0 passed, 0 failed, 1 skipped\n'])
  })

  it('fails where a GPU is required', async () => {
    expect(await testGpu('--require-gpu')).toMatchObject({ code: 1, output: expect.stringContaining('cannot run: the card is in a drawer') })
    expect(await run('test-gpu.mjs', [], { SIAMFCPP_REQUIRE_GPU: '1' })).toMatchObject({ code: 1, output: expect.stringMatching(/0 passed, 1 failed\n$/) })
  })

  it('fails where the addon does not load', async () => {
    withGpu(false, "throw new Error('undefined symbol')")
    expect(await testGpu()).toMatchObject({ code: 1, output: expect.stringContaining('the addon does not load: Error: undefined symbol') })
  })

  it('npm test says why and leaves them out', async () => {
    for (const tool of ['typescript/bin/tsc', 'oxlint/bin/oxlint']) fixture.write(`node_modules/${tool}`, '')
    fixture.write('test/other.test.js', "import { it } from 'vitest'; it('a', () => {})\n")
    const { code, output } = await run('test.mjs', [])
    expect([code, lastLine(output)], output).toEqual([0, '4 passed, 0 failed, 1 skipped'])
    expect(output).toContain('GPU tests: 1 files are skipped: the card is in a drawer')
  })
})

it.each([
  [['--jobs', 'many'], /--jobs but received many/],
  [['--seconds', '0'], /--seconds but received 0/],
  [['--quick'], /--quick/],
])('refuses %j', async (args, message) => {
  expect(await testGpu(...args)).toMatchObject({ code: 2, output: expect.stringMatching(message) })
})

it.each(['test-gpu.mjs', 'pack-gpu.mjs'])('%s --help explains its options and does nothing else', async (script) => {
  fixture.write('test/gpu/a.test.js', passing)
  const { code, output } = await run(script, ['--help'])
  expect([code, output]).toEqual([0, expect.stringMatching(/^npm run (test|pack):gpu: [^]* --skip-setup /)])
  expect(output).not.toMatch(/^ \*|\d passed/m)
})
