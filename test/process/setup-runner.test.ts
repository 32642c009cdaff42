/** npm test itself: what it counts, and that it cannot end well by running nothing. */
import { spawn } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outcomeOf, root, SetupFixture } from '../helpers/setup-fixture.ts'

let fixture: SetupFixture
beforeEach(() => {
  fixture = new SetupFixture()
  mkdirSync(path.join(fixture.project, 'node_modules'))
  for (const name of ['vitest', 'typescript', 'oxlint']) symlinkSync(realpathSync(path.join(root, 'node_modules', name)), path.join(fixture.project, 'node_modules', name))
  fixture.write('tsconfig.json', '{ "compilerOptions": { "noEmit": true, "types": [] }, "files": ["ok.ts"] }')
  fixture.write('tsconfig.page.json', '{ "extends": "./tsconfig.json", "files": ["page.ts"] }')
  fixture.write('page.ts', 'export const two = 2\n')
  fixture.write('.oxlintrc.json', '{ "categories": { "correctness": "off" } }')
  fixture.write('ok.ts', 'export const one = 1\n')
  fixture.write('vitest.config.js', 'export default { test: { include: ["test/**/*.test.js"] } }')
})
afterEach(() => fixture.dispose())

const passing = "import { it } from 'vitest'; it('a', () => {}); it('b', () => {})\n"

/** Runs npm test without its set-up. */
function npmTest(...args: string[]) {
  const env = { HOME: fixture.folder, TMPDIR: path.join(fixture.folder, 'tmp'), PATH: fixture.tools }
  return outcomeOf(spawn(process.execPath, [path.join(fixture.project, 'scripts/test.mjs'), '--skip-setup', ...args], { cwd: fixture.project, env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

const lastLine = (output: string) => output.trimEnd().split('\n').at(-1)

describe('the last line', () => {
  it('counts tests, checks and skips', async () => {
    fixture.write('test/a.test.js', passing)
    fixture.write('test/b.test.js', "import { it } from 'vitest'; it('c', () => {}); it.skip('d', () => {})\n")
    const { code, output } = await npmTest()
    expect([code, lastLine(output)], output).toEqual([0, '6 passed, 0 failed, 1 skipped'])
  })

  it('counts a failed test and a failed check', async () => {
    fixture.write('test/a.test.js', `${passing}it('c', () => { throw new Error('no') })\n`)
    fixture.write('ok.ts', 'export const one: string = 1\n')
    const { code, output } = await npmTest()
    expect([code, lastLine(output)]).toEqual([1, '4 passed, 2 failed'])
    expect(output).toContain('TS2322')
  })

  it('counts a file that cannot be loaded', async () => {
    fixture.write('test/a.test.js', passing)
    fixture.write('test/b.test.js', "import './nowhere.js'\n")
    const { code, output } = await npmTest('test')
    expect([code, lastLine(output)]).toEqual([1, '2 passed, 1 failed'])
  })

  it('counts an error outside of any test', async () => {
    fixture.write('test/a.test.js', "import { it } from 'vitest'; it('a', () => { setTimeout(() => { throw new Error('late') }, 0); return new Promise((resolve) => setTimeout(resolve, 50)) })\n")
    const { code, output } = await npmTest('test')
    expect([code, lastLine(output)]).toEqual([1, '1 passed, 1 failed'])
  })

  it('running nothing is a failure', async () => {
    const { code, output } = await npmTest('test/nothing')
    expect([code, lastLine(output)]).toEqual([1, '0 passed, 1 failed'])
  })

  it('a set-up that fails is a failure', async () => {
    const env = { HOME: fixture.folder, TMPDIR: path.join(fixture.folder, 'tmp'), PATH: fixture.tools, XDG_CACHE_HOME: fixture.cache }
    const { code, output } = await outcomeOf(spawn(process.execPath, [path.join(fixture.project, 'scripts/test.mjs')], { cwd: fixture.project, env, stdio: ['ignore', 'pipe', 'pipe'] }))
    expect([code, lastLine(output)]).toEqual([1, '0 passed, 1 failed'])
    expect(output).toContain('npm test (what is finished is not repeated)')
  })

  it('filters run the chosen tests only', async () => {
    fixture.write('test/a.test.js', passing)
    fixture.write('test/b.test.js', "import { it } from 'vitest'; it('c', () => {})\n")
    const { code, output } = await npmTest('test/b')
    expect([code, lastLine(output)]).toEqual([0, '1 passed, 0 failed'])
  })
})
