/** setup.sh and run.sh of a pack for a GPU machine, with a pack that is made here: no Node on PATH, no network. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { outcomeOf, root, SetupFixture } from '../helpers/setup-fixture.ts'

let fixture: SetupFixture
let pack: string
let there: string
beforeEach(() => {
  fixture = new SetupFixture()
  fixture.use('tar', 'xz', 'grep', 'head')
  pack = path.join(fixture.folder, 'pack')
  there = path.join(fixture.folder, 'gpu machine')
  for (const folder of [pack, there]) mkdirSync(folder)
  for (const script of ['setup.sh', 'run.sh']) cpSync(path.join(root, 'scripts', 'gpu-pack', script), path.join(pack, script))
  describePack({ besideCheckout: false })
  fixture.write('lib/native/load.ts', '')
  fixture.write('node_modules/node/bin/node', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`)
  execFileSync('chmod', ['+x', path.join(fixture.project, 'node_modules/node/bin/node')])
  mkdirSync(path.join(fixture.project, 'node_modules/.bin'))
  execFileSync('ln', ['-s', '../node/bin/node', path.join(fixture.project, 'node_modules/.bin/node')])
  fixture.write('.cache/shared/golden/one.json', '{}')
  mkdirSync(path.join(fixture.project, 'build/Release'), { recursive: true })
  execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', path.join(fixture.project, 'build/Release/siamfcpp.node'), '-'], { input: 'void* napi_register_module_v1(void* env, void* exports) { return exports; }\n' })
})
afterEach(() => fixture.dispose())

const describePack = (facts: object): void => writeFileSync(path.join(pack, 'pack.json'), `${JSON.stringify(facts, null, 2)}\n`)

/** Two archives, as a pack has several. */
function archive(): void {
  execFileSync('tar', ['-C', fixture.project, '-cJf', path.join(pack, 'node.tar.xz'), 'node_modules'])
  execFileSync('tar', ['-C', fixture.project, '-cJf', path.join(pack, 'product.tar.xz'), 'scripts', 'lib', 'build', '.cache', 'package.json'])
}

function run(script: string, args: string[], env: Record<string, string> = {}) {
  return outcomeOf(spawn('/bin/sh', [path.join(pack, script), ...args], { cwd: there, env: { HOME: fixture.folder, PATH: fixture.tools, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
}

it('unpacks, takes the packed addon, and runs commands with that Node and libtorch', async () => {
  archive()
  const libtorch = fixture.fakeLibtorch('elsewhere/torch')
  fixture.fakePython({ torch: libtorch })
  const { code, output } = await run('setup.sh', [])
  expect(code, output).toBe(0)
  expect(output).toContain('the packed addon is used')
  const checkout = path.join(there, 'siamfcpp-native')
  expect(readlinkSync(path.join(checkout, 'build/libtorch'))).toBe(libtorch)
  expect(JSON.parse(readFileSync(path.join(checkout, 'build/setup.json'), 'utf8'))).toMatchObject({ libtorch: { path: libtorch, source: 'python3 on PATH' } })

  const print = 'process.stdout.write([process.cwd(), process.env.SIAMFCPP_LIBTORCH, process.env.SIAMFCPP_SHARED, process.env.SIAMFCPP_BENCH_PYTHON].join("|"))'
  const said = await run('run.sh', ['node', '-e', print])
  expect(said).toMatchObject({ code: 0, output: [checkout, libtorch, path.join(checkout, '.cache/shared'), 'python3'].join('|') })
  expect(await run('run.sh', [])).toMatchObject({ code: 2 })
})

it('unpacks into the checkout that it lies in, again and again', async () => {
  describePack({ besideCheckout: true })
  fixture.fakePython({ torch: fixture.fakeLibtorch('torch') })
  archive()
  expect(await run('setup.sh', [])).toMatchObject({ code: 1, output: expect.stringContaining('is no checkout') })
  mkdirSync(path.join(fixture.folder, 'lib/native'), { recursive: true })
  writeFileSync(path.join(fixture.folder, 'lib/native/load.ts'), '')
  for (const time of ['first', 'again']) expect(await run('setup.sh', []), time).toMatchObject({ code: 0, output: expect.stringContaining(`ready in ${fixture.folder};`) })
  expect(existsSync(path.join(fixture.folder, 'build/Release/siamfcpp.node'))).toBe(true)
})

it('says where it looked for libtorch', async () => {
  archive()
  fixture.fakePython({ torch: null })
  expect(await run('setup.sh', ['x'])).toMatchObject({ code: 1, output: expect.stringMatching(/no libtorch 2\.11\.0: .*has no torch/) })
})

it('builds an addon that does not load', async () => {
  writeFileSync(path.join(fixture.project, 'build/Release/siamfcpp.node'), 'for another machine')
  archive()
  fixture.fakePython({ torch: fixture.fakeLibtorch('torch') })
  // There is no cmake on this PATH, and set-up says so: that far it must come.
  expect(await run('setup.sh', [])).toMatchObject({ code: 1, output: expect.stringMatching(/does not load here, so it is built: Error: [\s\S]*cmake is not on PATH/) })
})

it('ends when an archive is damaged', async () => {
  archive()
  writeFileSync(path.join(pack, 'product.tar.xz'), 'cut short')
  expect(await run('setup.sh', [])).toMatchObject({ code: 1, output: expect.stringContaining('unpacking failed') })
})

it('run.sh wants set-up first', async () => {
  mkdirSync(path.join(there, 'siamfcpp-native'))
  expect(await run('run.sh', ['node'])).toMatchObject({ code: 1, output: expect.stringContaining('run setup.sh first') })
})
